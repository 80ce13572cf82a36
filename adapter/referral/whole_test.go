package referral

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"spadapter/adapter/fhir"
)

var update = flag.Bool("update", false, "write the golden view")

// TestTheWholePerson holds the view of the case with everything to its golden file.
func TestTheWholePerson(t *testing.T) {
	v := rendered(t, renderer(t), wholePerson(t))
	got := shownAs(t, v)
	const file = "testdata/whole-person.json"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("run with -update after looking:\n%s", diff)
	}
}

// wholePerson is the normalised referral of the case whole-person, its resources with the
// ids e0, e1 and so on.
func wholePerson(t testing.TB) *fhir.Node {
	t.Helper()
	archive, err := txtar.ParseFile("../../mappings/ukcore-r4-to-referral/whole-person.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range archive.Files {
		if part.Name != "target.json" {
			continue
		}
		text := string(part.Data)
		for i, entry := range tree(t, text).All("entry") {
			url, n := entry.Text("fullUrl"), entry.Child("resource")
			id := fmt.Sprintf("e%d", i)
			text = strings.ReplaceAll(text, `"reference": "`+url+`"`, `"reference": "`+n.ResourceType()+"/"+id+`"`)
			before, after, _ := strings.Cut(text, `"fullUrl": "`+url+`"`)
			after = strings.Replace(after, `"resourceType"`, `"id": "`+id+`", "resourceType"`, 1)
			text = before + `"fullUrl": "` + url + `"` + after
		}
		return tree(t, text)
	}
	t.Fatal("the case has no target")
	return nil
}

// TestAProviderKnowsTheLeast: of the case with everything a provider of an activity gets
// what it takes to meet the person, in our words, and of a restricted person no number.
func TestAProviderKnowsTheLeast(t *testing.T) {
	s, whole := renderer(t), wholePerson(t)
	seen := func(b *fhir.Node) Contact {
		v := rendered(t, s, b)
		c := Contact{Name: v.Person.Name, Access: []Coded{}}
		s.limit(&c, v)
		return c
	}
	c := seen(whole)
	if len(c.Telecom) != 3 || c.Interpreter == nil || !*c.Interpreter || c.Preferred.Text != "SMS" || !c.More {
		t.Errorf("a provider sees %+v", c)
	}
	var needs []string
	for _, code := range append(c.Access, c.Written...) {
		needs = append(needs, code.Display)
	}
	want := []string{"Does use hearing aid", "Somali language interpreter needed", "Requires wheelchair access", "Noise intolerance", "Large print"}
	if diff := cmp.Diff(want, needs); diff != "" {
		t.Error(diff)
	}
	words := []string{c.Name, "SMS", "so", "urn:ietf:bcp:47"}
	for _, list := range [][]Coded{c.Access, c.Written, c.Languages, c.Preferred.Codes} {
		for _, code := range list {
			words = append(words, code.System, code.Code, code.Display)
		}
	}
	words = append(words, c.Telecom...)
	shown := shownAs(t, c)
	for _, secret := range everyValue(whole) {
		known := false
		for _, w := range words {
			known = known || strings.Contains(w, secret)
		}
		if len(secret) > 3 && !known && strings.Contains(shown, `"`+secret+`"`) {
			t.Errorf("a provider sees %q", secret)
		}
	}
	label := func(n *fhir.Node) { n.Add("meta").Add("security").Set("code", "R") }
	for name, change := range map[string]func(bundle, patient *fhir.Node){
		"restricted":           func(_, patient *fhir.Node) { label(patient) },
		"a restricted message": func(bundle, _ *fhir.Node) { label(bundle) },
		"deceased":             func(_, patient *fhir.Node) { patient.Set("deceasedBoolean", "true") },
	} {
		b := whole.Clone()
		change(b, b.All("entry")[1].Child("resource"))
		if c := seen(b); len(c.Telecom) != 0 || c.Name == "" {
			t.Errorf("%s: a provider sees %+v", name, c)
		}
		if p := rendered(t, s, b).Person; p.Restricted == p.Deceased || p.Address == "" || len(p.Telecom) == 0 {
			t.Errorf("%s: the link worker sees %+v", name, p)
		}
	}
}

// everyValue lists every value below n.
func everyValue(n *fhir.Node) []string {
	var out []string
	if n.HasValue() {
		out = append(out, n.Value)
	}
	for _, c := range n.Children {
		out = append(out, everyValue(c)...)
	}
	return out
}
