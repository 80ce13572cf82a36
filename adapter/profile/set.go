package profile

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Set is the profiles and extension definitions of any number of packages. A definition
// is compiled when it is first needed. Safe for concurrent use.
type Set struct {
	env     Env
	base    *Invariants
	entries map[string]*entry // by url (the latest version) and by url|version
	order   []*entry

	mu sync.Mutex // held while definitions are compiled
}

// entry is one definition of a Set.
type entry struct {
	definition *fhir.Definition
	busy       bool
	done       atomic.Bool
	profile    *Profile // nil when nothing could be made of it
	faults     []*issue.Error
}

// builtIn are the packages that the type systems stand for.
var builtIn = map[string]bool{
	"hl7.fhir.core": true, "hl7.fhir.r4.core": true, "hl7.fhir.r4.expansions": true, "hl7.fhir.r4.examples": true, "hl7.fhir.r3.core": true,
}

// Load indexes the StructureDefinitions of packages by their canonical. Of two versions
// of one the later counts where none is asked for, whatever the order of the packages.
// Definitions of the types of the base standard are passed over: the type system has
// them. env.Profile is not used.
//
// The Set is never nil: what cannot be used is left out and said. Errors, joined:
// not-supported for a package of another FHIR version; duplicate for a canonical with
// the same version twice; not-found, as a warning, for a package that another builds on
// and that is not among these. Compile says what is wrong inside the definitions.
func Load(env Env, packages ...*fhir.Package) (*Set, error) {
	if env.System == nil {
		env.System = fhir.Types(fhir.R4)
	}
	s := &Set{base: Base(env.System), entries: map[string]*entry{}}
	env.Profile = s.Profile
	s.env = env
	var found []*issue.Error
	versions := map[string][]string{}
	for _, p := range packages {
		versions[p.Name] = append(versions[p.Name], p.Version)
	}
	for _, p := range packages {
		if len(p.FHIRVersions) > 0 && !slices.ContainsFunc(p.FHIRVersions, func(v string) bool { return sameRelease(v, string(env.System.Version)) }) {
			found = append(found, issue.Newf(issue.NotSupported, "package-version", "the package %s is for FHIR %s, not for %s; it is left out",
				p.Name, strings.Join(p.FHIRVersions, ", "), env.System.Version))
			continue
		}
		for _, d := range p.Dependencies {
			switch have := versions[d.Name]; {
			case builtIn[d.Name]:
			case len(have) == 0:
				found = append(found, issue.Newf(issue.NotFound, "package-dependency", "the package %s builds on %s %s, which is not loaded; what needs it is left out",
					p.Name, d.Name, d.Version).Graded(issue.SeverityWarning))
			case !slices.ContainsFunc(have, func(v string) bool { return answers(v, d.Version) }):
				found = append(found, issue.Newf(issue.NotFound, "package-dependency", "the package %s builds on %s %s, and %s is loaded",
					p.Name, d.Name, d.Version, strings.Join(have, ", ")).Graded(issue.SeverityWarning))
			}
		}
		for _, d := range p.Definitions {
			if d.ResourceType != "StructureDefinition" || d.Derivation == "specialization" || d.Kind == "logical" || d.URL == "" || d.URL == standard+d.Type {
				continue
			}
			if e := s.index(d); e != nil {
				found = append(found, e)
			}
		}
	}
	return s, issue.Join(found)
}

// index takes one definition in.
func (s *Set) index(d *fhir.Definition) *issue.Error {
	e := &entry{definition: d}
	key := d.URL + "|" + d.Version
	if s.entries[key] != nil {
		return issue.Newf(issue.Duplicate, "package-duplicate", "%s: the definition %s is loaded twice; the first counts", d.File, key).Graded(issue.SeverityWarning)
	}
	s.entries[key] = e
	if have := s.entries[d.URL]; have == nil || later(d.Version, have.definition.Version) {
		s.entries[d.URL] = e
	}
	s.order = append(s.order, e)
	return nil
}

