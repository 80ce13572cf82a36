package profile

import (
	"errors"
	"fmt"
	"slices"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
)

// Work that one validation may take, in steps of FHIRPath and in elements that profiles
// and slicing look at: a Bundle of the greatest size that is accepted takes a tenth with
// profiles that look once at each element; a rule that reads everything for each takes
// more.
const maxSteps = 10_000_000

// pollEvery is after how many steps a validation asks whether somebody still waits: a
// millisecond or so.
const pollEvery = 4096

// validator is one validation of one resource.
type validator struct {
	set      *Set // nil for a profile by itself
	env      *Env
	root     *fhir.Node
	found    []*issue.Error
	ctx      fhirpath.Context
	steps    int
	given    int         // steps at the start
	document *document   // nil unless it is shared
	asked    bool        // begun by an invariant
	stop     func() bool // whether nobody waits any more; nil for never
	polled   int         // steps that were left when stop was asked last
	left     bool        // what stop said
	applied  []*Profile  // to the resource that is being visited
	depth    int         // of profiles within profiles
	refs     *resolver
	stopped  bool                 // for want of work, or of somebody who waits
	lost     bool                 // see each
	said     map[string]bool      // what is said once: bindings and profiles that are not here
	results  map[pairing]*outcome // of profiles within profiles

	selected map[selection]map[*fhir.Node]bool
}

// pairing is a profile and a node that it is asked about.
type pairing struct {
	profile *Profile
	node    *fhir.Node
}

type outcome struct {
	done     bool
	reported bool
	found    []*issue.Error
}

func newValidator(set *Set, env *Env, n *fhir.Node) *validator { return begin(set, env, n, false) }

// begin starts a validation; inner when an invariant asks for it. done must be called.
func begin(set *Set, env *Env, n *fhir.Node, inner bool) *validator {
	v := &validator{set: set, env: env, root: n.Root(), steps: maxSteps, asked: inner}
	v.refs = &resolver{root: v.root}
	if underway.asks.Load() {
		underway.begin(v, inner)
	}
	v.given, v.polled = v.steps, v.steps
	v.ctx.Resolve = v.refs.find
	v.ctx.Budget = &v.steps
	if env.Now != nil {
		v.ctx.Now = env.Now()
	}
	return v
}

// done ends a validation.
func (v *validator) done() {
	if v.document != nil {
		underway.end(v, v.asked)
	}
}

// resolve finds the resource that a Reference or canonical leads to, nil when it is not
// in the message.
func (v *validator) resolve(n *fhir.Node) *fhir.Node {
	reference := n.Value
	if !n.HasValue() {
		reference = n.Text("reference")
	}
	return v.refs.find(reference, n)
}

func (v *validator) report(t issue.Type, n *fhir.Node, rule, words string) *issue.Error {
	e := issue.New(t, rule, words)
	if len(v.found) < maxIssues {
		v.found = append(v.found, e.At(n.Path()).On(n.Position()))
	}
	return e
}

// fault reports what a profile says of an element.
func (v *validator) fault(t issue.Type, n *fhir.Node, by *Profile, e *element, words string) *issue.Error {
	return v.report(t, n, by.id+"/"+e.id, words+" (profile "+by.Name+")")
}

// spend takes from the work that one validation may take, and reports whether there is
// any left and somebody to do it for.
func (v *validator) spend(steps int) bool {
	v.steps -= steps
	v.stopped = v.stopped || v.steps < 0
	if v.stop != nil && v.polled-v.steps >= pollEvery {
		v.polled = v.steps
		v.left = v.left || v.stop()
		v.stopped = v.stopped || v.left
	}
	return !v.stopped
}

// all is what was found, and first of all that the work was not done to its end.
func (v *validator) all() []*issue.Error {
	switch {
	case v.left:
		v.found = slices.Insert(v.found, 0, issue.New(issue.Timeout, "profile-stopped", "nobody waited for the end of this check, so it was not done to its end").At(v.root.Path()).On(v.root.Position()))
	case v.stopped:
		v.found = slices.Insert(v.found, 0, issue.New(issue.TooCostly, "profile-work",
			"checking this message against its profiles would need more work than is allowed for one message; what was not checked yet is left out").At(v.root.Path()).On(v.root.Position()))
	}
	return v.found
}

// once reports whether this is the first time.
func (v *validator) once(what string) bool {
	if v.said[what] {
		return false
	}
	if v.said == nil {
		v.said = map[string]bool{}
	}
	v.said[what] = true
	return true
}

// resource checks a node against a profile.
func (v *validator) resource(p *Profile, n *fhir.Node) {
	if !p.fits(n) {
		v.report(issue.BusinessRule, n, p.id, "the profile "+p.Name+" is for "+a(p.Type)+", and this is "+a(typeName(n)))
		return
	}
	v.node(p.root, n)
}

func (p *Profile) fits(n *fhir.Node) bool {
	if n.ResourceType() != "" || p.root.types[0].Kind == fhir.Resource {
		return n.Type != nil && n.ResourceType() != "" && n.Type.Is(p.Type)
	}
	return n.Type == nil || n.Type.Is(p.Type)
}

