package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// told is one commit with events: when it was begun and answered, by a clock that only
// counts, and what its events say.
type told struct {
	began, answered int64
	audiences       []string
	bodies          []string
}

// tell commits a change with n events for the audiences.
func tell(s *store.Store, clock *atomic.Int64, name string, n int, audiences []string) (told, error) {
	c := &referral.Change{Organisation: "A83002", At: epoch}
	out := told{audiences: audiences}
	for i := range n {
		body := fmt.Sprintf(`{"id":"%s-%d"}`, name, i)
		c.Events = append(c.Events, referral.Event{ID: s.NewID(), Referral: name, Move: "T05", At: epoch, Public: []byte(body), Audiences: audiences})
		out.bodies = append(out.bodies, body)
	}
	out.began = clock.Add(1)
	err := s.Commit(background, c)
	out.answered = clock.Add(1)
	return out, err
}

// sound fails unless every feed holds the events of its audience once each, numbered
// from 1 without gaps, those of a commit in their order, and one commit after another
// where it began after the other was answered.
func sound(t interface {
	Fatalf(string, ...any)
	Helper()
}, s *store.Store, audiences []string, list []told, whole bool) {
	t.Helper()
	for _, audience := range audiences {
		place := map[string]int{}
		for after := int64(0); ; {
			feed, err := s.Feed(background, audience, after, 7)
			if err != nil {
				t.Fatalf("%s after %d: %v", audience, after, explain(err))
			}
			if len(feed.Events) == 0 {
				break
			}
			for _, e := range feed.Events {
				if after++; e.Number != after {
					t.Fatalf("%s: number %d where %d is next", audience, e.Number, after)
				}
				if place[string(e.Body)] != 0 {
					t.Fatalf("%s: %s is there twice", audience, e.Body)
				}
				place[string(e.Body)] = int(after)
			}
		}
		expected := 0
		for _, one := range list {
			if audience != referral.AudienceOperator && !contains(one.audiences, audience) {
				continue
			}
			for i, body := range one.bodies {
				expected++
				if place[body] == 0 && whole {
					t.Fatalf("%s: %s is lost", audience, body)
				}
				if i > 0 && place[body] != 0 && place[body] <= place[one.bodies[i-1]] {
					t.Fatalf("%s: %s comes before the event before it", audience, body)
				}
			}
			for _, other := range list {
				first, second := place[one.bodies[len(one.bodies)-1]], place[other.bodies[0]]
				if one.answered < other.began && second != 0 && first > second {
					t.Fatalf("%s: %s began after %s was answered, and comes before it", audience, other.bodies[0], one.bodies[0])
				}
			}
		}
		if len(place) > expected {
			t.Fatalf("%s: %d events, of which %d are its own", audience, len(place), expected)
		}
	}
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

// Whatever is committed, by how many at once, whoever numbers it and when, and whoever
// stops in between: no feed loses an event, repeats one or has a gap.
func TestNoEventNumberIsLost(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		processes := 2
		if strings.HasPrefix(url, "sqlite") {
			processes = 1 // a file belongs to one process
		}
		open := func() []*store.Store {
			var list []*store.Store
			for range processes {
				s, err := store.Open(background, url)
				if err != nil {
					t.Fatal(explain(err))
				}
				list = append(list, s)
			}
			return list
		}
		stores := open()
		shut := func() {
			for _, s := range stores {
				if err := s.Close(background); err != nil {
					t.Error(err)
				}
			}
		}
		defer func() { shut() }()
		run := 0
		var before []told // of the runs before: the operators read those too
		rapid.Check(t, func(rt *rapid.T) {
			run++
			var clock atomic.Int64
			clock.Store(int64(run) << 32)
			var list []told
			names := []string{fmt.Sprintf("requester:A%d", run), fmt.Sprintf("owner:B%d", run), fmt.Sprintf("owner:C%d", run)}
			audiences := append([]string{referral.AudienceOperator}, names...)
			everything := func() []told { return append(before[:len(before):len(before)], list...) }
			n := 0
			rt.Repeat(map[string]func(*rapid.T){
				"commit": func(rt *rapid.T) {
					type job struct {
						name      string
						events    int
						audiences []string
						by        *store.Store
					}
					var jobs []job
					for range rapid.IntRange(1, 5).Draw(rt, "at once") {
						n++
						jobs = append(jobs, job{fmt.Sprintf("%d-%d", run, n), rapid.IntRange(1, 3).Draw(rt, "events"),
							rapid.SliceOfDistinct(rapid.SampledFrom(names), func(s string) string { return s }).Draw(rt, "audiences"), rapid.SampledFrom(stores).Draw(rt, "by")})
					}
					var mu sync.Mutex
					var group sync.WaitGroup
					for _, j := range jobs {
						group.Go(func() {
							one, err := tell(j.by, &clock, j.name, j.events, j.audiences)
							mu.Lock()
							defer mu.Unlock()
							if err != nil {
								t.Error(explain(err))
							}
							list = append(list, one)
						})
						if rapid.Bool().Draw(rt, "then numbered") {
							group.Go(func() {
								if _, err := stores[0].Sequence(background); err != nil {
									t.Error(explain(err))
								}
							})
						}
					}
					group.Wait()
				},
				"number": func(rt *rapid.T) {
					var group sync.WaitGroup
					for _, s := range stores[:rapid.IntRange(1, processes).Draw(rt, "processes")] {
						group.Go(func() {
							if _, err := s.Sequence(background); err != nil {
								t.Error(explain(err))
							}
						})
					}
					group.Wait()
				},
				// between a commit and its numbers everything may stop and start again
				"restart": func(rt *rapid.T) {
					if rapid.IntRange(0, 19).Draw(rt, "chance") == 0 {
						shut()
						stores = open()
					}
				},
				"": func(rt *rapid.T) { sound(rt, stores[0], names, list, false) },
			})
			for {
				done, err := stores[processes-1].Sequence(background)
				if err != nil {
					t.Fatal(explain(err))
				}
				if done == 0 {
					break
				}
			}
			sound(rt, stores[0], audiences, everything(), true)
			before = everything()
			if len(before) > 300 { // the check compares each with each
				before = before[:0]
				raw(t, url, "DELETE FROM feed")
				raw(t, url, "DELETE FROM audience")
			}
		})
	})
}

