package main

import (
	"bytes"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// sourceText is a document as its faults point into it: lines from 1, columns in bytes
// from 1, a byte order mark not counted.
type sourceText struct {
	body   []byte
	starts []int // of the lines; made when first needed
	first  int   // number of the first line
}

func newSourceText(body []byte, first int) *sourceText {
	return &sourceText{body: bytes.TrimPrefix(body, []byte("\uFEFF")), first: max(first, 1)}
}

// line gives a line without what ends it; false when there is no such line.
func (s *sourceText) line(number int) ([]byte, bool) {
	if s.starts == nil {
		s.starts = []int{0}
		for at := 0; ; {
			i := bytes.IndexByte(s.body[at:], '\n')
			if i < 0 {
				break
			}
			at += i + 1
			s.starts = append(s.starts, at)
		}
	}
	i := number - s.first
	if i < 0 || i >= len(s.starts) {
		return nil, false
	}
	end := len(s.body)
	if i+1 < len(s.starts) {
		end = s.starts[i+1] - 1
	}
	return bytes.TrimSuffix(s.body[s.starts[i]:end], []byte("\r")), true
}

// runeColumn turns a column in bytes into one in characters, which is what reports for
// other programs count.
func (s *sourceText) runeColumn(number, column int) int {
	text, ok := s.line(number)
	if !ok || column < 1 {
		return column
	}
	return utf8.RuneCount(text[:min(column-1, len(text))]) + 1
}

// tokenLength is how far the text at an offset of a line belongs together, in bytes: a string
// with its quotes, a number or word, the name of a tag; at least one where the line goes on.
func tokenLength(line []byte, from int) int {
	if from >= len(line) {
		return 0
	}
	rest := line[from:]
	word := func(more string) int {
		n := 0
		for n < len(rest) && (isWord(rest[n]) || strings.IndexByte(more, rest[n]) >= 0) {
			n++
		}
		return max(n, 1)
	}
	switch c := rest[0]; {
	case c == '\'':
		if end := bytes.IndexByte(rest[1:], c); end >= 0 {
			return end + 2
		}
		return len(rest)
	case c == '"':
		for i := 1; i < len(rest); i++ {
			switch rest[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
		return len(rest)
	case c == '<':
		rest = rest[1:]
		return 1 + word("/:-")
	}
	return word("+-.")
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

// memberName is where the name of a JSON member, or of an XML element, stands whose value
// begins at an offset of the line; false when it is not on this line.
func memberName(line []byte, value int) (from, length int, ok bool) {
	head := line[:min(value, len(line))]
	if bytes.HasSuffix(head, []byte("=")) {
		from = bytes.LastIndexByte(head, '<')
		return from, tokenLength(line, max(from, 0)), from >= 0
	}
	head = bytes.TrimRight(head, " \t[")
	if !bytes.HasSuffix(head, []byte(":")) {
		return 0, 0, false
	}
	head = bytes.TrimRight(head[:len(head)-1], " \t")
	if !bytes.HasSuffix(head, []byte(`"`)) {
		return 0, 0, false
	}
	from = bytes.LastIndexByte(head[:len(head)-1], '"')
	return from, len(head) - from, from >= 0
}

// cell is one character as it is shown.
type cell struct {
	text  string
	width int
	at    int // offset in the line
}

// cellOf shows a character. A tab becomes blanks, what would steer the terminal a dot.
func cellOf(r rune, size, at int) cell {
	switch {
	case r == '\t':
		return cell{"    ", 4, at}
	case r == utf8.RuneError && size <= 1:
		return cell{"\uFFFD", 1, at}
	case unicode.In(r, unicode.Mn, unicode.Me):
		return cell{string(r), 0, at}
	case !unicode.IsPrint(r):
		return cell{"·", 1, at}
	}
	if unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana) || r >= 0xFF01 && r <= 0xFF60 || r >= 0x1F300 && r <= 0x1FAFF {
		return cell{string(r), 2, at}
	}
	return cell{string(r), 1, at}
}

// excerpt shows a line, cut around what is pointed at when it is wider than the
// columns there are, and under it the blanks and marks that point at it.
func excerpt(line []byte, from, length, columns int) (text, marks string) {
	from = min(max(from, 0), len(line))
	var left, right []cell // left in reverse
	leftWidth, rightWidth := 0, 0
	for at := from; at > 0 && leftWidth <= columns; {
		r, size := utf8.DecodeLastRune(line[:at])
		at -= size
		c := cellOf(r, size, at)
		left, leftWidth = append(left, c), leftWidth+c.width
	}
	for at := from; at < len(line) && rightWidth <= columns; {
		r, size := utf8.DecodeRune(line[at:])
		c := cellOf(r, size, at)
		right, rightWidth = append(right, c), rightWidth+c.width
		at += size
	}
	before, after := "", ""
	if from == len(line) {
		rightWidth++ // for the mark behind the end
	}
	if leftWidth+rightWidth > columns {
		room := columns - 2 // for the signs that something is cut off
		wanted := min(rightWidth, room-min(leftWidth, room/3))
		left, before = fit(left, room-wanted)
		right, after = fit(right, wanted)
	}
	slices.Reverse(left)
	var shown, under strings.Builder
	shown.WriteString(before)
	under.WriteString(strings.Repeat(" ", utf8.RuneCountInString(before)))
	for _, c := range left {
		shown.WriteString(c.text)
		under.WriteString(strings.Repeat(" ", c.width))
	}
	marked := 0
	for _, c := range right {
		shown.WriteString(c.text)
		if c.at < from+length {
			marked += c.width
		}
	}
	shown.WriteString(after)
	under.WriteString(strings.Repeat("^", max(marked, 1)))
	return shown.String(), under.String()
}

// fit cuts cells to a width, and gives the sign for what is cut off.
func fit(cells []cell, room int) ([]cell, string) {
	total := 0
	n := sort.Search(len(cells), func(i int) bool {
		total = 0
		for _, c := range cells[:i+1] {
			total += c.width
		}
		return total > room
	})
	if n == len(cells) {
		return cells, ""
	}
	return cells[:n], "…"
}

// printable is a text of which nothing steers the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsPrint(r) || unicode.In(r, unicode.Mn, unicode.Me) {
			return r
		}
		return '·'
	}, text)
}
