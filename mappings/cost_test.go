package mappings

import (
	"context"
	"runtime"
	"testing"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/mapping"
)

// TestReferralAllocations bounds what one referral of eight entries costs the memory,
// from the parsed tree to bytes, without trace: 384 allocations since codes of legacy systems
// are looked up. Under the race detector, which empties pools at random, it is some twenty more.
func TestReferralAllocations(t *testing.T) {
	most := 400.0
	if raced {
		most = 430
	}
	m, root := dialects(t)["ukcore-r4-to-referral"].Map, parse(t, referral(t))
	if n := len(root.All("entry")); n != 8 {
		t.Fatalf("the referral has %d entries", n)
	}
	convert := func(trace bool) func() {
		in := mapping.Input{Source: root, Identity: "x", Now: time.Unix(0, 0), Trace: trace}
		return func() {
			result, err := m.Transform(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			fhir.Encode(result.Target)
		}
	}
	untraced, traced := testing.AllocsPerRun(50, convert(false)), testing.AllocsPerRun(50, convert(true))
	t.Logf("%.0f allocations, %.0f with trace", untraced, traced)
	if untraced > most {
		t.Errorf("%.0f allocations; at most %.0f", untraced, most)
	}
	if traced <= untraced {
		t.Error("a trace that costs nothing when it is on is none")
	}
}

// TestCostIsLinear: each Observation of a message costs the same, however many there are:
// the elements that rules look at, and the memory.
func TestCostIsLinear(t *testing.T) {
	for name, body := range map[string]func(testing.TB, int) []byte{"ukcore-r4-to-referral": observations, "outcome-to-ukcore-r4": outcomes} {
		m := dialects(t)[name].Map
		cost := func(count int) (work, allocations float64) {
			root := parse(t, body(t, count))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			result, err := m.Transform(context.Background(), mapping.Input{Source: root, Identity: "x", Now: time.Unix(0, 0)})
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(result.Target.All("entry")); n < count {
				t.Fatalf("%s: %d entries of %d", name, n, count)
			}
			return float64(result.Work), float64(after.Mallocs - before.Mallocs)
		}
		// what each adds: the rest of the message is the same
		const few = 100
		w0, a0 := cost(0)
		w1, a1 := cost(few)
		work, allocations := (w1-w0)/few, (a1-a0)/few
		for _, many := range []int{1000, 10_000} {
			w, a := cost(many)
			moreWork, moreAllocations := (w-w0)/float64(many), (a-a0)/float64(many)
			t.Logf("%s: for each of %d and of %d Observations %.1f and %.1f elements, %.1f and %.1f allocations", name, few, many, work, moreWork, allocations, moreAllocations)
			if moreWork > work*1.05 || moreAllocations > allocations*1.1 {
				t.Errorf("%s: an Observation costs the more, the more there are", name)
				break // the next step would take minutes
			}
		}
	}
}

// TestTenMegabytes: a message as long as that is converted like any other; how long a
// message may be is for the caller to say.
func TestTenMegabytes(t *testing.T) {
	for name, body := range map[string][]byte{"ukcore-r4-to-referral": observations(t, 14_000), "outcome-to-ukcore-r4": outcomes(t, 14_000)} {
		if len(body) < 10<<20 {
			t.Fatalf("%s: %d bytes", name, len(body))
		}
		result, err := dialects(t)[name].Convert(context.Background(), mapping.Input{Source: parse(t, body), Now: time.Unix(0, 0)})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(result.Target.All("entry")); n < 14_000 || len(result.Unread) > 0 {
			t.Errorf("%s: %d entries, %d unread", name, n, len(result.Unread))
		}
	}
}
