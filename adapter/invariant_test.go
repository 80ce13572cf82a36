package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// at walks into JSON by names and takes the first of a list; nil where it ends.
func at(v any, names ...string) object {
	for _, name := range names {
		o, _ := v.(object)
		v = o[name]
		if list, many := v.([]any); many && len(list) > 0 {
			v = list[0]
		}
	}
	o, _ := v.(object)
	return o
}

// resources are those in the entries of a Bundle of one type, with their entries.
func entriesOf(root object, kind string) (list []object) {
	all, _ := root["entry"].([]any)
	for _, e := range all {
		if at(e, "resource")["resourceType"] == kind {
			list = append(list, e.(object))
		}
	}
	return list
}

// in applies a change to the first resource of a type in a Bundle; to none when there is none.
func in(kind string, change func(r object)) func(root object) {
	return func(root object) {
		if list := entriesOf(root, kind); len(list) > 0 {
			change(at(list[0], "resource"))
		}
	}
}

// set puts a value in place of what an element holds; nil takes it away.
func set(name string, v any) func(o object) {
	return func(o object) {
		if o != nil {
			if o[name] = v; v == nil {
				delete(o, name)
			}
		}
	}
}

const scoreCode = `{"coding":[{"system":"http://snomed.info/sct","code":"718466001"}]}`

func jsonOf(text string) (v any) {
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		panic(err)
	}
	return v
}

// outputs leaves the outputs of a Task that are not of a kind.
func without(kind string) func(task object) {
	return func(task object) {
		all, _ := task["output"].([]any)
		task["output"] = slices.DeleteFunc(slices.Clone(all), func(o any) bool { return at(o, "type", "coding")["code"] == kind })
	}
}

func business(status, code string) func(task object) {
	return func(task object) {
		task["status"] = status
		at(task, "businessStatus", "coding")["code"] = code
	}
}

