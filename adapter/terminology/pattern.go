package terminology

import (
	"fmt"
	"regexp"
	"regexp/syntax"
)

// What bounds a regular expression. RE2 takes time in line with its size times that of the
// text; a short one may be large, since each repetition is a copy.
const (
	maxPattern = 1000 // bytes
	maxProgram = 2000 // instructions
)

// pattern is a compiled regular expression, or why there is none.
type pattern struct {
	expression *regexp.Regexp // nil when bad says why
	size       int            // in instructions, at most
	bad        string
}

// patterns are those of a load or of a question, each compiled once.
type patterns map[string]*pattern

// of compiles a regular expression that must match the whole of a text.
func (p patterns) of(text string) *pattern {
	if known := p[text]; known != nil {
		return known
	}
	out := newPattern(text)
	if p != nil {
		p[text] = out
	}
	return out
}

func newPattern(text string) *pattern {
	if len(text) > maxPattern {
		return &pattern{bad: "its regular expression is too long"}
	}
	size := patternSize(text)
	if size > maxProgram {
		return &pattern{size: size, bad: fmt.Sprintf("its regular expression is too large: with its repetitions written out it has more than %d steps", maxProgram)}
	}
	expression, err := regexp.Compile(`^(?:` + text + `)$`)
	if err != nil {
		return &pattern{bad: "its regular expression is not one that RE2 reads"}
	}
	return &pattern{expression: expression, size: size}
}

// patternSize is how large the program of a regular expression is at most, 0 of one that
// is too long or that cannot be read.
func patternSize(text string) int {
	if len(text) > maxPattern {
		return 0
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0
	}
	return programSize(parsed)
}

// programSize bounds how many instructions an expression is compiled to, without writing
// its repetitions out.
func programSize(e *syntax.Regexp) int {
	size := 1
	for _, part := range e.Sub {
		size += programSize(part)
	}
	switch e.Op {
	case syntax.OpLiteral:
		size = max(1, len(e.Rune))
	case syntax.OpCharClass:
		size += len(e.Rune) / 64 // one instruction, whose ranges take memory
	case syntax.OpCapture:
		size++
	case syntax.OpRepeat:
		if e.Max != e.Min {
			size++ // each that may be left out has a step for that
		}
		size = (size-1)*max(1, e.Min, e.Max) + 1
	}
	return min(size, 1<<20)
}