// Followers that wait are woken by events of their own audience, also by those of
// another process, and read each of them once, in order.
func TestFollowersMissNothing(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		stores := []*store.Store{storetest.Open(t, url)}
		if !strings.HasPrefix(url, "sqlite") {
			stores = append(stores, storetest.Open(t, url))
		}
		ctx, stop := context.WithCancel(t.Context())
		var running, group sync.WaitGroup
		for _, s := range stores {
			running.Go(func() { s.RunSequencer(ctx, slog.New(slog.DiscardHandler)) })
		}
		defer running.Wait()
		defer stop()
		const each, writers = 40, 8
		audiences := []string{"owner:A", "owner:B"}
		for i, audience := range audiences {
			for _, s := range stores {
				group.Go(func() { // reads until it has all
					for after := int64(0); after < each*writers; {
						feed, err := s.Feed(ctx, audience, after, 10)
						if err != nil {
							t.Error(explain(err))
							return
						}
						for _, e := range feed.Events {
							if after++; e.Number != after {
								t.Errorf("%s: number %d where %d is next", audience, e.Number, after)
								return
							}
						}
						if len(feed.Events) == 0 {
							s.Await(ctx, audience, after)
						}
					}
				})
			}
			for w := range writers {
				group.Go(func() {
					var clock atomic.Int64
					for n := range each {
						if _, err := tell(stores[w%len(stores)], &clock, fmt.Sprintf("%d-%d-%d", i, w, n), 1, []string{audience}); err != nil {
							t.Error(explain(err))
						}
					}
				})
			}
		}
		group.Wait()
		// nobody else was woken for nothing: this one waits until its time is over
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		stores[0].Await(short, "owner:C", 0)
		if short.Err() == nil {
			t.Error("a follower was woken without an event")
		}
	})
}

