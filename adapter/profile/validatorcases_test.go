package profile

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// vitalSigns are the profiles that FHIR asks of an Observation by its LOINC code, of
// those that the package of the base standard holds.
// Source: http://hl7.org/fhir/R4/observation-vitalsigns.html.
var vitalSigns = map[string]string{"85354-9": "bp", "8302-2": "bodyheight", "29463-7": "bodyweight", "39156-5": "bmi", "8867-4": "heartrate"}

// ofProfile are the words of HL7's validator for a rule of a profile. What the
// expression captures is the id of the element in that profile.
var ofProfile = []*regexp.Regexp{
	regexp.MustCompile(`^(Observation\.[\w.\[\]]+): minimum required = \d+, but only found \d+ \(from http://hl7.org/fhir/StructureDefinition/(?:bp|heartrate)\|`),
	regexp.MustCompile(`^Slice '(Observation\.[\w.:]+)': a matching slice is required, but not found`),
	regexp.MustCompile(`^This element does not match any known slice .* CLOSED: (Observation\.\w+)`),
}

// TestSuiteValidatorProfiles holds profiles against the recorded outcomes of HL7's
// validator: each error that it draws from a profile that is at hand must be found here
// for the same element, nothing else may be found by a profile, and in a clean case
// nothing at all.
func TestSuiteValidatorProfiles(t *testing.T) {
	packages := publishedPackages(t)
	if packages == nil {
		return
	}
	s := publishedSet(t, packages)
	suite := &suiteTally{name: "validator profiles", excluded: table(t, "testdata/validator-profiles.tsv")}
	errors := 0
	for _, folder := range []string{"valid", "invalid"} {
		files, _ := filepath.Glob(filepath.Join(realFiles, "fhir-test-cases", folder, "*.json"))
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(read(t, file)), fhir.Limits{})
			if err != nil {
				continue // the JSON itself is the case
			}
			want := recordedOf(t, name)
			errors += len(want)
			var got []string
			err = s.ValidateEach(root, func(n *fhir.Node) []string {
				for _, c := range n.Descend("code").All("coding") {
					if id := vitalSigns[c.Text("code")]; n.ResourceType() == "Observation" && c.Text("system") == "http://loinc.org" && id != "" {
						return []string{standard + id}
					}
				}
				return nil
			})
			for _, e := range issue.All(err) {
				if _, element, ok := strings.Cut(e.Rule, "/"); ok && e.Failure() {
					element, _, _ = strings.Cut(element, "[x]") // that validator does not say the type of a choice
					got = append(got, element)
				}
			}
			slices.Sort(want)
			slices.Sort(got)
			problem := ""
			if !slices.Equal(want, got) {
				problem = "found " + strings.Join(got, ", ") + "; recorded " + strings.Join(want, ", ")
			}
			suite.settle(t, name, problem)
		}
	}
	if errors < 8 {
		t.Errorf("only %d errors of profiles are recorded", errors)
	}
	suite.end(t)
}

// recordedOf lists the elements of which HL7's validator says that a profile is broken.
// Observation.code is required by the base standard, which fhir.Check says.
func recordedOf(t *testing.T, name string) (out []string) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(realFiles, "fhir-test-cases/outcomes", name+".outcome.json"))
	if os.IsNotExist(err) {
		return nil
	}
	var outcome struct {
		Issue []struct {
			Severity string
			Details  struct{ Text string }
		}
	}
	if err != nil || json.Unmarshal(body, &outcome) != nil {
		t.Fatal(name, err)
	}
	for _, i := range outcome.Issue {
		for _, r := range ofProfile {
			if m := r.FindStringSubmatch(i.Details.Text); m != nil && i.Severity == "error" && m[1] != "Observation.code" {
				out = append(out, strings.TrimSuffix(m[1], "[x]"))
			}
		}
	}
	return out
}
