package mapping

import (
	"context"
	"regexp"
	"strconv"
	"sync"

	"github.com/google/uuid"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// run is one transform.
type run struct {
	ctx     context.Context
	codes   *terminology.Registry
	in      *Input
	stack   []*fhir.Node // the frames of the groups
	scratch []made
	marks   []marks
	shared  map[shareKey]*fhir.Node
	created []*fhir.Node // elements that are removed at the end when nothing was put in
	uuids   int
	match   *terminology.Match // of the last translate
	tracing bool
	trace   []Step
	issues  []*issue.Error
	failed  []*issue.Error
	work    int
	halted  bool
	depth   int
}

type shareKey struct {
	parent *fhir.Node
	id     string
}

// maxFaults is how many faults one transform reports before it gives up; a map with a
// mistake in a loop would otherwise fill the memory.
const maxFaults = 100

// maxDepth is how deep groups may call each other: more than any message is nested, and
// far from the end of the stack.
const maxDepth = 200

// Transform runs the map's first group on the sources and returns what it made. The
// sources are not changed and may be shared; what is kept of them is copied.
//
// Result.Issues holds what is worth saying and refuses nothing: what the map logs, and
// one issue of type informational (rule map-unread) for every element of Result.Unread.
//
// Errors, all of them joined: invalid for a source of another type than the map's;
// structure, code-invalid and multiple-matches for a value that its element cannot hold;
// business-rule for a check of the map that fails; processing for an expression that
// cannot be evaluated; too-costly for groups that call each other without end; timeout
// when ctx ends first. Each names the element of the source
// and the rule.
//
// Source: http://hl7.org/fhir/R4/structuremap-operation-transform.html.
func (m *Map) Transform(ctx context.Context, in Input) (*Result, error) {
	r := &run{ctx: ctx, codes: m.codes, in: &in, tracing: in.Trace, stack: make([]*fhir.Node, 0, 256), scratch: make([]made, 0, 8)}
	g := m.entry
	f := r.push(g.slots)
	sources := append([]*fhir.Node{in.Source}, in.More...)
	var target *fhir.Node
	next := 0
	for i, p := range g.params {
		if p.target {
			if len(p.shape) != 1 {
				return nil, issue.Newf(issue.Structure, "map-entry", "%s: the target %s of the first group has no type that can be made", m.File, p.name)
			}
			n := fhir.New(p.shape[0])
			if target == nil {
				target = n
			}
			r.stack[f+i] = n
			continue
		}
		if next >= len(sources) || sources[next] == nil {
			return nil, issue.Newf(issue.Required, "map-source", "the map %s needs a source for %s", m.Name, p.name)
		}
		n := sources[next]
		next++
		if t := p.shape.single(); t != nil && (n.Type == nil || !n.Type.Is(t.Name) || n.Type.System() != t.System()) {
			return nil, issue.Newf(issue.Invalid, "map-source", "the map %s takes %s (FHIR %s)", m.Name, t.Name, t.System().Version).At(n.Path())
		}
		r.stack[f+i] = n
		r.marks = append(r.marks, newMarks(n))
		r.mark(n, bound)
	}
	g.run(r, f)
	if len(r.failed) > 0 {
		return nil, issue.Join(r.failed)
	}
	r.prune()
	for i, p := range g.params {
		if p.target {
			arrange(r.stack[f+i])
		}
	}
	for _, n := range r.created {
		arrange(n)
	}
	out := &Result{Target: target, Trace: r.steps(), Issues: r.issues}
	for _, m := range r.marks {
		out.Unread = m.unread(out.Unread)
	}
	for _, n := range out.Unread {
		line, column := n.Position()
		out.Issues = append(out.Issues, issue.New(issue.Informational, "map-unread", "no rule of the map read this element; it is not in the result").Graded(issue.SeverityInformation).At(n.Path()).On(line, column))
	}
	return out, nil
}

// push makes a frame and gives its base.
func (r *run) push(slots int) int {
	base := len(r.stack)
	for range slots {
		r.stack = append(r.stack, nil)
	}
	return base
}

func (r *run) pop(base int) { r.stack = r.stack[:base] }

// stopped reports whether the transform is to end early.
func (r *run) stopped() bool {
	if r.work++; r.work&0x3ff == 0 && !r.halted {
		if err := r.ctx.Err(); err != nil {
			r.failed = append(r.failed, issue.New(issue.Timeout, "map-timeout", "the transform took longer than was allowed").Because(err))
			r.halted = true
		}
	}
	return r.halted || len(r.failed) >= maxFaults
}

func (r *run) fail(e *issue.Error, at *fhir.Node) { r.failed = append(r.failed, located(e, at)) }

func (r *run) note(e *issue.Error, at *fhir.Node) { r.issues = append(r.issues, located(e, at)) }

func located(e *issue.Error, at *fhir.Node) *issue.Error {
	if at != nil && e.Expression == "" {
		e.Expression = at.Path()
		e.Line, e.Column = at.Position()
	}
	return e
}

// descend finds or makes the elements between a context and the one written to.
func (r *run) descend(n *fhir.Node, path []string, ru *rule) *fhir.Node {
	for _, name := range path {
		c := n.Child(name)
		if c == nil {
			c = n.Add(name)
			r.created = append(r.created, c)
		}
		n = c
	}
	return n
}

// convert gives a value as an element of that type, a copy unless it is fresh.
func (r *run) convert(ru *rule, m made, typ *fhir.Type) (*fhir.Node, bool) {
	n := m.node
	if !m.fresh || n.Parent != nil {
		r.mark(n, whole)
		n = n.Clone()
	}
	if n.Type == typ {
		return n, true
	}
	if typ.Kind == fhir.Primitive {
		n.Type = typ
		if n.HasValue() && n.Kind != typ.JSON() {
			if !readable(n.Value, typ) {
				r.fail(ru.issue(issue.Value, "map-cast", "the value cannot be read as %s", typ.Name).With("value %q", n.Value), m.node)
				return nil, false
			}
			n.Kind = typ.JSON()
		}
		return n, true
	}
	if n.Type.System() == typ.System() && n.Type.Is(typ.Name) {
		return n, true // Age as a Quantity
	}
	if !retype(n, typ) {
		r.fail(ru.issue(issue.Structure, "map-fit", "the value has elements that %s does not have; map it with a group", typ.Name), m.node)
		return nil, false
	}
	return n, true
}

// retype gives a copied tree the definitions of another version's type of that name;
// false when it has an element that the type does not have.
func retype(n *fhir.Node, t *fhir.Type) bool {
	n.Type = t
	for _, c := range n.Children {
		m, ok := t.Member(c.Name)
		if !ok || m.Element.List != c.List {
			return false
		}
		c.Element = m.Element
		to := m.Type
		if to.Abstract {
			if c.Type == nil {
				continue
			}
			if to = t.System().Type(c.Type.Name); to == nil {
				return false
			}
		}
		if !retype(c, to) {
			return false
		}
	}
	return true
}

var patterns sync.Map // *fhir.Type → *regexp.Regexp

// readable reports whether a text is in the lexical form of a primitive.
func readable(value string, t *fhir.Type) bool {
	switch t.JSON() {
	case fhir.Boolean:
		return value == "true" || value == "false"
	case fhir.Number:
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return false
		}
	}
	if t.Pattern == "" {
		return true
	}
	re, ok := patterns.Load(t)
	if !ok {
		compiled, err := regexp.Compile("^(?:" + t.Pattern + ")$")
		if err != nil {
			return true
		}
		re, _ = patterns.LoadOrStore(t, compiled)
	}
	return re.(*regexp.Regexp).MatchString(value)
}