// plants break one invariant each; the profile says in which examples.
var plants = []struct {
	key, profile string
	plant        func(root object)
}{
	{"sp-request-intent", referral.ProfileRequest, set("intent", "filler-order")},
	{"sp-request-do", referral.ProfileRequest, set("doNotPerform", true)},
	{"sp-score-status", referral.ProfileObservation, func(o object) { o["code"], o["status"] = jsonOf(scoreCode), "preliminary" }},
	{"sp-score-value", referral.ProfileObservation, func(o object) {
		o["code"] = jsonOf(scoreCode)
		for _, name := range []string{"valueQuantity", "valueInteger", "valueBoolean", "valueCodeableConcept"} {
			delete(o, name)
		}
	}},
	{"sp-score-number", referral.ProfileObservation, func(o object) {
		set("valueQuantity", nil)(o)
		set("valueInteger", nil)(o)
		o["code"], o["valueString"] = jsonOf(scoreCode), "low"
	}},
	{"sp-observation-withdrawn", referral.ProfileObservation, set("status", "entered-in-error")},
	{"sp-patient-nhs-number", referral.ProfilePatient, func(o object) { delete(o, "identifier"); delete(o, "extension") }},
	{"sp-patient-birth-date", referral.ProfilePatient, set("birthDate", nil)},
	{"sp-patient-language", referral.ProfilePatient, set("communication", jsonOf(`[{"language":{"text":"Somali"}}]`))},
	{"sp-patient-birth-sex", referral.ProfilePatient, func(o object) {
		if e := at(o, "extension"); strings.HasSuffix(text(e["url"]), "BirthSex") {
			at(e, "valueCodeableConcept", "coding")["code"] = "f"
		}
	}},
	{"sp-patient-nhs-status", referral.ProfilePatient, func(o object) { set("code", "09")(at(o, "identifier", "extension", "valueCodeableConcept", "coding")) }},
	{"sp-patient-name", referral.ProfilePatient, set("name", jsonOf(`[{"use":"official"}]`))},
	{"sp-need-said", referral.ProfileReferral, in("ServiceRequest", set("reasonCode", jsonOf(`[{"id":"x"}]`)))},
	{"sp-need-code", referral.ProfileReferral, in("ServiceRequest", set("reasonCode", jsonOf(`[{"coding":[{"system":"https://spadapter.example/fhir/CodeSystem/need","code":"lonliness"}]}]`)))},
	{"sp-referral-original", referral.ProfileReferral, in("ServiceRequest", set("basedOn", jsonOf(`[{"display":"the one of March"}]`)))},
	{"sp-referral-do", referral.ProfileReferral, in("ServiceRequest", set("doNotPerform", true))},
	{"sp-bundle-request", referral.ProfileReferral, func(b object) { slices.Reverse(b["entry"].([]any)) }},
	{"sp-bundle-original", referral.ProfileReferral, in("ServiceRequest", func(r object) { at(r, "basedOn")["reference"] = "urn:uuid:00000000-0000-4000-8000-000000000000" })},
	{"sp-bundle-person", referral.ProfileReferral, func(b object) {
		b["entry"] = slices.DeleteFunc(b["entry"].([]any), func(e any) bool { return at(e, "resource")["resourceType"] == "Patient" })
	}},
	{"sp-task-status", referral.ProfileTask, set("status", "ready")},
	{"sp-task-business-status", referral.ProfileTask, business("completed", "waiting-list")},
	{"sp-task-business", referral.ProfileTask, func(o object) {
		list := at(o, "businessStatus")["coding"].([]any)
		at(o, "businessStatus")["coding"] = append(list, list[0])
	}},
	{"sp-task-reason", referral.ProfileTask, func(o object) { business("cancelled", "disengaged")(o); delete(o, "statusReason") }},
	{"sp-task-owner", referral.ProfileTask, set("owner", nil)},
	{"sp-task-outcome", referral.ProfileTask, func(o object) {
		for _, kind := range []string{"outcome", "observation", "intervention"} {
			without(kind)(o)
		}
	}},
	{"sp-task-proposed", referral.ProfileTask, without("proposed-status")},
	{"sp-outcome-identifier", referral.ProfileOutcome, in("Observation", func(r object) { at(r, "identifier")["system"] = "https://elsewhere.example/observations" })},
	{"sp-outcome-coded", referral.ProfileOutcome, in("Observation", set("code", jsonOf(`{"id":"x"}`)))},
	{"sp-outcome-original", referral.ProfileOutcome, in("Task", set("focus", jsonOf(`{"reference":"ServiceRequest/1"}`)))},
	{"sp-outcome-final", referral.ProfileOutcome, in("Observation", set("status", "preliminary"))},
	{"sp-outcome-done", referral.ProfileOutcome, in("Procedure", set("status", "in-progress"))},
	{"sp-outcome-referral-code", referral.ProfileOutcome, in("Procedure", set("code", jsonOf(`{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]}`)))},
	{"sp-outcome-current", referral.ProfileOutcome, in("DocumentReference", func(r object) {
		set("content", jsonOf(`[{"attachment":{"contentType":"text/html","data":"PGI+"}}]`))(r)
		r["status"] = "draft"
	})},
	{"sp-outcome-attachment", referral.ProfileOutcome, in("DocumentReference", set("content", jsonOf(`[{"attachment":{"contentType":"text/html","data":"PGI+"}}]`)))},
	{"sp-outcome-forms", referral.ProfileOutcome, in("DocumentReference", func(r object) {
		list := r["content"].([]any)
		r["content"] = []any{list[0], list[0]}
	})},
	{"sp-outcome-intact", referral.ProfileOutcome, in("DocumentReference", func(r object) { delete(at(r, "content", "attachment"), "hash") })},
	{"sp-outcome-update", referral.ProfileOutcome, func(b object) { at(entriesOf(b, "Task")[0], "request")["url"] = "Task/1" }},
	{"sp-outcome-create", referral.ProfileOutcome, func(b object) {
		at(entriesOf(b, "Observation")[0], "request")["ifNoneExist"] = "identifier=https://spadapter.example/fhir/Id/observation|another"
	}},
	{"sp-outcome-reference", referral.ProfileOutcome, in("Observation", set("encounter", jsonOf(`{"reference":"Encounter/1"}`)))},
	{"sp-outcome-output", referral.ProfileOutcome, func(b object) {
		b["entry"] = slices.DeleteFunc(b["entry"].([]any), func(e any) bool { return at(e, "resource")["resourceType"] == "Observation" })
	}},
	{"sp-outcome-one-summary", referral.ProfileOutcome, func(b object) {
		for _, e := range entriesOf(b, "DocumentReference") {
			b["entry"] = append(b["entry"].([]any), e)
		}
	}},
	{"sp-activity-status", referral.ProfileActivity, set("status", "on-hold")},
	{"sp-activity-reason", referral.ProfileActivity, set("status", "cancelled")},
	{"sp-activity-sessions", referral.ProfileActivity, set("output", nil)},
	{"sp-activity-business", referral.ProfileActivity, func(o object) {
		delete(o["businessStatus"].(object), "coding")
		o["businessStatus"].(object)["text"] = "gone"
	}},
	{"sp-question-status", referral.ProfileQuestion, set("status", "in-progress")},
	{"sp-question-reason", referral.ProfileQuestion, func(o object) { o["status"] = "cancelled"; delete(o, "output") }},
	{"sp-question-answer", referral.ProfileQuestion, set("output", nil)},
	{"sp-bars-reference", referral.ProfileBaRSResponse, in("ServiceRequest", set("basedOn", jsonOf(`[{"reference":"CarePlan/1"}]`)))},
	{"sp-bars-instant", referral.ProfileBaRSResponse, in("Patient", func(r object) { at(r, "meta")["lastUpdated"] = "2026-03-02T09:30:01Z" })},
	{"sp-bars-claim", referral.ProfileBaRSResponse, in("Patient", func(r object) { delete(at(r, "meta"), "profile") })},
	{"sp-bars-header-first", referral.ProfileBaRSResponse, func(b object) { slices.Reverse(b["entry"].([]any)) }},
	{"sp-bars-focus", referral.ProfileBaRSResponse, in("MessageHeader", func(r object) { at(r, "focus")["reference"] = at(r, "sender")["reference"] })},
	{"sp-bars-parties", referral.ProfileBaRSResponse, in("MessageHeader", func(r object) { at(r, "sender")["reference"] = at(r, "focus")["reference"] })},
	{"sp-bars-agree", referral.ProfileBaRSResponse, in("ServiceRequest", set("status", "completed"))},
	{"sp-bars-professionals", referral.ProfileBaRSResponse, func(b object) {
		b["entry"] = slices.DeleteFunc(b["entry"].([]any), func(e any) bool { return at(e, "resource")["resourceType"] == "Practitioner" })
	}},
	{"sp-bars-full-url", referral.ProfileBaRSResponse, func(b object) {
		at(entriesOf(b, "HealthcareService")[0])["fullUrl"] = "https://adapter.example/HealthcareService/1"
	}},
	{"sp-bars-endpoint", referral.ProfileBaRSResponse, in("MessageHeader", func(r object) { at(r, "destination")["endpoint"] = "https://gp.example/fhir" })},
	{"sp-bars-reason", referral.ProfileBaRSResponse, func(b object) {
		for _, e := range entriesOf(b, "Encounter") {
			if r := at(e, "resource"); r["status"] == "cancelled" {
				delete(r, "reasonCode")
			}
		}
	}},
	{"sp-bars-codes", referral.ProfileBaRSResponse, in("Encounter", set("reasonCode", jsonOf(`[{"text":"She said no"}]`)))},
	{"sp-outcome-full-url", referral.ProfileOutcome, func(b object) {
		at(entriesOf(b, "Task")[0])["fullUrl"] = "https://adapter.example/fhir/R4/Task/1"
	}},
}

