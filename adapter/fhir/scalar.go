package fhir

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"spadapter/adapter/issue"
)

func (p *parser) value(depth int) (*Node, error) {
	if p.pos == len(p.src) {
		return nil, p.fail("json", "the JSON ends too early: a value is missing")
	}
	start := p.pos
	switch c := p.src[p.pos]; {
	case c == '{':
		return p.object(depth)
	case c == '[':
		n, err := p.node(start)
		if err != nil {
			return nil, err
		}
		n.Kind = Array
		if depth > p.limits.Depth {
			e := p.fail("depth-limit", "the JSON is nested more than "+strconv.Itoa(p.limits.Depth)+" deep")
			e.Type = issue.TooCostly
			return nil, e
		}
		base := len(p.stack)
		if err := p.member("", depth); err != nil {
			return nil, err
		}
		n.Children = append([]*Node(nil), p.stack[base:]...)
		for _, child := range n.Children {
			child.Parent = n
		}
		p.stack = p.stack[:base]
		return n, nil
	case c == '"':
		text, err := p.text()
		if err != nil {
			return nil, err
		}
		return p.primitive(start, String, text)
	case c == '-' || c >= '0' && c <= '9':
		if !p.number() {
			return nil, p.fail("json", noNumber)
		}
		return p.primitive(start, Number, p.src[start:p.pos])
	}
	for _, word := range [...]struct {
		text string
		kind Kind
	}{{"true", Boolean}, {"false", Boolean}, {"null", Null}} {
		if strings.HasPrefix(p.src[p.pos:], word.text) {
			p.pos += len(word.text)
			text := word.text
			if word.kind == Null {
				text = ""
			}
			return p.primitive(start, word.kind, text)
		}
	}
	return nil, p.noValue()
}

func (p *parser) primitive(start int, kind Kind, text string) (*Node, error) {
	n, err := p.node(start)
	if err != nil {
		return nil, err
	}
	n.Kind, n.Value = kind, text
	return n, nil
}

// number moves over a number in the grammar of RFC 8259 section 6.
func (p *parser) number() bool {
	digits := func() bool {
		from := p.pos
		for p.pos < len(p.src) && p.src[p.pos] >= '0' && p.src[p.pos] <= '9' {
			p.pos++
		}
		return p.pos > from
	}
	at := func(chars string) bool {
		return p.pos < len(p.src) && strings.IndexByte(chars, p.src[p.pos]) >= 0
	}
	if at("-") {
		p.pos++
	}
	if at("0") {
		p.pos++
	} else if !digits() {
		return false
	}
	if at(".") {
		if p.pos++; !digits() {
			return false
		}
	}
	if at("eE") {
		if p.pos++; at("+-") {
			p.pos++
		}
		if !digits() {
			return false
		}
	}
	return !at("0123456789.")
}

// text reads a string, without a copy where it has no escape.
func (p *parser) text() (string, error) {
	p.pos++
	from := p.pos
	for p.pos < len(p.src) {
		switch c := p.src[p.pos]; {
		case c == '"':
			s := p.src[from:p.pos]
			p.pos++
			return s, nil
		case c == '\\':
			return p.escaped(from)
		case c < 0x20:
			return "", p.fail("json", "a string holds a control character; write it as an escape such as \\n")
		default:
			p.pos++
		}
	}
	return "", p.fail("json", "the JSON ends inside a string")
}

func (p *parser) escaped(from int) (string, error) {
	var b strings.Builder
	b.WriteString(p.src[from:p.pos])
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		switch {
		case c == '"':
			p.pos++
			return b.String(), nil
		case c < 0x20:
			return "", p.fail("json", "a string holds a control character; write it as an escape such as \\n")
		case c != '\\':
			b.WriteByte(c)
			p.pos++
			continue
		}
		if p.pos+1 >= len(p.src) {
			break
		}
		p.pos += 2
		switch e := p.src[p.pos-1]; e {
		case '"', '\\', '/':
			b.WriteByte(e)
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			r, ok := p.hex()
			if ok && utf16.IsSurrogate(r) {
				if ok = strings.HasPrefix(p.src[p.pos:], `\u`); ok {
					p.pos += 2
					var low rune
					low, ok = p.hex()
					r = utf16.DecodeRune(r, low)
					ok = ok && r != utf8.RuneError
				}
			}
			if !ok {
				return "", p.fail("json", "a \\u escape is not four hexadecimal digits, or half of a pair is missing")
			}
			b.WriteRune(r)
		default:
			p.pos--
			return "", p.fail("json", "a string holds an unknown escape; JSON knows \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX")
		}
	}
	return "", p.fail("json", "the JSON ends inside a string")
}

func (p *parser) hex() (rune, bool) {
	if p.pos+4 > len(p.src) {
		return 0, false
	}
	v, err := strconv.ParseUint(p.src[p.pos:p.pos+4], 16, 16)
	p.pos += 4
	return rune(v), err == nil
}
