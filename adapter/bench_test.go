package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spadapter/adapter/store/storetest"
)

// bench runs the command and gives what it prints. The adapter that it starts is its own
// executable: here the test binary, which is the program when told so.
func bench(t *testing.T, c benchCmd) (string, error) {
	t.Helper()
	t.Setenv(asProgram, "1")
	t.Setenv("TMPDIR", t.TempDir())
	c.Practice = demoPractice
	if err := c.Validate(); err != nil {
		return "", err
	}
	var out bytes.Buffer
	err := c.run(t.Context(), &out)
	left, e := os.ReadDir(os.TempDir())
	if e != nil || len(left) > 0 {
		t.Errorf("the temporary directory was not cleaned: %v %v", left, e)
	}
	return out.String(), err
}

func TestBenchOnEachDatabase(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		out, err := bench(t, benchCmd{Referrals: 50, Concurrency: 4, Warmup: 10, JSON: true, Database: url})
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		for _, name := range []string{"referrals_per_second", "p50_ms", "p95_ms", "p99_ms", "server_peak_bytes"} {
			if v, _ := got[name].(float64); v <= 0 {
				t.Errorf("%s is %v", name, got[name])
			}
		}
		if got["errors"] != 0.0 || got["database"] != databaseKind(url) || got["server_cpu_seconds"] == nil || len(got) != 8 {
			t.Errorf("got %s", out)
		}
	})
}

// A server that answers fast and stores nothing is found out.
func TestBenchFindsServersOut(t *testing.T) {
	const created = `{"response":{"status":"201 Created","location":"ServiceRequest/1/_history/1"}},`
	answer := `{"resourceType":"Bundle","type":"transaction-response","entry":[` + strings.TrimSuffix(strings.Repeat(created, seriesEntries), ",") + `]}`
	for name, c := range map[string]struct {
		status int
		body   string
		want   []string
	}{
		"stores nothing":  {200, answer, []string{"20 referrals were acknowledged, 0 are stored", "not the one that was sent"}},
		"answers nothing": {200, `{}`, []string{"20  status 200, but no transaction-response with 8 locations"}},
		"refuses": {422, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"business-rule","details":{"text":"not today"}}]}`,
			[]string{"20  status 422 business-rule: not today"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPost:
					w.WriteHeader(c.status)
					fmt.Fprint(w, c.body)
				case strings.HasSuffix(r.URL.Path, "/Task"):
					fmt.Fprint(w, `{"resourceType":"Bundle","type":"searchset","total":0}`)
				default:
					fmt.Fprint(w, `{"resourceType":"ServiceRequest"}`)
				}
			}))
			defer server.Close()
			_, err := bench(t, benchCmd{Referrals: 15, Warmup: 5, Concurrency: 2, URL: server.URL, Token: "x"})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
		})
	}
}

func TestBenchTellsWhyTheAdapterDoesNotStart(t *testing.T) {
	if _, err := bench(t, benchCmd{Referrals: 1, Concurrency: 1, Database: "mysql:x"}); err == nil || !strings.Contains(err.Error(), "the adapter ended") {
		t.Errorf("got %v", err)
	}
}

func TestBenchEndsWhenInterrupted(t *testing.T) {
	t.Setenv(asProgram, "1")
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	c := benchCmd{Referrals: maxSeries, Concurrency: 2, Practice: demoPractice}
	if err := c.run(ctx, &bytes.Buffer{}); err == nil {
		t.Error("no error")
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("the temporary directory was not cleaned: %v %v", left, err)
	}
}

func TestBenchRefusesFlagsThatDoNotFit(t *testing.T) {
	for name, c := range map[string]benchCmd{
		"no token":     {Referrals: 1, Concurrency: 1, URL: "http://127.0.0.1:1"},
		"two adapters": {Referrals: 1, Concurrency: 1, URL: "http://127.0.0.1:1", Token: "x", Database: "sqlite:x"},
		"nothing":      {Concurrency: 1},
		"nobody":       {Referrals: 1},
		"too many":     {Referrals: maxSeries, Warmup: 1, Concurrency: 1},
	} {
		if c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPercentile(t *testing.T) {
	twenty := make([]time.Duration, 20)
	for i := range twenty {
		twenty[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{nil, 0.5, 0}, {[]time.Duration{7}, 0.99, 7}, {[]time.Duration{1, 2}, 0.5, 1}, {[]time.Duration{1, 2, 3}, 0.5, 2},
		{twenty, 0, 1}, {twenty, 0.5, 10}, {twenty, 0.95, 19}, {twenty, 0.951, 20}, {twenty, 0.99, 20}, {twenty, 1, 20},
	} {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("percentile %v of %d samples is %d, want %d", c.p, len(c.sorted), got, c.want)
		}
	}
}

func TestBenchTable(t *testing.T) {
	cpu, peak := 1.5, int64(64<<20)
	r := benchReport{PerSecond: 1234.5, P50: 1.25, P95: 10, P99: 100, Database: "sqlite", CPU: &cpu, Peak: &peak,
		acknowledged: 1000, connections: 8, messageBytes: 6100, took: 810 * time.Millisecond}
	var out strings.Builder
	if err := r.writeTable(&out); err != nil {
		t.Fatal(err)
	}
	const want = `Referrals                   1000  acknowledged, each 8 entries and 6.1 kB, over 8 connections
Database                  sqlite
Time                        0.81  s
Throughput                1234.5  referrals/s
Latency p50                 1.25  ms
        p95                10.00  ms
        p99               100.00  ms
Errors                         0
Server CPU                  1.50  s, 1.50 ms a referral
Server memory, peak         64.0  MiB
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	r.CPU, r.Peak = nil, nil
	out.Reset()
	if err := r.writeTable(&out); err != nil || !strings.Contains(out.String(), "unknown") {
		t.Errorf("%v %s", err, out.String())
	}
}

func TestFailuresListTheMostFrequentFirst(t *testing.T) {
	var f failures
	if f.err() != nil {
		t.Error("an error of nothing")
	}
	for i := range 30 {
		f.add(fmt.Errorf("text %d", i))
		f.add(errors.New("often"))
	}
	lines := strings.Split(f.err().Error(), "\n")
	if lines[0] != "60 errors:" || !strings.HasSuffix(lines[1], "30  often") || len(lines) > 23 {
		t.Errorf("got %q", lines)
	}
}
