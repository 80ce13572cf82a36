package main

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/google/uuid"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// barsDefinitions are the published packages that an answer is held to, nil where they are not
// on this machine.
func barsDefinitions(t *testing.T) *validator {
	t.Helper()
	const folder = "../../shared/reference/definitions/"
	var paths []string
	for _, name := range []string{"bars", "ukcore", "r4-core"} {
		if _, err := os.Stat(folder + name); err != nil {
			t.Logf("NOT TESTED: the package %s is not on this machine", name)
			return nil
		}
		paths = append(paths, folder+name)
	}
	given, _, err := openPackages(paths)
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := compile(Config{}, given, quiet())
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := newValidator(compiled)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// shortAnswer is the message definition that an answer names, and how often it wants each type.
func shortAnswer(t *testing.T) *fhir.Node {
	t.Helper()
	text, err := os.ReadFile("../../shared/reference/definitions/bars/BARS-MessageDefinition-ServiceRequest-Response-Referral-Short.json")
	if err != nil {
		t.Fatal(err)
	}
	return checked(t, text)
}

// Every message of every transition fits the published definitions: the profiles that its
// resources name, and the focus list of the message definition.
func TestAnswersFitTheDefinitionsOfBaRS(t *testing.T) {
	v := barsDefinitions(t)
	if v == nil {
		return
	}
	definition := shortAnswer(t)
	p := newBarsPartner(t)
	w := barsWorld(t, p)
	w.config.BarsDidNotAttend = true
	a := w.run(quiet())
	warnings := map[string]bool{}
	for _, s := range barsTransitions {
		t.Run(s.name, func(t *testing.T) {
			_, list := s.walk(t, a, p, uuid.NewString())
			for _, r := range list {
				n := r.node(t)
				// the same with one fault: what is found below is found because it is looked for
				faulty := checked(t, bytes.Replace(r.body, []byte(`"intent":"plan"`), []byte(`"intent":"order"`), 1))
				if !slices.ContainsFunc(v.validate(faulty, question{}), (*issue.Error).Failure) {
					t.Error("another intent is not found")
				}
				for _, e := range v.validate(n, question{profiles: []string{"https://fhir.nhs.uk/StructureDefinition/BARSBundleMessage"}}) {
					switch {
					case e.Failure():
						t.Errorf("%s at %s: %s", e.Rule, e.Expression, e.Details)
					case e.Severity == issue.SeverityWarning && !warnings[e.Rule+e.Details]:
						warnings[e.Rule+e.Details] = true
						t.Logf("warning %s at %s: %s", e.Rule, e.Expression, e.Details)
					}
				}
				count := map[string]int{"Bundle": 1}
				named := 0
				for _, entry := range n.All("entry") {
					resource := entry.Child("resource")
					count[resource.ResourceType()]++
					for _, f := range definition.All("focus") {
						if f.Text("code") == resource.ResourceType() && resource.Text("meta", "profile") == f.Text("profile") {
							named++
						}
					}
				}
				if named != len(n.All("entry")) {
					t.Errorf("%d of %d resources name the profile that the message definition has for them", named, len(n.All("entry")))
				}
				for _, f := range definition.All("focus") {
					least, _ := strconv.Atoi(f.Text("min"))
					most, err := strconv.Atoi(f.Text("max"))
					if got := count[f.Text("code")]; got < least || err == nil && got > most {
						t.Errorf("%d of %s, the message definition wants %s to %s", got, f.Text("code"), f.Text("min"), f.Text("max"))
					}
					delete(count, f.Text("code"))
				}
				if len(count) > 0 {
					t.Errorf("the message definition does not know of %v", count)
				}
				if barsEntry(n, "MessageHeader", nil).Text("definition") != definition.Text("url") {
					t.Error("the message names another definition")
				}
			}
		})
	}
}
