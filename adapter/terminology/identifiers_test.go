package terminology

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// TestListedIdentifiersAreChecked: a wrong check digit in a value set of the deployment is
// refused, and told of one that others published.
func TestListedIdentifiersAreChecked(t *testing.T) {
	text := func(kind, code string) string {
		return "{\"resourceType\":\"ValueSet\",\"url\":\"urn:v\",\"status\":\"active\",\"compose\":{\"include\":[{\"system\":\"urn:x\"}],\n\"" + kind + "\":[{\"system\":\"" + SNOMED + "\",\"concept\":[{\"code\":\"" + root + "\"},\n{\"code\":\"" + code + "\"}]}]}}"
	}
	wrongs := map[string]bool{numbered(1): false, "1019999999107": true, "x": true, made(3, partitionDescription): true, root + ":246075003=" + root: false}
	for code, wrong := range wrongs {
		for name, body := range map[string]string{"compose.json": text("exclude", code), "bundle.json": `{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + text("exclude", code) + `}]}`} {
			file := &fstest.MapFile{Data: []byte(body)}
			_, files, err := (*Registry)(nil).WithFolder(Folder{FS: fstest.MapFS{"a/" + name: file}})
			if wrong != errors.Is(err, issue.Value) || wrong && !strings.Contains(err.Error(), "a/"+name+", line 3: the code \""+code+"\" of ValueSet urn:v") {
				t.Errorf("%s: got %v, %v", code, files, err)
			}
			_, files, err = (*Registry)(nil).WithFolder(Folder{FS: fstest.MapFS{"a/" + name: file, "a/package.json": {Data: []byte(`{"name":"x"}`)}}})
			if err != nil || slices.Equal(files[0].Wrong, []string{code}) != wrong {
				t.Errorf("published, %s: got %v, %v", code, files, err)
			}
		}
	}
	_, files, err := (*Registry)(nil).WithFolder(Folder{FS: fstest.MapFS{"a.tgz": {Data: []byte("x")}}, Package: func(io.Reader, string) ([]*fhir.Node, error) {
		return parse(t, text("exclude", "1019999999107")), nil
	}})
	if err != nil || !slices.Equal(files[0].Wrong, []string{"1019999999107"}) {
		t.Errorf("got %v, %v", files, err)
	}
}
