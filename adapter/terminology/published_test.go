package terminology

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
)

// published has the code systems and value sets of the base standard, of UK Core and of
// BaRS, where they are on the machine; nil where they are not.
func published(t testing.TB) *Registry {
	t.Helper()
	const folder = "../../../shared/reference/definitions"
	if _, err := os.Stat(folder); err != nil {
		t.Log("the published definitions are not on this machine")
		return nil
	}
	names, err := filepath.Glob(folder + "/*/*.json")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	r, files, err := (*Registry)(nil).WithFolder(Folder{FS: os.DirFS(folder)})
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, f := range files {
		if f.Passed == "" {
			read++
		}
	}
	if want := 276 + 323; read != want {
		t.Fatalf("%d of %d files were read", read, want)
	}
	return r
}

// TestPublishedExpansions holds expansions to counts that were made by hand from the
// definitions.
func TestPublishedExpansions(t *testing.T) {
	r := published(t)
	if r == nil {
		return
	}
	const base, v3 = "http://hl7.org/fhir/ValueSet/", "http://terminology.hl7.org/ValueSet/v3-"
	for url, want := range map[string]string{
		base + "administrative-gender":                           "4",
		base + "observation-status":                              "8",
		base + "request-intent":                                  "9",
		base + "task-status":                                     "12",
		base + "condition-clinical":                              "6",
		base + "FHIR-version":                                    "22",
		base + "encounter-participant-type":                      "12", // 7 below one, 3 listed, and 2 of another code system
		base + "patient-contactrelationship":                     "11", // 12 and not O
		v3 + "RefrainPolicy":                                     "18",
		v3 + "SecurityPolicy":                                    "51",
		v3 + "PurposeOfUse":                                      "60",
		v3 + "ActEncounterCode":                                  "11",  // 12 without the one above them
		v3 + "ServiceDeliveryLocationRoleType":                   "127", // 128 without the one above them
		base + "mimetypes":                                       "the codes of MIME types have no end and cannot be listed",
		base + "jurisdiction":                                    "the code system urn:iso:std:iso:3166 is not loaded; the code system urn:iso:std:iso:3166:-2 is not loaded; the code system http://unstats.un.org/unsd/methods/m49/m49.htm is not loaded",
		"https://fhir.hl7.org.uk/ValueSet/UKCore-ReportCodeSnCT": "the relationships of SNOMED CT are not loaded",
	} {
		list, err := r.List(t.Context(), Wanted{ValueSet: url, Count: -1})
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = strconv.Itoa(list.Total)
			if len(list.Members) != list.Total {
				t.Errorf("%s: %d of %d", url, len(list.Members), list.Total)
			}
		}
		if !strings.HasSuffix(got, want) {
			t.Errorf("%s: got %s, want %s", url, got, want)
		}
	}
}

// TestPublishedRequiredBindings: every value set that the base standard binds a code to
// expands to the codes that the type system has from google/fhir.
func TestPublishedRequiredBindings(t *testing.T) {
	r := published(t)
	if r == nil {
		return
	}
	seen := map[string]bool{}
	equal, missing := 0, 0
	var visit func(typ *fhir.Type)
	visit = func(typ *fhir.Type) {
		if typ == nil || seen[typ.Name] {
			return
		}
		seen[typ.Name] = true
		for _, e := range typ.Elements {
			for _, inner := range e.Types {
				visit(inner)
			}
			if e.Codes == nil || e.ValueSet == "" || seen[e.ValueSet] {
				continue
			}
			seen[e.ValueSet] = true
			concepts, complete := r.Expand(e.ValueSet)
			var got []string
			for _, c := range concepts {
				got = append(got, c.Code)
			}
			slices.Sort(got)
			got = slices.Compact(got)
			switch {
			case r.set(e.ValueSet) == nil:
				missing++
			case !complete:
				t.Errorf("%s %s is loaded and not complete", e.Path, e.ValueSet)
			case !slices.Equal(got, e.Codes):
				t.Errorf("%s %s:\ngot  %v\nwant %v", e.Path, e.ValueSet, got, e.Codes)
			default:
				equal++
			}
		}
	}
	for _, name := range fhir.Types(fhir.R4).Resources() {
		visit(fhir.Types(fhir.R4).Resource(name))
	}
	t.Logf("%d value sets have the same codes, %d are not among the definitions", equal, missing)
	if equal < 120 {
		t.Error("too few were compared")
	}
}
