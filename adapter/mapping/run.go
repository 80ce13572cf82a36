package mapping

import (
	"context"
	"strconv"

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
	around  *envelope    // of a source that was sent alone, nil otherwise
	stack   []*fhir.Node // the frames of the groups
	scratch []made
	marks   []marks
	shared  map[shareKey]*fhir.Node
	focus   *fhir.Node // of the expression that is evaluated
	find    finder     // what a reference names
	indexes map[*fhir.Node]finder
	lists   map[listKey]*list // with items that go first or last
	created []*fhir.Node      // elements that are removed at the end when nothing was put in
	uuids   int
	match   *terminology.Match // of the last translate
	tracing bool
	trace   []Step
	issues  []*issue.Error
	notes   int // how many issues there would be without a bound
	failed  []*issue.Error
	work    int // elements looked at
	check   int // when to look at ctx again
	budget  int // work left for expressions
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

// maxNotes is how many notices of its rules one transform keeps: a rule that logs each of
// many repeats would otherwise answer with more than it was sent.
const maxNotes = 1000

// Expressions may take this much work in one transform, and this much more for each
// element of the sources: a message of many repeats under a condition that looks at all of
// them would otherwise cost the square of its size.
const (
	leastBudget   = 5_000_000
	elementBudget = 200
)

// maxDepth is how deep groups may call each other: more than any message is nested, and
// far from the end of the stack.
const maxDepth = 200

// Transform runs the map's first group on the sources and returns what it made. The
// sources are not changed and may be shared; what is kept of them is copied.
//
// Result.Issues holds what is worth saying and refuses nothing: what the map logs, and
// one issue of type informational (rule map-unread) for each element of Result.Unread,
// for the first 100 of them.
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
	return m.transform(ctx, in, nil)
}

func (m *Map) transform(ctx context.Context, in Input, around *envelope) (*Result, error) {
	r := &run{ctx: ctx, codes: m.codes, in: &in, around: around, tracing: in.Trace, stack: make([]*fhir.Node, 0, 256), scratch: make([]made, 0, 8)}
	r.find, r.budget = r.resolve, leastBudget
	for _, n := range append([]*fhir.Node{in.Source}, in.More...) {
		if n != nil {
			r.budget += elementBudget * n.Size()
		}
	}
	g := m.entry
	f := r.push(g.slots)
	sources := append([]*fhir.Node{in.Source}, in.More...)
	var targets []*fhir.Node
	next := 0
	for i, p := range g.params {
		if p.target {
			if len(p.shape) != 1 {
				return nil, issue.Newf(issue.Structure, "map-entry", "%s: the target %s of the first group has no type that can be made", m.File, p.name)
			}
			n := fhir.New(p.shape[0])
			targets = append(targets, n)
			r.stack[f+i] = n
			continue
		}
		if next >= len(sources) || sources[next] == nil {
			return nil, issue.Newf(issue.Required, "map-source", "the map %s needs a source for %s", m.Name, p.name)
		}
		n := sources[next]
		r.marks = append(r.marks, newMarks(n))
		if next == 0 && around != nil {
			r.marks[0].inside, n = true, around.bundle
		}
		next++
		if t := p.shape.single(); t != nil && (n.Type == nil || !n.Type.Is(t.Name) || n.Type.System() != t.System()) {
			return nil, issue.Newf(issue.Invalid, "map-source", "the map %s takes %s (FHIR %s)", m.Name, t.Name, t.System().Version).At(n.Path())
		}
		r.stack[f+i] = n
		r.mark(n, bound)
	}
	g.run(r, f)
	if len(r.failed) > 0 {
		return nil, issue.Join(r.failed)
	}
	r.prune()
	for _, n := range targets {
		arrange(n)
	}
	for _, n := range r.created {
		arrange(n)
	}
	if more := r.notes - maxNotes; more > 0 {
		r.issues = append(r.issues, issue.Newf(issue.Informational, "map-notes", "the map has %d more things to say; only the first %d are listed", more, maxNotes).Graded(issue.SeverityInformation))
	}
	out := &Result{Map: m, Source: in.Source, Trace: r.steps(), Work: r.work, Issues: r.issues, targets: targets}
	if len(targets) > 0 {
		out.Target = targets[0]
	}
	for _, m := range r.marks {
		out.Unread = m.unread(out.Unread)
	}
	out.Issues = append(out.Issues, unreadIssues(out.Unread)...)
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
	if r.work++; r.work >= r.check && !r.halted {
		r.check = r.work + 1<<10
		if err := r.ctx.Err(); err != nil {
			r.failed = append(r.failed, issue.New(issue.Timeout, "map-timeout", "the transform took longer than was allowed").Because(err))
			r.halted = true
		}
	}
	return r.ended()
}

// ended reports whether nothing more is to be done.
func (r *run) ended() bool { return r.halted || len(r.failed) >= maxFaults }

func (r *run) fail(e *issue.Error, at *fhir.Node) {
	r.failed = append(r.failed, located(e, r.around.original(at)))
}

func (r *run) note(e *issue.Error, at *fhir.Node) {
	if r.notes++; r.notes <= maxNotes {
		r.issues = append(r.issues, located(e, r.around.original(at)))
	}
}

// located says where an issue is; what a rule made on the way is at no place of the source.
func located(e *issue.Error, at *fhir.Node) *issue.Error {
	if at != nil && e.Expression == "" && at.Root().ResourceType() != "" {
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

// namespace is the UUIDv5 of "https://spadapter.example/fhir/mapping" in the URL
// namespace: ids of this program collide with nobody's.
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://spadapter.example/fhir/mapping"))

// uuid is the next id: the same for the same Identity and count. Without an Identity it
// fails: two messages must never share ids.
func (r *run) uuid(ru *rule) string {
	if r.in.Identity == "" {
		r.fail(ru.issue(issue.Required, "map-identity", "the map makes ids and was given no identity to make them from; every message would get the same"), r.in.Source)
	}
	r.uuids++
	return uuid.NewSHA1(namespace, []byte(r.in.Identity+"#"+strconv.Itoa(r.uuids))).String()
}

func itoa(i int) string { return strconv.Itoa(i) }
