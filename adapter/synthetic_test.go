package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// checked parses a message and runs the structural checks on it.
func checked(t *testing.T, body []byte) *fhir.Node {
	t.Helper()
	root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := fhir.Check(root); err != nil {
		t.Fatal(err)
	}
	return root
}

func types(root *fhir.Node) string {
	var list []string
	for _, entry := range root.All("entry") {
		list = append(list, entry.Child("resource").ResourceType())
	}
	return strings.Join(list, " ")
}

// The demo sends what the file shows, so that a reader can send it with curl.
func TestDemoReferralIsTheFile(t *testing.T) {
	file, err := os.ReadFile("../testdata/referral.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(bytes.TrimSpace(file)), string(demoReferral())); diff != "" {
		t.Errorf("testdata/referral.json and demoReferral differ (- file, + demo):\n%s", diff)
	}
	root := checked(t, file)
	const want = "Patient Practitioner PractitionerRole Organization ServiceRequest Observation Observation Observation Observation Observation Observation"
	if got := types(root); got != want {
		t.Errorf("the entries are %s", got)
	}
	if number := root.Text("entry", "resource", "identifier", "value"); !referral.NHSNumber(number) || !strings.HasPrefix(number, "999") {
		t.Errorf("the NHS number %s is none of the test range", number)
	}
	if !slices.ContainsFunc(root.All("entry"), func(e *fhir.Node) bool {
		return e.Child("resource").Text("code", "coding", "code") == referral.CodeReferral
	}) {
		t.Error("there is no referral code")
	}
}

func TestSeriesMakesCheckedReferrals(t *testing.T) {
	s := newSeries("Y99001", 7)
	var m message
	for range 200 {
		s.next(&m)
		if i := slices.IndexFunc(markText[:], func(mark string) bool { return bytes.Contains(m.body, []byte(mark)) }); i >= 0 {
			t.Fatalf("%s was not replaced", markText[i])
		}
		root := checked(t, m.body)
		if got := types(root); got != "Patient Practitioner PractitionerRole Organization ServiceRequest Observation Observation Observation" {
			t.Fatalf("the entries are %s", got)
		}
		entries := root.All("entry")
		if number := entries[patientEntry].Child("resource").Text("identifier", "value"); !referral.NHSNumber(number) {
			t.Fatalf("the NHS number %s has a wrong check digit", number)
		}
		if got := entries[requestEntry].Child("resource").Text("identifier", "value"); got != m.identifier {
			t.Fatalf("the identifier is %s, not %s", got, m.identifier)
		}
		index := fhir.NewIndex(root)
		for _, o := range entries[firstObservation:] {
			ref := o.Child("resource").Child("subject")
			if index.Resolve(ref.Text("reference"), ref) != entries[patientEntry].Child("resource") {
				t.Fatal("the subject of an Observation is not the Patient")
			}
		}
	}
}

// No two referrals of a series share a person or an identifier, also when many
// goroutines make them.
func TestSeriesRepeatsNothing(t *testing.T) {
	const count, workers = 100_000, 4
	s := newSeries("Y99001", 1)
	var mu sync.Mutex
	seen := map[string]bool{}
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			var m message
			own := make([]string, 0, 3*count/workers)
			for range count / workers {
				s.next(&m)
				at := s.marks[markNumber][0]
				own = append(own, string(m.body[at:at+10]), m.identifier, m.requestID)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, text := range own {
				if seen[text] {
					t.Errorf("%s was given twice", text)
				}
				seen[text] = true
			}
		})
	}
	group.Wait()
	if len(seen) != 3*count {
		t.Errorf("%d different values, want %d", len(seen), 3*count)
	}
}

func TestNHSNumbersCoverTheRange(t *testing.T) {
	valid := 0
	for n := range nhsRange {
		number, ok := nhsNumber(n)
		if ok != referral.NHSNumber(number) {
			t.Fatalf("%s: %v here, %v in referral", number, ok, !ok)
		}
		if ok {
			valid++
		}
	}
	if valid < maxSeries {
		t.Errorf("%d valid numbers are fewer than maxSeries", valid)
	}
	first := (&nhsNumbers{}).next()
	x, count := nhsNumbers{}, 1
	for x.next(); x.next() != first; count++ {
	}
	if count != valid {
		t.Errorf("a number comes again after %d, want %d", count, valid)
	}
}

func TestSurnamesFitTheMark(t *testing.T) {
	for _, name := range surnames {
		if len(name) != len(markText[markFamily]) {
			t.Errorf("%s does not have the length of the mark", name)
		}
	}
	if len(slices.Compact(slices.Sorted(slices.Values(surnames)))) != len(surnames) {
		t.Error("a surname occurs twice")
	}
}

func BenchmarkSeries(b *testing.B) {
	s := newSeries("Y99001", 1)
	var m message
	b.ReportAllocs()
	for b.Loop() {
		s.next(&m)
	}
	b.SetBytes(int64(len(m.body)))
	if !json.Valid(m.body) {
		b.Fatal("not JSON")
	}
}
