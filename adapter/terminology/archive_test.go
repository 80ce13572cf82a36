package terminology

import (
	"archive/zip"
	"bytes"
	"testing"
	"testing/fstest"
)

// zipped is an archive of files.
func zipped(t *testing.T, files fstest.MapFS) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	if err := w.AddFS(files); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
