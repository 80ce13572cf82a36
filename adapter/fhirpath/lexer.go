package fhirpath

import (
	"strconv"
	"strings"
	"unicode/utf16"

	"spadapter/adapter/issue"
)

type tokenKind uint8

const (
	tokenEnd       tokenKind = iota
	tokenWord                // identifier or keyword
	tokenDelimited           // `identifier`
	tokenString
	tokenNumber
	tokenMoment // @2014-01-01, @T10:00; text without the @
	tokenSpecial
	tokenSymbol
)

type token struct {
	kind  tokenKind
	text  string // unescaped
	start int    // offset in the source
}

// lexer splits a source by the lexer rules of the grammar,
// http://hl7.org/fhirpath/N1/grammar.html.
type lexer struct {
	src string
	pos int
}

// fail is a syntax error at an offset.
func (l *lexer) fail(at int, format string, args ...any) *issue.Error {
	return fault(l.src, at, issue.Structure, format, args...)
}

// blank moves over white space and comments.
func (l *lexer) blank() *issue.Error {
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "\u00A0"): // copied from web pages
			l.pos += 2
		case strings.HasPrefix(rest, "//"):
			if end := strings.IndexAny(rest, "\r\n"); end >= 0 {
				l.pos += end
			} else {
				l.pos = len(l.src)
			}
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return l.fail(l.pos, "the comment that starts here has no end: expected */")
			}
			l.pos += end + 4
		default:
			return nil
		}
	}
	return nil
}

// next reads one token.
func (l *lexer) next() (token, *issue.Error) {
	if err := l.blank(); err != nil {
		return token{}, err
	}
	t := token{start: l.pos}
	if l.pos == len(l.src) {
		return t, nil
	}
	var err *issue.Error
	switch c := l.src[l.pos]; {
	case letter(c):
		t.kind, t.text = tokenWord, l.word()
	case digit(c):
		t.kind, t.text = tokenNumber, l.number()
	case c == '\'' || c == '"':
		t.kind = tokenString
		t.text, err = l.quoted(c)
	case c == '`':
		t.kind = tokenDelimited
		if t.text, err = l.quoted(c); err == nil && t.text == "" {
			err = l.fail(t.start, "expected a name between the backquotes")
		}
	case c == '@':
		t.kind = tokenMoment
		t.text, err = l.moment()
	case c == '$':
		l.pos++
		t.kind, t.text = tokenSpecial, l.word()
		if t.text != "this" && t.text != "index" && t.text != "total" {
			err = l.fail(t.start, "expected $this, $index or $total")
		}
	default:
		t.kind = tokenSymbol
		for _, two := range [...]string{"<=", ">=", "!=", "!~"} {
			if strings.HasPrefix(l.src[l.pos:], two) {
				t.text = two
			}
		}
		if t.text == "" {
			if strings.IndexByte("()[]{}.,+-*/|&=~<>%", c) < 0 {
				return t, l.fail(l.pos, "this character has no meaning in FHIRPath")
			}
			t.text = l.src[l.pos : l.pos+1]
		}
		l.pos += len(t.text)
	}
	return t, err
}

func letter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

func (l *lexer) word() string {
	from := l.pos
	for l.pos < len(l.src) && (letter(l.src[l.pos]) || digit(l.src[l.pos])) {
		l.pos++
	}
	return l.src[from:l.pos]
}

func (l *lexer) digits() {
	for l.pos < len(l.src) && digit(l.src[l.pos]) {
		l.pos++
	}
}

// at reports whether the source goes on with one of these characters and then a digit.
func (l *lexer) at(chars string) bool {
	return l.pos+1 < len(l.src) && strings.IndexByte(chars, l.src[l.pos]) >= 0 && digit(l.src[l.pos+1])
}

func (l *lexer) number() string {
	from := l.pos
	l.digits()
	if l.at(".") {
		l.pos++
		l.digits()
	}
	return l.src[from:l.pos]
}

// moment reads the characters of a date or time; parseMoment judges them.
func (l *lexer) moment() (string, *issue.Error) {
	l.pos++
	from := l.pos
	l.digits()
	for l.at("-") {
		l.pos++
		l.digits()
	}
	if l.pos < len(l.src) && l.src[l.pos] == 'T' {
		date := l.pos > from
		l.pos++
		l.digits()
		for l.at(":.") {
			l.pos++
			l.digits()
		}
		switch {
		case !date || l.pos == len(l.src):
		case l.src[l.pos] == 'Z':
			l.pos++
		case l.at("+-"):
			l.pos++
			l.digits()
			if l.at(":") {
				l.pos++
				l.digits()
			}
		}
	}
	if l.pos == from {
		return "", l.fail(from-1, "expected a date such as @2024-05-01 or a time such as @T09:30")
	}
	return l.src[from:l.pos], nil
}

func (l *lexer) quoted(quote byte) (string, *issue.Error) {
	start := l.pos
	l.pos++
	from := l.pos
	end := strings.IndexByte(l.src[from:], quote)
	if end < 0 {
		return "", l.fail(start, "the text that starts here has no end: expected %c", quote)
	}
	if !strings.Contains(l.src[from:from+end], `\`) {
		l.pos = from + end + 1
		return l.src[from : from+end], nil
	}
	var b strings.Builder
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		l.pos++
		switch {
		case c == quote:
			return b.String(), nil
		case c != '\\':
			b.WriteByte(c)
			continue
		case l.pos == len(l.src):
			continue
		}
		e := l.src[l.pos]
		l.pos++
		switch e {
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			r, ok := l.hex()
			if ok && utf16.IsSurrogate(r) && strings.HasPrefix(l.src[l.pos:], `\u`) {
				l.pos += 2
				var low rune
				low, ok = l.hex()
				r = utf16.DecodeRune(r, low)
			}
			if !ok {
				return "", l.fail(l.pos, "expected four hexadecimal digits after \\u")
			}
			b.WriteRune(r)
		case '\'', '"', '`', '\\', '/':
			b.WriteByte(e)
		default:
			// the grammar knows no other escape; HL7's own invariants write \. and \- in
			// regular expressions, and every engine reads them as the character
			b.WriteByte('\\')
			b.WriteByte(e)
		}
	}
	return "", l.fail(start, "the text that starts here has no end: expected %c", quote)
}

func (l *lexer) hex() (rune, bool) {
	if l.pos+4 > len(l.src) {
		return 0, false
	}
	v, err := strconv.ParseUint(l.src[l.pos:l.pos+4], 16, 16)
	l.pos += 4
	return rune(v), err == nil
}
