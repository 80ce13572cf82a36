package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// ukCoreExamples gives the published examples of UK Core by the middle of their file
// name, nil where they are not on this machine.
func ukCoreExamples(t *testing.T, pattern string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../shared/reference/real/ukcore/UKCore-" + pattern + "-Example.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Log("NOT TESTED: the UK Core examples are not on this machine")
		return nil
	}
	out := map[string][]byte{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "UKCore-"), "-Example.json")
		out[name] = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	}
	return out
}

// generic reads JSON with numbers as they are written.
func generic(t *testing.T, body []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Every published example is read, found in order, and written again without loss.
func TestUKCoreExamplesSurvive(t *testing.T) {
	for name, body := range ukCoreExamples(t, "*") {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(generic(t, body), generic(t, fhir.Encode(checked(t, body)))); diff != "" {
				t.Errorf("- published, + written again:\n%s", diff)
			}
		})
	}
}

// turnedAway is why an example cannot be taken as it stands: rule@element, and the reason.
type turnedAway struct {
	status int
	issues []string
	why    string
}

const (
	dangling = "R4 references: a literal reference must lead to a resource; the example stands without those it refers to"
	noSocial = "a request for a scan, a trace or a blood test is no social prescribing referral: its code is not in the bound value set; and " + dangling
	nobody   = "R4 makes Observation.subject optional; without one it belongs to nobody's referral here. Also: " + dangling
)

func unknown(elements ...string) (list []string) {
	for _, e := range elements {
		list = append(list, "reference-unknown@"+e+".reference")
	}
	return list
}

var observedBy = unknown("Observation.performer[0]", "Observation.subject")

func notSocial(elements ...string) []string {
	return append(unknown(elements...), "sp-referral-request/ServiceRequest.code@ServiceRequest.code")
}

// refusedExamples holds the published examples that are refused; all others are accepted.
var refusedExamples = map[string]turnedAway{
	"ServiceRequest-CTChestScan":          {422, notSocial("ServiceRequest.locationReference[0]", "ServiceRequest.performer[0]", "ServiceRequest.requester", "ServiceRequest.subject"), noSocial},
	"ServiceRequest-ECG":                  {422, notSocial("ServiceRequest.locationReference[0]", "ServiceRequest.performer[0]", "ServiceRequest.requester", "ServiceRequest.subject"), noSocial},
	"ServiceRequest-Lab-CReactiveProtein": {422, notSocial("ServiceRequest.performer[0]", "ServiceRequest.reasonReference[0]", "ServiceRequest.requester", "ServiceRequest.subject"), noSocial},

	"Observation-AwarenessOfDiagnosis":         {422, unknown("Observation.subject"), dangling},
	"Observation-DrugUse":                      {422, observedBy, dangling},
	"Observation-FingerJointInflamed":          {422, append(unknown("Observation.performer[0]"), "subject@Observation"), nobody},
	"Observation-HeavyDrinker":                 {422, observedBy, dangling},
	"Observation-Lab-RedCellCount":             {422, append(unknown("Observation.performer[0]", "Observation.specimen"), unknown("Observation.subject")...), dangling},
	"Observation-Lab-WhiteCellCount":           {422, append(unknown("Observation.performer[0]", "Observation.specimen"), unknown("Observation.subject")...), dangling},
	"Observation-OxygenTherapy":                {422, observedBy, dangling},
	"Observation-PipeSmoker":                   {422, observedBy, dangling},
	"Observation-VitalSigns-BloodPressure":     {422, observedBy, dangling},
	"Observation-VitalSigns-BodyTemperature":   {422, observedBy, dangling},
	"Observation-VitalSigns-HeadCircumference": {422, observedBy, dangling},
	"Observation-VitalSigns-OxygenSaturation":  {422, observedBy, dangling},
}

// Each published ServiceRequest, Observation and Patient is accepted, or refused for
// the very reasons that are listed.
func TestUKCoreExamplesAreTakenOrRefusedForAReason(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp := a.as(auth.RoleRequester, practiceA)
	seen := map[string]bool{}
	for _, kind := range []string{"ServiceRequest", "Observation", "Patient"} {
		for name, body := range ukCoreExamples(t, kind+"-*") {
			t.Run(name, func(t *testing.T) {
				seen[name] = true
				got := gp.in(t).do(http.MethodPost, "/fhir/R4/"+kind, body)
				want, refused := refusedExamples[name]
				if !refused {
					got.want(http.StatusCreated)
					return
				}
				var issues []string
				for _, i := range got.node().All("issue") {
					issues = append(issues, i.Text("details", "coding", "code")+"@"+i.Text("expression"))
				}
				slices.Sort(issues)
				if diff := cmp.Diff(want.issues, issues); diff != "" || got.status != want.status {
					t.Errorf("status %d, want %d because %s (- want, + got):\n%s\n%s", got.status, want.status, want.why, diff, got.body)
				}
			})
		}
	}
	for name := range refusedExamples {
		if len(seen) > 0 && !seen[name] {
			t.Errorf("the table has %s, which is no example", name)
		}
	}
}

// The published Observations are taken once the person they are about has an open
// referral, and are kept as they were sent.
func TestUKCoreObservationsJoinAReferral(t *testing.T) {
	examples := ukCoreExamples(t, "Observation-*")
	if examples == nil {
		return
	}
	w := newWorld(t, "")
	gp := w.run(quiet()).as(auth.RoleRequester, practiceA)
	s := someone(practiceA)
	gp.post(s.alone(byNumber(s.nhsNumber))).want(http.StatusCreated)
	for name, body := range examples {
		t.Run(name, func(t *testing.T) {
			gp := gp.in(t)
			n := checked(t, body)
			setPart(n, "subject", byNumber(s.nhsNumber))
			for _, elsewhere := range []string{"performer", "specimen"} {
				n.Remove(elsewhere) // they are not published beside it
			}
			stored := gp.get("/fhir/R4/" + gp.post(n).want(http.StatusCreated).located()).want(http.StatusOK).node()
			for _, one := range []*fhir.Node{n, stored} {
				one.Remove("id")
				one.Remove("meta")
			}
			if diff := cmp.Diff(generic(t, fhir.Encode(n)), generic(t, fhir.Encode(stored))); diff != "" {
				t.Errorf("- sent, + stored:\n%s", diff)
			}
		})
	}
}
