package mapping

import (
	"context"
	"encoding/xml"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// asResource is a map as the JSON of a StructureMap.
func asResource(t *testing.T, src Source) Source {
	t.Helper()
	n, err := Resource(src)
	if err != nil {
		t.Fatalf("%s: %v", src.Name, err)
	}
	return Source{Name: src.Name + ".json", Text: string(fhir.EncodeIndent(n))}
}

// TestSuiteAsResources runs the published suite on maps that were turned into resources.
func TestSuiteAsResources(t *testing.T) {
	ran := 0
	for _, version := range []string{"r5", "r4b"} {
		dir := filepath.Join(suiteFolder(), version)
		text, err := os.ReadFile(filepath.Join(dir, "manifest.xml"))
		if err != nil {
			t.Log("suite mapping: the folder is not here, nothing was run")
			return
		}
		var manifest struct {
			Tests []struct {
				Name   string `xml:"name,attr"`
				Source string `xml:"source,attr"`
				Map    string `xml:"map,attr"`
				Output string `xml:"output,attr"`
			} `xml:"test"`
		}
		if err := xml.Unmarshal(text, &manifest); err != nil {
			t.Fatal(err)
		}
		for _, c := range manifest.Tests {
			if excluded[filepath.Base(c.Name)] != "" {
				continue
			}
			m, err := os.ReadFile(filepath.Join(dir, c.Map))
			if err != nil {
				t.Fatal(err)
			}
			if err := runSuiteMap(dir, asResource(t, Source{Name: c.Map, Text: string(m)}), c.Source, c.Output); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
			ran++
		}
	}
	t.Logf("suite mapping as resources: %d passed", ran)
}

// TestShippedMapsAsResources runs the cases of the product's dialects on maps that were
// printed, and on maps that were turned into resources.
func TestShippedMapsAsResources(t *testing.T) {
	folders, _ := filepath.Glob("../../mappings/*")
	base := readMaps(t, "../../mappings/base")
	ran := 0
	for _, folder := range folders {
		cases, _ := filepath.Glob(folder + "/*.txtar")
		if len(cases) == 0 {
			continue
		}
		name := filepath.Base(folder)
		sources := append(readMaps(t, folder), base...)
		codes := readCodes(t, "../../mappings/base", folder)
		for form, convert := range map[string]func(*testing.T, Source) Source{"resource": asResource, "text": asText} {
			var converted []Source
			for _, s := range sources {
				converted = append(converted, convert(t, s))
			}
			set, err := Compile(converted, Env{Terminology: codes})
			if err != nil {
				t.Fatalf("%s as %s: %v", name, form, err)
			}
			var m *Map
			for _, candidate := range set.Maps() {
				if strings.HasPrefix(path.Base(candidate.File), name+".map") {
					m = candidate
				}
			}
			for _, file := range cases {
				if runShipped(t, m, file, form) {
					ran++
				}
			}
		}
	}
	if ran == 0 {
		t.Error("no case was run")
	}
	t.Logf("%d runs of shipped cases", ran)
}

func asText(t *testing.T, src Source) Source {
	t.Helper()
	text, err := Format(src)
	if err != nil {
		t.Fatalf("%s: %v", src.Name, err)
	}
	return Source{Name: src.Name, Text: text}
}

func readMaps(t *testing.T, folder string) []Source {
	t.Helper()
	files, _ := filepath.Glob(folder + "/*.map")
	var out []Source
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Source{Name: filepath.Base(f), Text: string(text)})
	}
	return out
}

func readCodes(t *testing.T, folders ...string) *terminology.Registry {
	t.Helper()
	var resources []*fhir.Node
	for _, folder := range folders {
		all, err := terminology.Resources(os.DirFS(folder), func(file string) bool { return !strings.Contains(file, "/") })
		if err != nil {
			t.Fatal(err)
		}
		resources = append(resources, all...)
	}
	codes, err := terminology.Load(resources...)
	if err != nil {
		t.Fatal(err)
	}
	return codes
}

