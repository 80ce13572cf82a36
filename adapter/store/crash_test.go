package store_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// child is the process that TestCrash kills: it commits until it dies, says which id it
// is about to store and, once acknowledged, that it is stored.
func child(url string) {
	s, err := store.Open(background, url)
	if err != nil {
		fmt.Println("error", explain(err))
		os.Exit(1)
	}
	for worker := range 16 {
		go func() {
			for n := worker; ; n += 16 {
				c, id := intake(s, n, "A83002", "SPX01", "")
				c.Deliveries = []referral.Delivery{notice(s, id.referral, "A83002", c.At)}
				os.Stdout.WriteString("try " + id.referral + " " + strconv.Itoa(n) + "\n")
				if err := s.Commit(background, c); err != nil {
					os.Stdout.WriteString("error " + explain(err).Error() + "\n")
					return
				}
				os.Stdout.WriteString("ok " + id.referral + "\n")
			}
		}()
	}
	select {}
}

func TestCrash(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "STORE_TEST_CHILD="+url)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var kill sync.Once
		tried, acknowledged := map[string]int{}, map[string]bool{}
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			word, rest, _ := strings.Cut(lines.Text(), " ")
			switch word {
			case "try":
				id, n, _ := strings.Cut(rest, " ")
				tried[id], _ = strconv.Atoi(n)
			case "ok":
				acknowledged[rest] = true
			case "error":
				t.Error(rest)
			}
			if len(acknowledged) == 300 {
				kill.Do(func() { time.AfterFunc(7*time.Millisecond, func() { cmd.Process.Kill() }) })
			}
		}
		cmd.Wait()
		if len(acknowledged) < 300 {
			t.Fatalf("the child ended after %d commits", len(acknowledged))
		}
		s := storetest.Open(t, url)
		stored := 0
		for id, n := range tried {
			whole := isWhole(t, s, id, n)
			if acknowledged[id] && !whole {
				t.Errorf("%s was acknowledged and is not there", id)
			}
			if whole {
				stored++
			}
		}
		if report := verified(t, s); len(report.Faults) > 0 || report.Records != int64(stored) {
			t.Errorf("the audit has %d records of %d: %+v", report.Records, stored, report.Faults)
		}
		t.Logf("%d tried, %d acknowledged, %d stored", len(tried), len(acknowledged), stored)
	})
}

// isWhole reports whether a change is stored, and fails when a part of it is without
// the rest.
func isWhole(t *testing.T, s *store.Store, id string, n int) bool {
	t.Helper()
	record, err := s.Referral(t.Context(), operator, id)
	if err != nil && !errors.Is(err, issue.NotFound) {
		t.Fatal(explain(err))
	}
	whole := err == nil
	known, err := s.Known(t.Context(), []referral.Key{{Kind: referral.KeyRequest, Scope: "gp-A83002", Value: fmt.Sprintf("request-%d", n)}})
	if err != nil || (known != nil) != whole {
		t.Errorf("the key of %s: %v, %v", id, known, explain(err))
	}
	list, _, err := s.Deliveries(t.Context(), store.Outbox{Referral: id, Page: referral.Page{Count: 5}})
	if err != nil || (len(list) == 1) != whole {
		t.Errorf("the delivery of %s: %d, %v", id, len(list), explain(err))
	}
	task, err := s.Read(t.Context(), operator, "Task", id)
	if (task != nil) != whole {
		t.Errorf("the Task of %s: %v", id, explain(err))
	}
	if !whole {
		return false
	}
	found, err := s.Search(t.Context(), operator, referral.Query{Type: "Observation", Total: true, Conditions: []referral.Condition{
		{Kind: referral.ParamPatient, Values: []referral.Value{{Text: record.Patient}}}}})
	if err != nil || found.Total != 6 {
		t.Errorf("the observations of %s: %d, %v", id, found.Total, explain(err))
	}
	if events, err := s.Events(t.Context(), operator, id); err != nil || len(events) != 2 {
		t.Errorf("the events of %s: %d, %v", id, len(events), explain(err))
	}
	return true
}

// A server that ends sessions in mid-load leaves no doubt: what was acknowledged is
// there, what was refused is not, and only "commit-unknown" may be either.
func TestServerEndsSessions(t *testing.T) {
	url := storetest.Postgres(t)
	if url == "" {
		return
	}
	const name = "store-test-ends-sessions"
	s := storetest.Open(t, url+"&application_name="+name)
	type result struct {
		id  string
		n   int
		err error
	}
	results := make(chan result, 100_000)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for n := worker; ; n += 16 {
				select {
				case <-stop:
					return
				default:
				}
				c, id := intake(s, n, "A83002", "SPX01", "")
				c.Deliveries = []referral.Delivery{notice(s, id.referral, "A83002", c.At)}
				results <- result{id.referral, n, s.Commit(background, c)}
			}
		})
	}
	for range 8 {
		time.Sleep(60 * time.Millisecond)
		raw(t, url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '"+name+"'")
	}
	close(stop)
	wg.Wait()
	close(results)
	count := map[string]int{}
	for r := range results {
		whole := isWhole(t, s, r.id, r.n)
		switch list := issue.All(r.err); {
		case r.err == nil:
			count["stored"]++
			if !whole {
				t.Errorf("%s was acknowledged and is not there", r.id)
			}
		case !issue.Retryable(r.err):
			t.Errorf("got %v", explain(r.err))
		case list[0].Rule == "commit-unknown":
			count["unknown"]++
		default:
			count["refused"]++
			if whole {
				t.Errorf("%s was refused and is there: %v", r.id, explain(r.err))
			}
		}
	}
	if count["stored"] == 0 {
		t.Error("nothing was stored")
	}
	report := verified(t, s)
	// a commit of which nobody knows ends its stream, and the next of its connection begins another
	for n := 1_000_000; count["unknown"] > 0 && len(report.Streams) < 3 && n < 1_000_000+16*50; n += 16 {
		for worker := range 16 {
			wg.Go(func() {
				c, _ := intake(s, n+worker, "A83002", "SPX01", "")
				if err := s.Commit(background, c); err != nil && !issue.Retryable(err) {
					t.Errorf("got %v", explain(err))
				}
			})
		}
		wg.Wait()
		report = verified(t, s)
	}
	if len(report.Faults) > 0 || count["unknown"] > 0 && len(report.Streams) < 3 {
		t.Errorf("the audit: %+v", report)
	}
	t.Log(count)
}
