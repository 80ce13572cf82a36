package main

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/terminology"
	"spadapter/conformance"
	"spadapter/mappings"
)

const ours = "https://spadapter.example/fhir/"

// TestEveryValueSetExpands: what a value set holds is known, but for the national
// reference sets, whose members are not shipped, and those that take one in.
func TestEveryValueSetExpands(t *testing.T) {
	codes := shipped(t).codes
	var open []string
	seen := 0
	for _, url := range codes.URLs("ValueSet") {
		if strings.Contains(url, "|") {
			continue
		}
		seen++
		list, complete := codes.Expand(url)
		if !complete {
			open = append(open, strings.TrimPrefix(url, ours+"ValueSet/"))
			continue
		}
		if len(list) == 0 {
			t.Errorf("%s is empty", url)
		}
	}
	want := []string{
		"sp-access-need", "sp-carer", "sp-communication-need", "sp-former-carer", "sp-impairment", "sp-interpreter", "sp-main-language", "sp-mobility",
		"sp-national-need", "sp-national-referral", "sp-national-support", "sp-risk", "sp-safeguarding", "sp-social-context",
	}
	if !slices.Equal(open, want) || seen < 15 {
		t.Errorf("of %d value sets these are not known whole: %v", seen, open)
	}
}

// TestEveryConceptMapIsTotal: a map says something of every code of the value set that it
// is for, if only that nothing matches. Four maps are for whole terminologies that are not
// shipped, one for whatever spelling of a code system a sender has, two for the words of directories, one for retired codes and one for addresses: theirs say of each code that leads somewhere.
func TestEveryConceptMapIsTotal(t *testing.T) {
	codes := shipped(t).codes
	var open []string
	for _, url := range codes.URLs("ConceptMap") {
		if strings.Contains(url, "|") {
			continue
		}
		missing, known := codes.Unmapped(url)
		if !known {
			open = append(open, strings.TrimPrefix(url, ours+"ConceptMap/"))
		}
		for _, c := range missing {
			t.Errorf("%s says nothing of %s", url, c.Code)
		}
	}
	if want := []string{"accessibility", "activity-kind", "bars-nhs-number-status", "ctv3-snomed", "emis-snomed", "legacy-code-system", "need", "readv2-snomed", "stu3-url"}; !slices.Equal(open, want) {
		t.Errorf("for these maps it is not known whether they are total: %v", open)
	}
	for _, n := range artefactsOf(t, "ConceptMap") {
		for _, g := range n.All("group") {
			for _, e := range g.All("element") {
				for _, to := range e.All("target") {
					unmatched := to.Text("equivalence") == "unmatched"
					if unmatched != (to.Child("code") == nil) || unmatched && to.Text("comment") == "" {
						t.Errorf("%s: %s has a code, or says unmatched and why", n.Text("id"), e.Text("code"))
					}
					if system := g.Text("target"); strings.HasPrefix(system, ours) && !unmatched {
						if _, ok := codes.Lookup(system, to.Text("code")); !ok {
							t.Errorf("%s: %s is not in %s", n.Text("id"), to.Text("code"), system)
						}
					}
				}
			}
		}
	}
}