// node checks one node against what the profile says of its element.
func (v *validator) node(e *element, n *fhir.Node) {
	if !v.spend(1) {
		return
	}
	if e.narrowed != nil && n.Type != nil && !slices.ContainsFunc(e.types, func(t *fhir.Type) bool { return n.Type.Is(t.Name) }) {
		v.fault(issue.BusinessRule, n, e.narrowed, e, e.path+" must be "+typeNames(e.types)+" and is "+n.Type.Name)
		return
	}
	if e.fixed != nil && !equal(e.fixed, n) {
		v.fault(issue.BusinessRule, n, e.fixes, e, e.path+" must be exactly "+show(e.fixed)).With("got %s", clip(show(n)))
	}
	if e.pattern != nil && !matches(e.pattern, n) {
		v.fault(issue.BusinessRule, n, e.patterns, e, e.path+" must hold "+show(e.pattern)).With("got %s", clip(show(n)))
	}
	if e.maxLength.by != nil && n.Kind == fhir.String && len(n.Value) > e.maxLength.n && len([]rune(n.Value)) > e.maxLength.n {
		v.fault(issue.BusinessRule, n, e.maxLength.by, e, fmt.Sprintf("%s has at most %d characters; this one has %d", e.path, e.maxLength.n, len([]rune(n.Value))))
	}
	if e.least != nil {
		v.limit(e, e.least, n, "at least")
	}
	if e.most != nil {
		v.limit(e, e.most, n, "at most")
	}
	if e.targets != nil && n.Type != nil && n.Type.Name == "Reference" {
		v.target(e, n)
	}
	if e.binding != nil {
		v.binding(e, n)
	}
	for _, r := range e.rules {
		v.constraint(r, n)
	}
	if len(e.profiles) > 0 {
		v.profiled(e, n)
	}
	content := e
	if e.content != nil {
		content = e.content
		for _, r := range content.rules {
			v.constraint(r, n)
		}
	}
	for _, c := range content.active {
		v.children(c, n)
	}
}

// children checks count, slices and each of the elements of parent that c is about.
func (v *validator) children(c *element, parent *fhir.Node) {
	// passing over a child takes a small part of what looking at one does
	if !v.spend(len(parent.Children) / 8) {
		return
	}
	var t tally
	if c.sliced() {
		t.start(c)
	}
	n := 0
	for _, child := range parent.Children {
		if child.ElementName() != c.name || child.Kind == fhir.Null || child.Kind == fhir.Array {
			continue
		}
		n++
		if c.max.by != nil && n == c.max.n+1 {
			v.tooMany(c, child)
		}
		v.node(c, child)
		if t.of != nil {
			v.slice(&t, child)
		}
		if v.stopped {
			return
		}
	}
	if c.min.by != nil && n < c.min.n {
		v.tooFew(c, parent, n)
	}
	if t.of == nil || t.undecided {
		return
	}
	for i, s := range c.slices {
		if s.min.by != nil && t.counts[i] < s.min.n {
			v.tooFew(s, parent, t.counts[i])
		}
	}
}

func (v *validator) tooMany(e *element, n *fhir.Node) {
	if e.max.n == 0 {
		v.fault(issue.BusinessRule, n, e.max.by, e, e.label()+" is not allowed here; leave it out")
		return
	}
	v.fault(issue.BusinessRule, n, e.max.by, e, fmt.Sprintf("%s may be given at most %s", e.label(), times(e.max.n)))
}

// tooFew is reported on the parent, at the place where the element is missing.
func (v *validator) tooFew(e *element, parent *fhir.Node, count int) {
	words := e.label() + " is required"
	if mark := e.mark(); mark != "" {
		words += ": one " + mark
	}
	if e.min.n > 1 {
		words = fmt.Sprintf("%s must be given at least %s and is there %s", e.label(), times(e.min.n), times(count))
	}
	problem := v.fault(issue.BusinessRule, parent, e.min.by, e, words)
	if problem.Expression != "" {
		problem.Expression += "." + e.name
	}
}

// limit checks minValue and maxValue. What cannot be compared is let through.
// Source: http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.minValue_x_.
func (v *validator) limit(e *element, l *limit, n *fhir.Node, words string) {
	ctx := v.ctx
	ctx.Variables = l.vars
	if past, err := l.past.Test(ctx, n); err == nil && past {
		v.fault(issue.BusinessRule, n, l.by, e, e.path+" must be "+words+" "+show(l.node)).With("got %s", clip(show(n)))
	}
}

func (v *validator) constraint(r *constraint, n *fhir.Node) {
	if !v.spend(1) {
		return
	}
	holds, err := r.test.Test(v.ctx, n)
	switch {
	case errors.Is(err, issue.TooCostly):
		v.report(issue.TooCostly, n, r.key, "the rule "+r.key+" would need more work than is allowed for one message (profile "+r.by.Name+")")
	case err != nil || !holds:
		v.report(issue.BusinessRule, n, r.key, r.key+" does not hold: "+r.human+" (profile "+r.by.Name+")").Graded(r.severity).Because(err).With("the rule is %s", clip(r.test.String()))
	}
}
