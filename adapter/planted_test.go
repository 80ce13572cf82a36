package main

import (
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/conformance"
)

// document of a test: JSON that fits a profile, and how it is held to it.
type example struct {
	text  []byte
	check func(n *fhir.Node) error
}

// object is a JSON object with its place.
type object = map[string]any

// examples are messages that fit, by the folder of the profile that they are held to.
func examples(t testing.TB, a *artefacts) map[string][]example {
	t.Helper()
	out := map[string][]example{}
	held := func(profile string) func(n *fhir.Node) error {
		return func(n *fhir.Node) error { return a.conforms(profile, n) }
	}
	for _, target := range caseTargets(t, a, intakeDialect) {
		out[referral.ProfileReferral] = append(out[referral.ProfileReferral], example{fhir.Encode(target), held(referral.ProfileReferral)})
		for _, e := range target.All("entry") {
			n := e.Child("resource")
			kind := n.ResourceType()
			p := map[string]string{"ServiceRequest": referral.ProfileRequest, "Observation": referral.ProfileObservation, "Patient": referral.ProfilePatient, "Organization": referral.ProfileOrganization}[kind]
			if p == "" || n.Text("intent") == "filler-order" {
				continue
			}
			out[p] = append(out[p], example{fhir.Encode(n), held(p)})
		}
	}
	for _, target := range caseTargets(t, a, outletPrefix+usualDialect) {
		out[referral.ProfileOutcome] = append(out[referral.ProfileOutcome], example{fhir.Encode(target), held(referral.ProfileOutcome)})
		for _, e := range target.All("entry") {
			if n := e.Child("resource"); n.ResourceType() == "Task" {
				out[referral.ProfileTask] = append(out[referral.ProfileTask], example{fhir.Encode(n), held(referral.ProfileTask)})
			}
		}
	}
	for _, target := range caseTargets(t, a, outletPrefix+referral.ConnectionBaRS) {
		out[referral.ProfileBaRSResponse] = append(out[referral.ProfileBaRSResponse], example{fhir.Encode(target), held(referral.ProfileBaRSResponse)})
	}
	for profile, text := range rare {
		out[profile] = append(out[profile], example{[]byte(text), held(profile)})
	}
	out[profileFiller] = nil
	for _, target := range caseTargets(t, a, intakeDialect) {
		out[profileFiller] = append(out[profileFiller], example{fhir.Encode(target.Descend("entry", "resource")), held(profileFiller)})
	}
	instruments, err := fs.ReadFile(conformance.FS, "instruments/Bundle-instruments.json")
	if err != nil {
		t.Fatal(err)
	}
	partners, err := json.Marshal(parsedJSON(t, []byte(extensionsInUse)))
	if err != nil {
		t.Fatal(err)
	}
	out["extensions"] = []example{{instruments, a.profiles.Validate}, {partners, a.profiles.Validate}}
	return out
}

// profileFiller is the profile of the request of this program, which the profile of the
// whole Bundle applies.
const profileFiller = "https://spadapter.example/fhir/StructureDefinition/sp-referral"

