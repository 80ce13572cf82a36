package fhirpath

import (
	"errors"
	"fmt"
	"strings"

	"spadapter/adapter/issue"
)

// Place is where in the source of an expression an error arose: at the token that asks
// for what cannot be had.
type Place struct {
	Offset int // in bytes, from 0
	Line   int // from 1
	Column int // in bytes, from 1
}

// PlaceOf gives the place inside the expression of an error of Compile or Eval, and of
// any error that wraps one. ok is false for one without: a source that is too long.
func PlaceOf(err error) (p Place, ok bool) {
	var at *placeError
	if !errors.As(err, &at) {
		return Place{}, false
	}
	return at.Place, true
}

// placeError carries a Place as the cause of an issue.
type placeError struct{ Place }

func (e *placeError) Error() string {
	return fmt.Sprintf("line %d, column %d of the FHIRPath expression", e.Line, e.Column)
}

// placeIn is the place of an offset.
func placeIn(src string, offset int) Place {
	before := src[:min(offset, len(src))]
	return Place{len(before), strings.Count(before, "\n") + 1, len(before) - strings.LastIndexByte(before, '\n')}
}

// fault is an error of Compile at an offset of the source.
func fault(src string, at int, t issue.Type, format string, args ...any) *issue.Error {
	p := placeIn(src, at)
	return issue.Newf(t, "fhirpath", format, brief(args)...).On(p.Line, p.Column).With("in the FHIRPath %s", excerpt(src)).Because(&placeError{p})
}

// brief shortens the names among the values of a message, of which a source may make
// any length.
func brief(args []any) []any {
	for i, a := range args {
		if text, ok := a.(string); ok && len(text) > 200 {
			args[i] = strings.ToValidUTF8(text[:maxName], "") + "…"
		}
	}
	return args
}

// excerpt is a source short enough for a message.
func excerpt(src string) string {
	if len(src) > 300 {
		src = strings.ToValidUTF8(src[:300], "") + "…"
	}
	return src
}

// counted gives code its price, one step, and its errors their place. The innermost
// term that fails is the place.
func (c *compiler) counted(k code, at int) code {
	src := c.src
	placed := func(err error) error { return placedIn(err, src, at) }
	k.placed = placed
	if op := k.op; op != nil {
		k.op = func(s *state) error {
			if s.steps--; s.steps < 0 {
				return placed(tooCostly())
			}
			if err := op(s); err != nil {
				return placed(err)
			}
			return nil
		}
	}
	if test := k.test; test != nil {
		k.test = func(s *state) (truth, error) {
			if s.steps--; s.steps < 0 {
				return no, placed(tooCostly())
			}
			t, err := test(s)
			if err != nil {
				err = placed(err)
			}
			return t, err
		}
	}
	return k
}

func placedIn(err error, src string, at int) error {
	if e, ok := err.(*issue.Error); ok && e.Cause == nil {
		e.Cause = &placeError{placeIn(src, at)}
	}
	return err
}
