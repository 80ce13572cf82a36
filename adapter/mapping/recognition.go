package mapping

import (
	"maps"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// Arrival is a message with what the way it came says of it.
type Arrival struct {
	Root      *fhir.Node
	Version   string   // of FHIR, as the address or the content type says: "3.0" or "4.0"
	Operation string   // the operation that was invoked, such as "process-message"; "" for none
	Headers   []string // names, in lower case, of the headers that tell of a dialect
}

// Recognition says by which marks a message of a dialect is known. It is read-only.
//
// It is written as a PlanDefinition in the dialect's folder: each action with a condition of
// kind applicability is a mark, its title says the mark in words, and its expression is
// FHIRPath over the message that knows %version, %operation and %headers of the Arrival. The
// dynamicValue with the path "focus" finds what the message is about; Excerpt reads further
// ones. memberOf() knows the value sets of the dialect.
// Source: http://hl7.org/fhir/R4/plandefinition.html.
type Recognition struct {
	Name  string // of the dialect, as people say it: PlanDefinition.name
	Marks []Mark
	found map[string]map[*fhir.System]*fhirpath.Expression // by the path of the dynamicValue
}

// Mark is one thing by which a message is known.
type Mark struct {
	Title string
	tests map[*fhir.System]*fhirpath.Expression // a type system in which it makes no sense has none
}

var recognitionVariables = []string{"version", "operation", "headers"}

// newRecognition compiles one. Errors: required, value and those of fhirpath.Compile, which
// an expression has in every type system, each with the element.
func newRecognition(plan *fhir.Node, codes *terminology.Registry) (*Recognition, error) {
	r := &Recognition{Name: plan.Text("name"), found: map[string]map[*fhir.System]*fhirpath.Expression{}}
	member := fhirpath.MemberOf((&compiler{codes: codes}).memberOf)
	var faults []*issue.Error
	fault := func(n *fhir.Node, text string) {
		faults = append(faults, issue.New(issue.Required, "dialect-recognition", text).At(n.Path()).On(n.Position()))
	}
	compiled := func(n *fhir.Node) map[*fhir.System]*fhirpath.Expression {
		if n.Text("language") != "text/fhirpath" {
			fault(n, "the language of an expression is text/fhirpath")
			return nil
		}
		out := map[*fhir.System]*fhirpath.Expression{}
		var first error
		for _, version := range []fhir.Version{fhir.R4, fhir.STU3} {
			system := fhir.Types(version)
			e, err := fhirpath.Compile(n.Text("expression"), fhirpath.Types(system), fhirpath.Variables(recognitionVariables...), member)
			if err == nil {
				out[system] = e
			} else if first == nil {
				first = err
			}
		}
		if len(out) == 0 {
			faults = append(faults, issue.All(first)...)
		}
		return out
	}
	if r.Name == "" {
		fault(plan, "PlanDefinition.name is the name of the dialect")
	}
	for _, action := range plan.All("action") {
		for _, v := range action.All("dynamicValue") {
			r.found[v.Text("path")] = compiled(v.Child("expression"))
		}
		for _, c := range action.All("condition") {
			if c.Text("kind") != "applicability" {
				continue
			}
			if action.Text("title") == "" {
				fault(action, "the title of an action says its mark in words")
			}
			r.Marks = append(r.Marks, Mark{Title: action.Text("title"), tests: compiled(c.Child("expression"))})
		}
	}
	if len(r.Marks) == 0 {
		fault(plan, "no action has a condition of kind applicability: nothing tells a message of this dialect")
	}
	return r, issue.Join(faults)
}

func (a Arrival) context() fhirpath.Context {
	headers := make(fhirpath.Collection, len(a.Headers))
	for i, h := range a.Headers {
		headers[i] = fhirpath.StringOf(h)
	}
	return fhirpath.Context{Resource: a.Root, RootResource: a.Root, Variables: map[string]fhirpath.Collection{
		"version": {fhirpath.StringOf(a.Version)}, "operation": {fhirpath.StringOf(a.Operation)}, "headers": headers,
	}}
}

// seen are the marks that a message has and those that it lacks, in words.
func (r *Recognition) seen(a Arrival) (has, lacks []string) {
	ctx := a.context()
	for _, m := range r.Marks {
		e := m.tests[a.Root.System()]
		holds := false
		if e != nil {
			var err error
			holds, err = e.Test(ctx, a.Root)
			holds = holds && err == nil
		}
		if holds {
			has = append(has, m.Title)
		} else {
			lacks = append(lacks, m.Title)
		}
	}
	return has, lacks
}

// Focus finds what a message is about, in document order; nil when the dialect does not say.
// Errors: those of the expression.
func (r *Recognition) Focus(a Arrival) ([]*fhir.Node, error) { return r.find("focus", a) }

// find gives the elements that a dynamicValue finds, nil when the dialect has none.
func (r *Recognition) find(path string, a Arrival) ([]*fhir.Node, error) {
	found, err := r.eval(path, a)
	if err != nil {
		return nil, err
	}
	var list []*fhir.Node
	for _, item := range found {
		if n := item.Node(); n != nil {
			list = append(list, n)
		}
	}
	return list, nil
}

func (r *Recognition) eval(path string, a Arrival) (fhirpath.Collection, error) {
	e := r.found[path][a.Root.System()]
	if e == nil {
		return nil, nil
	}
	return e.Eval(a.context(), a.Root)
}

// Recognise finds the dialect of a message among those that hold for a sending organisation
// ("" for everybody's): the one whose marks it all has, and of several the one with the
// most.
//
// Errors: not-supported (rule dialect-unknown), which says of the dialect that comes nearest
// what was recognised and what was missing.
func (l *Library) Recognise(organisation string, a Arrival) (*Dialect, error) {
	var found, nearest *Dialect
	var has, lacks []string
	for _, d := range l.Dialects(organisation) {
		if d.Recognition == nil {
			continue
		}
		h, m := d.Recognition.seen(a)
		if len(m) == 0 && (found == nil || len(h) > len(found.Recognition.Marks)) {
			found = d
		}
		if len(m) > 0 && len(h) > 0 && (nearest == nil || len(m) < len(lacks)) {
			nearest, has, lacks = d, h, m
		}
	}
	if found != nil {
		return found, nil
	}
	if nearest == nil {
		return nil, issue.New(issue.NotSupported, "dialect-unknown", "this is a message of no dialect that is spoken here; there are "+strings.Join(l.spoken(organisation), ", ")).At(a.Root.Path()).On(a.Root.Position())
	}
	return nil, issue.Newf(issue.NotSupported, "dialect-unknown", "this is a message of no dialect that is spoken here; %s comes nearest. Recognised: %s. Missing: %s",
		nearest.Recognition.Name, strings.Join(has, "; "), strings.Join(lacks, "; ")).At(a.Root.Path()).On(a.Root.Position())
}

// RecogniseDocument is Recognise for a message of which it is not known how it came: it is
// read as one of either version of FHIR, as the inlet of its dialect does. One of STU3 is
// mended, and of a record the excerpt of one referral is taken, the chosen one of several
// ("" for none, as in Excerpt). root must have been parsed; the second result is it in the
// version of the dialect, the third what was mended and left out.
//
// Errors: those of Recognise and Excerpt.
func (l *Library) RecogniseDocument(organisation string, root *fhir.Node, chosen string) (*Dialect, *fhir.Node, []*issue.Error, error) {
	a := Arrival{Root: root, Version: "4.0"}
	if root.Text("type") == "message" {
		a.Operation = "process-message"
	}
	d, err := l.Recognise(organisation, a)
	if err == nil && !olderAlone(root) {
		return d, root, nil, nil
	}
	older, e := root.Reread(fhir.Types(fhir.STU3))
	if e != nil {
		return d, root, nil, err
	}
	repairs := fhir.Repair(older)
	a.Root, a.Version = older, "3.0"
	was, e := l.Recognise(organisation, a)
	if e != nil {
		return d, root, nil, err
	}
	d = was
	told, err := d.Recognition.Take(a, chosen, repairs)
	if err != nil {
		return nil, nil, nil, err
	}
	return d, older, told, nil
}

// olderAlone reports whether a message has a resource of a type that only FHIR STU3 has: a
// Bundle of them is a Bundle in R4 too.
func olderAlone(root *fhir.Node) bool {
	is, was := fhir.Types(fhir.R4), fhir.Types(fhir.STU3)
	return slices.ContainsFunc(root.All("entry"), func(e *fhir.Node) bool {
		name := e.Child("resource").ResourceType()
		return is.Resource(name) == nil && was.Resource(name) != nil
	})
}

// Elsewhere says, of a message that is not taken where it came, of which dialect it would be had
// it come another way; nil when it is of none, or of one that it came as.
//
// Error: not-supported (rule dialect-unknown), with what was recognised and what was missing.
func (l *Library) Elsewhere(organisation string, a Arrival) error {
	way := a
	older, err := a.Root.Reread(fhir.Types(fhir.STU3))
	if err == nil {
		way.Root, way.Version = older, "3.0" // first: FHIR R4 takes a collection of anything
	}
	d, missed := l.Recognise(organisation, way)
	if err != nil || missed != nil {
		way = a
		if a.Root.Text("type") == "message" {
			way.Operation = "process-message"
		}
		if d, missed = l.Recognise(organisation, way); missed != nil {
			return nil
		}
	}
	a.Root = way.Root
	has, lacks := d.Recognition.seen(a)
	if len(lacks) == 0 {
		return nil
	}
	return issue.Newf(issue.NotSupported, "dialect-unknown", "%s comes nearest. Recognised: %s. Missing: %s",
		d.Recognition.Name, strings.Join(has, "; "), strings.Join(lacks, "; ")).At(a.Root.Path()).On(a.Root.Position())
}

// Way lists the dialects that a message goes through, d first: of A-to-B the next is B-to-…,
// where messages of B are known.
func (l *Library) Way(organisation string, d *Dialect) []*Dialect {
	way := []*Dialect{d}
	for {
		_, to, _ := strings.Cut(way[len(way)-1].Name, "-to-")
		i := slices.IndexFunc(l.Dialects(organisation), func(next *Dialect) bool {
			return next.Recognition != nil && strings.HasPrefix(next.Name, to+"-to-") && !slices.Contains(way, next)
		})
		if to == "" || i < 0 {
			return way
		}
		way = append(way, l.Dialects(organisation)[i])
	}
}

// spoken are the names of the dialects that messages are recognised as.
func (l *Library) spoken(organisation string) []string {
	names := map[string]bool{}
	for _, d := range l.Dialects(organisation) {
		if d.Recognition != nil {
			names[d.Recognition.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
