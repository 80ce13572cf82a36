package terminology

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Check is what the operation $validate-code asks of a value set or of a code system:
// whether it holds one of some codings, and whether their displays are right.
type Check struct {
	ValueSet   string     // canonical, with its version or without
	Resource   *fhir.Node // the value set itself, instead of one that is loaded
	CodeSystem string     // url of the code system to ask, instead of a value set

	Codings    []Coding // at least one; one without system is taken to be of the only code system there is
	NoAbstract bool     // an abstract concept does not do
}

// Verdict is what $validate-code answers.
type Verdict struct {
	Result  bool
	Message string // why not, or what to heed; "" when there is nothing to say
	Display string // the one that is recommended; "" when none is known
	Coding  Coding // the one that the answer is about
}

// Validate says whether a value set or code system holds one of the codings. A display
// is right when it is one of the names of the concept, in any case of letters; where no
// name is known, it is not judged, and Message says so.
//
// Errors: not-found when the value set or code system is not loaded, or when what is
// loaded does not decide the question: that is never answered with no; required for a
// code without system where there are several; too-costly for a value set that is sent and
// takes too much work; timeout when ctx ends.
//
// Source: http://hl7.org/fhir/R4/valueset-operation-validate-code.html,
// http://hl7.org/fhir/R4/codesystem-operation-validate-code.html.
func (r *Registry) Validate(ctx context.Context, c Check) (*Verdict, error) {
	s, err := r.checked(c)
	if err != nil {
		return nil, err
	}
	why := doubts{work: newWork(ctx)}
	var last *Verdict
	only := "" // the code system of those that name none
	for _, coding := range c.Codings {
		if coding.System == "" {
			if only == "" {
				if only, err = s.onlySystem(); err != nil {
					return nil, err
				}
			}
			coding.System = only
		}
		v, decided := r.judge(s, coding, c.NoAbstract, &why)
		if why.over() {
			return nil, why.work.err
		}
		if !decided {
			continue
		}
		if v.Result {
			return v, nil
		}
		if last == nil || last.Display == "" && v.Display != "" {
			last = v
		}
	}
	if len(why.list) > 0 || last == nil {
		return nil, notLoaded(&why)
	}
	if len(c.Codings) > 1 {
		last.Message = "none of the codings will do; " + last.Message
	}
	return last, nil
}

// checked finds the value set; a code system is asked as the value set of all its codes.
func (r *Registry) checked(c Check) (*valueSet, error) {
	if c.CodeSystem == "" {
		return r.asked(c.ValueSet, c.Resource)
	}
	url, version, _ := strings.Cut(c.CodeSystem, "|")
	if _, err := r.sourceOf(url, version); err != nil {
		return nil, err
	}
	s := &valueSet{includes: clauses{list: []*clause{{system: url, version: version}}}}
	s.link(r)
	return s, nil
}

// asked finds the value set that is asked for, or compiles the one that was sent.
func (r *Registry) asked(canonical string, resource *fhir.Node) (*valueSet, error) {
	if resource != nil {
		l := loader{registry: r, patterns: patterns{}}
		if l.bound(resource); len(l.errs) > 0 {
			return nil, issue.Join(l.errs)
		}
		s := l.valueSet(resource)
		s.link(r)
		return s, issue.Join(l.errs)
	}
	s := r.set(canonical)
	if s == nil {
		return nil, issue.New(issue.NotFound, "valueset-unknown", "no ValueSet with this url and version is loaded").With("the ValueSet is %.200q", canonical)
	}
	return s, nil
}

// onlySystem is the one code system that the codes of s can be of.
func (s *valueSet) onlySystem() (string, error) {
	systems := slices.Sorted(maps.Keys(s.systems(0)))
	if len(systems) == 1 {
		return systems[0], nil
	}
	return "", issue.Newf(issue.Required, "code-system", "the code needs its system: the value set has codes of %d code systems", len(systems))
}

