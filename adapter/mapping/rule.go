package mapping

import (
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// rule is one compiled rule.
type rule struct {
	name    string
	file    *file
	url     string
	in      string // name of the group
	line    int
	sources []source
	targets []target
	calls   []*call
	rules   []*rule
	ignore  bool // named ignore-…, without a target: what it matches counts as read, whole
}

// source is one compiled source of a rule.
type source struct {
	context int
	path    []string // element names below the context; empty for the context itself
	slot    int
	typ     *fhir.Type
	list    string
	card    bool
	min     int
	max     int
	where   *expression
	check   *expression
	checked string // the check as it is written
	log     *expression
	words   string // what log always says, where it is a text and reads nothing of the message
	defExpr *expression
}

// call is a group with where its arguments lie.
type call struct {
	group *group
	args  []arg
}

type arg struct {
	slot    int
	literal *fhir.Node
}

// maxRules is how many rules are compiled, a group once for each combination of types that
// it is called with; a shipped dialect needs under 500.
const maxRules = 50_000

func (c *compiler) rule(outer *scope, d *ruleDecl) *rule {
	s := outer.inner()
	owner := s.group.owner
	if c.rules++; c.rules > maxRules || len(c.errs) >= maxErrors {
		c.tooMany(owner, d)
		return &rule{name: d.name, file: owner.file}
	}
	line, _ := owner.file.place(d.at)
	r := &rule{name: d.name, file: owner.file, url: owner.url, in: s.group.decl.name, line: line}
	r.ignore = len(d.targets) == 0 && !d.then && strings.HasPrefix(d.name, "ignore-")
	seen := map[string]bool{}
	for _, sd := range d.sources {
		c.twice(s, seen, sd.alias, sd.at)
		r.sources = append(r.sources, c.source(s, sd))
	}
	seen = map[string]bool{}
	for _, td := range d.targets {
		c.twice(s, seen, td.alias, td.at)
		if t, ok := c.target(s, d, td); ok {
			r.targets = append(r.targets, t)
		}
	}
	for _, cd := range d.calls {
		if call := c.call(s, cd); call != nil {
			r.calls = append(r.calls, call)
		}
	}
	for _, rd := range d.rules {
		r.rules = append(r.rules, c.rule(s, rd))
	}
	return r
}

func (c *compiler) tooMany(owner *mapDecl, d *ruleDecl) {
	if c.rules == maxRules+1 {
		c.fail(owner, d.at, issue.TooCostly, "map-size", "the groups are called with more than %d combinations of rules and types; expected parameters with types", maxRules)
	}
}

// twice refuses a name that two sources, or two targets, of one rule have.
func (c *compiler) twice(s *scope, seen map[string]bool, alias string, at int) {
	if alias != "" && seen[alias] {
		c.fail(s.group.owner, at, issue.Duplicate, "map-variable", "two parts of this rule have the name %s; expected another", clip(alias))
	}
	seen[alias] = true
}

func (c *compiler) source(s *scope, d *sourceDecl) source {
	owner := s.group.owner
	out := source{path: d.elements, list: d.list, card: d.card, min: d.min, max: d.max}
	v, ok := s.find(d.context)
	if !ok {
		c.unknownVariable(s, d.context, d.at)
	}
	out.context = v.slot
	at, repeats, lists := v.shape, v.repeats, false
	for i, name := range d.elements {
		elements, types, self, found := at.elements(name)
		if !found {
			c.fail(owner, d.at, issue.Structure, "map-element", "%s has no element %s; expected one of %s", at, clip(name), at.names())
			at = nil
			break
		}
		for _, e := range elements {
			lists = lists || e.List
		}
		if self && i == len(d.elements)-1 {
			out.path = d.elements[:i]
		}
		at = types
	}
	if lists && d.list != "first" && d.list != "last" && d.list != "only_one" && d.where == "" && !(d.card && d.max == 1) {
		repeats = s.depth
	}
	if d.typ != "" {
		t := c.typeNamed(owner, "source", d.typ)
		if t == nil {
			c.fail(owner, d.at, issue.NotFound, "map-type", "no type is called %s here; expected the name of a type or an alias of a uses line", clip(d.typ))
		} else {
			possible := len(at) == 0
			for _, a := range at {
				possible = possible || a.Is(t.Name) || t.Is(a.Name)
			}
			if !possible {
				c.fail(owner, d.at, issue.Structure, "map-type", "the element is never %s; expected %s", d.typ, at)
			}
			out.typ, at = t, shapeOf([]*fhir.Type{t})
		}
	}
	// the alias is in scope in its own conditions
	bound := variable{shape: at, repeats: repeats, target: v.target, depth: s.depth}
	out.slot = s.bind(d.alias, bound)
	bound.slot = out.slot
	s.sources[d] = bound
	if d.where != "" {
		out.where = c.expression(s, at, d.where, d.whereAt)
	}
	if d.check != "" {
		out.check, out.checked = c.expression(s, at, d.check, d.checkAt), d.check
	}
	if d.log != "" {
		out.log = c.expression(s, at, d.log, d.logAt)
		if out.log != nil {
			out.words = constantText(out.log.compiled.String())
		}
	}
	if d.def != "" {
		out.defExpr = c.expression(s, nil, d.def, d.defAt)
	}
	return out
}

// items finds the elements that s matches and goes on with the rule for each. It
// allocates nothing where no list mode, cardinality or default is asked for.
func (s *source) items(r *run, f int, ru *rule, i int) {
	context := r.stack[f+s.context]
	if context == nil {
		return
	}
	if s.list == "" && !s.card && s.defExpr == nil {
		s.visit(r, f, ru, i, context, s.path, nil)
		return
	}
	var all []*fhir.Node
	s.visit(r, f, ru, i, context, s.path, &all)
	if len(all) == 0 && s.defExpr != nil {
		for _, m := range s.defExpr.values(r, f, context, nil) {
			all = append(all, m.node)
		}
	}
	if s.card && (len(all) < s.min || s.max >= 0 && len(all) > s.max) {
		limit := "*"
		if s.max >= 0 {
			limit = itoa(s.max)
		}
		r.fail(ru.issue(issue.Structure, "map-cardinality", "%s occurs %d times; expected %d..%s", strings.Join(s.path, "."), len(all), s.min, limit), context)
		return
	}
	n := len(all)
	switch {
	case n == 0:
		return
	case s.list == "first":
		all = all[:1]
	case s.list == "last":
		all = all[n-1:]
	case s.list == "not_first":
		all = all[1:]
	case s.list == "not_last":
		all = all[:n-1]
	case s.list == "only_one" && n > 1:
		r.fail(ru.issue(issue.MultipleMatches, "map-only-one", "%s occurs %d times; expected one", strings.Join(s.path, "."), n), context)
		return
	}
	for _, n := range all {
		s.each(r, f, ru, i, n)
	}
}

// visit walks the path below n. Every element at its end that has the type and fulfils
// the condition is kept in all or, without all, goes through the rule at once.
func (s *source) visit(r *run, f int, ru *rule, i int, n *fhir.Node, path []string, all *[]*fhir.Node) {
	if len(path) > 0 {
		r.work += len(n.Children)
		for _, c := range n.Children {
			if c.Name == path[0] || c.Element != nil && c.Element.Name == path[0] {
				s.visit(r, f, ru, i, c, path[1:], all)
			}
		}
		return
	}
	if s.typ != nil {
		if n.Type != nil && n.Type != s.typ && !n.Type.Is(s.typ.Name) || n.Type == nil && n.ResourceType() != s.typ.Name {
			return
		}
	}
	if r.ended() {
		return
	}
	if s.where != nil {
		r.stack[f+s.slot] = n
		if !s.where.test(r, f, n) {
			return
		}
	}
	if all != nil {
		*all = append(*all, n)
		return
	}
	s.each(r, f, ru, i, n)
}

// each goes on with the rule for one element.
func (s *source) each(r *run, f int, ru *rule, i int, n *fhir.Node) {
	r.stack[f+s.slot] = n
	if s.check != nil && !s.check.test(r, f, n) {
		r.fail(ru.issue(issue.BusinessRule, "map-check", "the element does not fulfil the check of the map: %s", s.checked), n)
		return
	}
	switch {
	case s.words != "":
		r.note(ru.issue(issue.Informational, "map-log", "%s", s.words).Graded(issue.SeverityInformation), n)
	case s.log != nil:
		r.note(ru.issue(issue.Informational, "map-log", "the map logged a value").Graded(issue.SeverityInformation).With("%s", s.log.text(r, f, n)), n)
	}
	if ru.ignore {
		r.mark(n, whole)
	} else {
		r.mark(n, bound)
	}
	ru.from(r, f, i+1)
}

// from runs the rule with its sources before i bound.
func (ru *rule) from(r *run, f, i int) {
	if r.stopped() {
		return
	}
	if i < len(ru.sources) {
		ru.sources[i].items(r, f, ru, i)
		return
	}
	for j := range ru.targets {
		ru.targets[j].run(r, f, ru)
	}
	for _, c := range ru.calls {
		c.run(r, f)
	}
	for _, inner := range ru.rules {
		inner.from(r, f, 0)
	}
}

// run calls the group in a new frame.
func (c *call) run(r *run, f int) {
	if r.depth++; r.depth > maxDepth && !r.halted {
		r.halted = true
		r.fail(issue.Newf(issue.TooCostly, "map-depth", "the groups of the map call each other more than %d deep (%s, group %s)", maxDepth, c.group.file.name, c.group.name), r.in.Source)
	}
	base := r.push(c.group.slots)
	for i, a := range c.args {
		n := a.literal
		if a.slot >= 0 {
			n = r.stack[f+a.slot]
		}
		r.stack[base+i] = n
	}
	c.group.run(r, base)
	r.pop(base)
	r.depth--
}

// run runs the group in a frame whose first slots are its parameters.
func (g *group) run(r *run, f int) {
	for i, p := range g.params {
		if r.stack[f+i] == nil && p.target {
			return // a target that came to nothing
		}
	}
	if g.parent != nil {
		base := r.push(g.parent.slots)
		copy(r.stack[base:base+len(g.params)], r.stack[f:f+len(g.params)])
		g.parent.run(r, base)
		r.pop(base)
	}
	for _, ru := range g.rules {
		ru.from(r, f, 0)
	}
}

// issue makes an issue of a rule.
func (ru *rule) issue(t issue.Type, id, format string, args ...any) *issue.Error {
	e := issue.Newf(t, id, format, args...)
	e.Details += " (" + ru.place() + ")"
	return e
}

// place names the rule for people.
func (ru *rule) place() string {
	return ru.file.name + ":" + itoa(ru.line) + ", group " + ru.in + ", rule " + ru.name
}

// constantText gives the text of an expression that is nothing but a text without escapes, ""
// for any other.
func constantText(source string) string {
	source = strings.TrimSpace(source)
	if len(source) < 2 || source[0] != '\'' || strings.IndexByte(source[1:], '\'') != len(source)-2 || strings.Contains(source, "\\") {
		return ""
	}
	return source[1 : len(source)-1]
}
