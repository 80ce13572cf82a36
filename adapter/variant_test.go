package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// variant is a referral that says something in an unusual way: message makes it of the
// ordinary one, whose resources it is given by type.
type variant struct {
	name string
	edit func(of map[string]object)
}

// value reads JSON that is written out in a test.
func value(text string, args ...any) (v any) {
	if err := json.Unmarshal(fmt.Appendf(nil, text, args...), &v); err != nil {
		panic(err)
	}
	return v
}

// put gives an element of the ServiceRequest.
func put(name, text string, args ...any) func(map[string]object) {
	return func(of map[string]object) { of["ServiceRequest"][name] = value(text, args...) }
}

// with changes the message of somebody; of a type that comes several times it is given the last.
func (s *synthetic) with(edit func(of map[string]object)) []byte {
	b := object{}
	if err := json.Unmarshal(s.message(), &b); err != nil {
		panic(err)
	}
	of := map[string]object{}
	for _, e := range b["entry"].([]any) {
		r := e.(object)["resource"].(object)
		of[r["resourceType"].(string)] = r
	}
	edit(of)
	text, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	return text
}

const (
	nothingSaid    = `{"extension":[{"url":"https://gp.example/why","valueString":"not known"}]}`
	ownIdentifiers = `[{"system":"https://gp.example/ids","value":"1","assigner":%s}]`
)

// Whoever is accepted can be brought to an end, however the request is named and whatever
// its identifiers lead to; what the practice gets names its request by an identifier.
func TestWhatIsAcceptedCanBeEnded(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	own := referral.IDSystem + "servicerequest|"
	for _, v := range []struct {
		variant
		named string // system|value of the request in what the practice gets; "…|" is any value
	}{
		{variant{"no value", put("identifier", `[{"system":"https://gp.example/ids"}]`)}, own},
		{variant{"a type alone", put("identifier", `[{"type":{"text":"placer"}}]`)}, own},
		{variant{"a masked value", put("identifier", `[{"system":"https://gp.example/ids","_value":%s}]`, nothingSaid)}, own},
		{variant{"no value before a good one", put("identifier", `[{"system":"https://gp.example/ids"},{"system":"https://gp.example/ids","value":"2"}]`)}, "https://gp.example/ids|2"},
		{variant{"a value alone", put("identifier", `[{"system":"https://gp.example/ids"},{"value":"3"}]`)}, "|3"},
		{variant{"an assigner in the message", func(of map[string]object) {
			put("identifier", ownIdentifiers, mustJSON(of["PractitionerRole"]["organization"]))(of)
		}}, "https://gp.example/ids|1"},
		{variant{"an assigner elsewhere", put("identifier", ownIdentifiers, `{"reference":"https://gp.example/fhir/Organization/1"}`)}, "https://gp.example/ids|1"},
		{variant{"an assigner of an assigner", func(of map[string]object) {
			put("identifier", ownIdentifiers, fmt.Sprintf(`{"identifier":{"value":"7","assigner":%s}}`, mustJSON(of["PractitionerRole"]["organization"])))(of)
		}}, "https://gp.example/ids|1"},
		{variant{"a contained assigner", func(of map[string]object) {
			put("identifier", ownIdentifiers, `{"reference":"#o"}`)(of)
			put("contained", `[{"resourceType":"Organization","id":"o","name":"Assigner"}]`)(of)
		}}, "https://gp.example/ids|1"},
		{variant{"an extension on the system of the NHS number", func(of map[string]object) {
			of["Patient"]["identifier"].([]any)[0].(object)["_system"] = value(nothingSaid)
		}}, "https://millbrook.example/referrals|"},
	} {
		t.Run(v.name, func(t *testing.T) {
			worker, sent := worker.in(t), someone(practiceA)
			// each referral has identifiers of its own
			message := strings.ReplaceAll(string(sent.with(v.edit)), `"https://gp.example/ids"`, `"https://gp.example/ids/`+sent.identifier+`"`)
			at := worker.look(gp.in(t).refer([]byte(message)))
			at = worker.act(at, "accept", referral.Input{}).view()
			at = worker.act(at, "contact", referral.Input{Channel: "telephone", Result: "reached"}).view()
			at = worker.act(at, "plan", agreedPlan()).view()
			at = worker.act(at, "complete", referral.Input{Outcome: fullOutcome()}).view()
			eventually(t, "the outcome is in the record", func() bool {
				n := inRecord(w, at.ID)
				return n.Text("status") == "completed"
			})
			focus := inRecord(w, at.ID).Descend("focus", "identifier")
			system := strings.TrimSuffix(focus.Text("system"), "/"+sent.identifier)
			if got := system + "|" + focus.Text("value"); !strings.HasPrefix(got, v.named) || focus.Text("value") == "" || len(focus.Children) > 2 {
				t.Errorf("the request is named by %s, want %s", fhir.Encode(inRecord(w, at.ID).Child("focus")), v.named)
			}
		})
	}
}