func runShipped(t *testing.T, m *Map, file, form string) bool {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for _, f := range archive.Files {
		parts[f.Name] = string(f.Data)
	}
	root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(parts["source.json"]), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := m.Transform(context.Background(), Input{Source: root, Identity: path.Base(file), Now: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)})
	var rules []string
	for _, e := range issue.All(err) {
		rules = append(rules, e.Rule)
	}
	got := ""
	if result != nil {
		got = string(fhir.EncodeIndent(result.Target)) + "\n"
		for _, e := range result.Issues {
			rules = append(rules, e.Rule)
		}
	}
	if got != parts["target.json"] {
		t.Errorf("%s as %s: got\n%s", file, form, got)
	}
	var want []string
	for _, l := range strings.Split(strings.TrimSpace(parts["issues"]), "\n") {
		if f := strings.Fields(l); len(f) > 1 {
			want = append(want, f[1])
		}
	}
	if strings.Join(rules, " ") != strings.Join(want, " ") {
		t.Errorf("%s as %s: issues %v, want %v", file, form, rules, want)
	}
	return true
}

// TestResourceForms: what R4 has no place for comes back.
func TestResourceForms(t *testing.T) {
	text := `/// url = 'https://test.example/StructureMap/forms'
/// name = 'forms'
/// status = 'active'
/// approved = 'by us'
conceptmap "sex" { prefix s = "http://hl7.org/fhir/administrative-gender" prefix t = "urn:t" s:female >= t:F s:male -- }
` + strings.SplitN(header, "\n", 2)[1] + `imports "https://test.example/*"
let suffix = '-x'; // a constant
group main(source my_src : Patient, target tgt : Basic) extends none {
  my_src.id as i -> tgt.id = append(i, ' ', (i & %suffix)) "a rule";
  my_src.gender as g -> tgt.language = translate(g, '#sex', 'code') "a_rule";
  my_src.birthDate default (@2020-01-01) as d -> tgt.created = d;
  my_src.name first -> tgt.code as c single then put(c, 'said'), more(my_src, tgt) "call";
  my_src.identifier -> tgt.identifier then {};
  my_src.identifier -> tgt.identifier;
}
group put(target c, source said) { said -> c.text = said "text"; }
group more(source s, target t) { s.identifier first as s_i -> t.identifier = s_i; }
group none(source s, target t) {}`
	src := Source{Name: "f.map", Text: text}
	n, err := Resource(src)
	if err != nil {
		t.Fatal(err)
	}
	if err := fhir.Check(n); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]string{"status": "active", "contained.group.element.target.comment": "as the map states", "group.input.name": "my-src", "group.rule.name": "a-rule"} {
		if got := n.Text(strings.Split(path, ".")...); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	first, err := parse(src)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []Source{src, asText(t, src), asResource(t, src), asText(t, asResource(t, src))} {
		result, err := runMap(t, form.Text, `{"resourceType":"Patient","id":"p","gender":"female","name":[{"text":"x"},{"text":"y"}],"identifier":[{"value":"1"},{"value":"2"}]}`)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"resourceType":"Basic","id":"p p-x","language":"F","identifier":[{"value":"1"},{"value":"1"},{"value":"2"}],"code":{"text":"said"},"created":"2020-01-01"}`
		if got := string(fhir.Encode(result.Target)); got != want {
			t.Errorf("got  %s\nwant %s\n%s", got, want, form.Text)
		}
		second, err := read(form)
		if err != nil {
			t.Fatal(err)
		}
		if len(second.constants) != 1 || len(second.groups) != len(first.groups) || second.groups[0].rules[1].name != "a_rule" || len(second.about) != len(first.about) {
			t.Errorf("the map changed:\n%s", form.Text)
		}
	}
	for name, bad := range map[string]string{
		"a url with blanks": strings.Replace(text, "/forms'", "/f orms'", 1),
		"the syntax":        "map",
	} {
		_, err := Resource(Source{Name: "b.map", Text: bad})
		if !errors.Is(err, issue.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
		if e := issue.All(err)[0]; !strings.HasPrefix(e.Details, "b.map: ") || (e.Line == 0) != (e.Expression == "StructureMap.url") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
