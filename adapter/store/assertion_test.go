package store_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// once asks a store about an assertion that ends in five minutes.
func once(t *testing.T, s *store.Store, client, jti string) bool {
	t.Helper()
	first, err := s.Once(t.Context(), client, jti, epoch.Add(5*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return first
}

func TestAnAssertionCountsOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for _, c := range []struct {
			client, jti string
			want        bool
		}{
			{"gp", "1", true}, {"gp", "1", false}, {"lw", "1", true}, {"gp", "2", true}, {"gp", "", true}, {"gp", "", false},
			{"gp", "a\x00b", true}, {"gp", "a\x00b", false}, {"gp", strings.Repeat("x", 10000), true}, {"gp", strings.Repeat("x", 10000), false},
		} {
			if got := once(t, s, c.client, c.jti); got != c.want {
				t.Errorf("%s %.20q: first %t", c.client, c.jti, got)
			}
		}
	})
}

// Of many that present one assertion at the same time one is let in, whichever process
// they ask; and a store that is opened again remembers.
func TestAnAssertionCountsOnceInAllProcesses(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		stores := []*store.Store{storetest.Open(t, url)}
		if !strings.HasPrefix(url, "sqlite:") { // whose file belongs to one process
			stores = append(stores, storetest.Open(t, url))
		}
		for round := range 10 {
			var first atomic.Int64
			var all sync.WaitGroup
			for i := range 16 {
				all.Go(func() {
					if once(t, stores[i%len(stores)], "gp", fmt.Sprint("jti-", round)) {
						first.Add(1)
					}
				})
			}
			all.Wait()
			if first.Load() != 1 {
				t.Errorf("round %d: %d were first", round, first.Load())
			}
		}
		for _, s := range stores {
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if once(t, storetest.Open(t, url), "gp", "jti-3") {
			t.Error("a new process lets it in again")
		}
	})
}

func TestAssertionsAreForgotten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		const many = 2300 // more than two transactions delete
		var all sync.WaitGroup
		for part := range 10 {
			all.Go(func() {
				for i := range many / 10 {
					if _, err := s.Once(t.Context(), "gp", fmt.Sprint(part, "-", i), epoch.Add(time.Duration(i)*time.Millisecond)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		once(t, s, "gp", "still good")
		forget := func(want int) {
			t.Helper()
			if n, err := s.ForgetAssertions(t.Context(), epoch.Add(time.Minute)); err != nil || n != want {
				t.Errorf("forgot %d, %v; want %d", n, err, want)
			}
		}
		forget(many)
		forget(0)
		if once(t, s, "gp", "still good") {
			t.Error("one that had not ended was forgotten")
		}
		if !once(t, s, "gp", "0-0") {
			t.Error("one that had ended is still known")
		}
	})
}