// judge decides on one coding; false when what is loaded does not.
func (r *Registry) judge(s *valueSet, coding Coding, noAbstract bool, why *doubts) (*Verdict, bool) {
	v := &Verdict{Coding: coding}
	doubt := doubts{work: why.work}
	why.spend(1 + len(s.includes.rest)) // what the clauses say of it
	answered := s.holds(coding.System, coding.Code, 0, &doubt)
	if answered == unknown {
		for _, text := range doubt.list {
			why.add("%s", text)
		}
		return nil, false
	}
	m := r.memberOf(Concept{System: coding.System, Code: coding.Code}, s.entry(coding.System, coding.Code), Wanted{Designations: true})
	if l := s.entry(coding.System, coding.Code); l != nil && l.Display != "" {
		m.Designations = append(slices.Clip(m.Designations), Designation{Value: m.Display}) // the code system's own is right, too
		m.Display = l.Display
	}
	v.Display = m.Display
	var notes []string
	switch loaded := r.source(coding.System); {
	case answered == no && loaded != nil && loaded.selects(nil, coding.Code, nil) == no:
		v.Message = "the code system does not have this code"
	case answered == no:
		v.Message = "the value set does not hold this code"
	case noAbstract && m.Abstract:
		v.Message = "the code is abstract: it groups others and is not to be chosen"
	case coding.Display != "" && !m.named(coding.Display):
		if len(m.Designations) > 0 || m.Display != "" {
			v.Message = fmt.Sprintf("the display is not a name of this code; one is %q", m.Display)
			return v, true
		}
		notes = append(notes, "the display was not judged: no name of the code is loaded")
		fallthrough
	default:
		v.Result = true
		if m.Inactive {
			notes = append(notes, "the code is not for use any more")
		}
		if m.Abstract {
			notes = append(notes, "the code is abstract: it groups others")
		}
		if loaded != nil && !sameVersion(coding.Version, loaded.edition()) {
			notes = append(notes, "the code system is loaded in another version than the coding has: "+loaded.edition())
		}
		v.Message = strings.Join(notes, "; ")
	}
	return v, true
}

// entry is what the value set itself says of a code, nil when it only selects it.
func (s *valueSet) entry(system, code string) *listed {
	if l := s.expansion[system+"|"+code]; l != nil {
		return l
	}
	e := s.includes.entry(system, code)
	for _, i := range s.includes.rest {
		if e != nil && e.first < i {
			break
		}
		if c := s.includes.list[i]; c.system == system && c.codes != nil {
			if l := c.entry(code); l != nil {
				return l
			}
		}
	}
	if e != nil {
		return e.code
	}
	return nil
}

// named reports whether a text is a name of the code, in any case of letters and with any
// spaces between the words.
func (m Member) named(text string) bool {
	same := func(name string) bool {
		return strings.EqualFold(strings.Join(strings.Fields(name), " "), strings.Join(strings.Fields(text), " "))
	}
	return m.Display != "" && same(m.Display) || slices.ContainsFunc(m.Designations, func(d Designation) bool { return same(d.Value) })
}

// Subsumes says how two codes of a code system stand to each other: equivalent, subsumes
// when a is above b, subsumed-by, or not-subsumed.
//
// Errors: not-found when the code system or a code is not loaded, or when what is loaded
// does not decide it.
//
// Source: http://hl7.org/fhir/R4/codesystem-operation-subsumes.html.
func (r *Registry) Subsumes(system, version, a, b string) (string, error) {
	s, err := r.sourceOf(system, version)
	if err != nil {
		return "", err
	}
	for _, code := range []string{a, b} {
		if _, err := r.Describe(system, version, code); err != nil {
			return "", err
		}
	}
	if s.same(a, b) {
		return "equivalent", nil
	}
	var why doubts
	below := func(code, above string) answer {
		f := (&filter{property: "concept", op: "is-a", value: above}).prepared(strings.Clone(system), nil)
		return s.selects([]*filter{f}, code, &why)
	}
	down, up := below(b, a), below(a, b)
	switch {
	case down == yes:
		return "subsumes", nil
	case up == yes:
		return "subsumed-by", nil
	case down == no && up == no:
		return "not-subsumed", nil
	}
	return "", notLoaded(&why)
}
