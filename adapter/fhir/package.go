package fhir

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"spadapter/adapter/issue"
)

// Package is a FHIR package: a set of definitions that is published under a name and a
// version. What it holds is indexed when it is opened and parsed when it is asked for.
// It is read-only and safe for concurrent use.
//
// Source: https://hl7.org/fhir/packages.html.
type Package struct {
	Name         string
	Version      string       // "" when it states none
	FHIRVersions []string     // such as "4.0.1"; nil when it states none
	Dependencies []Dependency // sorted by name
	Definitions  []*Definition
}

// Dependency is another package that a package builds on.
type Dependency struct{ Name, Version string }

// Definition is one StructureDefinition, ValueSet, CodeSystem or ConceptMap of a package.
type Definition struct {
	File         string // its name inside the package
	ResourceType string
	ID           string
	URL          string // canonical, without version
	Version      string
	Kind         string // of a StructureDefinition: resource, complex-type, primitive-type, logical
	Type         string // of a StructureDefinition
	Derivation   string // of a StructureDefinition: specialization, constraint
	Base         string // of a StructureDefinition: baseDefinition

	body func() ([]byte, error)
	node *Node
}

// What one package may hold. The largest that are published, with the whole of the base
// standard in them, stay below half of each.
const (
	packageFiles = 100_000
	packageFile  = 32 << 20  // one file
	packageKept  = 256 << 20 // the definitions of an archive, which stay in memory
	packageTotal = 1 << 30   // everything in an archive, unpacked
)

// kept says which resources of a package are definitions.
func kept(resourceType string) bool {
	switch resourceType {
	case "StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap":
		return true
	}
	return false
}

// OpenPackage opens a package: a .tgz as registries hand out, or a folder with
// package.json and the resources, or with both in a folder named package. A folder
// without package.json is a package with the name of the folder, and PackageFS says more
// of it.
//
// A file that cannot be used is left out, and said with its name in Details. The package
// is nil only when nothing could be read. Errors: not-found when there is nothing at
// that path; structure for what is no archive and no JSON; too-costly for an archive or
// a file over the limits (100,000 files, 32 MiB a file, 256 MiB of definitions, 1 GiB
// unpacked).
func OpenPackage(name string) (*Package, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, issue.New(issue.NotFound, "package", "there is no package "+name+"; name a .tgz file or a folder").Because(err)
	}
	if info.IsDir() {
		return PackageFS(os.DirFS(name), filepath.Base(name))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, issue.New(issue.NotFound, "package", "the package "+name+" cannot be read").Because(err)
	}
	defer f.Close()
	return ReadPackage(f, filepath.Base(name))
}

// PackageFS is OpenPackage for a folder of any file system, such as one that is embedded.
// A folder without package.json, which no publisher laid out, is read with all the
// folders below it. name is what the package is called when it has no package.json.
func PackageFS(fsys fs.FS, name string) (*Package, error) {
	if _, err := fs.Stat(fsys, "package/package.json"); err == nil {
		if inner, err := fs.Sub(fsys, "package"); err == nil {
			fsys = inner
		}
	}
	_, err := fs.Stat(fsys, "package.json")
	published := err == nil
	r := packageReader{p: &Package{Name: name}}
	err = fs.WalkDir(fsys, ".", func(at string, f fs.DirEntry, err error) error {
		switch {
		case err != nil && at == ".":
			return issue.New(issue.NotFound, "package", "the folder of the package "+name+" cannot be read").Because(err)
		case err != nil:
			r.fail(at, err)
			return fs.SkipDir
		case f.IsDir() && at != "." && (published || strings.HasPrefix(f.Name(), ".")):
			return fs.SkipDir
		case f.IsDir() || !isDefinitionFile(f.Name()):
			return nil
		}
		if r.files++; r.files > packageFiles {
			return tooMany(name)
		}
		r.folderFile(fsys, at)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r.p, issue.Join(r.found)
}

// folderFile takes in a file that can be read again, so that its text is not kept.
func (r *packageReader) folderFile(fsys fs.FS, at string) {
	read := func() ([]byte, error) {
		file, err := fsys.Open(at)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return readFile(file)
	}
	body, err := read()
	if err != nil {
		r.fail(at, err)
		return
	}
	r.file(at, body, read)
}

// ReadPackage is OpenPackage for a .tgz that is read from r: package.json and the other
// .json files in the folder package. What lies in other folders is passed over.
func ReadPackage(r io.Reader, name string) (*Package, error) {
	broken := func(cause error) error {
		return issue.New(issue.Structure, "package", "the package "+name+" is not a whole .tgz archive; fetch it again").Because(cause)
	}
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, broken(err)
	}
	all := &bounded{from: unzipped, left: packageTotal}
	archive := tar.NewReader(all)
	p := packageReader{p: &Package{Name: strings.TrimSuffix(name, ".tgz")}}
	size := 0
	for {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if all.left < 0 {
			return nil, tooMany(name)
		}
		if err != nil {
			return nil, broken(err)
		}
		folder, file := path.Split(path.Clean(h.Name))
		if h.Typeflag != tar.TypeReg || folder != "package/" || !isDefinitionFile(file) {
			continue
		}
		if p.files++; p.files > packageFiles {
			return nil, tooMany(name)
		}
		body, err := readFile(archive)
		if errors.Is(err, issue.TooCostly) {
			p.fail(file, err)
			continue
		}
		if err != nil {
			return nil, broken(err)
		}
		if !p.file(file, body, func() ([]byte, error) { return body, nil }) {
			continue
		}
		if size += len(body); size > packageKept {
			return nil, tooMany(name)
		}
	}
	// the checksum of the whole stands at the end, after what tar reads
	if _, err := io.Copy(io.Discard, all); all.left < 0 {
		return nil, tooMany(name)
	} else if err != nil {
		return nil, broken(err)
	}
	return p.p, issue.Join(p.found)
}

// NewPackage makes a package of resources that are at hand. Those that are no
// definitions are left out.
func NewPackage(name string, resources ...*Node) *Package {
	p := &Package{Name: name}
	for _, n := range resources {
		if kept(n.ResourceType()) {
			p.Definitions = append(p.Definitions, &Definition{
				ResourceType: n.ResourceType(), ID: n.Text("id"), URL: n.Text("url"), Version: n.Text("version"), Kind: n.Text("kind"),
				Type: n.Text("type"), Derivation: n.Text("derivation"), Base: n.Text("baseDefinition"), node: n,
			})
		}
	}
	return p
}

// Resource parses the definition. It is parsed anew each time, so that a caller who is
// done with it gives the memory back. Errors: those of Parse with the file's name in
// Details, and not-found when the file is gone.
func (d *Definition) Resource(system *System) (*Node, error) {
	if d.node != nil {
		return d.node, nil
	}
	body, err := d.body()
	if err != nil {
		return nil, inFile(d.File, err)
	}
	n, err := Parse(system, body, Limits{Bytes: packageFile, Nodes: 4_000_000})
	if err != nil {
		return nil, inFile(d.File, err)
	}
	return n, nil
}

// Resources parses the definitions of one resource type, in the order of the package.
// Errors: all of those of Resource; what can be read is returned beside them.
func (p *Package) Resources(system *System, resourceType string) ([]*Node, error) {
	var out []*Node
	var found []error
	for _, d := range p.Definitions {
		if d.ResourceType != resourceType {
			continue
		}
		n, err := d.Resource(system)
		if err != nil {
			found = append(found, err)
			continue
		}
		out = append(out, n)
	}
	return out, errors.Join(found...)
}
