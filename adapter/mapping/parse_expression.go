package mapping

import (
	"strings"

	"spadapter/adapter/issue"
)

// expression takes a FHIRPath expression up to the keyword or mark that ends it in the
// mapping language, without the brackets around all of it, and says where it starts.
// asEnds is set where an alias may follow.
func (p *parser) expression(asEnds bool) (string, int) {
	from := p.pos
	start := p.peek().start
	out := p.until(func(t token) bool {
		switch t.kind {
		case quoted: // the rule's name; inside brackets it is a string
			return true
		case mark:
			return t.value == "->" || t.value == "," || t.value == ";" || t.value == "}"
		case name:
			switch t.value {
			case "check", "log", "then":
				return true
			case "as", "where", "first", "last", "only_one", "not_first", "not_last":
				return asEnds
			}
		}
		return false
	})
	for p.tokens[from].kind == statement {
		from++
	}
	if all := p.tokens[from:p.pos]; len(all) > 2 && enclosed(all) {
		start = all[1].start
		out = p.file.text[start:all[len(all)-2].stop]
	}
	return out, start
}

// enclosed reports whether the first token is a bracket that the last one closes.
func enclosed(tokens []token) bool {
	depth := 0
	for i, t := range tokens {
		if t.kind == mark {
			switch t.value {
			case "(":
				depth++
			case ")":
				depth--
			}
		}
		if depth == 0 {
			return i == len(tokens)-1 && i > 0
		}
	}
	return false
}

// until takes the text up to a token, outside all brackets, that ends it. At least one
// token must be there.
func (p *parser) until(ends func(token) bool) string {
	start := p.peek().start
	from := p.pos
	var open []string
	stop := start
	for {
		t := p.peek()
		previous := token{}
		if p.pos > 0 {
			previous = p.tokens[p.pos-1]
		}
		member := previous.kind == mark && previous.value == "." && stop > start
		if t.kind == end || len(open) == 0 && !member && ends(t) {
			break
		}
		if t.kind == mark {
			if close := brackets[t.value]; close != "" {
				if open = append(open, close); len(open) > maxExpression {
					p.stop(t.start, "expected brackets nested at most %d deep", maxExpression)
				}
			} else if t.value == ")" || t.value == "]" || t.value == "}" {
				if len(open) == 0 {
					break
				}
				if open[len(open)-1] != t.value {
					p.expected("'" + open[len(open)-1] + "'")
				}
				open = open[:len(open)-1]
			}
		}
		if p.pos > from {
			p.tokens[p.pos].comments = nil // they stay in the expression
		}
		stop = t.stop
		p.pos++
	}
	if stop == start {
		p.expected("an expression")
	}
	return p.file.text[start:stop]
}

var brackets = map[string]string{"(": ")", "[": "]", "{": "}"}

// trimmed is an expression from its first to its last token. Errors: structure for what
// cannot stand between brackets in a map.
func trimmed(text string) (string, *issue.Error) {
	f := newFile("", text)
	tokens, err := scan(f)
	if err != nil {
		e := *issue.All(err)[0]
		e.Details = strings.TrimPrefix(e.Details, ": ")
		return "", &e
	}
	var open []string
	first, last := -1, 0
	for i, t := range tokens {
		if t.kind == end || t.kind == statement {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
		if t.kind != mark {
			continue
		}
		switch close := brackets[t.value]; {
		case close != "":
			if open = append(open, close); len(open) > maxExpression {
				return "", issue.Newf(issue.Structure, "map-syntax", "expected brackets nested at most %d deep", maxExpression)
			}
		case t.value == ")" || t.value == "]" || t.value == "}":
			if len(open) == 0 || open[len(open)-1] != t.value {
				return "", issue.Newf(issue.Structure, "map-syntax", "expected no %s, which closes nothing", t.value)
			}
			open = open[:len(open)-1]
		}
	}
	switch {
	case first < 0:
		return "", issue.New(issue.Structure, "map-syntax", "expected an expression")
	case len(open) > 0:
		return "", issue.Newf(issue.Structure, "map-syntax", "expected %s at the end", open[len(open)-1])
	}
	return text[tokens[first].start:tokens[last].stop], nil
}
