package mapping

import (
	"io/fs"
	"path"
	"regexp"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Folders of a layer that are no dialects.
const (
	base          = "base"          // its maps can be imported, and its codes used, by all
	organisations = "organisations" // a folder for each sending organisation
)

// odsCode is the form of an organisation's folder.
// Source: https://digital.nhs.uk/services/organisation-data-service.
var odsCode = regexp.MustCompile(`^[A-Z0-9]{3,10}$`)

// limits are those of a file on the deployment's own disk: a national ConceptMap is large.
var limits = fhir.Limits{Bytes: 64 << 20, Nodes: 10_000_000}

// folder is what one folder of one layer holds.
type folder struct {
	layer  string
	in     string // its path in the layer
	pieces []piece
	broken bool // has a fault that was reported
}

// piece is one map or resource.
type piece struct {
	folder    int // which of the folders read it came from
	layer, in string
	file      string
	slot      string // file, or the first file that it replaces by url
	url       string
	isMap     bool
	text      string     // of a map
	resource  *fhir.Node // of anything else
}

func (f folder) place() string { return path.Join(f.layer, f.in) }
func (p piece) place() string  { return path.Join(p.layer, p.in, p.file) }

// reader reads layers and collects what is wrong with them.
type reader struct {
	folders map[string]map[string][]folder // by ODS code, "" for everybody, and folder name; earlier layers first
	count   int
	errs    []*issue.Error
}

func (r *reader) fail(t issue.Type, place, format string, args ...any) {
	e := issue.Newf(t, "map-load", format, args...)
	e.Details = place + ": " + e.Details
	r.errs = append(r.errs, e)
}

func (r *reader) layer(l Layer) {
	r.level(l, ".", "")
	if _, err := fs.Stat(l.FS, organisations); err != nil {
		return
	}
	for _, e := range r.entries(l, organisations) {
		place := path.Join(l.Name, organisations, e.name)
		switch {
		case !e.dir:
			r.fail(issue.Structure, place, "only folders named by the ODS code of an organisation stand here")
		case !odsCode.MatchString(e.name):
			r.fail(issue.Structure, place, "this is no ODS code: 3 to 10 capital letters and digits")
		default:
			if r.level(l, path.Join(organisations, e.name), e.name) == 0 {
				r.fail(issue.Structure, place, "the organisation overrides nothing; put a dialect folder with a map or resource here, or remove it")
			}
		}
	}
}

// level reads the folders of everybody or of one organisation, and counts them.
func (r *reader) level(l Layer, in, organisation string) int {
	count := 0
	for _, e := range r.entries(l, in) {
		at := path.Join(in, e.name)
		place := path.Join(l.Name, at)
		if !e.dir {
			// beside the folders of everybody anything may lie that cannot be meant as part of a dialect
			if ext := path.Ext(e.name); organisation != "" && ext != ".md" || ext == ".map" || ext == ".json" || ext == ".txtar" {
				r.fail(issue.Structure, place, "a file of a dialect stands in the folder of that dialect")
			}
			continue
		}
		if organisation == "" && e.name == organisations {
			continue
		}
		count++
		before := len(r.errs)
		f := r.folder(l, at)
		if len(f.pieces) == 0 && len(r.errs) == before {
			r.fail(issue.Structure, place, "the folder holds neither a map nor a resource")
		}
		f.broken = len(r.errs) > before
		if r.folders[organisation] == nil {
			r.folders[organisation] = map[string][]folder{}
		}
		r.folders[organisation][e.name] = append(r.folders[organisation][e.name], f)
	}
	return count
}

type entry struct {
	name string
	dir  bool
}

// entries lists a folder without hidden files: a mounted volume has some of its own. A
// link counts as what it leads to.
func (r *reader) entries(l Layer, in string) []entry {
	list, err := fs.ReadDir(l.FS, in)
	if err != nil {
		r.errs = append(r.errs, issue.Newf(issue.NotFound, "map-load", "%s: the folder cannot be read", path.Join(l.Name, in)).Because(err))
	}
	var out []entry
	for _, e := range list {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		dir := e.IsDir()
		if info, err := fs.Stat(l.FS, path.Join(in, e.Name())); err == nil {
			dir = info.IsDir()
		}
		out = append(out, entry{e.Name(), dir})
	}
	return out
}

func (r *reader) folder(l Layer, in string) folder {
	r.count++
	f := folder{layer: l.Name, in: in}
	for _, e := range r.entries(l, in) {
		p := piece{folder: r.count, layer: l.Name, in: in, file: e.name, slot: e.name}
		ext := path.Ext(e.name)
		switch {
		case e.dir:
			r.fail(issue.Structure, p.place(), "a dialect has no folders inside")
			continue
		case ext == ".md", ext == ".txtar":
			continue // what was decided, and the cases
		case ext != ".map" && ext != ".json":
			r.fail(issue.Structure, p.place(), "a dialect holds *.map, *.json, *.txtar and *.md files")
			continue
		}
		text, err := fs.ReadFile(l.FS, path.Join(in, e.name))
		if err != nil {
			r.errs = append(r.errs, issue.Newf(issue.NotFound, "map-load", "%s: the file cannot be read", p.place()).Because(err))
			continue
		}
		if p.isMap = ext == ".map"; !p.isMap {
			if p.resource = r.resource(p.place(), text); p.resource == nil {
				continue
			}
			p.isMap, p.url = p.resource.ResourceType() == "StructureMap", p.resource.Text("url")
		} else if decl, err := parse(Source{Name: p.place(), Text: string(text)}); err == nil {
			p.url = decl.url // the faults of a map that is in force are for Compile to tell
		}
		if p.isMap {
			p.text, p.resource = string(text), nil
		}
		f.pieces = append(f.pieces, p)
	}
	return f
}

// resource reads a resource of a kind that dialects use, nil after a fault.
func (r *reader) resource(place string, text []byte) *fhir.Node {
	n, err := fhir.Parse(fhir.Types(fhir.R4), text, limits)
	if err == nil {
		err = issue.Failures(fhir.Check(n))
	}
	if err != nil {
		r.errs = append(r.errs, issue.All(named(place, err))...)
		return nil
	}
	switch n.ResourceType() {
	case "StructureMap", "ConceptMap", "CodeSystem", "ValueSet", "PlanDefinition", "Bundle":
		return n
	}
	r.fail(issue.Structure, place, "a dialect uses StructureMap, ConceptMap, CodeSystem, ValueSet and PlanDefinition resources, or a Bundle of codes")
	return nil
}
