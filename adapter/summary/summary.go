package summary

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Summary is what one document says, in the order of the page.
type Summary struct {
	Title     string    // what it is: "Social prescribing: outcome"
	Lead      []string  // under the title: from whom, of when, in the place of what
	Requested []string  // what the practice is asked to do; nil is nothing, which is said
	Sections  []Section // in order; one without lines is left out
	Running   string    // on every page of the PDF: whom it is about
	Footer    string    // at the end of the text, and on every page of the PDF
	Author    string    // for the properties of the PDF: the organisation; never the person
	At        time.Time // when it was made, for the properties of the PDF
}

// Section is a heading with what stands under it. A line may hold line breaks.
type Section struct {
	Heading string
	Lines   []string
}

// RequestedHeading begins every document.
const RequestedHeading = "Requested actions of the practice"

// NoActions is said where the practice is asked for nothing.
const NoActions = "None. No actions are requested of the practice."

// MaxRows is how long a document may be, in rows of rowLength characters: about 45
// pages. What is beyond it is left out of both forms, and both say how much that was.
const MaxRows = 2500

// rowLength is about what a line of the page holds.
const rowLength = 90

// block is a paragraph of the page.
type block struct {
	role blockRole
	text string
}

type blockRole uint8

const (
	roleTitle blockRole = iota
	roleLead
	roleHeading
	roleLine
)

// blocks are the content of both forms in order, cleaned, and within MaxRows.
func (s *Summary) blocks() []block {
	list := []block{{roleTitle, clean(s.Title)}}
	rows, left := 1, 0
	var out []string // headings that were left out whole
	add := func(role blockRole, text string) {
		text = clean(text)
		if text == "" {
			return
		}
		kept, dropped := fit(text, MaxRows-rows)
		left += dropped
		if kept != "" {
			rows += height(kept)
			list = append(list, block{role, kept})
		} else if role == roleHeading {
			out = append(out, text)
		}
	}
	for _, line := range s.Lead {
		add(roleLead, line)
	}
	requested := s.Requested
	if len(requested) == 0 {
		requested = []string{NoActions}
	}
	for _, section := range append([]Section{{RequestedHeading, requested}}, s.Sections...) {
		if len(section.Lines) > 0 {
			add(roleHeading, section.Heading)
		}
		for _, line := range section.Lines {
			add(roleLine, line)
		}
	}
	if left > 0 {
		text := fmt.Sprintf("This document is at its longest: %d further characters are not in it. Ask the service for them.", left)
		if len(out) > 0 {
			text += " Left out whole: " + strings.Join(out, ", ") + "."
		}
		// said before anything else: whoever reads the first page must know
		list = append(list[:1], append([]block{{roleLead, text}}, list[1:]...)...)
	}
	return list
}

// height is how many rows a text takes, about.
func height(text string) int {
	rows := 0
	for line := range strings.SplitSeq(text, "\n") {
		rows += 1 + utf8.RuneCountInString(line)/rowLength
	}
	return rows
}

// fit gives as much of a text as rows hold, and how many characters that leaves out.
func fit(text string, rows int) (kept string, dropped int) {
	if height(text) <= rows {
		return text, 0
	}
	end, column := 0, 0
	for i, r := range text {
		if column == 0 || column == rowLength {
			if rows--; rows < 0 {
				break
			}
			column = 0
		}
		if column++; r == '\n' {
			column = 0
		}
		end = i + utf8.RuneLen(r)
	}
	return strings.TrimSpace(text[:end]), utf8.RuneCountInString(text[end:])
}

// clean gives a text without what would break a page: line ends are \n, a tab is a
// blank, and other control characters, what is not UTF-8, and marks that turn the order
// of what follows round become a visible replacement.
func clean(text string) string {
	text = strings.TrimSpace(plain.Replace(text))
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case unicode.IsControl(r), turns(r):
			return utf8.RuneError
		}
		return r
	}, text)
}

var plain = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\t", " ", "\u2028", "\n", "\u2029", "\n")

// turns reports whether a mark sets the direction of the text after it.
// Source: Unicode Standard Annex 9, explicit directional formatting.
func turns(r rune) bool { return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 }