// artefactsOf reads the resources of a type that ship, from conformance and the maps.
func artefactsOf(t testing.TB, kind string) (list []*fhir.Node) {
	t.Helper()
	for _, fsys := range []fs.FS{conformance.FS, mappings.FS} {
		all, err := terminology.Resources(fsys, func(string) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range all {
			if n.ResourceType() == kind {
				list = append(list, n)
			}
		}
	}
	return list
}

// TestListsAreTheCodeSystems: the lists in the program are the code systems, and the other
// way round.
func TestListsAreTheCodeSystems(t *testing.T) {
	a := shipped(t)
	for system, want := range map[string][]string{
		"contact-channel": referral.Channels,
		"contact-result":  referral.Results,
		"sharing-level":   {referral.SharingNone, referral.SharingCodes, referral.SharingSummary, referral.SharingFull},
		"task-output":     {"proposed-status", "outcome", "observation", "intervention", "requested-action", "summary", "joined", "follows", "sessions", "question", "answer"},
	} {
		n, err := document("codesystems/CodeSystem-" + system + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range n.All("concept") {
			got = append(got, c.Text("code"))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (- program, + code system)\n%s", system, diff)
		}
	}
	for _, n := range artefactsOf(t, "CodeSystem") {
		concepts := n.All("concept")
		for _, c := range concepts {
			if c.Text("definition") == "" || c.Text("display") == "" {
				t.Errorf("%s: %s has no definition or display", n.Text("id"), c.Text("code"))
			}
		}
		if _, ok := a.codes.Lookup(n.Text("url"), concepts[0].Text("code")); !ok {
			t.Errorf("%s is not loaded", n.Text("url"))
		}
	}
}

var tag = regexp.MustCompile(` \([a-z ]+\)$`)

// TestDisplaysAreTheTerms holds every SNOMED CT code that ships to the list of codes whose
// source was read, where that list is at hand: it must be verified there, under the same
// term but for the semantic tag.
func TestDisplaysAreTheTerms(t *testing.T) {
	list, err := os.ReadFile("../../shared/reference/codes.tsv")
	if err != nil {
		t.Log("the list of codes is not here: ", err)
		return
	}
	terms := map[string]string{}
	for line := range strings.Lines(string(list)) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) > 3 && strings.HasPrefix(f[3], "verified") {
			terms[f[1]] = f[2]
		}
	}
	seen := 0
	var walk func(where string, n *fhir.Node, system string)
	walk = func(where string, n *fhir.Node, system string) {
		if s := n.Text("system"); s != "" {
			system = s
		}
		if code, display := n.Text("code"), n.Text("display"); system == referral.SystemSNOMED && code != "" {
			seen++
			if want, ok := terms[code]; !ok {
				t.Errorf("%s: %s is verified nowhere", where, code)
			} else if display != "" && tag.ReplaceAllString(display, "") != tag.ReplaceAllString(want, "") {
				t.Errorf("%s: %s is called %q, and is %q", where, code, display, want)
			}
		}
		for _, c := range n.Children {
			at := system
			switch {
			case n.ResourceType() == "ConceptMap":
				at = ""
			case c.Name == "element": // of a ConceptMap
				at = n.Text("source")
			case c.Name == "target" && n.Name == "element":
				at = n.Parent.Text("target")
			case c.Name == "dependsOn" || c.Name == "resource":
				at = ""
			}
			walk(where, c, at)
		}
	}
	for _, kind := range []string{"CodeSystem", "ValueSet", "ConceptMap", "Bundle", "StructureDefinition"} {
		for _, n := range artefactsOf(t, kind) {
			walk(kind+" "+n.Text("id"), n, "")
		}
	}
	if seen < 120 {
		t.Errorf("only %d codes were looked at", seen)
	}
}

// TestTheReadmeNamesEveryArtefact: what ships is described, and what is described ships.
func TestTheReadmeNamesEveryArtefact(t *testing.T) {
	readme, err := os.ReadFile("../conformance/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, kind := range []string{"StructureDefinition", "CodeSystem", "ValueSet", "ConceptMap"} {
		for _, n := range artefactsOf(t, kind) {
			ids = append(ids, n.Text("id"))
		}
	}
	ids = append(ids, shipped(t).instruments.Codes()...)
	letters, err := fs.Glob(conformance.Letters, "letters/*.json")
	if err != nil || len(letters) == 0 {
		t.Fatalf("no letters: %v", err)
	}
	for _, file := range letters {
		ids = append(ids, strings.TrimSuffix(strings.TrimPrefix(path.Base(file), "StructureDefinition-"), ".json"))
	}
	for _, id := range ids {
		if !strings.Contains(string(readme), "`"+id+"`") {
			t.Errorf("conformance/README.md does not name %s", id)
		}
	}
	for _, name := range regexp.MustCompile("`(sp-[a-z-]+)`").FindAllStringSubmatch(string(readme), -1) {
		if !slices.Contains(ids, name[1]) && !strings.HasPrefix(name[1], "sp-task-") {
			t.Errorf("conformance/README.md names %s, which does not ship", name[1])
		}
	}
}
