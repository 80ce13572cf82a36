package referral

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/terminology"
	"spadapter/conformance"
	"spadapter/mappings"
)

// renderer is a Service that can render and no more.
func renderer(t testing.TB) *Service {
	t.Helper()
	codes, err := terminology.LoadFS(conformance.FS)
	if err != nil {
		t.Fatal(err)
	}
	more, err := terminology.Resources(mappings.FS, func(name string) bool { return strings.HasPrefix(name, "base/") })
	if err != nil {
		t.Fatal(err)
	}
	if codes, err = codes.With(more...); err != nil {
		t.Fatal(err)
	}
	body, err := conformance.FS.ReadFile("instruments/Bundle-instruments.json")
	if err != nil {
		t.Fatal(err)
	}
	instruments, err := LoadInstruments(tree(t, string(body)))
	if err != nil {
		t.Fatal(err)
	}
	return NewService(Config{Terminology: codes, Instruments: instruments, Partners: &Partners{},
		Now: func() time.Time { return time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC) }})
}

// rendered is the View of a normalised referral whose entries have ids; the first Patient
// and the first ServiceRequest are those of the referral, a second one the original.
func rendered(t testing.TB, s *Service, bundle *fhir.Node, later ...Version) *View {
	t.Helper()
	r := &Record{ID: "task", Organisation: "Y99001", Status: StatusReceived, BusinessStatus: "awaiting-triage"}
	var patient *fhir.Node
	for _, entry := range bundle.All("entry") {
		switch n := entry.Child("resource"); {
		case n.ResourceType() == "Patient" && patient == nil:
			patient, r.Patient = n, n.Text("id")
		case n.ResourceType() == "ServiceRequest" && r.Filler == "":
			r.Filler = n.Text("id")
		case n.ResourceType() == "ServiceRequest":
			r.ServiceRequest = n.Text("id")
		}
	}
	r.Content = fhir.Encode(bundle)
	v, err := s.render(Call{Principal: &auth.Principal{Role: auth.RoleOwner}}, r, patient, later, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// shownAs is a View as a tool reads it.
func shownAs(t testing.TB, v any) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// filler makes resources in which every element has a value that occurs nowhere else.
type filler struct {
	n       int
	variant int // which type of a choice, which code of a list
	leaves  map[string]string
}

// fill gives a node every element of its type. A type inside itself ends it.
func (f *filler) fill(n *fhir.Node, path string, within []string) {
	for _, e := range n.Type.Elements {
		t := e.Types[f.variant%len(e.Types)]
		at := path + "." + e.Name
		switch {
		case e.Name == "id" || e.Name == "contained" || e.Name == "modifierExtension" || slices.Contains(within, t.Name):
			continue
		case t.Name == "Extension" && (f.variant > 0 || len(within) > 3):
			continue
		}
		name := e.Name
		if e.Choice {
			name = e.JSONName(t)
		}
		if t.Name == "Extension" {
			x := n.Add("extension")
			f.leaf(x.Set("url", fmt.Sprintf("https://x.example/e%d", f.next())), at+".url")
			f.leaf(x.Set("valueString", fmt.Sprintf("w%d.", f.next())), at+".value")
			continue
		}
		if len(t.Elements) > 0 && t.Kind != fhir.Primitive {
			f.fill(n.Add(name), at, append(slices.Clone(within), t.Name))
			continue
		}
		leaf := n.Set(name, f.value(e, t))
		if t.Name == "base64Binary" || n.Type.Name == "Reference" && e.Name == "type" {
			continue // bytes are read at the reference of a document; a reference says its type
		}
		f.leaf(leaf, at)
	}
}

func (f *filler) next() int { f.n++; return f.n }

func (f *filler) leaf(n *fhir.Node, path string) {
	if n != nil && n.HasValue() {
		f.leaves[path] = n.Value
	}
}

// value is a value of a primitive type.
func (f *filler) value(e *fhir.Element, t *fhir.Type) string {
	k := 1000 + f.next()
	switch t.Name {
	case "boolean":
		return "true"
	case "integer", "positiveInt", "unsignedInt":
		return fmt.Sprint(70000 + k)
	case "decimal":
		return fmt.Sprintf("%d.5", 90000+k)
	case "date", "dateTime":
		return fmt.Sprintf("%04d-02-03", k)
	case "instant":
		return fmt.Sprintf("%04d-02-03T04:05:06Z", k)
	case "time":
		return fmt.Sprintf("%02d:%02d:%02d", k/3600%24, k/60%60, k%60)
	case "base64Binary":
		return "aGk="
	case "code":
		if len(e.Codes) > 0 {
			for i := range e.Codes {
				if c := e.Codes[(f.variant+i)%len(e.Codes)]; c != "entered-in-error" && c != "cancelled" && c != "additional" {
					return c
				}
			}
		}
		return fmt.Sprintf("c%d", k)
	case "uri", "url", "canonical", "oid", "uuid":
		return fmt.Sprintf("https://x.example/u%d", k)
	case "xhtml":
		return `<div xmlns="http://www.w3.org/1999/xhtml">generated</div>`
	}
	return fmt.Sprintf("w%d.", k)
}

// exception is what a test does not look for.
type exception struct {
	path   *regexp.Regexp
	reason string
}

// unshown are the elements whose values are not in a View, with the reason.
var unshown = []exception{
	{regexp.MustCompile(`^[A-Za-z]+\.(implicitRules|language)$`), "how the resource is written"},
	{regexp.MustCompile(`^[A-Za-z]+\.meta\.(versionId|lastUpdated|source|profile)$`), "where and when it was stored"},
	{regexp.MustCompile(`^[A-Za-z]+\.text\.`), "made from the elements, and so says nothing that they do not"},
	{regexp.MustCompile(`(attachment|photo|value|source)\.(hash|size)$`), "of the bytes of a document, which are read at its reference"},
	{regexp.MustCompile(`^ServiceRequest\.(status|intent|basedOn\..*)$`), "of our own request these are ours: active, filler-order, based on the original"},
	{regexp.MustCompile(`\.linkId$`), "how a form is built; it stands for a question without words"},
}

// TestEverythingSentIsVisible fills every element of every type that is taken in, for each
// type of a choice, and looks for every value in the View.
func TestEverythingSentIsVisible(t *testing.T) {
	s := renderer(t)
	looked := 0
	for _, kind := range accepted {
		for variant := range 12 {
			f := &filler{variant: variant, leaves: map[string]string{}}
			n := fhir.Types(fhir.R4).New(kind)
			f.fill(n, kind, []string{kind})
			n.Set("id", "rich")
			bundle := tree(t, `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"p"}},{"resource":{"resourceType":"ServiceRequest","id":"s"}}]}`).Clone()
			switch entries := bundle.All("entry"); kind {
			case "Patient":
				entries[0].Child("resource").Remove("id")
				entries[0].Remove("resource")
				entries[0].Append("resource", n)
			case "ServiceRequest":
				entries[1].Remove("resource")
				entries[1].Append("resource", n)
			default:
				bundle.Add("entry").Append("resource", n)
			}
			shown := shownAs(t, rendered(t, s, bundle))
			for path, value := range f.leaves {
				if value == "true" || slices.ContainsFunc(unshown, func(u exception) bool { return u.path.MatchString(path) }) {
					continue
				}
				looked++
				if !strings.Contains(shown, value) {
					t.Errorf("variant %d: %s %q is not in the view", variant, path, value)
				}
			}
		}
	}
	if looked < 5000 {
		t.Errorf("only %d values were looked for", looked)
	}
}
