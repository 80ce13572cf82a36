package terminology

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Folder is a folder of terminology that a deployment brings: RF2 snapshot files of SNOMED
// CT, lists of reference set members, FHIR resources, and archives (.zip) of these. The
// package documentation describes the forms.
type Folder struct {
	FS fs.FS

	// Package reads the resources of a FHIR package (.tgz). nil: such a file is passed over.
	Package func(from io.Reader, name string) ([]*fhir.Node, error)

	// Progress is told how far a long load is; nil for nobody.
	Progress func(Progress)
}

// Progress is how far the reading of one file is.
type Progress struct {
	File string
	Rows int
	Read int64 // bytes
	Size int64 // bytes of the whole file
}

// File says what one file of a folder gave.
type File struct {
	Name     string // in the folder; within an archive, after its name and a colon
	Kind     string // in words, such as "RF2 descriptions"; "" for one that was passed over
	Rows     int    // of a table: its rows; else its resources
	Inactive int    // of the rows
	Passed   string // why it was passed over, "" when it was read
	Doubtful bool   // it was passed over, and may have been meant to be read

	// Note says what the rows of a national map came to, "" for other files.
	Note string

	// Wrong has the codes of value sets of a FHIR package that are no SNOMED CT identifiers:
	// they are taken as they were published. At most 20.
	Wrong []string
}

// WithFolder is With for what lies in a folder, its subfolders included. What is loaded of
// SNOMED CT takes the place of what r has. It also says, by name, what each file gave and
// which files were passed over.
//
// A file with a fault is refused, and with it the folder: there is never half of anything.
// Errors, all faults up to 20 of a file and 200 together, with file and line in Details:
// structure for what is no table, no JSON or has another header; those of fhir.Check; value for a wrong
// identifier, those that a ValueSet of the deployment's own lists included, or word; required for a missing one; too-long and too-costly for what is over
// a limit; duplicate for two releases of one file; those of Load.
func (r *Registry) WithFolder(f Folder) (*Registry, []File, error) {
	l := &folderLoader{folder: f, variants: map[string]string{}, names: map[*fhir.Node]string{}}
	l.release = newReleaseBuilder(&l.faults)
	if err := l.walk(f.FS, ""); err != nil {
		return nil, nil, err
	}
	l.release.whole()
	l.faults.end()
	if err := issue.Join(l.faults.list); err != nil {
		return nil, nil, err
	}
	out, err := r.with(l.release.build(), l.resources, l.names, l.maps...)
	return out, l.files, err
}

// folderLoader is one folder on its way.
type folderLoader struct {
	folder    Folder
	faults    faults
	release   *releaseBuilder
	resources []*fhir.Node
	names     map[*fhir.Node]string
	maps      []*conceptMap // of national map files
	files     []File
	variants  map[string]string // RF2 file names without their date → the file
	archived  bool              // the files of an archive are being read
	published bool              // the file belongs to a FHIR package, which others published
}

// maxResourceBytes bounds a file that is read whole.
const maxResourceBytes = 64 << 20

// parsers read resources, by the ending of a file's name.
var parsers = map[string]func(*fhir.System, []byte, fhir.Limits) (*fhir.Node, error){".json": fhir.Parse, ".xml": fhir.ParseXML}

// walk reads the files of a folder or archive in the order of their names. prefix is what
// comes before the names of an archive's files.
func (l *folderLoader) walk(fsys fs.FS, prefix string) error {
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch hidden := name != "." && (strings.HasPrefix(path.Base(name), ".") || path.Base(name) == "__MACOSX"); {
		case hidden && d.IsDir():
			return fs.SkipDir
		case hidden || d.IsDir():
			return nil
		}
		info, err := fs.Stat(fsys, name) // before it is opened: a pipe would wait for a writer
		switch {
		case err != nil:
			return err
		case info.IsDir():
			l.doubt(prefix+name, "it is a link to a folder, which is not followed")
			return nil
		case !info.Mode().IsRegular():
			l.doubt(prefix+name, "it is no regular file but a pipe, a socket or a device, which is not read")
			return nil
		}
		from, err := fsys.Open(name)
		if err != nil {
			return err
		}
		defer from.Close()
		l.faults.in(prefix + name)
		_, err = fs.Stat(fsys, path.Join(path.Dir(name), "package.json"))
		l.published = err == nil
		return l.file(prefix+name, from, info.Size())
	})
	if err != nil {
		return issue.New(issue.NotFound, "terminology-load", "the folder of terminology cannot be read: "+prefix).Because(err)
	}
	return nil
}

