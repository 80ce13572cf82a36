package fhir

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"spadapter/adapter/issue"
)

// packageReader makes a package of files.
type packageReader struct {
	p     *Package
	files int
	found []*issue.Error
}

func (r *packageReader) fail(file string, err error) {
	r.found = append(r.found, issue.All(inFile(file, err))...)
}

// file takes one file in and reports whether it is a definition.
func (r *packageReader) file(name string, body []byte, read func() ([]byte, error)) bool {
	if name == "package.json" {
		r.manifest(body)
		return false
	}
	h, ok := skim(body)
	if !ok {
		r.fail(name, issue.New(issue.Structure, "package-file", "this is not a JSON object"))
		return false
	}
	if !kept(h["resourceType"]) {
		return false
	}
	if h["url"] == "" {
		r.fail(name, issue.New(issue.Required, "package-file", "a definition without url cannot be found; it is left out").Graded(issue.SeverityWarning))
		return false
	}
	r.p.Definitions = append(r.p.Definitions, &Definition{
		File: name, ResourceType: h["resourceType"], ID: h["id"], URL: h["url"], Version: h["version"], Kind: h["kind"],
		Type: h["type"], Derivation: h["derivation"], Base: h["baseDefinition"], body: read,
	})
	return true
}

// manifest reads package.json.
func (r *packageReader) manifest(body []byte) {
	var m struct {
		Name         string            `json:"name"`
		Version      string            `json:"version"`
		FHIRVersions []string          `json:"fhirVersions"`
		Older        []string          `json:"fhir-version-list"`
		Dependencies map[string]string `json:"dependencies"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\uFEFF")), &m); err != nil || m.Name == "" {
		r.fail("package.json", issue.New(issue.Structure, "package-manifest", "package.json must be a JSON object with name, version and dependencies").Because(err))
		return
	}
	r.p.Name, r.p.Version, r.p.FHIRVersions = m.Name, m.Version, m.FHIRVersions
	if len(m.FHIRVersions) == 0 {
		r.p.FHIRVersions = m.Older
	}
	for name, version := range m.Dependencies {
		r.p.Dependencies = append(r.p.Dependencies, Dependency{name, version})
	}
	slices.SortFunc(r.p.Dependencies, func(a, b Dependency) int { return cmp.Compare(a.Name, b.Name) })
}

// isDefinitionFile passes over what is no JSON and the indexes that tools write.
func isDefinitionFile(name string) bool {
	return strings.HasSuffix(name, ".json") && !strings.HasPrefix(name, ".")
}

func tooMany(name string) error {
	return issue.New(issue.TooCostly, "package", "the package "+name+" holds more than is accepted")
}

// inFile puts the name of a file before what is said about it.
func inFile(name string, err error) error {
	list := issue.All(err)
	for _, e := range list {
		if e.Details == "" {
			e.Type, e.Details = issue.NotFound, "the file cannot be read"
		}
		e.Details = name + ": " + e.Details
	}
	return issue.Join(list)
}

func readFile(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, packageFile+1))
	if err == nil && len(body) > packageFile {
		return nil, issue.Newf(issue.TooCostly, "package-file", "the file is longer than %d bytes", packageFile)
	}
	return body, err
}

// bounded ends a stream after so many bytes.
type bounded struct {
	from io.Reader
	left int64
}

func (b *bounded) Read(into []byte) (int, error) {
	if b.left < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.from.Read(into)
	b.left -= int64(n)
	return n, err
}