// sameRelease compares 4.0.0 and 4.0.1 as the same: the third number is that of a
// technical correction.
func sameRelease(a, b string) bool {
	x, y := strings.SplitN(a, ".", 3), strings.SplitN(b, ".", 3)
	return len(x) > 1 && len(y) > 1 && x[0] == y[0] && x[1] == y[1]
}

// answers reports whether a version is the one that is asked for.
func answers(have, want string) bool {
	if prefix, ok := strings.CutSuffix(want, "x"); ok && strings.HasPrefix(have, prefix) {
		return true
	}
	return have == want || want == "" || want == "current" || want == "dev" || want == "latest"
}

// later compares versions part by part, numbers as numbers; a version with a label is
// before the one without.
func later(a, b string) bool {
	x, labelX, _ := strings.Cut(a, "-")
	y, labelY, _ := strings.Cut(b, "-")
	if c := slices.CompareFunc(strings.Split(x, "."), strings.Split(y, "."), func(p, q string) int {
		m, err1 := strconv.Atoi(p)
		n, err2 := strconv.Atoi(q)
		if err1 == nil && err2 == nil {
			return cmp.Compare(m, n)
		}
		return cmp.Compare(p, q)
	}); c != 0 {
		return c > 0
	}
	if labelX == "" || labelY == "" {
		return labelX == "" && labelY != ""
	}
	return labelX > labelY
}

// Profile finds a profile or extension definition by its canonical, with the version or
// without, and compiles it when that was not done yet; nil when it is not loaded or
// nothing can be made of it. A profile that is at fault in part is without that part:
// Compile says what it is.
func (s *Set) Profile(canonical string) *Profile {
	e := s.entries[canonical]
	if e == nil {
		return nil
	}
	if e.done.Load() {
		return e.profile
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.compile(e)
}

// compile compiles one definition and those it builds on. s.mu is held.
func (s *Set) compile(e *entry) *Profile {
	if e.done.Load() || e.busy {
		return e.profile
	}
	e.busy = true
	sd, err := e.definition.Resource(s.env.System)
	switch {
	case err != nil:
		e.faults = issue.All(err)
	case s.circle(e):
		e.faults = []*issue.Error{issue.New(issue.Invalid, e.definition.ID, "this profile derives from itself, by way of those it builds on").
			At("StructureDefinition.baseDefinition").On(sd.Child("baseDefinition").Position())}
	default:
		c := &compiler{typeOf: s.typeOf, lookup: func(url string) *Profile {
			if found := s.entries[url]; found != nil {
				return s.compile(found)
			}
			return nil
		}}
		e.profile = c.compile(sd, s.env)
		e.faults = c.found
	}
	if e.definition.File != "" && err == nil {
		for _, f := range e.faults {
			f.Details = e.definition.File + ": " + f.Details
		}
	}
	e.done.Store(true)
	return e.profile
}

// circle reports whether a definition derives from itself.
func (s *Set) circle(e *entry) bool {
	at := e
	for range len(s.order) + 1 {
		if at = s.entries[at.definition.Base]; at == nil {
			return false
		}
		if at == e {
			return true
		}
	}
	return true // it leads into a circle
}

// typeOf is the type that a profile is for, without compiling it.
func (s *Set) typeOf(canonical string) string {
	if e := s.entries[canonical]; e != nil {
		return e.definition.Type
	}
	return ""
}

// Compile compiles every definition that was not needed yet, and says all that is wrong
// with any of them: the issues of the function Compile, with the name of the file in
// Details. Warnings are about what is used all the same.
func (s *Set) Compile() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []error
	for _, e := range s.order {
		s.compile(e)
		all = append(all, issue.Join(e.faults))
	}
	return errors.Join(all...)
}

// Profiles lists the canonicals of what is loaded, with their versions, sorted.
func (s *Set) Profiles() []string {
	var out []string
	for _, e := range s.order {
		name := e.definition.URL
		if e.definition.Version != "" {
			name += "|" + e.definition.Version
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
