package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// bounds are what the sources say of each instrument, held against the definitions that
// ship: the least and greatest score, one with a place too many, and which way is better.
var bounds = []struct {
	code, low, high, below, above, uneven string
	better                                bool
}{
	{"swemwbs", "7", "35", "6", "36", "17.5", true},
	{"wemwbs", "14", "70", "13", "71", "14.5", true},
	{"phq-9", "0", "27", "-1", "28", "4.5", false},
	{"gad-7", "0", "21", "-1", "22", "4.5", false},
	{"eq-vas", "0", "100", "-1", "101", "70.5", true},
	{"eq-5d-5l", "-0.594", "1", "-0.595", "1.001", "0.7365", true},
	{"eq-5d-3l", "-0.594", "1", "-0.595", "1.001", "0.7365", true},
	{"ons4-satisfaction", "0", "10", "-1", "11", "6.5", true},
	{"ons4-worthwhile", "0", "10", "-1", "11", "6.5", true},
	{"ons4-happy", "0", "10", "-1", "11", "6.5", true},
	{"ons4-anxious", "0", "10", "-1", "11", "6.5", false},
	{"ons-loneliness", "0", "12", "-1", "13", "6.5", false},
	{"ucla-3", "3", "9", "2", "10", "4.5", false},
	{"pam", "0", "100", "-0.1", "100.1", "55.12", true},
	{"pam-level", "1", "4", "0", "5", "1.5", true},
	{"mycaw-concern-1", "0", "6", "-1", "7", "3.5", false},
	{"mycaw-concern-2", "0", "6", "-1", "7", "3.5", false},
	{"mycaw-wellbeing", "0", "6", "-1", "7", "3.5", false},
	{"de-jong-gierveld-6", "0", "6", "-1", "7", "3.5", false},
	{"de-jong-gierveld-11", "0", "11", "-1", "12", "3.5", false},
}

// TestInstruments: every instrument takes its least and greatest score, refuses what lies
// beside them and names its range, and is one of those that the sources describe.
func TestInstruments(t *testing.T) {
	a := shipped(t)
	if n := len(a.instruments.Codes()); n != len(bounds) {
		t.Errorf("%d instruments ship and %d are checked", n, len(bounds))
	}
	for _, b := range bounds {
		i := a.instruments.ByCode(b.code)
		if i == nil {
			t.Errorf("%s does not ship", b.code)
			continue
		}
		if i.HigherIsBetter != b.better {
			t.Errorf("%s: higher is better: %t", b.code, i.HigherIsBetter)
		}
		for _, good := range []string{b.low, b.high} {
			if e := i.Check(good); e != nil {
				t.Errorf("%s: %s is refused: %v", b.code, good, e)
			}
		}
		for _, bad := range []string{b.below, b.above} {
			e := i.Check(bad)
			if e == nil || e.Rule != "instrument-range" || !strings.Contains(e.Details, "from "+b.low+" to "+b.high) {
				t.Errorf("%s: %s is answered with %v", b.code, bad, e)
			}
		}
		if e := i.Check(b.uneven); e == nil || e.Rule != "instrument-precision" || !strings.Contains(e.Details, "from "+b.low+" to "+b.high) {
			t.Errorf("%s: %s is answered with %v", b.code, b.uneven, e)
		}
	}
	swemwbs := a.instruments.ByCode("swemwbs")
	for text, want := range map[string]string{"24": "raw", "21.54": "metric", "9.51": "metric", "35": "raw"} {
		if e := swemwbs.Check(text); e != nil || swemwbs.Scoring(text) != want {
			t.Errorf("SWEMWBS %s is %q, %v", text, swemwbs.Scoring(text), e)
		}
	}
	if n := a.instruments.ByCode("ucla-3").Scoring("4"); n != "" {
		t.Errorf("an instrument without conversion has a scoring: %s", n)
	}
}

// TestInstrumentDefinitionsAreComplete: each says where its code and range come from, how
// it is scored, what change matters or that nobody says so, and who owns it; and the
// conversion of SWEMWBS is one that rises from 7 to 35.
func TestInstrumentDefinitionsAreComplete(t *testing.T) {
	bundle, err := document("instruments/Bundle-instruments.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range bundle.All("entry") {
		d := entry.Child("resource")
		said := map[string]int{}
		last := 0.0
		for _, e := range d.All("extension") {
			name := e.Text("url")[strings.LastIndexByte(e.Text("url"), '/')+1:]
			said[name]++
			if name != "score-conversion" {
				continue
			}
			var raw, metric float64
			for _, part := range e.All("extension") {
				into := map[string]*float64{"raw": &raw, "metric": &metric}[part.Text("url")]
				if err := json.Unmarshal([]byte(part.Text("value")), into); err != nil {
					t.Fatal(err)
				}
			}
			if metric <= last || raw != float64(6+said[name]) {
				t.Errorf("%s: %g becomes %g after %g", d.Text("id"), raw, metric, last)
			}
			last = metric
		}
		for _, name := range []string{"higher-is-better", "source-of-definition", "scoring", "important-change", "licence"} {
			if said[name] != 1 {
				t.Errorf("%s says %s %d times", d.Text("id"), name, said[name])
			}
		}
		if n := said["score-conversion"]; n != 0 && (n != 29 || last != 35) {
			t.Errorf("%s converts %d scores up to %g", d.Text("id"), n, last)
		}
	}
}