// rare are messages with elements that no case has.
var rare = map[string]string{
	referral.ProfileRequest: `{"resourceType":"ServiceRequest","extension":[
  {"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-Coverage","valueCodeableConcept":{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-FundingCategory","code":"public"}]}}],
  "replaces":[{"reference":"ServiceRequest/1"}],"status":"active","intent":"order","doNotPerform":false,
  "code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"reference":"Patient/1"}}`,
	referral.ProfileTask: `{"resourceType":"Task","identifier":[{"system":"https://spadapter.example/fhir/Id/task","value":"2"}],"basedOn":[{"reference":"ServiceRequest/2"}],
  "status":"received","businessStatus":{"coding":[{"system":"https://spadapter.example/fhir/CodeSystem/business-status","code":"awaiting-triage"}]},"intent":"order",
  "code":{"coding":[{"system":"http://hl7.org/fhir/CodeSystem/task-code","code":"fulfill"}]},"focus":{"reference":"ServiceRequest/1"},"for":{"reference":"Patient/1"},
  "authoredOn":"2026-03-02T09:00:00Z","lastModified":"2026-03-02T09:00:00Z","requester":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Y99001"}},
  "input":[{"type":{"coding":[{"system":"https://spadapter.example/fhir/CodeSystem/task-output","code":"follows"}]},"valueReference":{"reference":"Task/1"}}]}`,
	referral.ProfileActivity: `{"resourceType":"Task","identifier":[{"system":"https://spadapter.example/fhir/Id/task","value":"3"}],"basedOn":[{"reference":"ServiceRequest/2"}],
  "partOf":[{"reference":"Task/1"}],"status":"completed","businessStatus":{"coding":[{"system":"https://spadapter.example/fhir/CodeSystem/business-status","code":"ended"}]},"intent":"order",
  "code":{"coding":[{"system":"http://hl7.org/fhir/CodeSystem/task-code","code":"fulfill"}],"text":"Lunch club"},"focus":{"reference":"ServiceRequest/1"},"for":{"reference":"Patient/1"},
  "authoredOn":"2026-03-02T09:00:00Z","lastModified":"2026-03-02T09:00:00Z","requester":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Y99201"}},
  "owner":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Y99301"}},
  "output":[{"type":{"coding":[{"system":"https://spadapter.example/fhir/CodeSystem/task-output","code":"sessions"}]},"valueInteger":6}]}`,
	referral.ProfileQuestion: `{"resourceType":"Task","identifier":[{"system":"https://spadapter.example/fhir/Id/task","value":"4"}],"basedOn":[{"reference":"ServiceRequest/2"}],
  "partOf":[{"reference":"Task/1"}],"status":"completed","intent":"order","code":{"coding":[{"system":"https://spadapter.example/fhir/CodeSystem/task-output","code":"question"}]},
  "focus":{"reference":"ServiceRequest/1"},"for":{"reference":"Patient/1"},"authoredOn":"2026-03-02T09:00:00Z","lastModified":"2026-03-02T09:00:00Z",
  "requester":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Y99201"}},"owner":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Y99001"}},
  "input":[{"type":{"coding":[{"system":"https://spadapter.example/fhir/CodeSystem/task-output","code":"question"}]},"valueString":"Which language?"}],
  "output":[{"type":{"coding":[{"system":"https://spadapter.example/fhir/CodeSystem/task-output","code":"answer"}]},"valueString":"Somali."}]}`,
	referral.ProfilePatient: `{"resourceType":"Patient","extension":[
  {"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-BirthSex","valueCodeableConcept":{"coding":[{"system":"http://hl7.org/fhir/administrative-gender","code":"female"}]}},
  {"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory","valueCodeableConcept":{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryEngland","code":"Z"}]}}],
  "identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}],"name":[{"text":"Test Person"}],"birthDate":"1950-01-01",
  "communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"so"}]}}]}`,
	referral.ProfileOrganization: `{"resourceType":"Organization","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-site-code","value":"Y9900101"}],"name":"A site"}`,
}

const extensionsInUse = `{"resourceType":"Bundle","type":"collection","entry":[
 {"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"Endpoint","extension":[
  {"url":"https://spadapter.example/fhir/StructureDefinition/endpoint-client-id","valueString":"adapter"},
  {"url":"https://spadapter.example/fhir/StructureDefinition/endpoint-token-url","valueUrl":"https://gp.example/token"}],
  "status":"active","connectionType":{"system":"http://terminology.hl7.org/CodeSystem/endpoint-connection-type","code":"hl7-fhir-rest"},"payloadType":[{"text":"outcome"}],"address":"https://gp.example/fhir"}},
 {"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000002","resource":{"resourceType":"Device","extension":[
  {"url":"https://spadapter.example/fhir/StructureDefinition/client-role","valueCode":"requester"},
  {"url":"https://spadapter.example/fhir/StructureDefinition/client-scope","valueString":"system/*.cruds"},
  {"url":"https://spadapter.example/fhir/StructureDefinition/client-jwks","valueString":"{}"},
  {"url":"https://spadapter.example/fhir/StructureDefinition/client-jwks-url","valueUrl":"https://gp.example/jwks.json"},
  {"url":"https://spadapter.example/fhir/StructureDefinition/client-algorithm","valueCode":"ES256"},
  {"url":"https://spadapter.example/fhir/StructureDefinition/client-organization","valueReference":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Y99001"}}}]}},
 {"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000003","resource":{"resourceType":"Task","status":"received","intent":"order","note":[{"extension":[
  {"url":"https://spadapter.example/fhir/StructureDefinition/audience","valueCode":"person"}],"text":"Prefers mornings."}]}},
 {"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000004","resource":{"resourceType":"DocumentReference","status":"current","extension":[
  {"url":"https://spadapter.example/fhir/StructureDefinition/audience","valueCode":"service"}],"content":[{"attachment":{"extension":[
  {"url":"https://spadapter.example/fhir/StructureDefinition/attachment-sha256","valueString":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}],
  "url":"https://tool.example.nhs.uk/plan"}}]}}]}`

