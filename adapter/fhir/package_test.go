package fhir

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"spadapter/adapter/issue"
)

// archived is a .tgz of these files, name and text by turns.
func archived(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const (
	manifestJSON = `{"name":"example.package","version":"1.2.0","fhirVersions":["4.0.1"],"dependencies":{"hl7.fhir.r4.core":"4.0.1","another":"1.0.x"}}`
	profileJSON  = `{"resourceType":"StructureDefinition","id":"p","url":"https://x.example/p","version":"1.2.0","kind":"resource","type":"Patient","derivation":"constraint","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient"}`
	valueSetJSON = `{"resourceType":"ValueSet","id":"v","url":"https://x.example/v","status":"active"}`
)

// holdings lists what a package holds: "StructureDefinition https://x.example/p of a.json".
func holdings(p *Package) (out []string) {
	if p == nil {
		return nil
	}
	for _, d := range p.Definitions {
		out = append(out, d.ResourceType+" "+d.URL+" of "+d.File)
	}
	slices.Sort(out)
	return out
}

// TestOpenPackage reads one package in each of the forms it comes in.
func TestOpenPackage(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	inner := []string{"package.json", manifestJSON, "a.json", profileJSON, "b.json", valueSetJSON, ".index.json", "{", "notes.txt", "x", "c.json", `{"resourceType":"Patient"}`, "examples/d.json", valueSetJSON}
	var packed []string
	for i := 0; i < len(inner); i += 2 {
		write("flat/"+inner[i], inner[i+1])
		write("nested/package/"+inner[i], inner[i+1])
		packed = append(packed, "package/"+inner[i], inner[i+1])
		if inner[i] != "package.json" {
			write("loose/"+inner[i], inner[i+1])
		}
	}
	write("p.tgz", string(archived(t, packed...)))
	want := []string{"StructureDefinition https://x.example/p of a.json", "ValueSet https://x.example/v of b.json"}
	for _, form := range []string{"flat", "nested", "p.tgz"} {
		p, err := OpenPackage(filepath.Join(folder, form))
		if err != nil || !slices.Equal(holdings(p), want) {
			t.Errorf("%s: %q, %v", form, holdings(p), err)
			continue
		}
		if p.Name != "example.package" || p.Version != "1.2.0" || !slices.Equal(p.FHIRVersions, []string{"4.0.1"}) ||
			!slices.Equal(p.Dependencies, []Dependency{{"another", "1.0.x"}, {"hl7.fhir.r4.core", "4.0.1"}}) {
			t.Errorf("%s: %+v", form, p)
		}
		d := p.Definitions[0]
		if d.ID != "p" || d.Version != "1.2.0" || d.Kind != "resource" || d.Type != "Patient" || d.Derivation != "constraint" || !strings.HasSuffix(d.Base, "/Patient") {
			t.Errorf("%s: %+v", form, d)
		}
		if n, err := d.Resource(Types(R4)); err != nil || n.Text("url") != d.URL {
			t.Errorf("%s: %v, %v", form, n, err)
		}
		if sets, err := p.Resources(Types(R4), "ValueSet"); err != nil || len(sets) != 1 || sets[0].Text("id") != "v" {
			t.Errorf("%s: %v, %v", form, sets, err)
		}
	}
	p, err := OpenPackage(filepath.Join(folder, "loose"))
	want = append(want, "ValueSet https://x.example/v of examples/d.json")
	if err != nil || p.Name != "loose" || !slices.Equal(holdings(p), want) {
		t.Errorf("a folder without package.json: %q, %v", holdings(p), err)
	}
}

// TestPackageOfFS reads the folders of an embedded file system as one package.
func TestPackageOfFS(t *testing.T) {
	p, err := PackageFS(fstest.MapFS{"profiles/a.json": {Data: []byte(profileJSON)}, "valuesets/b.json": {Data: []byte(valueSetJSON)}, "read.me": {Data: []byte("x")}}, "own")
	want := []string{"StructureDefinition https://x.example/p of profiles/a.json", "ValueSet https://x.example/v of valuesets/b.json"}
	if err != nil || p.Name != "own" || !slices.Equal(holdings(p), want) {
		t.Errorf("%q, %v", holdings(p), err)
	}
}

// TestBadPackages: what is wrong with a package is said with the file's name, and what
// is right in it stays.
func TestBadPackages(t *testing.T) {
	whole := archived(t, "package/package.json", manifestJSON, "package/a.json", profileJSON, "package/b.json", valueSetJSON)
	for _, c := range []struct {
		name  string
		body  []byte
		kept  int
		kinds []issue.Type
		words string
	}{
		{"empty", nil, 0, []issue.Type{issue.Structure}, "not a whole .tgz"},
		{"no gzip", []byte("hello"), 0, []issue.Type{issue.Structure}, "not a whole .tgz"},
		{"cut short", whole[:len(whole)/2], 0, []issue.Type{issue.Structure}, "not a whole .tgz"},
		{"cut at the end", whole[:len(whole)-4], 0, []issue.Type{issue.Structure}, "not a whole .tgz"},
		{"a file that is no JSON", archived(t, "package/a.json", profileJSON, "package/b.json", "<ValueSet/>"), 1, []issue.Type{issue.Structure}, "b.json"},
		{"a file that ends early", archived(t, "package/a.json", profileJSON, "package/b.json", valueSetJSON[:40]), 1, []issue.Type{issue.Structure}, "b.json"},
		{"no url", archived(t, "package/a.json", `{"resourceType":"ValueSet"}`), 0, []issue.Type{issue.Required}, "a.json: a definition without url"},
		{"a broken package.json", archived(t, "package/package.json", "[]", "package/a.json", profileJSON), 1, []issue.Type{issue.Structure}, "package.json"},
		{"names that lead elsewhere", archived(t, "../../package/x.json", profileJSON, "/package/y.json", profileJSON, "package/../../z.json", profileJSON, "package/sub/w.json", profileJSON, "package/a.json", profileJSON), 1, nil, ""},
	} {
		p, err := ReadPackage(bytes.NewReader(c.body), "example.tgz")
		list := issue.All(err)
		if p != nil && len(p.Definitions) != c.kept || p == nil && c.kept > 0 || len(list) != len(c.kinds) {
			t.Errorf("%s: %q, %v", c.name, holdings(p), err)
			continue
		}
		for i, e := range list {
			if e.Type != c.kinds[i] || !strings.Contains(e.Details, c.words) {
				t.Errorf("%s: %v", c.name, e)
			}
		}
	}
	if _, err := OpenPackage(filepath.Join(t.TempDir(), "none")); !errors.Is(err, issue.NotFound) {
		t.Error(err)
	}
}

// TestPackageBomb: an archive that unpacks to far more than it is, is left at a bound.
func TestPackageBomb(t *testing.T) {
	var b bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(zipped)
	if err := w.WriteHeader(&tar.Header{Name: "package/a.json", Mode: 0o644, Size: 2 * packageTotal, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for range packageTotal>>20 + 64 {
		if _, err := w.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	_ = zipped.Close()
	if _, err := ReadPackage(&b, "bomb.tgz"); !errors.Is(err, issue.TooCostly) {
		t.Error(err)
	}
}
