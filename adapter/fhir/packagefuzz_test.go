package fhir

import (
	"bytes"
	"testing"

	"spadapter/adapter/issue"
)

// FuzzPackage: any bytes are read as a package or refused with issues, and what is
// listed of one can be asked for.
func FuzzPackage(f *testing.F) {
	whole := archived(f, "package/package.json", manifestJSON, "package/a.json", profileJSON, "package/b.json", valueSetJSON)
	for _, seed := range [][]byte{
		nil, whole, whole[:len(whole)/2], whole[:10],
		archived(f, "package/a.json", "{", "package/package.json", "[]"),
		archived(f, "../package/a.json", profileJSON, "package/../package/b.json", profileJSON, "package//c.json", `{"resourceType":"ValueSet","url":"\u0061"}`),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		// the text of one file too, since little that is made from an archive is one
		for _, archive := range [][]byte{body, archived(t, "package/package.json", string(body), "package/a.json", string(body))} {
			p, err := ReadPackage(bytes.NewReader(archive), "x.tgz")
			if p == nil && err == nil {
				t.Fatal("neither a package nor an issue")
			}
			for _, e := range issue.All(err) {
				if e.Details == "" || !e.Type.Valid() {
					t.Errorf("%+v", e)
				}
			}
			if p == nil {
				continue
			}
			for _, d := range p.Definitions {
				if d.URL == "" || !kept(d.ResourceType) {
					t.Errorf("%+v", d)
				}
				if n, err := d.Resource(Types(R4)); n == nil && err == nil {
					t.Error("neither a resource nor an issue")
				}
			}
		}
	})
}
