package mappings

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

// BenchmarkCompile reads and compiles everything that ships.
func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		dialects(b)
	}
}

// BenchmarkReferral maps a transaction of eight entries: from the parsed tree to bytes.
func BenchmarkReferral(b *testing.B) { transformed(b, "ukcore-r4-to-referral", referral(b), false) }

func BenchmarkReferralTraced(b *testing.B) {
	transformed(b, "ukcore-r4-to-referral", referral(b), true)
}

// BenchmarkReferralConverted is what a user of the dialect pays: with checks of both ends.
func BenchmarkReferralConverted(b *testing.B) {
	d, body := dialects(b)["ukcore-r4-to-referral"], referral(b)
	root := parse(b, body)
	compared(b, body, func() {
		result, err := d.Convert(context.Background(), mapping.Input{Source: root, Now: time.Unix(0, 0)})
		if err != nil {
			b.Fatal(err)
		}
		fhir.Encode(result.Target)
	})
}

// BenchmarkOutcome maps the way back.
func BenchmarkOutcome(b *testing.B) {
	transformed(b, "outcome-to-ukcore-r4", source(b, "outcome-to-ukcore-r4/goals-met.txtar"), false)
}

// The time for each Observation must not grow with their number.

func BenchmarkObservations(b *testing.B) {
	for _, count := range []int{1, 10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			transformed(b, "ukcore-r4-to-referral", observations(b, count), false)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count), "ns/observation")
		})
	}
}

func BenchmarkOutcomeObservations(b *testing.B) {
	for _, count := range []int{1, 10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			transformed(b, "outcome-to-ukcore-r4", outcomes(b, count), false)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count), "ns/observation")
		})
	}
}

func transformed(b *testing.B, dialect string, body []byte, trace bool) {
	m, root := dialects(b)[dialect].Map, parse(b, body)
	in := mapping.Input{Source: root, Identity: "bench", Now: time.Unix(0, 0), Trace: trace}
	compared(b, body, func() {
		result, err := m.Transform(context.Background(), in)
		if err != nil {
			b.Fatal(err)
		}
		fhir.Encode(result.Target)
	})
}

// compared measures f, and reports how many times as long it takes as encoding/json takes
// to decode the same bytes: a figure that means the same on every machine. Both are timed
// in turn, and the median of their ratios counts.
func compared(b *testing.B, body []byte, f func()) {
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
	const rounds = 9
	each := max(1, 200_000/len(body)) // so that a round is long for the clock
	var ratios []float64
	for range rounds {
		ours := timed(each, f)
		theirs := timed(each, func() {
			var v map[string]any
			if err := json.Unmarshal(body, &v); err != nil {
				b.Fatal(err)
			}
		})
		ratios = append(ratios, float64(ours)/float64(theirs))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[rounds/2], "x-json")
}

func timed(times int, f func()) time.Duration {
	start := time.Now()
	for range times {
		f()
	}
	return time.Since(start)
}

// source is the source of a case.
func source(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return txtar.Parse(text).Files[0].Data
}

func referral(t testing.TB) []byte {
	return source(t, "ukcore-r4-to-referral/lonely-after-bereavement.txtar")
}

func parse(t testing.TB, body []byte) *fhir.Node {
	t.Helper()
	root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{Bytes: 1 << 30, Nodes: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// observations is the referral with that many of its Observations, copied.
func observations(t testing.TB, count int) []byte {
	return multiplied(t, referral(t), count, nil)
}

// outcomes is the outcome with that many of its Observations, all of them outputs of the
// Task, and each derived from the one before.
func outcomes(t testing.TB, count int) []byte {
	return multiplied(t, source(t, "outcome-to-ukcore-r4/goals-met.txtar"), count, func(task *fhir.Node, n *fhir.Node, url, before string) {
		output := task.Add("output")
		output.Add("type").Set("text", "score")
		output.Add("valueReference").Set("reference", url)
		if before != "" {
			n.Add("derivedFrom").Set("reference", before)
		}
	})
}

// multiplied puts copies of the first Observation of a Bundle in the place of all, each
// with a fullUrl of its own.
func multiplied(t testing.TB, body []byte, count int, link func(task, n *fhir.Node, url, before string)) []byte {
	t.Helper()
	root := parse(t, body).Clone()
	url := func(i int) string { return fmt.Sprintf("urn:uuid:0b5e0000-0000-4000-8000-%012d", i) }
	var kept []*fhir.Node
	gone := map[string]bool{}
	var first, task *fhir.Node
	for _, e := range root.All("entry") {
		switch resource := e.Child("resource"); resource.ResourceType() {
		case "Observation":
			if first == nil {
				first = e
			}
			gone[e.Text("fullUrl")] = true
			continue
		case "Task":
			task = resource
			task.Remove("output")
		}
		kept = append(kept, e)
	}
	root.Remove("entry")
	for _, e := range kept {
		redirect(e, gone, url(0))
		root.Append("entry", e)
	}
	before := ""
	for i := range count {
		e := first.Clone()
		e.Set("fullUrl", url(i))
		e.Child("resource").Remove("derivedFrom")
		e.Child("resource").Remove("hasMember")
		if link != nil {
			link(task, e.Child("resource"), url(i), before)
		}
		root.Append("entry", e)
		before = url(i)
	}
	out := fhir.Encode(root)
	for _, e := range issue.All(fhir.Check(parse(t, out))) {
		if count > 0 || e.Rule != "bundle-reference" {
			t.Fatal(e)
		}
	}
	return out
}

// redirect makes the references that lead to what is gone lead elsewhere.
func redirect(n *fhir.Node, gone map[string]bool, to string) {
	if n.Name == "reference" && gone[n.Value] {
		n.Value = to
	}
	for _, c := range n.Children {
		redirect(c, gone, to)
	}
}
