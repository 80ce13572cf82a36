package mapping

import (
	"strings"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

const passingMap = `map "http://x.example/StructureMap/%s" = "%s"
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias P as source
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias P as target
group g(source s : P, target t : P) { s.id as a -> t.id = a; }`

// plan is a PlanDefinition with marks: a title and an expression each.
func plan(name string, marks ...[2]string) *fstest.MapFile {
	var actions []string
	for _, m := range marks {
		actions = append(actions, `{"title":"`+m[0]+`","condition":[{"kind":"applicability","expression":{"language":"text/fhirpath","expression":"`+m[1]+`"}}]}`)
	}
	return &fstest.MapFile{Data: []byte(`{"resourceType":"PlanDefinition","status":"active","name":"` + name + `","action":[` + strings.Join(actions, ",") + `]}`)}
}

func spoken(t *testing.T, files fstest.MapFS) *Library {
	t.Helper()
	for name := range files {
		folder, _, _ := strings.Cut(name, "/")
		files[folder+"/"+folder+".map"] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(passingMap, "%s", folder))}
	}
	l, err := LoadLibrary(Env{}, Layer{FS: files})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestRecognise(t *testing.T) {
	l := spoken(t, fstest.MapFS{
		"rest/plan.json": plan("rest", [2]string{"FHIR R4", "%version = '4.0'"}, [2]string{"no message", "type.where($this = 'message').empty()"}),
		"posted/plan.json": plan("posted", [2]string{"FHIR R4", "%version = '4.0'"}, [2]string{"a message", "type = 'message'"},
			[2]string{"$process-message", "%operation = 'process-message'"}, [2]string{"a target", "%headers contains 'nhsd-target-identifier'"}),
		"older/plan.json": plan("older", [2]string{"FHIR STU3", "%version = '3.0'"}, [2]string{"a ReferralRequest", "$this is ReferralRequest"}),
	})
	message := `{"resourceType":"Bundle","type":"message"}`
	for _, c := range []struct {
		name, body, version, operation string
		headers                        []string
		want                           string // the dialect, or words of the refusal
	}{
		{"REST", `{"resourceType":"Patient"}`, "4.0", "", nil, "rest"},
		{"message", message, "4.0", "process-message", []string{"nhsd-target-identifier", "use-context"}, "posted"},
		{"message without a header", message, "4.0", "process-message", nil, "posted comes nearest. Recognised: FHIR R4; a message; $process-message. Missing: a target"},
		{"STU3", `{"resourceType":"ReferralRequest"}`, "3.0", "", nil, "older"},
		{"of the other version", `{"resourceType":"Patient"}`, "3.0", "", nil, "older comes nearest. Recognised: FHIR STU3. Missing: a ReferralRequest"},
	} {
		system := fhir.Types(fhir.R4)
		if c.version == "3.0" {
			system = fhir.Types(fhir.STU3)
		}
		root, err := fhir.Parse(system, []byte(c.body), fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		d, err := l.Recognise("", Arrival{Root: root, Version: c.version, Operation: c.operation, Headers: c.headers})
		switch {
		case err != nil:
			if e := issue.All(err)[0]; e.Rule != "dialect-unknown" || !strings.Contains(e.Details, c.want) {
				t.Errorf("%s: %v", c.name, err)
			}
		case d.Recognition.Name != c.want:
			t.Errorf("%s: it is %s, want %s", c.name, d.Recognition.Name, c.want)
		}
	}
}

func TestRecognitionIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		plan *fstest.MapFile
		want string
	}{
		"no name":        {plan("", [2]string{"a", "true"}), "PlanDefinition.name"},
		"no mark":        {&fstest.MapFile{Data: []byte(`{"resourceType":"PlanDefinition","status":"active","name":"x","action":[{"title":"a"}]}`)}, "no action has a condition"},
		"no title":       {&fstest.MapFile{Data: []byte(`{"resourceType":"PlanDefinition","status":"active","name":"x","action":[{"condition":[{"kind":"applicability","expression":{"language":"text/fhirpath","expression":"true"}}]}]}`)}, "the title of an action"},
		"no expression":  {plan("x", [2]string{"a", "type ="}), "expected"},
		"other variable": {plan("x", [2]string{"a", "%colour = 'red'"}), "colour"},
	} {
		files := fstest.MapFS{"x/plan.json": c.plan, "x/x.map": &fstest.MapFile{Data: []byte(strings.ReplaceAll(passingMap, "%s", "x"))}}
		if _, err := LoadLibrary(Env{}, Layer{FS: files}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFocus: what a message is about is found by the dialect's own expression.
func TestFocus(t *testing.T) {
	p := plan("x", [2]string{"a", "true"})
	p.Data = []byte(strings.Replace(string(p.Data), `"action":[`, `"action":[{"title":"focus","dynamicValue":[{"path":"focus","expression":{"language":"text/fhirpath","expression":"entry.resource.ofType(ServiceRequest)"}}]},`, 1))
	d := spoken(t, fstest.MapFS{"x/plan.json": p}).Dialect("", "x")
	root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient"}},{"resource":{"resourceType":"ServiceRequest"}}]}`), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := d.Recognition.Focus(Arrival{Root: root, Version: "4.0"})
	if err != nil || len(list) != 1 || list[0].Path() != "Bundle.entry[1].resource" {
		t.Errorf("%v, %v", list, err)
	}
}
