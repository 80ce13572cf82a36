package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each test, fuzz target and benchmark that SECURITY.md and the hazard log name as their
// evidence exists, and each row of a table of theirs names one.
func TestTheEvidenceExists(t *testing.T) {
	known := testNames(t)
	for file, least := range map[string]int{"../SECURITY.md": 30, "../conformance/hazards.md": 29} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for _, line := range strings.Split(string(text), "\n") {
			names := evidence.FindAllStringSubmatch(line, -1)
			for _, m := range names {
				if !known[m[1]] {
					t.Errorf("%s names %s, which does not exist", file, m[1])
				}
			}
			if row.MatchString(line) {
				if rows++; len(names) == 0 {
					t.Errorf("%s: no test stands behind %s", file, line)
				}
			}
		}
		if rows < least {
			t.Errorf("%s has %d rows with evidence, want at least %d", file, rows, least)
		}
	}
}

var (
	evidence = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Za-z0-9_]+)`")
	row      = regexp.MustCompile(`^\| [A-Z][0-9]+ \|`) // of a threat or a hazard
)

// testNames are the names of all tests of the repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, root := range []string{".", "../mappings", "../conformance"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
					names[f.Name.Name] = true
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}
