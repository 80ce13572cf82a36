package mapping

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// Layer is a file system of dialect folders.
type Layer struct {
	Name string // for messages and traces: the directory, "" for what ships with the program
	FS   fs.FS
}

// Dialect is one folder of maps: what converts one kind of message into another.
type Dialect struct {
	Name         string // the folder's name, such as ukcore-r4-to-referral
	Organisation string // ODS code when this is one organisation's own, "" for everybody's
	Map          *Map   // the one to run
	Set          *Set
	Codes        *terminology.Registry // the dialect's ConceptMaps and code systems beside those of Env
	Recognition  *Recognition          // how its messages are told from others, nil when they are not
	Origin       []File                // what it was made of, by name

	// Hash is the SHA-256, hexadecimal, of what is compiled in: the text of every map and
	// every resource of codes. Canonical is the url of Map with its version; of a map that
	// states none, with the first twelve digits of Hash.
	Hash, Canonical string
}

// File says which layer one file of a dialect came from.
type File struct {
	Name   string // folder and file, such as base/conceptmap-need.json
	Layer  string // Layer.Name
	Path   string // in the layer, such as organisations/Z99001/base/conceptmap-need.json
	Import bool   // replaced by a later layer, and kept because it can be imported
}

// Library holds the dialects of all layers. It is read-only and safe for concurrent use.
type Library struct {
	shared map[string]*Dialect
	own    map[string]map[string]*Dialect   // by ODS code: those that differ from everybody's
	codes  map[string]*terminology.Registry // by ODS code, "" for everybody's
}

// Dialect finds the dialect that converts for a sending organisation, by its ODS code:
// its own where it has one, everybody's otherwise. Nil when there is none of that name.
func (l *Library) Dialect(organisation, name string) *Dialect {
	if d := l.own[organisation][name]; d != nil {
		return d
	}
	return l.shared[name]
}

// Dialects lists the dialects for a sending organisation ("" for everybody's), by name.
func (l *Library) Dialects(organisation string) []*Dialect {
	all := maps.Clone(l.shared)
	maps.Copy(all, l.own[organisation])
	return slices.SortedFunc(maps.Values(all), func(a, b *Dialect) int { return strings.Compare(a.Name, b.Name) })
}

// Codes are the ConceptMaps, code systems and value sets of all dialects for a sending
// organisation ("" for everybody's) together, beside Env.Terminology. Of two with one url
// it is that of the dialect whose name comes later.
func (l *Library) Codes(organisation string) *terminology.Registry {
	if codes := l.codes[organisation]; codes != nil {
		return codes
	}
	return l.codes[""]
}

// Organisations lists the ODS codes that have dialects of their own, sorted.
func (l *Library) Organisations() []string { return slices.Sorted(maps.Keys(l.own)) }

