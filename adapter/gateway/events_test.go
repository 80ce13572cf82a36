package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// testFeeds is a feed of so many events; those who wait are woken when it closes.
type testFeeds struct {
	last    int64
	oldest  int64
	waiting chan struct{}
	closed  chan struct{}
}

func (f *testFeeds) Feed(_ context.Context, _ string, after int64, n int) (referral.Feed, error) {
	feed := referral.Feed{Last: f.last, Oldest: f.oldest}
	if after+1 < f.oldest {
		return feed, issue.New(issue.Deleted, "events-pruned", "gone")
	}
	for after < f.last && len(feed.Events) < n {
		after++
		feed.Events = append(feed.Events, referral.Numbered{Number: after, Body: []byte(happening(after))})
	}
	return feed, nil
}

func (f *testFeeds) Await(ctx context.Context, _ string, after int64) int64 {
	f.waiting <- struct{}{}
	select {
	case <-ctx.Done():
	case <-f.closed:
	}
	return f.last
}

// happening is the event with a number, as it is stored.
func happening(number int64) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":"%d","type":"test","subject":"Task/1","time":"2026-02-17T12:00:00Z",`, number) +
		`"data":{"referral":"1","version":1,"move":"","from":"","to":"","business_status":"","requester":"A81001","owner":"","actor":{"organisation":"","role":""}}}`
}

func withFeed(t *testing.T, f *testFeeds, change func(*Config)) *world {
	w := newWorld(t, func(o *Operations) {
		o.Follow = func(c referral.Call, organisation string, after int64) (*referral.Follower, error) {
			return referral.NewFollower(f, c.Principal.Role, c.Principal.Organisations[0], after, nil), nil
		}
	})
	if change != nil {
		change(&w.config)
		w.handler = New(w.config)
	}
	return w
}

func TestEventsPage(t *testing.T) {
	w := withFeed(t, &testFeeds{last: 5, oldest: 3}, nil)
	rec := w.do("GET", "/api/v1/events?since=3&count=1", "", "as lw")
	wants(t, rec, 200, "")
	if got, want := rec.Body.String(), `{"organisation":"LW001","role":"owner","oldest":3,"last":5,"next":4,"events":[{"number":4,"source":"https://adapter.test",`+happening(4)[1:]+`]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	wants(t, w.do("GET", "/api/v1/events?since=5", "", "as lw"), 200, "")
	wants(t, w.do("GET", "/api/v1/events?since=1", "", "as lw"), 410, "events-pruned")
	for _, query := range []string{"since=x", "since=-1", "since=1&since=2", "count=0", "wait=soon", "wait=-1s", "after=1"} {
		wants(t, w.do("GET", "/api/v1/events?"+query, "", "as lw"), 400, "events-query")
	}
	wants(t, w.do("GET", "/api/v1/events", "", "as reader"), 403, "scope")
	wants(t, w.do("GET", "/api/v1/events", ""), 401, "token-missing")
	wants(t, w.do("GET", "/api/v1/events", "", "as lw", "Accept: text/html"), 406, "not-acceptable")
	wants(t, w.do("GET", "/api/v1/referrals", "", "as lw", "Accept: text/event-stream"), 406, "not-acceptable")
	wants(t, w.do("GET", "/api/v1/events", "", "as lw", "Accept: text/event-stream", "Last-Event-ID: x"), 400, "events-query")
	wants(t, w.do("GET", "/api/v1/events", "", "as lw", "Accept: text/event-stream", "Last-Event-ID: 1"), 410, "events-pruned")
}

func TestStreamBeginsWithWhatWas(t *testing.T) {
	stopping := make(chan struct{})
	close(stopping)
	w := withFeed(t, &testFeeds{last: 2, oldest: 1, waiting: make(chan struct{}, 9)}, func(c *Config) { c.Stopping = stopping })
	rec := w.do("GET", "/api/v1/events", "", "as lw", "Accept: text/event-stream")
	got := rec.Body.String()
	if rec.Code != 200 || rec.Header().Get("Content-Type") != "text/event-stream" || rec.Header().Get("Cache-Control") != "no-store" ||
		!strings.HasPrefix(got, "retry: 3000\n\nid: 1\ndata: {\"number\":1,") || !strings.Contains(got, "\n\nid: 2\ndata: {\"number\":2,") || !strings.HasSuffix(got, "\n\n") ||
		!strings.Contains(got, "event: end\ndata: ") {
		t.Errorf("%d %v\n%s", rec.Code, rec.Header(), got)
	}
}

// Who waits costs a place, of which there are only so many, and one client cannot have
// them all.
func TestFollowersAreBounded(t *testing.T) {
	f := &testFeeds{oldest: 1, waiting: make(chan struct{}, 100), closed: make(chan struct{})}
	w := withFeed(t, f, func(c *Config) { c.MaxFollowers = 20 })
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() { wants(t, w.do("GET", "/api/v1/events?wait=60s", "", "as lw"), 200, "") })
		<-f.waiting
	}
	rec := w.do("GET", "/api/v1/events?wait=60s", "", "as lw")
	wants(t, rec, 429, "followers")
	if rec.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	wants(t, w.do("GET", "/api/v1/events", "", "as lw"), 200, "") // without waiting
	group.Go(func() { wants(t, w.do("GET", "/api/v1/events?wait=60s", "", "as gp"), 200, "") })
	<-f.waiting
	close(f.closed)
	group.Wait()
	group.Go(func() { wants(t, w.do("GET", "/api/v1/events?wait=60s", "", "as lw"), 200, "") })
	<-f.waiting
	group.Wait()
}

// Thousands who wait take little memory and ask nothing of the store.
func BenchmarkIdlePollers(b *testing.B) {
	const pollers = 2000
	f := &testFeeds{oldest: 1, waiting: make(chan struct{}, pollers)}
	w := withFeed(&testing.T{}, f, func(c *Config) { c.MaxFollowers = 10 * pollers })
	server := httptest.NewServer(w.handler)
	defer server.Close()
	for b.Loop() {
		f.closed = make(chan struct{})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var group sync.WaitGroup
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: pollers}}
		for range pollers {
			group.Go(func() {
				r, err := http.NewRequest("GET", server.URL+"/api/v1/events?wait=60s", nil)
				if err != nil {
					b.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer lw")
				response, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				response.Body.Close()
			})
		}
		for range pollers {
			<-f.waiting
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/pollers, "B/poller") // both ends of the connection
		close(f.closed)
		group.Wait()
		client.CloseIdleConnections()
	}
}
