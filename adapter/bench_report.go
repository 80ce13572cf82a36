package main

import (
	"encoding/json"
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
	CPU       *float64 `json:"server_cpu_seconds"` // user and system, during the measurement
	Peak      *int64   `json:"server_peak_bytes"`
	Database  string   `json:"database"`

	acknowledged, connections, messageBytes int
	took                                    time.Duration
}

func newBenchReport(c *benchCmd, l *load, latencies []time.Duration, took time.Duration, used usage) *benchReport {
	slices.Sort(latencies)
	ms := func(p float64) float64 {
		return math.Round(percentile(latencies, p).Seconds()*1e6) / 1e3
	}
	r := &benchReport{
		P50: ms(0.50), P95: ms(0.95), P99: ms(0.99), Errors: l.failures.count(), Database: l.server.database,
		acknowledged: len(latencies), connections: c.Concurrency, messageBytes: len(l.series.text), took: took,
	}
	if took > 0 {
		r.PerSecond = math.Round(float64(len(latencies))/took.Seconds()*10) / 10
	}
	if used.cpuSeconds >= 0 {
		cpu := math.Round(used.cpuSeconds*100) / 100 // the kernel counts in hundredths
		r.CPU = &cpu
	}
	if used.peakBytes >= 0 {
		r.Peak = &used.peakBytes
	}
	return r
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

func (r *benchReport) writeJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

func (r *benchReport) writeTable(w io.Writer) error {
	var b strings.Builder
	row := func(label, value, unit string) {
		fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("%-20s%12s  %s", label, value, unit), " "))
	}
	row("Referrals", strconv.Itoa(r.acknowledged), fmt.Sprintf("acknowledged, each %d entries and %.1f kB, over %d connections", seriesEntries, float64(r.messageBytes)/1e3, r.connections))
	row("Database", r.Database, "")
	row("Time", fmt.Sprintf("%.2f", r.took.Seconds()), "s")
	row("Throughput", fmt.Sprintf("%.1f", r.PerSecond), "referrals/s")
	row("Latency p50", fmt.Sprintf("%.2f", r.P50), "ms")
	row("        p95", fmt.Sprintf("%.2f", r.P95), "ms")
	row("        p99", fmt.Sprintf("%.2f", r.P99), "ms")
	row("Errors", strconv.Itoa(r.Errors), "")
	if r.CPU != nil && r.acknowledged > 0 {
		row("Server CPU", fmt.Sprintf("%.2f", *r.CPU), fmt.Sprintf("s, %.2f ms a referral", *r.CPU*1e3/float64(r.acknowledged)))
	} else {
		row("Server CPU", "unknown", "/metrics does not tell")
	}
	if r.Peak != nil {
		row("Server memory, peak", fmt.Sprintf("%.1f", float64(*r.Peak)/(1<<20)), "MiB")
	} else {
		row("Server memory, peak", "unknown", "/metrics does not tell")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