// LoadLibrary reads and compiles the dialects of all layers; one call at start-up is
// enough. A layer holds
//
//	<dialect>/                    maps (*.map, or StructureMap resources), ConceptMap,
//	                              CodeSystem and ValueSet resources, a PlanDefinition that
//	                              says how its messages are known, cases, a README
//	base/                         the same, part of every dialect
//	organisations/<ODS>/<folder>/ the same, for one sending organisation alone
//
// The map to run is called like the folder (x/x.map), or is the folder's only one.
//
// A later layer lies over the earlier ones file by file: a file replaces the one of the
// same name, a resource or map the one with its url, and anything else is added. A map
// that replaces a file whose map has another url may import that one. What an
// organisation has lies over what all layers have for everybody.
//
// Errors, those of all layers joined, each with layer and file in its Details: not-found
// for a folder in which no map is the one to run; structure for what has no place in a
// layer; the errors of fhir.Parse, fhir.Check, Compile and terminology.Load.
func LoadLibrary(env Env, layers ...Layer) (*Library, error) {
	r := &reader{folders: map[string]map[string][]folder{}}
	for _, l := range layers {
		r.layer(l)
	}
	b := &builder{env: env, errs: r.errs}
	everybody := r.folders[""]
	lib := &Library{shared: map[string]*Dialect{}, own: map[string]map[string]*Dialect{}}
	for _, name := range names(everybody) {
		lib.shared[name] = b.dialect("", name, everybody[base], everybody[name])
	}
	for _, organisation := range slices.Sorted(maps.Keys(r.folders)) {
		own := r.folders[organisation]
		if organisation == "" {
			continue
		}
		shared := own[base]
		dialects := map[string]*Dialect{}
		for _, name := range slices.Compact(slices.Sorted(slices.Values(append(names(everybody), names(own)...)))) {
			if shared == nil && own[name] == nil {
				continue
			}
			dialects[name] = b.dialect(organisation, name, append(slices.Clip(everybody[base]), shared...), append(slices.Clip(everybody[name]), own[name]...))
		}
		lib.own[organisation] = dialects
	}
	if len(b.errs) > 0 {
		return nil, issue.Join(b.errs)
	}
	lib.codes = map[string]*terminology.Registry{}
	given := map[*fhir.Node]bool{}
	for _, n := range artefacts(env.Terminology) {
		given[n] = true
	}
	for _, organisation := range append(lib.Organisations(), "") {
		codes := env.Terminology
		for _, d := range lib.Dialects(organisation) {
			var err error
			if codes, err = codes.With(slices.DeleteFunc(artefacts(d.Codes), func(n *fhir.Node) bool { return given[n] })...); err != nil {
				return nil, err
			}
		}
		lib.codes[organisation] = codes
	}
	return lib, nil
}

// artefacts lists what a registry was made of.
func artefacts(codes *terminology.Registry) []*fhir.Node {
	return slices.Concat(codes.ConceptMaps(), codes.CodeSystems(), codes.ValueSets())
}

// names lists the folders that are dialects.
func names(folders map[string][]folder) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(folders)), func(name string) bool { return name == base })
}

// builder makes dialects of folders that lie over each other.
type builder struct {
	env  Env
	errs []*issue.Error
}

func (b *builder) fail(err error) {
	for _, e := range issue.All(err) {
		// base is compiled with every dialect; its faults are told once
		if !slices.ContainsFunc(b.errs, func(have *issue.Error) bool {
			return have.Details == e.Details && have.Line == e.Line && have.Column == e.Column && have.Expression == e.Expression
		}) {
			b.errs = append(b.errs, e)
		}
	}
}

// dialect compiles one; nil when it has faults, which are kept.
func (b *builder) dialect(organisation, name string, shared, own []folder) *Dialect {
	d := &Dialect{Name: name, Organisation: organisation}
	var err error
	d.Codes = b.env.Terminology
	stacks := [2]stack{}
	for i, folders := range [][]folder{own, shared} {
		for _, f := range folders {
			if f.broken {
				return nil
			}
			stacks[i].put(f)
		}
	}
	// codes: those of base first, so that the dialect's own win
	for _, s := range []stack{stacks[1], stacks[0]} {
		for _, f := range s.folders {
			if d.Codes, err = d.Codes.With(s.resources(f)...); err != nil {
				b.fail(named(f.place(), err))
				return nil
			}
		}
	}
	for _, p := range stacks[0].pieces {
		if !p.isMap && p.resource.ResourceType() == "PlanDefinition" {
			if d.Recognition, err = newRecognition(p.resource, d.Codes); err != nil {
				b.fail(named(p.place(), err))
				return nil
			}
		}
	}
	main := stacks[0].main(name)
	if main < 0 {
		b.fail(issue.Newf(issue.NotFound, "map-load", "%s: none of the maps is called %s.map: which one is to run?", own[len(own)-1].place(), name))
		return nil
	}
	env := b.env
	env.Terminology = d.Codes
	var sources []Source
	for i := range stacks {
		for _, p := range stacks[i].maps() {
			sources = append(sources, Source{Name: p.place(), Text: p.text})
		}
		d.Origin = append(d.Origin, stacks[i].origin()...)
	}
	if d.Set, err = Compile(sources, env); err != nil {
		b.fail(err)
		return nil
	}
	slices.SortStableFunc(d.Origin, func(a, b File) int { return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Path, b.Path)) })
	d.Map, d.Codes = d.Set.maps[main], d.Set.codes
	d.Hash = fingerprint(stacks[:])
	version := d.Map.Version
	if version == "" {
		version = d.Hash[:12]
	}
	d.Canonical = d.Map.URL + "|" + version
	return d
}

