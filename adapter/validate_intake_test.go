package main

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// What sending a message is always refused for, $validate with mode=create and the
// command say too: of a message and of a resource by itself.
func TestValidateSaysWhatSendingIsRefusedFor(t *testing.T) {
	in := func(old, new string) func(string) string {
		return func(m string) string { return strings.Replace(m, old, new, 1) }
	}
	cases := map[string]struct {
		rule  string
		wrong func(message string) string
	}{
		"an update":      {"bundle-method", in(`"POST"`, `"PUT"`)},
		"an address":     {"bundle-url", in(`"url":"Patient"`, `"url":"Person"`)},
		"no transaction": {"bundle-type", in(`"type":"transaction"`, `"type":"collection"`)},
		"implicit rules": {"implicit-rules", in(`"resourceType":"Patient"`, `"resourceType":"Patient","implicitRules":"https://example.org/rules"`)},
		"a modifier":     {"modifier-extension", in(`"resourceType":"Patient"`, `"resourceType":"Patient","modifierExtension":[{"url":"https://example.org/not","valueBoolean":true}]`)},
		"a score in words": {"instrument-type", func(m string) string {
			return regexp.MustCompile(`"valueInteger":[0-9]+`).ReplaceAllString(m, `"valueString":"seven"`)
		}},
		"a score out of range":   {"instrument-range", in(`"valueInteger":`, `"valueInteger":1`)},
		"a conditional create":   {"if-none-exist", in(`"method":"POST"`, `"method":"POST","ifNoneExist":"name=A"`)},
		"a wrong check digit":    {"nhs-number-check-digit", in(`"value":"999`, `"value":"998`)},
		"a conditional target":   {"conditional-reference", in(`"subject":{"reference":"`, `"subject":{"reference":"Patient?identifier=`)},
		"a type that is no part": {"type-not-accepted", func(string) string { return `{"resourceType":"Basic","code":{"text":"a"}}` }},
		"two referrals": {"one-referral", func(m string) string {
			root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(m), fhir.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			twin := root.All("entry")[requestEntry].Clone()
			twin.Set("fullUrl", "urn:uuid:00000000-0000-4000-8000-000000000000")
			root.Append("entry", twin)
			return string(fhir.Encode(root))
		}},
		"a person twice": {"patient-twice", func(m string) string {
			root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(m), fhir.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			twin := root.All("entry")[patientEntry].Clone()
			twin.Set("fullUrl", "urn:uuid:00000000-0000-4000-8000-000000000000")
			root.Append("entry", twin)
			return string(fhir.Encode(root))
		}},
		"a reference without its Bundle": {"reference-unknown", func(string) string {
			return string(fhir.Encode(someone(practiceA).alone(byReference("urn:uuid:00000000-0000-4000-8000-000000000000"))))
		}},
		"nobody": {"subject", func(string) string {
			return string(fhir.Encode(someone(practiceA).alone(`{"display":"A"}`)))
		}},
		"a batch": {"instrument-range", func(m string) string {
			return in(`"valueInteger":`, `"valueInteger":1`)(in(`"type":"transaction"`, `"type":"batch"`)(m))
		}},
	}
	command := shippedValidator(t)
	gp := newWorld(t, "").run(quiet()).as(auth.RoleRequester, practiceA)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			body := c.wrong(string(someone(practiceA).message()))
			root, err := fhir.Read(fhir.Types(fhir.R4), []byte(body), fhir.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			address := "/fhir/R4"
			if kind := root.ResourceType(); kind == "ServiceRequest" {
				address += "/" + kind
			}
			if kind := root.ResourceType(); kind != "Basic" { // which has no address
				sent := gp.do(http.MethodPost, address, []byte(body))
				if sent.says(t, `"`+c.rule+`"`); sent.status < 400 && root.Text("type") != "batch" {
					t.Errorf("it was taken: %s", sent.body)
				}
			}
			gp.do(http.MethodPost, "/fhir/R4/$validate?mode=create", []byte(body)).want(http.StatusOK).says(t, `"`+c.rule+`"`, `"error"`)
			var rules, places []string
			for _, e := range command.validate(root, question{intake: true}) {
				if e.Failure() {
					rules = append(rules, e.Rule)
				}
				places = append(places, e.Expression+" "+e.Rule)
			}
			if !slices.Contains(rules, c.rule) {
				t.Errorf("the command says %v", rules)
			}
			slices.Sort(places)
			if len(slices.Compact(slices.Clone(places))) != len(places) {
				t.Errorf("told twice: %v", places)
			}
		})
	}
	t.Run("and nothing of one that is sound", func(t *testing.T) {
		root, err := fhir.Read(fhir.Types(fhir.R4), someone(practiceA).message(), fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range command.validate(root, question{intake: true}) {
			if e.Failure() {
				t.Error(e.Details, e.Expression)
			}
		}
	})
}
