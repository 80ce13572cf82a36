package profile

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// FuzzCompile: any bytes that parse as a StructureDefinition are compiled or refused with
// issues, beside a profile and an extension that they may build on, and what is made of
// them validates resources, itself among them, without a panic and with the same words
// twice.
func FuzzCompile(f *testing.F) {
	for _, pattern := range []string{"testdata/planted/definitions/profiles/*.json", "../../conformance/profiles/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatal(pattern, err)
		}
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(bytes.TrimSpace(body))
		}
	}
	for _, d := range []string{
		called("a", "a", ""), called("a", "base", `{"path":"Patient.name","constraint":[{"key":"k","severity":"error","human":"x","expression":"conformsTo('https://x.example/a')"}]}`),
		called("a", "", `{"path":"Patient.contact.contact"}`), called("a", "", `{"id":"Patient.name:a:b/c","path":"Patient.name","sliceName":"b/c"}`),
		called("a", "", `{"path":"Patient.link","slicing":{"discriminator":[{"type":"profile","path":"other.resolve()"}],"rules":"closed"}},{"id":"Patient.link:x","path":"Patient.link","sliceName":"x"},{"id":"Patient.link:x.other","path":"Patient.link.other","type":[{"code":"Reference","targetProfile":["https://x.example/a"]}]}`),
	} {
		f.Add([]byte(d))
	}
	var around []*fhir.Node
	for _, d := range []string{called("base", "", `{"path":"Patient.name","slicing":{"discriminator":[{"type":"value","path":"use"}],"rules":"open"}},{"id":"Patient.name:o","path":"Patient.name","sliceName":"o"},{"id":"Patient.name:o.use","path":"Patient.name.use","fixedCode":"official"}`),
		read(f, "testdata/planted/definitions/profiles/StructureDefinition-planted-visit.json")} {
		around = append(around, parsed(f, d))
	}
	var messages []*fhir.Node
	for _, name := range []string{"patient/clean", "observation/clean", "bundle/clean", "request/clean", "other/questionnaire", "other/location"} {
		messages = append(messages, parsed(f, read(f, "testdata/planted/cases/"+name+".json")))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sd, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{Bytes: 1 << 16})
		if err != nil {
			return
		}
		_, _ = Compile(sd, Env{})
		s, _ := Load(Env{ValidateCode: func(string, *fhir.Node) (bool, bool) { return false, true }}, fhir.NewPackage("x", append(around[:len(around):len(around)], sd)...))
		for _, e := range issue.All(s.Compile()) {
			if e.Details == "" || !e.Type.Valid() {
				t.Errorf("%+v", e)
			}
		}
		for _, m := range append(messages, sd) {
			first := graded(s.ValidateAgainst(m, sd.Text("url")))
			if second := graded(s.ValidateAgainst(m, sd.Text("url"))); first != second {
				t.Errorf("first\n%s\nthen\n%s", first, second)
			}
			s.MustSupport(m, sd.Text("url"))
		}
	})
}
