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
	"sync/atomic"
	"testing"
	"testing/synctest"
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

func TestBenchActionsOnEachDatabase(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		out, err := bench(t, benchCmd{Actions: true, Referrals: 20, Concurrency: 4, Warmup: 5, JSON: true, Database: url})
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		list, _ := got["by_action"].([]any)
		reports := []map[string]any{got}
		for i, one := range list {
			if reports = append(reports, one.(map[string]any)); reports[i+1]["action"] != benchPath[i].name {
				t.Errorf("action %d is %v", i, reports[i+1])
			}
		}
		for _, report := range reports {
			for _, name := range []string{"actions_per_second", "p50_ms", "p95_ms", "p99_ms", "max_ms"} {
				if v, _ := report[name].(float64); v <= 0 {
					t.Errorf("%s is %v in %v", name, report[name], report)
				}
			}
			if report["server_cpu_seconds"] == nil {
				t.Errorf("no CPU in %v", report)
			}
		}
		// the plan and the outcome of each of 25 are filed
		if got["errors"] != 0.0 || got["database"] != databaseKind(url) || got["write_backs_filed"] != 50.0 || len(list) != len(benchPath) {
			t.Errorf("got %s", out)
		}
	})
}

// A server that says yes to actions and makes none is found out.
func TestBenchActionsFindServersOut(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		etag, body string
		want       string
	}{
		"makes nothing":   {200, `W/"1"`, `{}`, `6  accept: status 200, but the ETag is "W/\"1\"" and not W/"2"`},
		"refuses":         {422, "", `{"title":"Unprocessable","detail":"not today"}`, "6  accept: status 422 Unprocessable: not today"},
		"another":         {200, `W/"2"`, `{"id":"x","status":"accepted"}`, "accept: the answer is another referral"},
		"stores nothing":  {200, "", `{"id":"1","status":"completed"}`, "6 completions were acknowledged, 0 are stored"},
		"answers nothing": {500, "", `<html>`, "6  accept: status 500"},
	} {
		t.Run(name, func(t *testing.T) {
			var version atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/fhir/R4":
					const created = `{"response":{"status":"201 Created","location":"ServiceRequest/1/_history/1"}},`
					fmt.Fprint(w, `{"resourceType":"Bundle","type":"transaction-response","entry":[`+strings.Repeat(created, newSeries("Y99001", 1).entries-1)+
						`{"response":{"status":"201 Created","location":"ServiceRequest/1/_history/1","outcome":{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational","diagnostics":"Task/1"}]}}}]}`)
				case r.Method == http.MethodPost:
					tag := c.etag
					if name == "stores nothing" {
						var n int
						fmt.Sscanf(r.Header.Get("If-Match"), `W/"%d"`, &n)
						tag = fmt.Sprintf(`W/"%d"`, n+1)
						c.body = fmt.Sprintf(`{"id":"1","status":%q}`, benchPath[n-1].status)
					}
					version.Add(1)
					w.Header().Set("ETag", tag)
					w.WriteHeader(c.status)
					fmt.Fprint(w, c.body)
				default:
					fmt.Fprint(w, `{"resourceType":"Bundle","type":"searchset","total":0}`)
				}
			}))
			defer server.Close()
			_, err := bench(t, benchCmd{Actions: true, Referrals: 4, Warmup: 2, Concurrency: 1, URL: server.URL, Token: "x", OwnerToken: "y"})
			if err == nil || !strings.Contains(err.Error(), c.want) || version.Load() == 0 {
				t.Errorf("%q is not in: %v", c.want, err)
			}
		})
	}
}

// A server that answers fast and stores nothing is found out.
func TestBenchFindsServersOut(t *testing.T) {
	const created = `{"response":{"status":"201 Created","location":"ServiceRequest/1/_history/1"}},`
	answer := `{"resourceType":"Bundle","type":"transaction-response","entry":[` + strings.TrimSuffix(strings.Repeat(created, newSeries("Y99001", 1).entries), ",") + `]}`
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
		"no owner":     {Actions: true, Referrals: 1, Concurrency: 1, URL: "http://127.0.0.1:1", Token: "x"},
		"two adapters": {Referrals: 1, Concurrency: 1, URL: "http://127.0.0.1:1", Token: "x", Database: "sqlite:x"},
		"nothing":      {Concurrency: 1},
		"nobody":       {Referrals: 1},
		"too many":     {Referrals: maxSeries, Warmup: 1, Concurrency: 1},
		"backwards":    {Referrals: 1, Concurrency: 1, Rate: -1},
	} {
		if c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// One worker that takes 25 ms for what is due every 10 ms: what waits for it has waited.
func TestALatencyIsFromWhenTheRequestWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &load{workers: 1, every: 10 * time.Millisecond}
		var got []time.Duration
		l.each(t.Context(), 4, func(int) func(int, time.Time) error {
			return func(_ int, due time.Time) error {
				time.Sleep(25 * time.Millisecond)
				got = append(got, time.Since(due))
				return nil
			}
		})
		if diff := cmp.Diff([]time.Duration{25e6, 40e6, 55e6, 70e6}, got); diff != "" {
			t.Error(diff)
		}
	})
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
		acknowledged: 1000, connections: 8, messageBytes: 6100, entries: 8, took: 810 * time.Millisecond}
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

func TestBenchActionsTable(t *testing.T) {
	ms := time.Millisecond
	r := actionsReport{Database: "sqlite", connections: 2, referrals: 4}
	r.add("accept", []time.Duration{4 * ms, 1 * ms, 2 * ms, 3 * ms}, 8*ms, usage{cpuSeconds: 0.02, peakBytes: 32 << 20})
	r.add("complete", []time.Duration{10 * ms, 20 * ms, 30 * ms}, 92*ms, usage{cpuSeconds: -1, peakBytes: 64 << 20})
	l := &load{gp: &benchGP{}}
	l.gp.filed.Store(8)
	r.finish(l)
	var out strings.Builder
	if err := r.writeTable(&out); err != nil {
		t.Fatal(err)
	}
	const want = `Actions                        7  acknowledged, 2 on each of 4 referrals, over 2 connections
Database                  sqlite
Time                        0.10  s
Throughput                  70.0  actions/s
Latency p50                 4.00  ms
        p95                30.00  ms
        p99                30.00  ms
        max                30.00  ms
Errors                         0
Server CPU               unknown  /metrics does not tell
Server memory, peak         64.0  MiB
Write-backs                    8  filed in the GP record, those of the warm-up too

               actions/s    p50 ms    p95 ms    p99 ms    max ms   CPU ms each
accept             500.0      2.00      4.00      4.00      4.00          5.00
complete            32.6     20.00     30.00     30.00     30.00       unknown
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
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
