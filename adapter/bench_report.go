package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// benchReport is the result of a run. CPU and memory are nil where they are not known.
type benchReport struct {
	PerSecond float64  `json:"referrals_per_second"`
	P50       float64  `json:"p50_ms"`
	P95       float64  `json:"p95_ms"`
	P99       float64  `json:"p99_ms"`
	Errors    int      `json:"errors"`
	Rate      int      `json:"rate,omitempty"`     // requests a second that were asked for; 0 as many as could be
	CPU       *float64 `json:"server_cpu_seconds"` // user and system, during the measurement
	Peak      *int64   `json:"server_peak_bytes"`
	Database  string   `json:"database"`

	acknowledged, connections, messageBytes, entries int
	took                                             time.Duration
}

func newBenchReport(c *benchCmd, l *load, latencies []time.Duration, took time.Duration, used usage) *benchReport {
	slices.Sort(latencies)
	ms := func(p float64) float64 { return inMilliseconds(percentile(latencies, p)) }
	r := &benchReport{
		P50: ms(0.50), P95: ms(0.95), P99: ms(0.99), Errors: l.failures.count(), Rate: c.Rate, Database: l.server.database,
		acknowledged: len(latencies), connections: c.Concurrency, messageBytes: len(l.series.text), entries: l.series.entries, took: took,
	}
	r.PerSecond = rate(len(latencies), took)
	r.CPU, r.Peak = used.told()
	return r
}

func inMilliseconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1e3 }

// rate is how many there were in a second, to a tenth; 0 of no time.
func rate(n int, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return math.Round(float64(n)/took.Seconds()*10) / 10
}

// percentile is the smallest sample that at least the share p of all samples do not
// exceed (nearest rank); 0 of no samples. sorted is in ascending order, p is from 0 to 1.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	// 0.95*20 is a little over 19 in binary, and must not become rank 20
	rank := int(math.Ceil(p*float64(len(sorted)) - 1e-9))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func (r *benchReport) writeTable(w io.Writer) error {
	var t benchTable
	t.row("Referrals", strconv.Itoa(r.acknowledged), fmt.Sprintf("acknowledged, each %d entries and %.1f kB, over %d connections", r.entries, float64(r.messageBytes)/1e3, r.connections))
	t.row("Database", r.Database, "")
	t.row("Time", fmt.Sprintf("%.2f", r.took.Seconds()), "s")
	t.row("Throughput", fmt.Sprintf("%.1f", r.PerSecond), "referrals/s")
	t.pace(r.Rate)
	t.row("Latency p50", fmt.Sprintf("%.2f", r.P50), "ms")
	t.row("        p95", fmt.Sprintf("%.2f", r.P95), "ms")
	t.row("        p99", fmt.Sprintf("%.2f", r.P99), "ms")
	t.row("Errors", strconv.Itoa(r.Errors), "")
	t.used(r.CPU, r.Peak, r.acknowledged, "a referral")
	return t.writeTo(w)
}

// benchTable is a report for people: a label, a value and its unit in each row.
type benchTable struct{ strings.Builder }

func (t *benchTable) row(label, value, unit string) {
	fmt.Fprintln(t, strings.TrimRight(fmt.Sprintf("%-20s%12s  %s", label, value, unit), " "))
}

// pace writes how many requests a second were asked for, where that was said.
func (t *benchTable) pace(rate int) {
	if rate > 0 {
		t.row("Pace", strconv.Itoa(rate), "requests/s; a latency is from when the request was due")
	}
}

// used writes what n of something have cost the adapter; nil is what nobody knows.
func (t *benchTable) used(cpu *float64, peak *int64, n int, each string) {
	if cpu != nil && n > 0 {
		t.row("Server CPU", fmt.Sprintf("%.2f", *cpu), fmt.Sprintf("s, %.2f ms %s", *cpu*1e3/float64(n), each))
	} else {
		t.row("Server CPU", "unknown", "/metrics does not tell")
	}
	if peak != nil {
		t.row("Server memory, peak", fmt.Sprintf("%.1f", float64(*peak)/(1<<20)), "MiB")
	} else {
		t.row("Server memory, peak", "unknown", "/metrics does not tell")
	}
}

func (t *benchTable) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, t.String())
	return err
}
