package terminology

import (
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/issue"
)

// Details is all that a code system says of a concept.
type Details struct {
	Concept
	Name         string // of the code system
	Version      string // of the code system, "" when none is stated
	Definition   string
	Abstract     bool // not to be chosen
	Inactive     bool // not for use any more; false also where that is not known
	Designations []Designation
	Properties   []Property // without parents and children
	Parents      []string   // codes
	Children     []string   // codes
}

// Designation is another name of a concept.
type Designation struct {
	Language string // BCP 47, "" when it is not stated
	Use      Coding // what it is for, such as a synonym; its Code is "" when it is not stated
	Value    string
}

// Property is something that a code system says of a concept.
type Property struct {
	Code   string
	Type   string // code, Coding, string, integer, boolean, dateTime or decimal
	Value  string // of a Coding, its code
	Coding Coding // for the type Coding
}

// Describe gives what a code system says of a code, as the operation $lookup does.
// version "" is any.
//
// Errors: not-found when the code system, that version of it or the code is not loaded.
//
// Source: http://hl7.org/fhir/R4/codesystem-operation-lookup.html.
func (r *Registry) Describe(system, version, code string) (*Details, error) {
	s, err := r.sourceOf(system, version)
	if err != nil {
		return nil, err
	}
	d := s.describe(code)
	if d == nil {
		var why doubts
		if s.selects(nil, code, &why) == unknown {
			return nil, notLoaded(&why).With("the code is %.200q", code)
		}
		return nil, issue.New(issue.NotFound, "code-unknown", "the code system does not have this code").With("the code is %.200q", code)
	}
	return d, nil
}

// sourceOf is source with words for what is not loaded.
func (r *Registry) sourceOf(system, version string) (source, error) {
	name := system
	if version != "" {
		name += "|" + version
	}
	s := r.source(name)
	if s == nil || strings.Contains(system, "|") {
		return nil, issue.New(issue.NotFound, "codesystem-unknown", "this code system is not loaded").With("the code system is %.200q", system)
	}
	if (&clause{system: system, version: version}).otherVersion(s) {
		return nil, issue.New(issue.NotFound, "codesystem-version", "the code system is loaded, but not known to be in this version").With("the version is %.200q", version)
	}
	return s, nil
}

// notLoaded is the error of a question that what is loaded does not decide.
func notLoaded(why *doubts) *issue.Error {
	return issue.New(issue.NotFound, "terminology-not-loaded", "the question cannot be decided here: "+why.String())
}

func (s *codeSystem) describe(code string) *Details {
	c := s.concepts[s.key(code)]
	if c == nil {
		return nil
	}
	d := &Details{
		Concept: c.Concept, Name: s.name, Version: s.version, Definition: c.definition, Abstract: c.abstract, Inactive: c.inactive,
		Designations: c.designations, Parents: slices.Clip(c.parents), Children: slices.Clip(c.children),
	}
	for _, p := range c.properties {
		if role := s.roles[p.Code]; role != "parent" && role != "child" {
			d.Properties = append(d.Properties, p)
		}
	}
	return d
}

func (s *codeSystem) names(code string) []Designation {
	if c := s.concepts[s.key(code)]; c != nil {
		return c.designations
	}
	return nil
}

func (s *release) names(code string) []Designation {
	id, _ := digits(code)
	i, ok := s.place(id)
	if !ok {
		return nil
	}
	return s.designations(i)
}

func (s *release) describe(code string) *Details {
	c, ok := s.find(code)
	if !ok {
		return nil
	}
	id, _ := digits(code)
	i, _ := s.place(id)
	d := &Details{Concept: c, Name: "SNOMED CT", Designations: s.designations(i), Parents: s.codes(s.parents, i), Children: s.codes(s.children, i)}
	if state := s.states[i]; state&stateStated != 0 {
		d.Inactive = state&stateActive == 0
		d.Properties = []Property{
			{Code: "inactive", Type: "boolean", Value: strconv.FormatBool(d.Inactive)},
			{Code: "sufficientlyDefined", Type: "boolean", Value: strconv.FormatBool(state&stateDefined != 0)},
		}
	}
	return d
}

// What the terms of SNOMED CT are for.
var (
	useFSN     = Coding{System: SNOMED, Code: strconv.Itoa(typeFSN), Display: "Fully specified name"}
	useSynonym = Coding{System: SNOMED, Code: strconv.Itoa(typeSynonym), Display: "Synonym"}
)

// designations are the terms of a concept, the best first.
func (s *release) designations(i uint32) []Designation {
	terms := s.termsOf(i)
	out := make([]Designation, 0, len(terms))
	for _, t := range terms {
		d := Designation{Value: s.words(t)}
		switch t.kind & 3 {
		case termFSN:
			d.Use = useFSN
		case termSynonym:
			d.Use = useSynonym
		}
		if language := int(t.kind >> 2); t.kind&3 != termListed && language < len(s.languages) {
			d.Language = s.languages[language]
		}
		out = append(out, d)
	}
	return out
}

func (s *release) codes(along links, i uint32) []string {
	if !s.related {
		return nil
	}
	var out []string
	for _, to := range along.of(i) {
		out = append(out, strconv.FormatUint(s.ids[to], 10))
	}
	return out
}

func (s *release) edition() string { return "" }