// become gives an element that is there already a value.
func (r *run) become(ru *rule, n *fhir.Node, m made) *fhir.Node {
	if n.Type == nil || m.node.Type == nil {
		r.fail(ru.issue(issue.Structure, "map-fit", "an element of unknown type cannot take a value"), m.node)
		return nil
	}
	typ := fits(m.node.Type, &fhir.Element{Types: []*fhir.Type{n.Type}})
	if typ == nil && n.Type.Kind == fhir.Primitive && m.node.Type.Kind == fhir.Primitive {
		typ = n.Type
	}
	if typ == nil {
		r.fail(ru.issue(issue.Structure, "map-fit", "%s cannot hold %s", n.Type.Name, m.node.Type.Name), m.node)
		return nil
	}
	if n.HasValue() && n.Value != m.node.Value || n.Type.Kind != fhir.Primitive && len(n.Children) > 0 {
		r.fail(ru.issue(issue.MultipleMatches, "map-twice", "the element gets a second value; it holds one"), m.node)
		return nil
	}
	v, ok := r.convert(ru, m, n.Type)
	if !ok {
		return nil
	}
	n.Kind, n.Value = v.Kind, v.Value
	for _, c := range v.Children {
		c.Parent = n
	}
	n.Children = v.Children
	return n
}

// prune removes what was created and stayed empty: FHIR has no empty elements.
// Resources stay. Source: http://hl7.org/fhir/R4/datatypes.html#representations.
func (r *run) prune() {
	for i := len(r.created) - 1; i >= 0; i-- {
		n := r.created[i]
		if n.Parent == nil || len(n.Children) > 0 || n.HasValue() || n.ResourceType() != "" {
			continue
		}
		siblings := n.Parent.Children
		for j, c := range siblings {
			if c == n {
				n.Parent.Children = append(siblings[:j:j], siblings[j+1:]...)
				break
			}
		}
		n.Parent = nil
	}
}

// arrange puts the elements of what was created into the order of the standard: the
// order of the rules is the author's, and a reader looks for fullUrl before resource.
func arrange(n *fhir.Node) {
	if n.Type == nil || len(n.Children) < 2 {
		return
	}
	var few [32]int
	rank := few[:0]
	sorted, at := true, 0
	elements := n.Type.Elements
	for _, c := range n.Children {
		// mostly in order already: look on from where the last one was
		for steps := 0; steps < len(elements) && elements[at] != c.Element; steps++ {
			if at++; at == len(elements) {
				at = 0
			}
		}
		sorted = sorted && (len(rank) == 0 || rank[len(rank)-1] <= at)
		rank = append(rank, at)
	}
	if sorted {
		return
	}
	for i := 1; i < len(rank); i++ {
		for j := i; j > 0 && rank[j-1] > rank[j]; j-- {
			rank[j-1], rank[j] = rank[j], rank[j-1]
			n.Children[j-1], n.Children[j] = n.Children[j], n.Children[j-1]
		}
	}
}

// namespace is the UUIDv5 of "https://spadapter.example/fhir/mapping" in the URL
// namespace: ids of this program collide with nobody's.
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://spadapter.example/fhir/mapping"))

// uuid is the next id: the same for the same Identity and count.
func (r *run) uuid() string {
	r.uuids++
	return uuid.NewSHA1(namespace, []byte(r.in.Identity+"#"+strconv.Itoa(r.uuids))).String()
}

func itoa(i int) string { return strconv.Itoa(i) }
