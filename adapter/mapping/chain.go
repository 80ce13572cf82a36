package mapping

import (
	"slices"

	"spadapter/adapter/fhir"
)

// chain is a path that an expression reads: below a variable, or below the focus when
// slot is -1.
type chain struct {
	slot int
	path []string
}

// jsonNames finds the names of choice elements that are written as in JSON, by position
// of their token: answer.valueString is answer.value.ofType(string) in FHIRPath.
func jsonNames(s *scope, focus shape, tokens []token) map[int]string {
	var out map[int]string
	var at shape
	for i, t := range tokens {
		member := i > 0 && tokens[i-1].kind == mark && tokens[i-1].value == "."
		call := i+1 < len(tokens) && tokens[i+1].kind == mark && tokens[i+1].value == "("
		switch {
		case t.kind != name:
			if t.kind != mark || t.value != "." {
				at = nil
			}
			continue
		case call:
			at = nil
			continue
		case !member:
			if v, ok := s.find(t.value); ok {
				at = v.shape
				continue
			}
			at = focus
		}
		elements, types, _, _ := at.elements(t.value)
		if len(elements) == 1 && elements[0].Choice && elements[0].Name != t.value && len(types) == 1 {
			if out == nil {
				out = map[int]string{}
			}
			out[i] = elements[0].Name + ".ofType(" + types[0].Name + ")"
		}
		at = types
	}
	return out
}

// unknownMember finds an element, below a variable or below the focus, that none of the
// types has. Package fhirpath knows the focus alone, and only when it has one type; in
// brackets, where the focus is another, the rest is its business.
func unknownMember(s *scope, focus shape, tokens []token) (at shape, missing token, ok bool) {
	depth := 0
	for i, t := range tokens {
		if t.kind == mark && brackets[t.value] != "" {
			depth++
		} else if t.kind == mark && (t.value == ")" || t.value == "]" || t.value == "}") {
			depth--
		}
		member := i > 0 && tokens[i-1].kind == mark && tokens[i-1].value == "."
		call := i+1 < len(tokens) && tokens[i+1].kind == mark && tokens[i+1].value == "("
		switch {
		case t.kind != name || call:
			if t.kind != mark || t.value != "." {
				at = nil
			}
		case !member:
			at = nil
			if !t.delimited && operatorWords[t.value] {
				continue
			}
			if v, found := s.find(t.value); found {
				at = v.shape
				continue
			}
			if depth > 0 || i > 0 && tokens[i-1].kind != mark && !operatorWords[tokens[i-1].value] || i > 0 && (tokens[i-1].value == "%" || tokens[i-1].value == "is" || tokens[i-1].value == "as") {
				continue // a unit, a type or a constant
			}
			if t.value == "$this" || slices.ContainsFunc(focus, func(ft *fhir.Type) bool { return ft.Is(t.value) }) {
				at = focus
				continue
			}
			_, types, _, found := focus.elements(t.value)
			if !found {
				return focus, t, false
			}
			at = types
		default:
			_, types, _, found := at.elements(t.value)
			if !found {
				return at, t, false
			}
			at = types
		}
	}
	return nil, token{}, true
}

// chains finds the paths in an expression: names that follow each other with dots, and
// what stands inside the brackets of where(), exists(), all() and select() below them.
func (c *compiler) chains(s *scope, tokens []token) []chain {
	var out []chain
	var walk func(i int, base chain) int
	walk = func(i int, base chain) int {
		for i < len(tokens) {
			t := tokens[i]
			switch {
			case t.kind == mark && (t.value == "(" || t.value == "["):
				i = walk(i+1, base)
				continue
			case t.kind == mark && (t.value == ")" || t.value == "]"), t.kind == end:
				return i + 1
			case t.kind != name:
				i++
				continue
			}
			at := chain{slot: base.slot, path: append([]string(nil), base.path...)}
			started := false
			for tokens[i].kind == name {
				call := tokens[i+1].kind == mark && tokens[i+1].value == "("
				switch v, ok := s.find(tokens[i].value); {
				case call:
					i = walk(i+2, at)
				case !started && ok:
					at = chain{slot: v.slot}
					i++
				case tokens[i].value == "$this":
					i++
				default:
					at.path = append(at.path, tokens[i].value)
					i++
				}
				started = true
				for i < len(tokens) && tokens[i].kind == mark && tokens[i].value == "[" {
					i = walk(i+1, base)
				}
				if i+1 < len(tokens) && tokens[i].kind == mark && tokens[i].value == "." {
					i++
					continue
				}
				break
			}
			if len(at.path) > 0 || at.slot != base.slot {
				out = append(out, at)
			}
		}
		return i
	}
	walk(0, chain{slot: -1})
	return out
}