func (l *folderLoader) file(name string, from io.Reader, size int64) error {
	switch ending := strings.ToLower(path.Ext(name)); {
	case ending == ".txt" || ending == ".csv" || ending == ".tsv":
		l.table(name, from, size)
	case ending == ".zip":
		return l.archive(name, from, size)
	case ending == ".tgz":
		l.packaged(name, from)
	case parsers[ending] != nil:
		l.resource(name, from, parsers[ending])
	default:
		l.pass(name, "it is no form that is read here")
	}
	return nil
}

func (l *folderLoader) pass(name, why string) {
	l.files = append(l.files, File{Name: name, Passed: why})
}

// doubt passes over a file that may have been meant to be read.
func (l *folderLoader) doubt(name, why string) {
	l.files = append(l.files, File{Name: name, Passed: why, Doubtful: true})
}

// table reads an RF2 file or a list of members.
func (l *folderLoader) table(name string, from io.Reader, size int64) {
	var form *table
	if rf, ok := rf2(name); ok {
		switch form = rf.table(); {
		case rf.release != "Snapshot":
			l.pass(name, "a "+rf.release+" file has other versions of its rows than the one in force; the Snapshot is read")
			return
		case form == nil:
			l.pass(name, "this content of a release is not used here")
			return
		case l.variants[rf.variant] != "":
			l.faults.add(0, issue.Duplicate, "rf2-twice", "the folder has another file of the same content, %s; keep one release", l.variants[rf.variant])
			return
		}
		l.variants[rf.variant] = name
	}
	again := &peeked{from: from}
	header := again.lines(1)[0]
	if encoding := wide(header); encoding != "" {
		l.faults.add(1, issue.Structure, "table-encoding", "the file is %s; export it as UTF-8", encoding)
		return
	}
	if n, at := national(header); n != nil && form == nil {
		l.national(name, n, at, again, size)
		return
	}
	if form == nil && readTable(header) {
		l.pass(name, "of the tables of Read codes, rcsctmap2_uk and ctv3sctmap2_uk are read")
		return
	}
	if form == nil {
		switch form = headed(bytes.TrimPrefix(header, []byte("\ufeff"))); {
		case form != nil:
		case listHeader(header) == nil && listsMembers(again.lines(maxGlance)):
			l.faults.add(1, issue.Structure, "list-header", "the file looks like a list of reference set members, and its header %.80q is not understood: the first line needs one column refsetId and one referencedComponentId, and may have term and active; a file that is none belongs elsewhere", bytes.ToValidUTF8(header, []byte("?")))
			return
		case listHeader(header) != nil:
			l.list(name, again, size)
			return
		default:
			l.doubt(name, "its header is neither that of RF2 nor one of a list of members: refsetId and referencedComponentId")
			return
		}
	}
	rows, inactive := l.release.load(form, again, l.progress(name, size))
	l.files = append(l.files, File{Name: name, Kind: form.kind, Rows: rows, Inactive: inactive})
}

// national reads a national map file.
func (l *folderLoader) national(name string, n *nationalMap, at []int, from io.Reader, size int64) {
	if other := l.variants[n.url]; other != "" {
		l.faults.add(0, issue.Duplicate, "map-twice", "the folder has another %s, %s; keep one release", n.kind, other)
		return
	}
	l.variants[n.url] = name
	m, rows, inactive, note := l.nationalRows(n, at, from, l.progress(name, size))
	l.maps = append(l.maps, m)
	l.files = append(l.files, File{Name: name, Kind: n.kind, Rows: rows, Inactive: inactive, Note: note})
}

func (l *folderLoader) list(name string, from io.Reader, size int64) {
	rows, inactive := l.release.list(from, l.progress(name, size))
	l.files = append(l.files, File{Name: name, Kind: "list of reference set members", Rows: rows, Inactive: inactive})
}

