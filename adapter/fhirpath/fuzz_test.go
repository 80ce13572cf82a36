package fhirpath

import (
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// FuzzCompile compiles a source with and without the type of the focus, and evaluates
// it on a document: no panic, every error an issue with a place inside the source, no
// more items than work allows, and the same answer the second time.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{"name.where(use = 'official').given.first()", "(1 | 2).aggregate($this + $total, 0)", "@2024-01-01T10:00+01:00 + 1 month",
		"%resource.descendants().where($this is Quantity)", "1 'kg' * 2 'm/s2' ~ 3", "iif(a, b, c) & `x y`[0]", "{} implies -1.5 > 2 div 0", "0|''", "'\\u00e9'.matches('.')",
		"entry.resource.ofType(Observation).value.toQuantity('%')", "entry.select(fullUrl | resource.id).sort(-$this, $this).join(', ')", "37 'Cel' = 98.6 '[degF]'",
		"entry.resource.subject.resolve().birthDate.highBoundary(17)", "entry.resource.repeat(children()).distinct().count()", "%who.name.trace('x', given).exists(family.startsWith('O'))",
		"entry[1].resource.status.memberOf('v') xor conformsTo('p')", "(entry ~ entry.tail()) = entry.combine(entry).isDistinct().not()", "1.5.power(0.3).ln().exp().round(3).toString().replace('.', '').toInteger()",
		"'a,b'.split(',').select($index & $this.upper()).encode('base64').decode('base64')", "entry.resource.text.div.htmlChecks() or type().name in ('Bundle' | `x`)"} {
		f.Add(seed)
	}
	root := parsed(f, bundle)
	const steps = 20_000
	ctx := Context{Steps: steps, Now: time.Unix(0, 0).UTC(), Variables: map[string]Collection{"who": {Of(root)}, "none": nil, "n": {IntegerOf(1), StringOf("x")}},
		Trace: func(string, Collection) {}}
	handed := []Option{MemberOf(func(v Value, _ string) (bool, bool) { return v.Node() == nil, true }),
		ConformsTo(func(n *fhir.Node, _ string) (bool, bool) { return n.Kind == fhir.Object, true })}
	f.Fuzz(func(t *testing.T, src string) {
		for _, options := range [][]Option{handed, append([]Option{Type(root.Type)}, handed...)} {
			e, err := Compile(src, options...)
			if err != nil {
				check(t, src, err)
				continue
			}
			got, err := e.Eval(ctx, root)
			check(t, src, err)
			if limit := steps + root.Size() + len(src); len(got) > limit {
				t.Errorf("%q gives %d items", src, len(got))
			}
			again, err2 := MustCompile(e.String(), options...).Eval(ctx, root)
			if !slices.Equal(texts(got), texts(again)) || (err == nil) != (err2 == nil) {
				t.Errorf("%q gives %q, %v and then %q, %v", src, texts(got), err, texts(again), err2)
			}
			truth, err := e.Test(ctx, root)
			check(t, src, err)
			if b, ok := only(got).Boolean(); err == nil && err2 == nil && ok && truth != b {
				t.Errorf("%q tests %v and gives %q", src, truth, texts(got))
			}
		}
	})
}

// only is the one item of c, else a String.
func only(c Collection) Value {
	if len(c) == 1 {
		return c[0]
	}
	return StringOf("")
}

func check(t *testing.T, src string, err error) {
	for _, i := range issue.All(err) {
		p, ok := PlaceOf(i)
		switch {
		case i.Type == issue.Exception, i.Details == "":
			t.Errorf("%q: %v", src, err)
		case ok == (i.Type == issue.TooLong), ok && p != placeIn(src, p.Offset), p.Offset > len(src):
			t.Errorf("%q: %v is placed at %+v", src, err, p)
		}
	}
}

// FuzzUnit reads units: no panic, a factor above zero and within its limit, the same
// with an annotation and in brackets.
func FuzzUnit(f *testing.F) {
	for _, seed := range []string{"mmol/L", "10*9/L", "mm[Hg]", "kg.m/s2", "/min", "{beats}/min", "(g/(m.s))", "Cel", "m[H2O]", "[in_i'H2O]", "k[iU]/mL", "10*-6", "m+2", "g%", "'", "1", "B[10.nV]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, unit string) {
		m, ok := measureOf(unit)
		if !ok || isCalendar(unit) {
			return
		}
		if m.factor.Sign() <= 0 || m.factor.Num().BitLen() > 2*maxUnitBits || m.factor.Denom().BitLen() > 2*maxUnitBits {
			t.Errorf("%q has the factor %s", unit, m.factor)
		}
		if len(unit) > maxUnit-3 {
			return
		}
		for _, other := range []string{unit + "{x}", "(" + unit + ")"} {
			n, ok := measureOf(other)
			if strings.HasSuffix(unit, "}") && other == unit+"{x}" {
				continue // one annotation to a unit
			}
			if !ok || !m.comparable(n) || m.factor.Cmp(n.factor) != 0 {
				t.Errorf("%q is no %q", unit, other)
			}
		}
	})
}
