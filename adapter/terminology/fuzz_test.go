package terminology

import (
	"strings"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// settled fails unless a folder was either read or refused with faults that have words,
// and unless what was read answers.
func settled(t *testing.T, files fstest.MapFS) {
	r, list, err := (*Registry)(nil).WithFolder(Folder{FS: files})
	if err != nil {
		if r != nil {
			t.Error("half was accepted")
		}
		for _, e := range issue.All(err) {
			if e.Details == "" || !e.Type.Valid() || e.Rule == "" {
				t.Errorf("a fault without words: %#v", e)
			}
		}
		return
	}
	if len(list) != len(files) {
		t.Errorf("%d files, and %d are spoken of", len(files), len(list))
	}
	s := r.release
	if s == nil {
		return
	}
	for refset, members := range s.refsets {
		for _, id := range members {
			if s.member(refset, id, nil) != yes {
				t.Errorf("%d is in %d and is not", id, refset)
			}
		}
	}
	for i, id := range s.ids {
		if i > 0 && s.ids[i-1] >= id {
			t.Fatal("the concepts are not in order")
		}
		if i > 200 {
			break
		}
		for _, t := range s.termsOf(uint32(i)) {
			_ = s.words(t)
		}
		if s.related {
			up, _ := s.above(id, false, false, nil)
			for _, above := range up {
				if above != id && s.within(id, above, nil) != yes {
					t.Errorf("%d lies below %d and does not", id, above)
				}
			}
		}
	}
}

// FuzzRF2 reads one table of each form.
func FuzzRF2(f *testing.F) {
	for name, file := range tree() {
		f.Add(name[strings.LastIndex(name, "/")+1:], file.Data)
	}
	f.Add("sct2_Relationship_Snapshot_XX_1.txt", lines(relationshipTable.columns, isARow(1, 1, numbered(1), numbered(2)), isARow(2, 1, numbered(2), numbered(1))).Data)
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		if !strings.HasSuffix(name, ".txt") || strings.ContainsAny(name, "/\\:") || strings.HasPrefix(name, ".") {
			return
		}
		settled(t, fstest.MapFS{name: {Data: body}})
	})
}

// FuzzCSV reads a list of members.
func FuzzCSV(f *testing.F) {
	f.Add([]byte("refsetId,referencedComponentId,term,active\n" + refset + "," + numbered(1) + ",\"a \"\"b\"\", c\",1\n"))
	f.Add([]byte("\ufeffRefset ID;SNOMED code\r\n" + refset + ";" + numbered(2) + "\r\n"))
	f.Add([]byte("active\treferencedComponentId\trefsetId\n0\t" + numbered(1) + "\t" + refset))
	f.Fuzz(func(t *testing.T, body []byte) { settled(t, fstest.MapFS{"a.csv": {Data: body}}) })
}

// FuzzValueSet compiles a value set beside others and asks it: what it lists it holds,
// and nothing takes it down.
func FuzzValueSet(f *testing.F) {
	base := brought(f, tree(), colours, shapes)
	for _, compose := range []string{
		`{"include":[{"system":"urn:colours","filter":[{"property":"concept","op":"is-a","value":"red"},{"property":"display","op":"regex","value":"(R|S).*"}]}],"exclude":[{"valueSet":["urn:v"]}]}`,
		`{"inactive":false,"include":[{"system":"http://snomed.info/sct","filter":[{"property":"constraint","op":"=","value":"<<` + numbered(1) + ` MINUS (^` + refset + ` OR ` + numbered(2) + `)"}]}]}`,
		`{"include":[{"system":"http://snomed.info/sct","filter":[{"property":"concept","op":"in","value":"^` + refset + `"}]},{"valueSet":["http://snomed.info/sct?fhir_vs=isa/` + numbered(3) + `"]}]}`,
		`{"include":[{"system":"urn:shapes","version":"2","concept":[{"code":"ROUND"}]},{"system":"http://unitsofmeasure.org"}]}`,
	} {
		f.Add(`{"resourceType":"ValueSet","url":"urn:v","status":"active","compose":` + compose + `}`)
	}
	f.Add(`{"resourceType":"ValueSet","url":"urn:v","status":"active","expansion":{"timestamp":"2026","contains":[{"system":"urn:x","code":"a","contains":[{"code":"b"}]}]}}`)
	f.Add(`{"resourceType":"CodeSystem","url":"urn:v","status":"active","content":"complete","concept":[{"code":"a","property":[{"code":"parent","valueCode":"b"}]},{"code":"b","property":[{"code":"parent","valueCode":"a"}]}]}`)
	f.Add(`{"resourceType":"ValueSet","url":"urn:v","compose":{"include":[{"system":"http://snomed.info/sct|","filter":[{"property":"constraint","op":"="}]}]}}`)
	f.Add(`{"resourceType":"CodeSystem","url":"urn:v","concept":[{"property":[{"value":"0"}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		n, err := fhir.Parse(fhir.Types(fhir.R4), []byte(text), fhir.Limits{})
		if err != nil {
			return
		}
		r, err := base.With(n)
		if err != nil {
			return
		}
		for _, url := range r.URLs("ValueSet") {
			concepts, complete := r.Expand(url)
			for _, c := range concepts {
				if ok, known := r.ValidateCode(url, c.System, c.Code); !ok || !known {
					t.Errorf("%s lists %s|%s and does not hold it", url, c.System, c.Code)
				}
			}
			list, err := r.List(t.Context(), Wanted{ValueSet: url, Count: -1})
			if (err == nil) != complete {
				t.Errorf("%s: %v and %v", url, complete, err)
			}
			if err == nil && list.Total != len(concepts) {
				t.Errorf("%s: %d codes and %d", url, list.Total, len(concepts))
			}
		}
		for _, url := range r.URLs("CodeSystem") {
			_, _ = r.Subsumes(url, "", "a", "b")
		}
	})
}