func (l *folderLoader) progress(name string, size int64) func(rows int, read int64) {
	if l.folder.Progress == nil {
		return nil
	}
	return func(rows int, read int64) {
		l.folder.Progress(Progress{File: name, Rows: rows, Read: read, Size: size})
	}
}

// resource reads one FHIR resource. What is none is passed over: folders hold other
// files, too, such as the manifest of a package.
func (l *folderLoader) resource(name string, from io.Reader, parse func(*fhir.System, []byte, fhir.Limits) (*fhir.Node, error)) {
	body, err := io.ReadAll(io.LimitReader(from, maxResourceBytes+1))
	switch {
	case err != nil:
		l.faults.add(0, issue.NotFound, "terminology-load", "the file cannot be read to its end")
		return
	case len(body) > maxResourceBytes:
		l.faults.add(0, issue.TooCostly, "terminology-size", "the file is larger than %d MiB", maxResourceBytes>>20)
		return
	}
	n, err := parse(fhir.Types(fhir.R4), body, fhir.Limits{Bytes: maxResourceBytes, Nodes: 10_000_000})
	if found := issue.All(err); len(found) == 1 && found[0].Rule == "json-resource-type" {
		l.pass(name, "it is no FHIR resource: resourceType is missing")
		return
	} else if err != nil {
		l.found(err)
		return
	}
	l.keep(name, "FHIR "+n.ResourceType(), []*fhir.Node{n})
}

// packaged reads a FHIR package.
func (l *folderLoader) packaged(name string, from io.Reader) {
	if l.folder.Package == nil {
		l.doubt(name, "packages are not read here; unpack it")
		return
	}
	l.published = true
	nodes, err := l.folder.Package(from, path.Base(name))
	if err != nil {
		l.found(err)
		return
	}
	l.keep(name, "FHIR package", nodes)
}

// found keeps the faults of a resource.
func (l *folderLoader) found(err error) {
	for _, e := range issue.All(err) {
		if e.Failure() {
			l.faults.add(e.Line, e.Type, e.Rule, "%s", e.Details)
		}
	}
}

func (l *folderLoader) keep(name, kind string, nodes []*fhir.Node) {
	before := len(l.resources)
	var wrong []string
	for _, n := range nodes {
		switch n.ResourceType() {
		case "CodeSystem", "ValueSet", "ConceptMap", "Bundle":
			l.found(fhir.Check(n))
			wrong = append(wrong, l.identifiers(n)...)
			l.resources = append(l.resources, n)
			l.names[n] = name
		}
	}
	if len(l.resources) == before {
		l.pass(name, "it has no CodeSystem, ValueSet or ConceptMap")
		return
	}
	l.files = append(l.files, File{Name: name, Kind: kind, Rows: len(l.resources) - before, Wrong: wrong})
}

// archive reads the files of an archive, which are not unpacked to disk.
func (l *folderLoader) archive(name string, from io.Reader, size int64) error {
	at, ok := from.(io.ReaderAt)
	if !ok || l.archived {
		l.doubt(name, "an archive within an archive is not read")
		return nil
	}
	z, err := zip.NewReader(at, size)
	if err != nil {
		l.faults.add(0, issue.Structure, "terminology-archive", "the file is no whole .zip archive")
		return nil
	}
	l.archived = true
	defer func() { l.archived = false }()
	if err := l.walk(z, name+":"); err != nil {
		l.faults.in(name)
		l.faults.add(0, issue.Structure, "terminology-archive", "the archive cannot be read to its end")
	}
	return nil
}

// String is a file for people.
func (f File) String() string {
	switch {
	case f.Passed != "":
		return fmt.Sprintf("%s: passed over, %s", f.Name, f.Passed)
	case f.Note != "":
		return fmt.Sprintf("%s: %s, %d rows, %d of them inactive; %s", f.Name, f.Kind, f.Rows, f.Inactive, f.Note)
	case f.Inactive > 0:
		return fmt.Sprintf("%s: %s, %d rows, %d of them inactive", f.Name, f.Kind, f.Rows, f.Inactive)
	}
	return fmt.Sprintf("%s: %s, %d rows", f.Name, f.Kind, f.Rows)
}
