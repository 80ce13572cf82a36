package delivery

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBackoffTable(t *testing.T) {
	want := []time.Duration{5 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 2 * time.Hour, 2 * time.Hour}
	for attempt, wait := range want {
		if got := Backoff(attempt); got != wait {
			t.Errorf("Backoff(%d) is %s, want %s", attempt, got, wait)
		}
	}
	if Backoff(1<<40) != 2*time.Hour || Backoff(-1) != 5*time.Second {
		t.Error("out of range")
	}
}

func TestNextStaysWithinTheLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_800_000_000, 0)
		left := time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, "left"))
		asked := time.Duration(rapid.Int64().Draw(t, "asked"))
		attempt := rapid.IntRange(-2, 100).Draw(t, "attempt")
		due, ok := next(now, now.Add(left), attempt, asked, rapid.Float64Range(0, 0.9999).Draw(t, "spread"))
		if ok != (left > 0) {
			t.Fatalf("alive %v with %s left", ok, left)
		}
		if ok && (!due.After(now) || due.After(now.Add(left))) {
			t.Fatalf("due %s after now, %s left", due.Sub(now), left)
		}
		if ok && due.Sub(now) < min(left, Backoff(attempt)*9/10, asked) {
			t.Fatalf("due too early: %s", due.Sub(now))
		}
		if ok && due.Sub(now) > LongestWait {
			t.Fatalf("the partner holds the row for %s", due.Sub(now))
		}
	})
}

func TestJitterSpreads(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	low, _ := next(now, now.Add(Lifetime), 3, 0, 0)
	high, _ := next(now, now.Add(Lifetime), 3, 0, 0.9999)
	if low.Sub(now) != 54*time.Second || high.Sub(now) < 65*time.Second || high.Sub(now) > 66*time.Second {
		t.Errorf("a wait of one minute is spread from %s to %s", low.Sub(now), high.Sub(now))
	}
	if asked, _ := next(now, now.Add(Lifetime), 1, time.Hour, 0); asked.Sub(now) != time.Hour {
		t.Errorf("Retry-After of an hour gave %s", asked.Sub(now))
	}
}