// TestScoresOutOfRangeAreRefused: wherever a score comes in, one out of range is refused
// with the range in words, and at its place.
func TestScoresOutOfRangeAreRefused(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	for name, c := range map[string]struct {
		value, at string
	}{
		"a score":           {`"code":{"coding":[{"system":"http://snomed.info/sct","code":"445455005"}]},"valueQuantity":{"value":22,"system":"http://unitsofmeasure.org","code":"{score}"}`, "Bundle.entry[5].resource.value.value"},
		"an answer":         {`"code":{"coding":[{"system":"https://spadapter.example/fhir/CodeSystem/instrument","code":"de-jong-gierveld-6"}]},"valueInteger":7`, "Bundle.entry[5].resource.value"},
		"a part of a panel": {`"code":{"text":"ONS4"},"component":[{"code":{"coding":[{"system":"https://spadapter.example/fhir/CodeSystem/instrument","code":"ons4-happy"}]},"valueInteger":4},{"code":{"coding":[{"system":"https://spadapter.example/fhir/CodeSystem/instrument","code":"ons4-anxious"}]},"valueInteger":11}]`, "Bundle.entry[5].resource.component[1].value"},
	} {
		b := someone(practiceA).bundle()
		entry := b.All("entry")[firstObservation]
		subject := entry.Descend("resource", "subject", "reference").Value
		n, err := fhir.Parse(fhir.Types(fhir.R4), []byte(`{"resourceType":"Observation","status":"final","subject":{"reference":"`+subject+`"},"effectiveDateTime":"2026-01-05",`+c.value+`}`), fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		entry.Remove("resource")
		entry.Append("resource", n)
		before := w.counts()
		got := gp.do(http.MethodPost, "/fhir/R4", fhir.Encode(b))
		assertIssue(t, got, planted{expression: c.at, rule: "instrument-range", code: "business-rule"})
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(string(got.body), " from 0 to ") {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		assertOnlyAudited(t, before, w.counts(), 1)
	}
	v := worker.look(gp.refer(someone(practiceA).message()))
	v = worker.act(v, "accept", referral.Input{}).view()
	for _, b := range bounds {
		got := worker.act(v, "complete", referral.Input{Outcome: &referral.Outcome{Status: "goals-met", Scores: []referral.Score{{Instrument: b.code, Value: b.above}}}})
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(string(got.body), "from "+b.low+" to "+b.high) {
			t.Errorf("%s: %d %s", b.code, got.status, got.body)
		}
	}
}

// A score is counted in points: another unit of UCUM is refused at its code, and the words
// say what to send. Words and codes of other systems beside the value are kept.
func TestAScoreInAnotherUnitIsRefused(t *testing.T) {
	w := newWorld(t, "")
	gp := w.run(quiet()).as(auth.RoleRequester, practiceA)
	for unit, fine := range map[string]bool{
		`"code":"d"`: false, `"code":"kg"`: false, `"code":"%"`: false, `"code":"/27"`: false, `"code":"{score}/d"`: false, `"code":"{}"`: false, `"code":"10{score}"`: false, `"code":"[score]"`: false,
		`"code":"1"`: true, `"code":"{score}"`: true, `"code":"1{score}"`: true, `"unit":"points"`: true, `"_code":` + nothingSaid: true,
	} {
		score := func(of map[string]object) {
			observation := of["Observation"]
			for name := range observation {
				if strings.HasPrefix(name, "value") {
					delete(observation, name)
				}
			}
			observation["code"] = value(`{"coding":[{"system":"http://snomed.info/sct","code":"720433000"}]}`)
			observation["valueQuantity"] = value(`{"value":5,"system":"http://unitsofmeasure.org",%s}`, unit)
		}
		got := gp.do(http.MethodPost, "/fhir/R4", someone(practiceA).with(score))
		switch {
		case fine && got.status != http.StatusOK:
			t.Errorf("%s: %d %s", unit, got.status, got.body)
		case !fine && (got.status != http.StatusUnprocessableEntity || !strings.Contains(string(got.body), "instrument-unit") ||
			!strings.Contains(string(got.body), "{score} or 1") || !strings.Contains(string(got.body), "value.code")):
			t.Errorf("%s: %d %s", unit, got.status, got.body)
		}
	}
}
