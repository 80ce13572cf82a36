package mapping

import (
	"context"
	"encoding/xml"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/mappings"
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
	for form, convert := range map[string]func(*testing.T, Source) Source{"resource": asResource, "text": asText} {
		files := fstest.MapFS{}
		err := fs.WalkDir(mappings.FS, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			body, err := fs.ReadFile(mappings.FS, name)
			if stem, isMap := strings.CutSuffix(name, ".map"); isMap {
				body = []byte(convert(t, Source{Name: name, Text: string(body)}).Text)
				if form == "resource" {
					name = path.Dir(stem) + "/structuremap-" + path.Base(stem) + ".json"
				}
			}
			files[name] = &fstest.MapFile{Data: body}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		library, err := LoadLibrary(Env{}, Layer{FS: files})
		if err != nil {
			t.Fatalf("as %s: %v", form, err)
		}
		ran := 0
		for _, d := range library.Dialects("") {
			cases, _ := fs.Glob(files, d.Name+"/*.txtar")
			for _, file := range cases {
				story, err := ParseCase(path.Base(file), files[file].Data)
				if err != nil {
					t.Fatal(err)
				}
				delete(story.Sections, "trace") // its lines are those of the text that ships
				verdict, err := story.Run(context.Background(), d)
				if err != nil || !verdict.Passed() {
					var told strings.Builder
					_ = verdict.Report(&told)
					t.Errorf("%s as %s: %v\n%s", file, form, err, told.String())
				}
				ran++
			}
		}
		if ran < 10 {
			t.Errorf("as %s: only %d cases were run", form, ran)
		}
	}
}

func asText(t *testing.T, src Source) Source {
	t.Helper()
	text, err := Format(src)
	if err != nil {
		t.Fatalf("%s: %v", src.Name, err)
	}
	return Source{Name: src.Name, Text: text}
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
