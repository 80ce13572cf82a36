package mapping

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"spadapter/adapter/issue"
)

// Bounds on the text of a map, against texts that are made to exhaust: far from what
// people write.
const (
	maxText       = 5 << 20 // bytes, the limit of fhir.Limits
	maxName       = 255     // bytes of an identifier
	maxExpression = 200     // brackets in brackets, as package fhirpath bounds them
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
	comments    []comment
}

// comment is one that stands before a token.
type comment struct {
	text  string // its lines, without the marks
	after bool   // it stands on the line of the token before: it belongs to that
}

// marks of two characters, tried before those of one.
var pairs = []string{"->", "<<", ">>", "..", "==", "!=", "<=", ">=", "!~", ">-", "<-", "--"}

// scan cuts a map into tokens. Errors: structure, at the character that no token
// starts with or at a string or comment that does not end; too-long for a name.
func scan(file *file) ([]token, error) {
	src := file.text
	var out []token
	var comments []comment
	same := false // on the line of the token before
	note := func(text string) {
		comments = append(comments, comment{text, same})
		same = same && !strings.Contains(text, "\n")
	}
	add := func(t token) {
		t.comments, comments = comments, nil
		out = append(out, t)
		same = true
	}
	for i := 0; i < len(src); {
		c := src[i]
		start := i
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			same = same && c != '\n'
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
				add(token{kind: statement, value: strings.TrimSpace(line[3:]), start: start, stop: i})
			} else {
				note(strings.TrimPrefix(line[2:], " "))
			}
			continue
		case strings.HasPrefix(src[i:], "/*"):
			stop := strings.Index(src[i+2:], "*/")
			if stop < 0 {
				return nil, file.fail(start, "map-syntax", "a comment that starts with /* does not end; expected */")
			}
			i += stop + 4
			note(block(src[start+2 : i-2]))
			continue
		case c == '\'' || c == '"' || c == '`':
			value, stop, ok := unquote(src, i)
			if !ok {
				return nil, file.fail(start, "map-syntax", "a string does not end; expected %c", c)
			}
			i = stop
			kind := map[byte]tokenKind{'\'': text, '"': quoted, '`': name}[c]
			if c == '`' && (value == "" || len(value) > maxName) {
				return nil, file.fail(start, "map-syntax", "expected a name of 1 to %d bytes between the backticks", maxName)
			}
			add(token{kind: kind, value: value, start: start, stop: i, delimited: c == '`'})
			continue
		case digit(c):
			for i < len(src) && digit(src[i]) {
				i++
			}
			if i+1 < len(src) && src[i] == '.' && digit(src[i+1]) {
				for i++; i < len(src) && digit(src[i]); i++ {
				}
			}
			add(token{kind: number, value: src[start:i], start: start, stop: i})
			continue
		case c == '@': // a FHIRPath date or time
			for i++; i < len(src) && (digit(src[i]) || strings.IndexByte("-:.TZ+", src[i]) >= 0); i++ {
			}
			add(token{kind: number, value: src[start:i], start: start, stop: i})
			continue
		case letter(c) || c == '$':
			for i++; i < len(src) && (letter(src[i]) || digit(src[i])); i++ {
			}
			if i-start > maxName {
				e := file.fail(start, "map-syntax", "expected a name of at most %d bytes", maxName)
				e.Type = issue.TooLong
				return nil, e
			}
			add(token{kind: name, value: src[start:i], start: start, stop: i})
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
			return nil, file.fail(start, "map-syntax", "the character %q has no meaning here; expected a name, a literal, an operator or a bracket", r)
		}
		add(token{kind: mark, value: src[start:i], start: start, stop: i})
	}
	add(token{kind: end, start: len(src), stop: len(src)})
	return out, nil
}

// block is the text of a comment between /* and */.
func block(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "*"))
	}
	return strings.Join(lines, "\n")
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
			case 'u':
				r, err := strconv.ParseUint(src[j+1:min(j+5, len(src))], 16, 16)
				if err != nil || j+5 > len(src) || r >= 0xD800 && r < 0xE000 {
					b.WriteByte(e)
					break
				}
				b.WriteRune(rune(r))
				j += 4
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
	name   string
	text   string
	starts []int          // offsets of the lines
	paths  map[int]string // of a resource: the FHIRPath of the element at an offset
}

func newFile(name, text string) *file {
	f := &file{name: name, text: text, starts: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			f.starts = append(f.starts, i+1)
		}
	}
	return f
}

// legible reports what no map can hold: bytes that are no text, or too many.
func (f *file) legible() error {
	if len(f.text) > maxText {
		e := f.fail(0, "map-syntax", "expected a map of at most %d bytes", maxText)
		e.Type = issue.TooLong
		return e
	}
	for i, r := range f.text {
		if r == utf8.RuneError && !strings.HasPrefix(f.text[i:], "\uFFFD") || r < ' ' && r != '\t' && r != '\n' && r != '\r' {
			return f.fail(i, "map-syntax", "the byte 0x%02X is no text; expected UTF-8 without control characters", f.text[i])
		}
	}
	return nil
}

// place is the 1-based line and column of an offset.
func (f *file) place(offset int) (line, column int) {
	offset = min(offset, len(f.text))
	line, found := slices.BinarySearch(f.starts, offset)
	if !found {
		line--
	}
	return line + 1, offset - f.starts[line] + 1
}

// fail makes the issue of a fault in a map. Its Details name the file; of a resource its
// Expression is the element's.
func (f *file) fail(offset int, rule, format string, args ...any) *issue.Error {
	line, column := f.place(offset)
	e := issue.Newf(issue.Structure, rule, format, args...).On(line, column)
	e.Details = f.name + ": " + e.Details
	return e.At(f.paths[offset])
}