// fingerprint is the hash of all that stacks hold in force, whatever folder or layer it
// came from: what is compiled of the same text has the same.
func fingerprint(stacks []stack) string {
	var sums []string
	for i := range stacks {
		for _, p := range append(slices.Clone(stacks[i].pieces), stacks[i].imports()...) {
			text := []byte(p.text)
			if !p.isMap {
				text = fhir.Encode(p.resource)
			}
			sum := sha256.Sum256(text)
			sums = append(sums, hex.EncodeToString(sum[:]))
		}
	}
	slices.Sort(sums)
	sum := sha256.Sum256([]byte(strings.Join(sums, "\n")))
	return hex.EncodeToString(sum[:])
}

// stack is one folder's files with those of later layers over them.
type stack struct {
	folders []folder
	pieces  []piece // each where its first version stood
	under   []piece // maps that were replaced by a map with another url
}

func (s *stack) put(f folder) {
	s.folders = append(s.folders, f)
	before := len(s.pieces)
	for _, p := range f.pieces {
		i := slices.IndexFunc(s.pieces, func(have piece) bool { return have.file == p.file })
		if i < 0 && p.isMap {
			i = slices.IndexFunc(s.pieces[:before], func(have piece) bool { return have.isMap && have.url == p.url && p.url != "" })
		}
		if i < 0 {
			s.pieces = append(s.pieces, p)
			continue
		}
		have := s.pieces[i]
		p.slot = have.slot // what is replaced by url stays the one to run
		s.pieces[i] = p
		if have.isMap && have.url != p.url {
			s.under = append(s.under, have)
		}
	}
}

// main is the index of the map to run among maps, -1 when none is.
func (s *stack) main(dialect string) int {
	at, count := -1, 0
	for _, p := range s.pieces {
		if !p.isMap {
			continue
		}
		if strings.TrimSuffix(p.slot, path.Ext(p.slot)) == dialect || p.slot == "structuremap-"+dialect+".json" {
			return count
		}
		at = count
		count++
	}
	if count == 1 {
		return at
	}
	return -1
}

// maps lists the maps: first those in force, then those that can only be imported.
func (s *stack) maps() []piece {
	out := slices.DeleteFunc(slices.Clone(s.pieces), func(p piece) bool { return !p.isMap })
	return append(out, s.imports()...)
}

// imports are the replaced maps that no other map of the stack has the url of.
func (s *stack) imports() []piece {
	var out []piece
	for i := len(s.under) - 1; i >= 0; i-- { // of several with one url, the latest
		p := s.under[i]
		same := func(have piece) bool { return have.isMap && have.url == p.url }
		if !slices.ContainsFunc(s.pieces, same) && !slices.ContainsFunc(out, same) {
			out = append(out, p)
		}
	}
	return out
}

// resources are those of one folder of the stack that no later file replaced.
func (s *stack) resources(f folder) []*fhir.Node {
	var out []*fhir.Node
	for _, p := range s.pieces {
		if !p.isMap && p.resource.ResourceType() != "PlanDefinition" && len(f.pieces) > 0 && p.folder == f.pieces[0].folder {
			out = append(out, p.resource)
		}
	}
	return out
}

func (s *stack) origin() []File {
	var out []File
	add := func(p piece, imported bool) {
		out = append(out, File{Name: path.Join(path.Base(p.in), p.file), Layer: p.layer, Path: path.Join(p.in, p.file), Import: imported})
	}
	for _, p := range s.pieces {
		add(p, false)
	}
	for _, p := range s.imports() {
		add(p, true)
	}
	return out
}
