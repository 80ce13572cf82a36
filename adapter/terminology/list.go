package terminology

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"unicode"

	"spadapter/adapter/issue"
)

// column is a column of a list of reference set members.
type column uint8

const (
	columnRefset column = iota
	columnMember
	columnTerm
	columnActive
	columnOther
)

// columnNames are the headings that are understood, in lower case and without anything
// but letters and digits.
var columnNames = map[string]column{
	"refsetid": columnRefset, "pcdrefsetid": columnRefset, "referencesetid": columnRefset, "refset": columnRefset,
	"referencedcomponentid": columnMember, "snomedcode": columnMember, "conceptid": columnMember, "sctid": columnMember, "snomedctcode": columnMember,
	"term": columnTerm, "snomedcodedescription": columnTerm, "referencedcomponentterm": columnTerm, "display": columnTerm, "preferredterm": columnTerm,
	"active": columnActive,
}

// heading is the header of a list, once it is understood.
type heading struct {
	separator byte
	columns   []column
}

// listHeader reads a header; nil for one that has no column of reference sets or none of
// members, or has one of them twice.
func listHeader(line []byte) *heading {
	line = bytes.TrimPrefix(line, []byte("\ufeff"))
	for _, separator := range []byte{'\t', ',', ';'} {
		fields, ok := splitQuoted(separator)(line, nil)
		if !ok || len(fields) < 2 {
			continue
		}
		h := &heading{separator: separator}
		seen := [columnOther + 1]int{}
		for _, field := range fields {
			c, known := columnNames[strings.Map(plain, string(field))]
			if !known {
				c = columnOther
			}
			h.columns = append(h.columns, c)
			seen[c]++
		}
		if seen[columnRefset] == 1 && seen[columnMember] == 1 && seen[columnTerm] <= 1 && seen[columnActive] <= 1 {
			return h
		}
	}
	return nil
}

// maxGlance is how many lines tell whether a file without a known header lists members.
const maxGlance = 20

// listsMembers reports whether a table, whose header is not understood, looks as if it
// listed members: its first column has numbers as long as identifiers, or another one has
// nothing but identifiers.
func listsMembers(lines [][]byte) bool {
	for _, separator := range []byte{'\t', ',', ';'} {
		for column := range maxColumns {
			seen, all := 0, true
			for i, line := range lines {
				fields, ok := splitQuoted(separator)(line, nil)
				if len(line) == 0 {
					continue
				}
				if !ok || len(fields) < 2 || column >= len(fields) {
					all = false
					break
				}
				_, number := digits(fields[column])
				if i == 0 && !number {
					continue // the header, which may be missing
				}
				if _, right := sctid(fields[column]); !number || column > 0 && !right {
					all = false
					break
				}
				seen++
			}
			if all && seen > 0 {
				return true
			}
		}
	}
	return false
}

// maxColumns is how many columns are looked at.
const maxColumns = 20

// wide names the encoding of a text that is written in units of several bytes, "" when it
// is not.
func wide(text []byte) string {
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")), bytes.IndexByte(text, 0) >= 0:
		return "UTF-16, or no text"
	}
	return ""
}

// plain leaves letters, in lower case, and digits.
func plain(c rune) rune {
	if unicode.IsLetter(c) || unicode.IsDigit(c) {
		return unicode.ToLower(c)
	}
	return -1
}

// list reads a list of members with a header.
func (b *releaseBuilder) list(from io.Reader, progress func(rows int, read int64)) (count, inactive int) {
	r := newRows(from, b.faults, progress)
	line, _ := r.text()
	h := listHeader(line)
	if h == nil {
		b.faults.add(1, issue.Structure, "list-header", "the header needs one column refsetId and one referencedComponentId")
		return 0, 0
	}
	r.columns, r.split = len(h.columns), splitQuoted(h.separator)
	at := func(c column) int { return slices.Index(h.columns, c) }
	refsets, memberColumn, terms, states := at(columnRefset), at(columnMember), at(columnTerm), at(columnActive)
	for r.next() {
		refset, ok := b.id(r, refsets, "the reference set", partitionConcept)
		id, fine := b.id(r, memberColumn, "the member", anyComponent)
		active := true
		if states >= 0 {
			switch strings.ToLower(string(r.fields[states])) {
			case "1", "true", "yes", "y":
			case "0", "false", "no", "n":
				active = false
			default:
				b.faults.add(r.line, issue.Value, "list-active", "active is %.40q; it is 1 or 0, true or false, yes or no", r.fields[states])
				continue
			}
		}
		if !ok || !fine {
			continue
		}
		if !active {
			inactive++
		}
		b.member(refset, id, active)
		if terms >= 0 && len(r.fields[terms]) > 0 && partition(id) == partitionConcept {
			d := description{concept: id, kind: termListed, active: true}
			d.at, d.size = b.text.add(r.fields[terms])
			b.terms = append(b.terms, d)
		}
	}
	return r.count, inactive
}
