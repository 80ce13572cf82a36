package fhirpath

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
)

const (
	maxPattern      = 2048    // bytes of a regular expression
	maxInstructions = 20_000  // of one regular expression, its repeats written out
	maxPatterns     = 100_000 // instructions of all that are kept
)

// compiledPattern is a regular expression and how large it is.
type compiledPattern struct {
	*regexp.Regexp
	size int
}

// patterns keeps the regular expressions of this process. Expressions name few; one
// that makes them up as it goes is not remembered beyond the limit.
var patterns struct {
	sync.RWMutex
	compiled map[string]compiledPattern
	size     int
}

// pattern compiles a regular expression (Go's RE2: linear in the text, no look-around
// and no back-references, which PCRE has and FHIR's own expressions do not use) and
// pays for running it on length bytes: every instruction may be alive at every byte.
func (s *state) pattern(text string, length int) (compiledPattern, error) {
	patterns.RLock()
	p, found := patterns.compiled[text]
	patterns.RUnlock()
	if !found {
		if len(text) > maxPattern {
			return p, failf("a regular expression is longer than %d bytes", maxPattern)
		}
		tree, err := syntax.Parse(text, syntax.Perl)
		if err != nil {
			return p, failf("this regular expression is not supported: RE2 syntax, without look-around and back-references, repeats up to 1000")
		}
		if p.size = instructions(tree); p.size > maxInstructions {
			return p, failf("a regular expression is too large: its repeats written out, it has more than %d steps", maxInstructions)
		}
		if err := s.spend(p.size); err != nil {
			return p, err
		}
		if p.Regexp, err = regexp.Compile(text); err != nil {
			return p, failf("this regular expression is not supported: RE2 syntax")
		}
		keepPattern(text, p)
	}
	return p, s.spend(length * p.size / 32)
}

func keepPattern(text string, p compiledPattern) {
	patterns.Lock()
	defer patterns.Unlock()
	if patterns.compiled == nil {
		patterns.compiled = map[string]compiledPattern{}
	}
	if patterns.size += p.size + len(text); patterns.size <= maxPatterns {
		patterns.compiled[strings.Clone(text)] = p
	} else {
		patterns.size -= p.size + len(text)
	}
}

// instructions counts what a regular expression becomes once its repeats are written
// out, at most a little more than maxInstructions.
func instructions(tree *syntax.Regexp) int {
	n := 1 + len(tree.Rune)
	if tree.Op == syntax.OpCharClass {
		n = 2
	}
	for _, sub := range tree.Sub {
		n += instructions(sub)
	}
	if tree.Op == syntax.OpRepeat {
		n *= max(tree.Min, tree.Max, 1)
	}
	return min(n, maxInstructions+1)
}

func matching(before, after string) func(s *state, in string, args []string) (Value, bool, error) {
	return func(s *state, in string, args []string) (Value, bool, error) {
		p, err := s.pattern(before+args[0]+after, len(in))
		if err != nil {
			return Value{}, false, err
		}
		return BooleanOf(p.MatchString(in)), true, nil
	}
}

// replaceMatches leaves the text alone for an empty pattern, and knows groups as $1.
func replaceMatches(s *state, in string, args []string) (Value, bool, error) {
	if args[0] == "" {
		return StringOf(in), true, nil
	}
	p, err := s.pattern("(?s)"+args[0], len(in))
	if err != nil {
		return Value{}, false, err
	}
	// at every place a match may be put, and every group in it may be the whole text
	matches := len(p.FindAllStringIndex(in, -1))
	groups := strings.Count(args[1], "$")
	if err := s.spend(matches * (1 + (len(args[1])+groups*len(in)/max(matches, 1))/32)); err != nil {
		return Value{}, false, err
	}
	return StringOf(p.ReplaceAllString(in, args[1])), true, nil
}
