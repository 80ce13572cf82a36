package mapping

import (
	"strings"
	"unicode/utf8"

	"spadapter/adapter/issue"
)

// tokenKind is the sort of a token of the mapping language and of the FHIRPath in it.
type tokenKind uint8

const (
	end       tokenKind = iota
	name                // an identifier, a keyword, or one in backticks
	text                // 'in single quotes'
	quoted              // "in double quotes": a URL, the name of a rule, and in R5 a string
	number              // digits, with a fraction perhaps
	mark                // an operator or a bracket
	statement           // the rest of a line after ///
)

// token is one token; value is unescaped, start and stop are offsets in the text.
type token struct {
	kind        tokenKind
	value       string
	start, stop int
	delimited   bool // in backticks: never a keyword
}

// marks of two characters, tried before those of one.
var pairs = []string{"->", "<<", ">>", "..", "==", "!=", "<=", ">=", "!~", ">-", "<-", "--"}

// scan cuts a map into tokens. Errors: structure, at the character that no token
// starts with or at a string or comment that does not end.
func scan(file *file) ([]token, error) {
	src := file.text
	var out []token
	for i := 0; i < len(src); {
		c := src[i]
		start := i
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
			continue
		case strings.HasPrefix(src[i:], "\uFEFF") && i == 0:
			i += 3
			continue
		case strings.HasPrefix(src[i:], "//"):
			stop := strings.IndexByte(src[i:], '\n')
			if stop < 0 {
				stop = len(src) - i
			}
			line := src[i : i+stop]
			i += stop
			if strings.HasPrefix(line, "///") {
				out = append(out, token{kind: statement, value: strings.TrimSpace(line[3:]), start: start, stop: i})
			}
			continue
		case strings.HasPrefix(src[i:], "/*"):
			stop := strings.Index(src[i+2:], "*/")
			if stop < 0 {
				return nil, file.fail(start, "map-syntax", "a comment that starts with /* does not end with */")
			}
			i += stop + 4
			continue
		case c == '\'' || c == '"' || c == '`':
			value, stop, ok := unquote(src, i)
			if !ok {
				return nil, file.fail(start, "map-syntax", "a string does not end; expected %c", c)
			}
			i = stop
			kind := map[byte]tokenKind{'\'': text, '"': quoted, '`': name}[c]
			out = append(out, token{kind: kind, value: value, start: start, stop: i, delimited: c == '`'})
			continue
		case digit(c):
			for i < len(src) && digit(src[i]) {
				i++
			}
			if i+1 < len(src) && src[i] == '.' && digit(src[i+1]) {
				for i++; i < len(src) && digit(src[i]); i++ {
				}
			}
			out = append(out, token{kind: number, value: src[start:i], start: start, stop: i})
			continue
		case c == '@': // a FHIRPath date or time
			for i++; i < len(src) && (digit(src[i]) || strings.IndexByte("-:.TZ+", src[i]) >= 0); i++ {
			}
			out = append(out, token{kind: number, value: src[start:i], start: start, stop: i})
			continue
		case letter(c) || c == '$':
			for i++; i < len(src) && (letter(src[i]) || digit(src[i])); i++ {
			}
			out = append(out, token{kind: name, value: src[start:i], start: start, stop: i})
			continue
		}
		i++
		if start+2 <= len(src) {
			for _, p := range pairs {
				if src[start:start+2] == p {
					i = start + 2
				}
			}
		}
		if i == start+1 && strings.IndexByte("(){}[]<>,;:.=+-*/|&%~!", c) < 0 {
			r, _ := utf8.DecodeRuneInString(src[start:])
			return nil, file.fail(start, "map-syntax", "the character %q has no meaning here", r)
		}
		out = append(out, token{kind: mark, value: src[start:i], start: start, stop: i})
	}
	return append(out, token{kind: end, start: len(src), stop: len(src)}), nil
}

// unquote reads the string that starts at i with its quote.
func unquote(src string, i int) (value string, stop int, ok bool) {
	q := src[i]
	var b strings.Builder
	for j := i + 1; j < len(src); j++ {
		switch c := src[j]; c {
		case q:
			return b.String(), j + 1, true
		case '\\':
			j++
			if j == len(src) {
				return "", 0, false
			}
			switch e := src[j]; e {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			case 'f':
				b.WriteByte('\f')
			default:
				b.WriteByte(e)
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, false
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

// file is the text a map was read from.
type file struct {
	name string
	text string
}

// place is the 1-based line and column of an offset.
func (f *file) place(offset int) (line, column int) {
	before := f.text[:min(offset, len(f.text))]
	return strings.Count(before, "\n") + 1, len(before) - strings.LastIndexByte(before, '\n')
}

// fail makes the issue of a fault in a map. Its Details name the file.
func (f *file) fail(offset int, rule, format string, args ...any) *issue.Error {
	line, column := f.place(offset)
	e := issue.Newf(issue.Structure, rule, format, args...).On(line, column)
	e.Details = f.name + ": " + e.Details
	return e
}
