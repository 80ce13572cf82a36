//go:build unix

package terminology

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipesAreNotRead: a pipe has no end that a load could wait for.
func TestPipesAreNotRead(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(folder, "x.csv"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("x.csv", filepath.Join(folder, "y.csv")); err != nil {
		t.Fatal(err)
	}
	_, files, err := (*Registry)(nil).WithFolder(Folder{FS: os.DirFS(folder)})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !f.Doubtful || !strings.Contains(f.Passed, "no regular file") {
			t.Errorf("got %s", f)
		}
	}
	if len(files) != 2 {
		t.Errorf("got %v", files)
	}
}
