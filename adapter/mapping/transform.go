package mapping

import (
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// textOf gives a parameter's text at run time; ok is false when there is none.
type textOf func(r *run, f int) (text string, ok bool)

// arity is how many parameters each transform takes, and the words for it.
// Source: http://hl7.org/fhir/R4/valueset-map-transform.html.
var arity = map[string]struct {
	min, max int
	form     string
}{
	"copy": {1, 1, "copy(value)"}, "truncate": {2, 2, "truncate(value, length)"},
	"escape": {2, 3, "escape(value, format) or escape(value, from, to)"},
	"cast":   {1, 2, "cast(value) or cast(value, type)"}, "append": {1, 99, "append(value, …)"},
	"translate": {2, 3, "translate(value, map, output)"}, "reference": {1, 1, "reference(resource)"},
	"dateOp": {3, 3, "dateOp(value, amount, unit)"}, "uuid": {0, 0, "uuid()"}, "pointer": {1, 1, "pointer(resource)"},
	"evaluate": {1, 2, "evaluate(variable, expression)"}, "cc": {1, 3, "cc(text) or cc(system, code, display)"},
	"c": {2, 3, "c(system, code, display)"}, "qty": {1, 4, "qty(text) or qty(value, unit, system, code)"},
	"id": {2, 3, "id(system, value, type)"}, "cp": {1, 2, "cp(value) or cp(system, value)"},
}

// transforms lists the names of the standard, for messages.
func transforms() string {
	out := []string{"create"}
	for name := range arity {
		out = append(out, name)
	}
	slices.Sort(out)
	return listed(out)
}

// listed is a list for a message.
func listed(all []string) string {
	if len(all) > 30 {
		all = append(all[:30:30], "…")
	}
	return strings.Join(all, ", ")
}

// transform compiles what stands after '='. It gives the producer, the types it can
// produce, and, for a copy, the variable that is copied.
func (c *compiler) transform(s *scope, t *target, to shape, d *targetDecl) (producer, shape, variable) {
	owner := s.group.owner
	a, ok := arity[d.transform]
	if !ok {
		c.fail(owner, d.valueAt, issue.NotSupported, "map-transform", "the standard has no transform %s; expected one of %s", clip(d.transform), transforms())
		return nil, nil, variable{}
	}
	if n := len(d.params); n < a.min || n > a.max {
		c.fail(owner, d.valueAt, issue.Structure, "map-transform", "%s takes other parameters; expected %s", d.transform, a.form)
		return nil, nil, variable{}
	}
	types := c.system(owner, "target")
	text := func(i int) textOf { return c.text(s, d.params[i]) }
	one := func(name string) shape { return shape{types.Type(name)} }
	// fresh makes a producer of a function that gives one new element, or nil
	fresh := func(make func(r *run, f int, ru *rule) *fhir.Node) producer {
		return func(r *run, f int, ru *rule, out []made) []made {
			if n := make(r, f, ru); n != nil {
				arrange(n)
				out = append(out, made{n, true})
			}
			return out
		}
	}
	primitive := func(name string, value func(r *run, f int, ru *rule) (string, bool)) (producer, shape, variable) {
		pt := types.Type(name)
		return fresh(func(r *run, f int, ru *rule) *fhir.Node {
			v, ok := value(r, f, ru)
			if !ok || v == "" {
				return nil
			}
			return fhir.NewPrimitive(pt, v)
		}), shape{pt}, variable{}
	}
	switch d.transform {
	case "copy":
		return c.copy(s, t, d)
	case "evaluate":
		return c.evaluate(s, d)
	case "uuid":
		name := "uuid"
		if types.Type(name) == nil {
			name = "uri" // what a uuid is one of; STU3's resources use no other
		}
		return primitive(name, func(r *run, f int, ru *rule) (string, bool) { return r.uuid(ru), true })
	case "append":
		parts := make([]textOf, len(d.params))
		for i := range d.params {
			parts[i] = text(i)
		}
		return primitive("string", func(r *run, f int, ru *rule) (string, bool) {
			var b strings.Builder
			for _, p := range parts {
				v, _ := p(r, f)
				b.WriteString(v)
			}
			return b.String(), true
		})
	case "truncate":
		value := text(0)
		length, err := strconv.Atoi(d.params[1].value)
		if err != nil || d.params[1].kind != numberParam || length < 0 {
			c.fail(owner, d.params[1].at, issue.Structure, "map-transform", "expected a number of characters in truncate(value, length)")
			return nil, nil, variable{}
		}
		return primitive("string", func(r *run, f int, ru *rule) (string, bool) {
			v, ok := value(r, f)
			if runes := []rune(v); len(runes) > length {
				v = string(runes[:length])
			}
			return v, ok
		})
	case "escape":
		return c.escape(s, d, primitive)
	case "cast":
		return c.cast(s, to, d)
	case "translate":
		return c.translate(s, to, d)
	case "reference", "pointer":
		v, ok := s.find(d.params[0].value)
		if !ok || d.params[0].kind != variableParam {
			c.unknownVariable(s, d.params[0].value, d.params[0].at)
			return nil, nil, variable{}
		}
		pointer := d.transform == "pointer"
		return primitive("string", func(r *run, f int, ru *rule) (string, bool) { return address(r.stack[f+v.slot], pointer), true })
	case "dateOp":
		return c.dateOp(s, d)
	}
	return c.dataType(s, d, one, text, fresh)
}

// text compiles a parameter that is used as text.
func (c *compiler) text(s *scope, p paramValue) textOf {
	switch p.kind {
	case variableParam:
		v, ok := s.find(p.value)
		if !ok {
			if _, isConstant := c.constant(s.group.owner.file, p.value); isConstant {
				return c.text(s, paramValue{expressionParam, "%" + member(p.value), p.at})
			}
			c.unknownVariable(s, p.value, p.at)
		}
		if len(v.shape) > 0 && !slices.ContainsFunc(v.shape, func(t *fhir.Type) bool { return t.Kind == fhir.Primitive }) {
			c.fail(s.group.owner, p.at, issue.Structure, "map-fit", "%s is %s, which has no text; expected a primitive", p.value, v.shape)
		}
		return func(r *run, f int) (string, bool) {
			n := r.stack[f+v.slot]
			if n == nil {
				return "", false
			}
			return n.Value, n.HasValue()
		}
	case expressionParam:
		e := c.expression(s, nil, p.value, p.at)
		return func(r *run, f int) (string, bool) {
			for _, m := range e.values(r, f, nil, nil) {
				return m.node.Value, true
			}
			return "", false
		}
	}
	return func(*run, int) (string, bool) { return p.value, true }
}

func copySlot(slot int, target bool) producer {
	return func(r *run, f int, ru *rule, out []made) []made {
		if n := r.stack[f+slot]; n != nil {
			out = append(out, made{n, target})
		}
		return out
	}
}

func (c *compiler) copy(s *scope, t *target, d *targetDecl) (producer, shape, variable) {
	p := d.params[0]
	owner := s.group.owner
	switch p.kind {
	case expressionParam:
		return c.evaluate(s, d)
	case variableParam:
		v, ok := s.find(p.value)
		if !ok {
			if _, isConstant := c.constant(owner.file, p.value); isConstant {
				return c.evaluated(s, nil, -1, passage{file: owner.file, at: p.at, text: "%" + member(p.value), made: true})
			}
			c.unknownVariable(s, p.value, p.at)
			return nil, nil, variable{}
		}
		return copySlot(v.slot, v.target), v.shape, v
	}
	n := literal(p)
	if t.element != nil && p.kind == textParam && !t.element.HasCode(p.value) {
		c.fail(owner, p.at, issue.Structure, "map-code", "%s is not a code of %s, which %s is bound to; expected one of %s", clip(p.value), t.element.ValueSet, d.path(), listed(t.element.Codes))
	}
	if e := t.element; e != nil && e.Choice && fits(n.Type, e) == nil {
		if typ := choose(n.Type, e); typ != nil {
			n = fhir.NewPrimitive(typ, p.value)
		}
	}
	return func(r *run, f int, ru *rule, out []made) []made { return append(out, made{n, false}) }, shape{n.Type}, variable{}
}

func (c *compiler) evaluate(s *scope, d *targetDecl) (producer, shape, variable) {
	p := d.params[len(d.params)-1]
	slot := -1
	var focus shape
	if len(d.params) == 2 {
		v, ok := s.find(d.params[0].value)
		if !ok {
			c.unknownVariable(s, d.params[0].value, d.params[0].at)
			return nil, nil, variable{}
		}
		slot, focus = v.slot, v.shape
	}
	return c.evaluated(s, focus, slot, passage{file: s.group.owner.file, at: p.at, text: p.value})
}

// evaluated compiles an expression on the element in a slot, or on what the rule is at.
func (c *compiler) evaluated(s *scope, focus shape, slot int, from passage) (producer, shape, variable) {
	e := c.passage(s, focus, from)
	if e == nil {
		return nil, nil, variable{}
	}
	return func(r *run, f int, ru *rule, out []made) []made {
		n := r.in.Source
		if slot >= 0 {
			n = r.stack[f+slot]
		} else if len(ru.sources) > 0 {
			n = r.stack[f+ru.sources[0].slot]
		}
		return e.values(r, f, n, out)
	}, nil, variable{}
}

// cast gives the value as another primitive; text that is not in its lexical form fails.
func (c *compiler) cast(s *scope, to shape, d *targetDecl) (producer, shape, variable) {
	owner := s.group.owner
	typ := to.single()
	if len(d.params) == 2 {
		if typ = c.typeNamed(owner, "target", d.params[1].value); typ == nil {
			c.fail(owner, d.params[1].at, issue.NotFound, "map-type", "no type is called %s; expected the name of a primitive", clip(d.params[1].value))
			return nil, nil, variable{}
		}
	}
	if typ == nil || typ.Kind != fhir.Primitive {
		c.fail(owner, d.valueAt, issue.Structure, "map-transform", "cast makes primitives; expected the type of one in cast(value, type)")
		return nil, nil, variable{}
	}
	value := c.text(s, d.params[0])
	return func(r *run, f int, ru *rule, out []made) []made {
		v, ok := value(r, f)
		if !ok {
			return out
		}
		if typ.Name == "date" && len(v) > 10 && fhir.Lexical("dateTime", v) {
			v = v[:10] // of a dateTime or instant
		}
		if !readable(v, typ) {
			r.fail(ru.issue(issue.Value, "map-cast", "the value cannot be read as %s", typ.Name).With("value %q", v), ru.at(r, f))
			return out
		}
		return append(out, made{fhir.NewPrimitive(typ, v), true})
	}, shape{typ}, variable{}
}

// dateOp moves a date or time by a number of calendar units: dateOp(value, -2, 'weeks').
// The standard names the transform and leaves its parameters open; these are those of
// FHIRPath's date arithmetic, which also says what becomes of the 31st:
// http://hl7.org/fhirpath/N1/#datetime-arithmetic.
func (c *compiler) dateOp(s *scope, d *targetDecl) (producer, shape, variable) {
	owner := s.group.owner
	value, amount, unit := d.params[0], d.params[1], d.params[2]
	v, ok := s.find(value.value)
	switch {
	case !ok || value.kind != variableParam:
		c.unknownVariable(s, value.value, value.at)
		return nil, nil, variable{}
	case amount.kind != numberParam:
		c.fail(owner, amount.at, issue.Structure, "map-transform", "expected a number in dateOp(value, amount, unit)")
		return nil, nil, variable{}
	case unit.kind != textParam || !slices.Contains(units, strings.TrimSuffix(unit.value, "s")):
		c.fail(owner, unit.at, issue.Structure, "map-transform", "expected a unit of time in dateOp(value, amount, unit): one of %s", listed(units))
		return nil, nil, variable{}
	}
	operator := " + "
	number, negative := strings.CutPrefix(amount.value, "-")
	if negative {
		operator = " - "
	}
	e := c.passage(s, v.shape, passage{file: owner.file, at: d.valueAt, text: "%" + member(value.value) + operator + number + " " + unit.value, made: true})
	if e == nil {
		return nil, nil, variable{}
	}
	return func(r *run, f int, ru *rule, out []made) []made { return e.values(r, f, r.stack[f+v.slot], out) }, nil, variable{}
}

var units = []string{"year", "month", "week", "day", "hour", "minute", "second", "millisecond"}

// at is the element that the rule is at.
func (ru *rule) at(r *run, f int) *fhir.Node {
	if len(ru.sources) == 0 {
		return nil
	}
	return r.stack[f+ru.sources[0].slot]
}
