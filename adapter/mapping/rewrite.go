package mapping

import (
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/issue"
)

// passage is a text of FHIRPath in a map.
type passage struct {
	file *file
	at   int // offset of its first byte; of the element that holds it in a resource
	text string
	made bool // composed by the compiler: every fault lies at at
}

// maxRewritten is the length of the longest expression, that of package fhirpath.
const maxRewritten = 64 << 10

// rewriting turns the FHIRPath of maps into that of the standard: a variable of the map
// gets its '%', the JSON name of a choice its ofType(), a string in double quotes single
// ones, a constant its value. It keeps where every span came from.
type rewriting struct {
	strings.Builder
	spans []span
	uses  []binding
}

// span is a part of the rewritten text, up to the next one.
type span struct {
	to   int // offset in the rewritten text
	from passage
	skip int  // offset in from.text
	same bool // written as there
}

func (w *rewriting) copy(from passage, start, stop int) {
	w.spans = append(w.spans, span{w.Len(), from, start, true})
	w.WriteString(from.text[start:stop])
}

func (w *rewriting) put(from passage, start int, text string) {
	w.spans = append(w.spans, span{w.Len(), from, start, false})
	w.WriteString(text)
}

// rewrite adds a passage. within names the constants that it is part of.
func (c *compiler) rewrite(w *rewriting, s *scope, focus shape, from passage, tokens []token, within []string) error {
	text, last := from.text, 0
	if at, missing, ok := unknownMember(s, focus, tokens); !ok {
		return c.stop(from.fault(missing.start, "the FHIRPath expression does not compile: %s has no element %s; expected one of %s", at, clip(missing.value), at.names()))
	}
	choices := jsonNames(s, focus, tokens)
	for i, t := range tokens {
		var before token
		if i > 0 {
			before = tokens[i-1]
		}
		after := tokens[min(i+1, len(tokens)-1)]
		replace := func(start int, by string) {
			w.copy(from, last, start)
			w.put(from, start, by)
			last = t.stop
		}
		if standard, ok := choices[i]; ok {
			replace(t.start, standard)
			continue
		}
		percent := before.kind == mark && before.value == "%"
		switch {
		case t.kind == quoted: // a string of the mapping language
			replace(t.start, quote(t.value, '\''))
		case t.kind != name || before.kind == mark && before.value == "." || before.kind == number && !percent ||
			before.kind == name && (before.value == "is" || before.value == "as"),
			after.kind == mark && after.value == "(" && !percent,
			!percent && !t.delimited && operatorWords[t.value]:
		default:
			start := t.start
			if percent {
				start = before.start
			}
			if v, ok := s.find(t.value); ok {
				replace(start, "%"+w.variable(t.value, v.slot))
				continue
			}
			if !percent {
				continue
			}
			k, ok := c.constant(from.file, t.value)
			if !ok {
				if !standardVariable(t.value) {
					e := from.fault(start, "no variable is called %s here; expected one of %s", clip(t.value), s.visible())
					e.Rule = "map-variable"
					return c.stop(e)
				}
				continue
			}
			if w.Len() > maxRewritten || len(within) > maxExpression {
				return c.stop(from.file.fail(from.offset(t.start), "map-expression", "expected constants that make an expression at most %d bytes long and are nested at most %d deep", maxRewritten, maxExpression))
			}
			if slices.Contains(within, t.value) {
				return c.stop(from.file.fail(from.offset(t.start), "map-expression", "the constant %s is part of its own value; expected a value without it", clip(t.value)))
			}
			inner := passage{file: k.file, at: k.at, text: k.expression}
			scanned, err := c.scan(inner)
			if err != nil {
				return err
			}
			w.copy(from, last, start)
			w.put(from, start, "(")
			if err := c.rewrite(w, nil, nil, inner, scanned, append(within, t.value)); err != nil {
				return err
			}
			w.put(from, t.stop, ")")
			last = t.stop
		}
	}
	w.copy(from, last, len(text))
	return nil
}

// operatorWords of FHIRPath are never variables.
var operatorWords = words("and or xor implies in contains is as div mod true false")

// variable binds a variable and gives its name in FHIRPath; names that have a meaning
// there get another.
func (w *rewriting) variable(name string, slot int) string {
	bound := name
	if standardVariable(name) {
		bound += " of the map"
	}
	if !slices.Contains(w.uses, binding{bound, slot}) {
		w.uses = append(w.uses, binding{bound, slot})
	}
	return member(bound)
}

// standardVariable reports whether FHIRPath itself has the variable.
// Source: http://hl7.org/fhir/R4/fhirpath.html#variables.
func standardVariable(name string) bool {
	switch name {
	case "context", "resource", "rootResource", "sct", "loinc", "ucum":
		return true
	}
	return strings.HasPrefix(name, "vs-") || strings.HasPrefix(name, "ext-")
}

func (f passage) offset(in int) int {
	if f.made || f.file.paths != nil {
		return f.at
	}
	return f.at + in
}

// place is where an offset of the rewritten text comes from.
func (w *rewriting) place(offset int) (passage, int) {
	i := len(w.spans) - 1
	for i > 0 && w.spans[i].to > offset {
		i--
	}
	p := w.spans[i]
	if p.same {
		return p.from, p.skip + offset - p.to
	}
	return p.from, p.skip
}

// fault is the issue of a fault at an offset of a passage. In a resource it names the
// column in the expression: its place is that of the element.
func (f passage) fault(in int, format string, args ...any) *issue.Error {
	e := f.file.fail(f.offset(in), "map-expression", format, args...)
	if f.file.paths != nil && !f.made {
		e.Details += " (column " + strconv.Itoa(in-strings.LastIndexByte(f.text[:min(in, len(f.text))], '\n')) + " of the expression)"
	}
	return e
}

// scan cuts a passage into tokens and reports what is none.
func (c *compiler) scan(from passage) ([]token, error) {
	tokens, err := scan(newFile("", from.text))
	if err == nil {
		return tokens, nil
	}
	inner := issue.All(err)[0]
	in := 0
	for i, l := 0, 1; i < len(from.text); i++ {
		if l == inner.Line {
			in = i + inner.Column - 1
			break
		}
		if from.text[i] == '\n' {
			l++
		}
	}
	return nil, c.stop(from.fault(in, "the expression cannot be read: %s", strings.TrimPrefix(inner.Details, ": ")))
}

// stop reports an issue and gives it as the error to stop with.
func (c *compiler) stop(e *issue.Error) error {
	c.report(e)
	return e
}