func TestWhatIsPrunedIsSaid(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		var clock atomic.Int64
		for n := range 5 {
			if _, err := tell(s, &clock, fmt.Sprint(n), 1, []string{"owner:A"}); err != nil {
				t.Fatal(explain(err))
			}
		}
		for n := 1; n > 0; {
			var err error
			if n, err = s.Sequence(background); err != nil {
				t.Fatal(explain(err))
			}
		}
		if n, err := s.Prune(background, time.Now().Add(-time.Hour)); n != 0 || err != nil {
			t.Fatalf("%d pruned, %v", n, explain(err))
		}
		feed, err := s.Feed(background, "owner:A", 0, 10)
		if err != nil || len(feed.Events) != 5 || feed.Oldest != 1 || feed.Last != 5 {
			t.Fatalf("%+v, %v", feed, explain(err))
		}
		_, err = s.Feed(background, "owner:A", 6, 10)
		wantIssue(t, err, issue.Value, "events-ahead")
		if n, err := s.Prune(background, time.Now().Add(time.Hour)); n != 10 || err != nil { // the operators' and A's
			t.Fatalf("%d pruned, %v", n, explain(err))
		}
		for after := range int64(5) {
			_, err = s.Feed(background, "owner:A", after, 10)
			wantIssue(t, err, issue.Deleted, "events-pruned")
		}
		feed, err = s.Feed(background, "owner:A", 5, 10)
		if err != nil || len(feed.Events) != 0 || feed.Oldest != 6 || feed.Last != 5 {
			t.Fatalf("%+v, %v", feed, explain(err))
		}
		// numbers go on, they do not begin again
		if _, err := tell(s, &clock, "later", 1, []string{"owner:A"}); err != nil {
			t.Fatal(explain(err))
		}
		if _, err := s.Sequence(background); err != nil {
			t.Fatal(explain(err))
		}
		feed, err = s.Feed(background, "owner:A", 5, 10)
		if err != nil || len(feed.Events) != 1 || feed.Events[0].Number != 6 {
			t.Fatalf("%+v, %v", feed, explain(err))
		}
	})
}

// BenchmarkFeed reads 10,000 events as a follower does that was away.
func BenchmarkFeed(b *testing.B) {
	const events = 10_000
	for name, url := range map[string]string{"sqlite": storetest.SQLite(b), "postgres": storetest.Postgres(b)} {
		if url == "" {
			continue
		}
		b.Run(name, func(b *testing.B) {
			s := storetest.Open(b, url)
			feed, err := s.Feed(background, "owner:A", 0, 1)
			for n := 0; err == nil && feed.Last < events; n++ {
				c := &referral.Change{Organisation: "A83002", At: epoch}
				for i := range 500 {
					c.Events = append(c.Events, referral.Event{ID: s.NewID(), Referral: fmt.Sprint(n), Move: "T05", At: epoch,
						Public: padded(fmt.Sprintf(`{"id":"%d-%d"}`, n, i), 420), Audiences: []string{"owner:A", "requester:B"}})
				}
				if err = s.Commit(background, c); err == nil {
					_, err = s.Sequence(background)
				}
				if err == nil {
					feed, err = s.Feed(background, "owner:A", 0, 1)
				}
			}
			if err != nil {
				b.Fatal(explain(err))
			}
			b.ReportAllocs()
			for b.Loop() {
				feed, err := s.Feed(background, "owner:A", 0, events)
				if err != nil || len(feed.Events) != events {
					b.Fatal(len(feed.Events), explain(err))
				}
			}
		})
	}
}