// A request may replace an earlier one, stand on it, or lead to it: what was sent before is
// context, and one referral comes of the message. It must be about the same person.
func TestWhatWasSentBeforeIsContext(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	first := someone(practiceA)
	task := gp.refer(first.message())
	stored := gp.get("/fhir/R4/" + task).node()
	before := stored.Text("focus", "reference")
	of := func(kind string) string {
		return kind + "/" + gp.get("/fhir/R4/"+kind+"?_count=1").node().Text("entry", "resource", "id")
	}
	at := worker.act(worker.look(task), "accept", referral.Input{}).view()
	worker.act(at, "complete", referral.Input{Outcome: fullOutcome()}).view()
	for _, v := range []variant{
		{"basedOn", put("basedOn", `[{"reference":%q}]`, before)},
		{"replaces", put("replaces", `[{"reference":%q}]`, before)},
		{"supportingInfo", put("supportingInfo", `[{"reference":%q}]`, before)},
		{"absolute", put("replaces", `[{"reference":%q}]`, publicURL+"/fhir/R4/"+before)},
		{"an Observation based on it", func(of map[string]object) {
			of["Observation"]["basedOn"] = value(`[{"reference":%q}]`, before)
		}},
		{"its Task", put("supportingInfo", `[{"reference":%q}]`, task)},
		{"its intervention", put("supportingInfo", `[{"reference":%q}]`, of("Procedure"))},
		{"the person of before", put("supportingInfo", `[{"reference":%q}]`, stored.Text("for", "reference"))},
		{"a score of before", put("supportingInfo", `[{"reference":%q}]`, of("Observation"))},
	} {
		t.Run(v.name, func(t *testing.T) {
			same := someone(practiceA)
			same.nhsNumber = first.nhsNumber
			now := worker.in(t).look(gp.in(t).refer(same.with(v.edit)))
			if len(now.Scores) == 0 || now.Person.NHSNumber != first.nhsNumber {
				t.Errorf("the referral is %+v", now)
			}
			now = worker.in(t).act(now, "reject", referral.Input{Reason: &referral.Coded{Code: "duplicate"}}).view()
			if now.Status != "rejected" {
				t.Errorf("the referral is %s", now.Status)
			}
			if strings.HasPrefix(v.name, "its ") || strings.HasPrefix(v.name, "the person") {
				return // what the service made is kept as a reference and not read, and a person is about nobody else
			}
			got := gp.in(t).do("POST", "/fhir/R4", someone(practiceA).with(v.edit)).want(422)
			if !strings.Contains(strings.Join(got.rules(), " "), "subject") || !strings.Contains(string(got.body), "another person") {
				t.Errorf("about another person: %s", got.body)
			}
		})
	}
}

// A reason with neither code nor words is sound FHIR and tells no need: the referral is
// taken in, and nothing is made up. A code of our own list that is left out, and a value
// that may forbid the request, are for the sender to mend.
func TestWhatAReasonDoesNotSayIsNotMadeUp(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	for _, text := range []string{`[{"id":"a"}]`, `[` + nothingSaid + `]`, `[{"_text":` + nothingSaid + `}]`} {
		now := worker.look(gp.refer(someone(practiceA).with(put("reasonCode", "%s", text))))
		for _, need := range now.Needs {
			if need.Need != "" || len(need.Codes) > 0 {
				t.Errorf("%s became the need %+v", text, need)
			}
		}
		worker.act(now, "reject", referral.Input{Reason: &referral.Coded{Code: "not-eligible"}}).view()
	}
	need := `[{"coding":[{"system":"` + referral.SystemNeed + `",%s}]}]`
	for _, c := range []struct{ name, text, place, rule, words string }{
		{"reasonCode", fmt.Sprintf(need, `"display":"Loneliness"`), "reasonCode[0].coding", "own-code-missing", "needs its code"},
		{"reasonCode", fmt.Sprintf(need, `"_code":`+nothingSaid), "reasonCode[0].coding", "own-code-missing", "needs its code"},
		{"doNotPerform", `true`, "doNotPerform", "sp-request-do", "send false"},
		{"_doNotPerform", nothingSaid, "doNotPerform", "sp-request-do", "not false"},
	} {
		got := gp.do("POST", "/fhir/R4", someone(practiceA).with(put(c.name, "%s", c.text))).want(422)
		for _, part := range []string{c.rule, c.words, "Bundle.entry[4].resource." + c.place} {
			if !strings.Contains(string(got.body), part) {
				t.Errorf("%s %s: the answer does not say %q: %s", c.name, c.text, part, got.body)
			}
		}
	}
}

// An Organization that refers without an ODS code is told in the receipt, and taken as the
// caller's; the code in the message or in the reference itself says enough.
func TestARequesterWithoutCodeIsTold(t *testing.T) {
	w := newWorld(t, "")
	gp := w.run(quiet()).as(auth.RoleRequester, practiceA)
	bare := func(of map[string]object) { delete(of["Organization"], "identifier") }
	for _, c := range []struct {
		variant
		told bool
	}{
		{variant{"as usual", func(map[string]object) {}}, false},
		{variant{"through a role", bare}, true},
		{variant{"directly", func(of map[string]object) {
			bare(of)
			of["ServiceRequest"]["requester"] = of["PractitionerRole"]["organization"]
		}}, true},
		{variant{"the reference has it", func(of map[string]object) {
			bare(of)
			of["PractitionerRole"]["organization"].(object)["identifier"] = value(`{"system":%q,"value":%q}`, referral.SystemODS, practiceA)
		}}, false},
		{variant{"no requester", func(of map[string]object) { delete(of["ServiceRequest"], "requester") }}, false},
	} {
		got := gp.do("POST", "/fhir/R4", someone(practiceA).with(c.edit)).want(200)
		if told := strings.Contains(string(got.body), "the Organization that refers has no ODS code"); told != c.told {
			t.Errorf("%s: told is %t: %s", c.name, told, got.body)
		}
	}
}
