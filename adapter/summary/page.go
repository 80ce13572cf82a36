package summary

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A4 in points, and what stays free around the text.
const (
	pageWidth, pageHeight = 595.28, 841.89
	margin                = 48.0
	footerHeight          = 30.0
	indent                = 10.0
	footerSize            = 7.5
)

// style is how the blocks of one role look.
type style struct {
	tag           string // of the structure tree; ISO 32000-1, 14.8.4
	size, leading float64
	above         float64 // free space before
	left          float64
	bold          bool
}

var styles = map[blockRole]style{
	roleTitle:   {tag: "H1", size: 15, leading: 19, bold: true},
	roleLead:    {tag: "P", size: 9, leading: 11.5, above: 2},
	roleHeading: {tag: "H2", size: 10.5, leading: 13, above: 7, bold: true},
	roleLine:    {tag: "P", size: 9.5, leading: 12, above: 1.5, left: indent},
}

// page is one page as it is laid out.
type page struct {
	content bytes.Buffer
	marks   []int // the element of the structure tree that each marked piece belongs to
}

// element is a paragraph or heading in the structure tree.
type element struct {
	tag    string
	pieces [][2]int // page, mark
}

// layout puts blocks onto pages.
type layout struct {
	font     *subset
	pages    []*page
	elements []element
	y        float64 // of the next line, from the bottom
}

// newPage begins a page.
func (l *layout) newPage() *page {
	p := &page{}
	l.pages = append(l.pages, p)
	l.y = pageHeight - margin
	return p
}

// add lays out one block; a line that does not fit begins a page.
func (l *layout) add(b block) {
	st := styles[b.role]
	if len(l.pages) == 0 {
		l.newPage()
	}
	here := len(l.pages) - 1
	l.elements = append(l.elements, element{tag: st.tag})
	e := &l.elements[len(l.elements)-1]
	lines := l.broken(b.text, st)
	need := st.above + st.leading
	if b.role == roleHeading {
		need += 2 * styles[roleLine].leading // a heading does not end a page
	}
	l.y -= st.above
	open := false
	for i, line := range lines {
		if i > 0 {
			need = st.leading
		}
		if l.y-need < margin+footerHeight {
			if open {
				l.pages[here].content.WriteString("EMC\n")
			}
			l.newPage()
			here, open = len(l.pages)-1, false
		}
		p := l.pages[here]
		if !open {
			fmt.Fprintf(&p.content, "/%s <</MCID %d>> BDC\n", st.tag, len(p.marks))
			e.pieces = append(e.pieces, [2]int{here, len(p.marks)})
			p.marks = append(p.marks, len(l.elements)-1)
			open = true
		}
		l.y -= st.leading
		l.show(&p.content, line, margin+st.left, l.y, st.size, st.bold)
	}
	if open {
		l.pages[here].content.WriteString("EMC\n")
	}
}

// broken breaks a text into lines that fit, at blanks, and within a word that is longer
// than a line. Nothing is lost: a line keeps the blank that it was broken at.
func (l *layout) broken(text string, st style) []string {
	var lines []string
	most := pageWidth - 2*margin - st.left
	for line := range strings.SplitSeq(text, "\n") {
		start, blank, width, sinceBlank := 0, -1, 0.0, 0.0
		for i, r := range line {
			w := l.font.face.width(r, st.size)
			if width+w > most && i > start && r != ' ' {
				end := i
				if blank > start {
					end, width = blank, sinceBlank
				} else {
					width = 0
				}
				lines = append(lines, line[start:end])
				start, blank = end, -1
			}
			width, sinceBlank = width+w, sinceBlank+w
			if r == ' ' {
				blank, sinceBlank = i+1, 0
			}
		}
		lines = append(lines, line[start:])
	}
	return lines
}

// show writes a line of text at a place.
func (l *layout) show(w *bytes.Buffer, text string, x, y, size float64, bold bool) {
	w.WriteString("BT /F " + points(size) + " Tf ")
	if bold {
		w.WriteString("2 Tr " + points(size/36) + " w ") // the one font, with a stroke around it
	} else {
		w.WriteString("0 Tr ")
	}
	w.WriteString(points(x) + " " + points(y) + " Td <")
	const digits = "0123456789ABCDEF"
	for _, r := range text {
		n := l.font.number(r)
		w.Write([]byte{digits[n>>12], digits[n>>8&15], digits[n>>4&15], digits[n&15]})
	}
	w.WriteString("> Tj ET\n")
}

// points writes a length with two decimal places, without ending zeros.
func points(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(v, 'f', 2, 64), "0"), ".")
}

// footers writes what stands on every page, which is no part of the text.
func (l *layout) footers(s *Summary) {
	for i, p := range l.pages {
		p.content.WriteString("/Artifact <</Type /Pagination>> BDC\n")
		for row, text := range []string{s.Running, s.Footer} {
			shown, _ := l.font.face.showable(strings.ReplaceAll(clean(text), "\n", " "))
			lines := l.broken(shown, style{size: footerSize, left: 60})
			l.show(&p.content, lines[0], margin, margin+12-10*float64(row), footerSize, false)
		}
		l.show(&p.content, fmt.Sprintf("Page %d of %d", i+1, len(l.pages)), pageWidth-margin-50, margin+2, footerSize, false)
		p.content.WriteString("EMC\n")
	}
}

// showable gives a text in composed form with a replacement for each character that the
// font cannot show, and how many these are.
func (f *face) showable(text string) (string, int) {
	text = norm.NFC.String(text)
	missing := 0
	for _, r := range text {
		if r != '\n' && !f.shows(r) {
			missing++
		}
	}
	if missing == 0 {
		return text, 0
	}
	var b strings.Builder
	b.Grow(len(text) + missing*utf8.RuneLen(replacement))
	for _, r := range text {
		if r != '\n' && !f.shows(r) {
			r = replacement
		}
		b.WriteRune(r)
	}
	return b.String(), missing
}