func parsedJSON(t testing.TB, text []byte) object {
	t.Helper()
	var out object
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestExamplesFit: every example is valid FHIR and fits, without so much as a remark;
// what is planted in one below is then all that is found.
func TestExamplesFit(t *testing.T) {
	a := shipped(t)
	for profile, list := range examples(t, a) {
		for _, x := range list {
			n, err := fhir.Parse(fhir.Types(fhir.R4), x.text, fhir.Limits{})
			if err == nil {
				err = fhir.Check(n)
			}
			if err != nil {
				t.Fatalf("%s: %v", profile, err)
			}
			for _, e := range issue.All(x.check(n)) {
				if e.Severity == issue.SeverityWarning && profile == referral.ProfilePatient {
					continue // a case is about a person with little known of them
				}
				t.Errorf("%s: %s %s %s", profile, e.Rule, e.Expression, e.Details)
			}
		}
	}
}

// definitions reads every StructureDefinition that ships, by its id.
func definitions(t testing.TB) map[string]*fhir.Node {
	t.Helper()
	out := map[string]*fhir.Node{}
	for _, n := range artefactsOf(t, "StructureDefinition") {
		out[n.Text("id")] = n
	}
	return out
}

// from says which examples hold the resources that a profile is for.
func from(id string) string {
	switch {
	case id == "sp-task" || id == "sp-activity" || id == "sp-question" || id == "sp-referral":
		return "https://spadapter.example/fhir/StructureDefinition/" + id
	case strings.HasPrefix(id, "sp-referral-") && id != "sp-referral-bundle":
		return "https://spadapter.example/fhir/StructureDefinition/" + id
	case id == "sp-need" || id == "sp-referral-bundle":
		return referral.ProfileReferral
	case strings.HasPrefix(id, "sp-bars-"):
		return referral.ProfileBaRSResponse
	case strings.HasPrefix(id, "sp-"):
		return referral.ProfileOutcome
	}
	return "extensions"
}

// TestEveryRuleOfAProfileIsFound breaks every statement of every profile (what must be
// there, how often, which value, which type, which code) in the examples, and wants the
// profile to name the element. Values that tell slices apart cannot be broken: another
// value is another slice.
func TestEveryRuleOfAProfileIsFound(t *testing.T) {
	a := shipped(t)
	all := examples(t, a)
	broken := 0
	for id, sd := range definitions(t) {
		marks := discriminators(sd)
		for _, d := range sd.Descend("differential").All("element") {
			name := d.Text("id")
			for kind, breaks := range breakers(d, marks) {
				broken++
				if !slices.ContainsFunc(all[from(id)], func(x example) bool { return finds(t, x, sd, name, breaks, id+"/"+name) }) {
					t.Errorf("%s %s: %s can be broken unseen", id, name, kind)
				}
			}
		}
	}
	if broken < 150 {
		t.Errorf("only %d statements were broken", broken)
	}
}

// finds breaks one place after the other in an example, until the rule is found.
func finds(t *testing.T, x example, sd *fhir.Node, name string, breaks func(parent object, key string) []func(), rule string) bool {
	for i := 0; ; i++ {
		root := parsedJSON(t, x.text)
		var all []func()
		for _, at := range instances(root, sd) {
			eachParent(at, strings.Split(name, ".")[1:], func(parent object, key string) {
				all = append(all, breaks(parent, key)...)
			})
		}
		if i >= len(all) {
			return false
		}
		all[i]()
		text, err := json.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		n, err := fhir.Parse(fhir.Types(fhir.R4), text, fhir.Limits{})
		if err != nil {
			continue
		}
		if slices.ContainsFunc(issue.All(x.check(n)), func(e *issue.Error) bool { return e.Rule == rule && e.Failure() }) {
			return true
		}
	}
}
