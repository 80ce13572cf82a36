package mapping

import (
	"errors"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
)

// expression is a FHIRPath expression of a map. This file and resolve.go are the only
// ones that know package fhirpath.
type expression struct {
	compiled *fhirpath.Expression
	uses     []binding // the variables it names
	reads    []chain   // the paths it reads, for the report of loss
	written  *rewriting
}

type binding struct {
	name string
	slot int
}

// expression compiles the text of an expression that is evaluated on elements of the
// shape focus. A variable of the map may be written without its '%', as the HL7
// implementation allows: it wins over an element of that name.
func (c *compiler) expression(s *scope, focus shape, text string, at int) *expression {
	return c.passage(s, focus, passage{file: s.group.owner.file, at: at, text: text})
}

func (c *compiler) passage(s *scope, focus shape, from passage) *expression {
	tokens, err := c.scan(from)
	if err != nil {
		return nil
	}
	w := &rewriting{}
	if err := c.rewrite(w, s, focus, from, tokens, nil); err != nil {
		return nil
	}
	e := &expression{written: w, uses: w.uses, reads: c.chains(s, tokens)}
	owner := s.group.owner
	options := []fhirpath.Option{fhirpath.Types(c.system(owner, "source")), fhirpath.MemberOf(c.memberOf), fhirpath.ConformsTo(conformsTo)}
	if t := focus.single(); t != nil {
		options = append(options, fhirpath.Type(t))
	}
	names := make([]string, len(e.uses))
	for i, u := range e.uses {
		names[i] = u.name
	}
	options = append(options, fhirpath.Variables(names...))
	e.compiled, err = fhirpath.Compile(w.String(), options...)
	if err != nil {
		e.compiled, err = withoutValues(w.String(), err, options)
	}
	if err != nil {
		for _, inner := range issue.All(err) {
			at, _ := fhirpath.PlaceOf(inner) // one without a place is about the whole
			in, offset := w.place(at.Offset)
			words := inner.Details
			if inner.Type == issue.NotSupported {
				words += "; expected a function of FHIRPath"
			}
			c.report(in.fault(offset, "the FHIRPath expression does not compile: %s", words))
		}
		return nil
	}
	return e
}

// withoutValues compiles an expression again without .value after primitives: HL7's
// maps write linkId.value = 'x', where FHIRPath has linkId = 'x'. It tries every choice
// of the places and gives the first error when none compiles.
func withoutValues(text string, first error, options []fhirpath.Option) (*fhirpath.Expression, error) {
	var places []int
	for i := 0; ; {
		at := strings.Index(text[i:], ".value")
		if at < 0 {
			break
		}
		i += at + len(".value")
		if i == len(text) || !letter(text[i]) && !digit(text[i]) {
			places = append(places, i)
		}
	}
	if len(places) > 6 {
		return nil, first
	}
	for pick := 1; pick < 1<<len(places); pick++ {
		var b strings.Builder
		last := 0
		for i, stop := range places {
			if pick&(1<<i) != 0 {
				b.WriteString(text[last : stop-len(".value")])
				last = stop
			}
		}
		b.WriteString(text[last:])
		if e, err := fhirpath.Compile(b.String(), options...); err == nil {
			return e, nil
		}
	}
	return nil, first
}

func (c *compiler) memberOf(v fhirpath.Value, valueSet string) (member, known bool) {
	n := v.Node()
	if n == nil {
		return c.codes.ValidateCode(valueSet, "", v.Text())
	}
	if n.IsPrimitive() {
		return c.codes.ValidateCode(valueSet, "", n.Value)
	}
	return c.codes.HasMeaning(valueSet, n)
}

// conformsTo knows the base types alone.
func conformsTo(n *fhir.Node, profile string) (conforms, known bool) {
	t := TypeByURL(profile)
	if t == nil || n.Type == nil {
		return false, false
	}
	return n.Type.Is(t.Name), true
}

func (e *expression) context(r *run, f int, focus *fhir.Node) fhirpath.Context {
	r.focus = focus
	ctx := fhirpath.Context{Now: r.in.Now, Resolve: r.find, Budget: &r.budget}
	if len(e.uses) > 0 {
		ctx.Variables = make(map[string]fhirpath.Collection, len(e.uses))
		for _, u := range e.uses {
			if n := r.stack[f+u.slot]; n != nil {
				ctx.Variables[u.name] = fhirpath.Collection{fhirpath.Of(n)}
			} else {
				ctx.Variables[u.name] = nil
			}
		}
	}
	return ctx
}

// test evaluates e as a condition on focus.
func (e *expression) test(r *run, f int, focus *fhir.Node) bool {
	ok, err := e.compiled.Test(e.context(r, f, focus), focus)
	if err != nil {
		r.expressionFailed(e, focus, err)
		return false
	}
	if ok {
		e.mark(r, f, focus, bound)
	}
	return ok
}

// values evaluates e on focus and appends what it gives.
func (e *expression) values(r *run, f int, focus *fhir.Node, out []made) []made {
	result, err := e.compiled.Eval(e.context(r, f, focus), focus)
	if err != nil {
		r.expressionFailed(e, focus, err)
		return out
	}
	e.mark(r, f, focus, bound)
	for _, v := range result {
		if n := v.Node(); n != nil {
			out = append(out, made{node: n})
		} else {
			out = append(out, made{node: r.system(v), fresh: true})
		}
	}
	return out
}

// text evaluates e for a message.
func (e *expression) text(r *run, f int, focus *fhir.Node) string {
	result, err := e.compiled.Eval(e.context(r, f, focus), focus)
	if err != nil {
		return ""
	}
	var parts []string
	for _, v := range result {
		parts = append(parts, v.Text())
	}
	return strings.Join(parts, ", ")
}

// mark notes what e read.
func (e *expression) mark(r *run, f int, focus *fhir.Node, how uint8) {
	for _, c := range e.reads {
		n := focus
		if c.slot >= 0 {
			n = r.stack[f+c.slot]
		}
		if n != nil {
			r.markPath(n, c.path, how)
		}
	}
}

// typeNames are the FHIR types of FHIRPath's own values.
var typeNames = map[fhirpath.Kind]string{fhirpath.Boolean: "boolean", fhirpath.String: "string", fhirpath.Integer: "integer",
	fhirpath.Decimal: "decimal", fhirpath.Date: "date", fhirpath.DateTime: "dateTime", fhirpath.Time: "time"}

// system makes an element of a value that an expression made.
func (r *run) system(v fhirpath.Value) *fhir.Node {
	types := fhir.Types(fhir.R4)
	if d, unit, ok := v.Quantity(); ok {
		q := types.New("Quantity")
		q.Set("value", d.String())
		q.Set("system", "http://unitsofmeasure.org")
		q.Set("code", unit)
		return q
	}
	kind := typeNames[v.Kind()]
	if kind == "" {
		kind = "string"
	}
	return fhir.NewPrimitive(types.Type(kind), v.Text())
}

func (r *run) expressionFailed(e *expression, focus *fhir.Node, err error) {
	for _, inner := range issue.All(err) {
		at, _ := fhirpath.PlaceOf(inner) // one without a place is about the whole
		in, offset := e.written.place(at.Offset)
		line, column := in.file.place(in.offset(offset))
		failed := issue.Newf(issue.Processing, "map-expression", "%s:%d:%d: the FHIRPath expression cannot be evaluated: %s", in.file.name, line, column, inner.Details).Because(inner)
		if errors.Is(inner, issue.TooCostly) {
			failed.Type, r.halted = issue.TooCostly, true // the next one would cost as much
		}
		r.fail(failed, focus)
	}
}
