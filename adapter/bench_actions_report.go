package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// actionsReport is the result of a run of actions. CPU and memory are nil where they are
// not known; the CPU is with what the write-backs took that the actions queued.
type actionsReport struct {
	PerSecond  float64        `json:"actions_per_second"`
	P50        float64        `json:"p50_ms"`
	P95        float64        `json:"p95_ms"`
	P99        float64        `json:"p99_ms"`
	Max        float64        `json:"max_ms"`
	Errors     int            `json:"errors"`
	Rate       int            `json:"rate,omitempty"` // requests a second that were asked for; 0 as many as could be
	CPU        *float64       `json:"server_cpu_seconds"`
	Peak       *int64         `json:"server_peak_bytes"`
	Database   string         `json:"database"`
	WriteBacks *int64         `json:"write_backs_filed"` // nil for a running adapter
	Actions    []actionReport `json:"by_action"`

	referrals, connections int
	latencies              []time.Duration
	took                   time.Duration
	use                    usage
}

// actionReport is the result of one action of the path.
type actionReport struct {
	Action    string   `json:"action"`
	PerSecond float64  `json:"actions_per_second"`
	P50       float64  `json:"p50_ms"`
	P95       float64  `json:"p95_ms"`
	P99       float64  `json:"p99_ms"`
	Max       float64  `json:"max_ms"`
	CPU       *float64 `json:"server_cpu_seconds"`

	acknowledged int
}

// add takes up one action: the latencies of those acknowledged, and how long all took.
func (r *actionsReport) add(name string, latencies []time.Duration, took time.Duration, used usage) {
	slices.Sort(latencies)
	ms := func(p float64) float64 { return inMilliseconds(percentile(latencies, p)) }
	a := actionReport{Action: name, PerSecond: rate(len(latencies), took), P50: ms(0.50), P95: ms(0.95), P99: ms(0.99), Max: ms(1), acknowledged: len(latencies)}
	a.CPU, _ = used.told()
	r.Actions = append(r.Actions, a)
	r.latencies = append(r.latencies, latencies...)
	r.took += took
	r.use = used.after(r.use)
}

// acknowledged is how often one action of the path was.
func (r *actionsReport) acknowledged(at int) int { return r.Actions[at].acknowledged }

// finish works out what holds for all actions together.
func (r *actionsReport) finish(l *load) {
	slices.Sort(r.latencies)
	ms := func(p float64) float64 { return inMilliseconds(percentile(r.latencies, p)) }
	r.PerSecond, r.P50, r.P95, r.P99, r.Max = rate(len(r.latencies), r.took), ms(0.50), ms(0.95), ms(0.99), ms(1)
	r.Errors = l.failures.count()
	r.CPU, r.Peak = r.use.told()
	if l.gp != nil {
		n := l.gp.filed.Load()
		r.WriteBacks = &n
	}
}

func (r *actionsReport) writeTable(w io.Writer) error {
	var t benchTable
	t.row("Actions", strconv.Itoa(len(r.latencies)), fmt.Sprintf("acknowledged, %d on each of %d referrals, over %d connections", len(r.Actions), r.referrals, r.connections))
	t.row("Database", r.Database, "")
	t.row("Time", fmt.Sprintf("%.2f", r.took.Seconds()), "s")
	t.row("Throughput", fmt.Sprintf("%.1f", r.PerSecond), "actions/s")
	t.pace(r.Rate)
	t.row("Latency p50", fmt.Sprintf("%.2f", r.P50), "ms")
	t.row("        p95", fmt.Sprintf("%.2f", r.P95), "ms")
	t.row("        p99", fmt.Sprintf("%.2f", r.P99), "ms")
	t.row("        max", fmt.Sprintf("%.2f", r.Max), "ms")
	t.row("Errors", strconv.Itoa(r.Errors), "")
	t.used(r.CPU, r.Peak, len(r.latencies), "an action, with the sending of what it queued")
	if r.WriteBacks != nil {
		t.row("Write-backs", strconv.FormatInt(*r.WriteBacks, 10), "filed in the GP record, those of the warm-up too")
	}
	fmt.Fprintf(&t, "\n%-12s%12s%10s%10s%10s%10s%14s\n", "", "actions/s", "p50 ms", "p95 ms", "p99 ms", "max ms", "CPU ms each")
	for _, a := range r.Actions {
		cpu := "unknown"
		if a.CPU != nil && a.acknowledged > 0 {
			cpu = fmt.Sprintf("%.2f", *a.CPU*1e3/float64(a.acknowledged))
		}
		fmt.Fprintf(&t, "%-12s%12.1f%10.2f%10.2f%10.2f%10.2f%14s\n", a.Action, a.PerSecond, a.P50, a.P95, a.P99, a.Max, cpu)
	}
	return t.writeTo(w)
}