func text(v any) string { s, _ := v.(string); return s }

// TestEveryInvariantIsFound: for each invariant of the profiles a fault is planted and
// found, with words; and none is without a plant.
func TestEveryInvariantIsFound(t *testing.T) {
	a := shipped(t)
	all := examples(t, a)
	left := map[string]bool{}
	for _, sd := range definitions(t) {
		for _, d := range sd.Descend("differential").All("element") {
			for _, k := range d.All("constraint") {
				left[k.Text("key")] = true
				if len(strings.Fields(k.Text("human"))) < 6 {
					t.Errorf("%s is explained by %q only", k.Text("key"), k.Text("human"))
				}
			}
		}
	}
	for _, p := range plants {
		delete(left, p.key)
		found := slices.ContainsFunc(all[p.profile], func(x example) bool {
			if strings.HasPrefix(p.key, "sp-outcome") && !strings.Contains(string(x.text), `"Procedure"`) {
				return false // the case with everything
			}
			root := parsedJSON(t, x.text)
			p.plant(root)
			body, err := json.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			n, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
			if err != nil {
				t.Fatalf("%s: %v", p.key, err)
			}
			return slices.ContainsFunc(issue.All(x.check(n)), func(e *issue.Error) bool { return e.Rule == p.key && e.Expression != "" })
		})
		if !found {
			t.Errorf("%s can be broken unseen", p.key)
		}
	}
	for key := range left {
		t.Errorf("nothing is planted for %s", key)
	}
}

// TestStatusAndBusinessStatus holds three tables of the states to each other: the
// property taskStatus of the code system, the profile of the Task, and the life cycle.
func TestStatusAndBusinessStatus(t *testing.T) {
	a := shipped(t)
	system, err := document("codesystems/CodeSystem-business-status.json")
	if err != nil {
		t.Fatal(err)
	}
	statuses := []string{"received", "accepted", "rejected", "in-progress", "on-hold", "cancelled", "completed", "failed"}
	task := examples(t, a)[referral.ProfileTask][0]
	may := map[[2]string]bool{}
	for _, c := range system.All("concept") {
		code := c.Text("code")
		for _, p := range c.All("property") {
			may[[2]string{p.Text("value"), code}] = true
			if !slices.Contains(statuses, p.Text("value")) {
				t.Errorf("%s: %s is no state", code, p.Text("value"))
			}
		}
		for _, status := range append(statuses, "entered-in-error") {
			root := parsedJSON(t, task.text)
			business(status, code)(root)
			body, err := json.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			n, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			refused := slices.ContainsFunc(issue.All(task.check(n)), func(e *issue.Error) bool { return e.Rule == "sp-task-business-status" })
			if want := may[[2]string{status, code}] || status == "entered-in-error"; refused == want {
				t.Errorf("%s while %s: the profile refuses it: %t, the code system allows it: %t", code, status, refused, want)
			}
		}
	}
	for _, m := range referral.Table {
		for _, code := range m.Business {
			for _, from := range m.From {
				if to := m.Leads(from); !may[[2]string{to, code}] {
					t.Errorf("%s leads to %s with %s, which the code system does not allow", m.ID, to, code)
				}
			}
		}
	}
}
