package terminology

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// nationalMap is one of the map files that NHS England published to bring records from the
// Read codes to SNOMED CT: TRUD, NHS Data Migration, folder Clinically Assured; the last
// release is of April 2020. The columns are as several public programs read them; the
// documents of the release were not read (unverified).
// Source: https://isd.digital.nhs.uk/trud/users/guest/filters/0/categories/8/items/9/releases.
type nationalMap struct {
	kind    string // for people
	url     string // of the ConceptMap that it becomes
	system  string
	columns []string // that must be there, in lower case, in the order of the constants below
}

// The columns of a national map, by their place in nationalMap.columns.
const (
	mapID = iota
	mapCode
	mapTerm // of Read v2 the term code, of CTV3 whether the term is the preferred one
	mapConcept
	mapStatus
	mapDate
	mapAssured
)

var nationalMaps = []*nationalMap{
	{"map of Read v2 to SNOMED CT", conceptMaps + "readv2-snomed-national", ReadV2,
		[]string{"mapid", "readcode", "termcode", "conceptid", "mapstatus", "effectivedate", "is_assured"}},
	{"map of CTV3 to SNOMED CT", conceptMaps + "ctv3-snomed-national", CTV3,
		[]string{"mapid", "ctv3_conceptid", "ctv3_termtype", "sct_conceptid", "mapstatus", "effectivedate", "is_assured"}},
}

// fileless are the national maps whose files are not there, by url: they say nothing of any code.
var fileless = func() map[string]*conceptMap {
	out := map[string]*conceptMap{}
	for _, n := range nationalMaps {
		out[n.url] = &conceptMap{url: n.url}
	}
	return out
}()

// national finds the map whose columns a header has, in any order and among others, and
// where each stands; nil for none.
func national(header []byte) (*nationalMap, []int) {
	names := strings.Split(strings.ToLower(string(bytes.TrimPrefix(header, []byte("\ufeff")))), "\t")
	for _, n := range nationalMaps {
		at := make([]int, len(n.columns))
		for i, column := range n.columns {
			at[i] = slices.Index(names, column)
		}
		if !slices.Contains(at, -1) {
			return n, at
		}
	}
	return nil, nil
}

// readTable reports whether a header is that of another table of Read codes: releases hold
// maps of other kinds, and in other directions.
func readTable(header []byte) bool {
	return slices.ContainsFunc(strings.Split(strings.ToLower(string(header)), "\t"), func(column string) bool {
		return column == "mapid" || column == "readcode" || strings.HasPrefix(column, "ctv3_") || strings.HasPrefix(column, "v2_")
	})
}

// mapKey is a code: five characters, and of Read v2 the two of a term code, or none.
type mapKey [readCodeLength + 2]byte

func (k mapKey) code() string { return string(bytes.TrimRight(k[:], "\x00")) }

func (k mapKey) compare(other mapKey) int { return bytes.Compare(k[:], other[:]) }

// mapRow is one row on its way.
type mapRow struct {
	id        uint64 // of the map entry, hashed: its revisions have the same
	concept   uint64 // 0 where the row says that there is none
	date      uint32
	line      uint32
	key       mapKey
	active    bool
	assured   bool
	preferred bool // of CTV3: the row is about the preferred term
}

// nationalRows reads a national map. What the rows come to is said in words.
func (l *folderLoader) nationalRows(n *nationalMap, at []int, from io.Reader, progress func(rows int, read int64)) (m *conceptMap, rows, inactive int, note string) {
	r := newRows(from, &l.faults, progress)
	header, _ := r.text()
	r.columns = bytes.Count(header, []byte("\t")) + 1
	var list []mapRow
	for r.next() {
		row, ok := n.row(r, at)
		if !ok {
			continue
		}
		if !row.active {
			inactive++
		}
		list = append(list, row)
	}
	table, counts := decide(n.url, list)
	m = &conceptMap{url: n.url, node: n.resource(), details: map[int]*detail{}}
	g := &mapGroup{source: n.system, target: SNOMED, table: table}
	g.origins = sync.OnceValue(g.reversed)
	m.groups = []*mapGroup{g}
	return m, r.count, inactive, counts.String()
}

// row reads one; false for one that is at fault.
func (n *nationalMap) row(r *rows, at []int) (mapRow, bool) {
	field := func(column int) []byte { return bytes.TrimSpace(r.fields[at[column]]) }
	row := mapRow{line: uint32(r.line), preferred: string(field(mapTerm)) == "P"}
	code := field(mapCode)
	if len(code) != readCodeLength || bytes.IndexByte(code, ' ') >= 0 {
		r.faults.add(r.line, issue.Value, "map-code", "the code is %.40q; a code of Read has five characters, with dots at its end", code)
		return row, false
	}
	copy(row.key[:], code)
	if n.system == ReadV2 {
		term := field(mapTerm)
		if len(term) != 2 {
			r.faults.add(r.line, issue.Value, "map-term", "the term code is %.40q; it has two characters, 00 for the preferred term", term)
			return row, false
		}
		copy(row.key[readCodeLength:], term)
	}
	if concept := field(mapConcept); len(concept) > 0 && concept[0] != '_' { // _DRUG, _NONE: there is no concept
		id, ok := sctid(concept)
		if !ok || partition(id) != partitionConcept {
			r.faults.add(r.line, issue.Value, "map-concept", "%.40q is no identifier of a concept of SNOMED CT: its form or its check digit is wrong", concept)
			return row, false
		}
		row.concept = id
	}
	for _, column := range []int{mapStatus, mapAssured} {
		if text := string(field(column)); text != "0" && text != "1" {
			r.faults.add(r.line, issue.Value, "map-flag", "%s is %.40q; it is 1 or 0", n.columns[column], text)
			return row, false
		}
	}
	row.active, row.assured = field(mapStatus)[0] == '1', field(mapAssured)[0] == '1'
	var ok bool
	if row.date, ok = mapDay(field(mapDate)); !ok {
		r.faults.add(r.line, issue.Value, "map-date", "the effective date is %.40q; it is written 20200401", field(mapDate))
		return row, false
	}
	row.id = hashed(field(mapID))
	return row, true
}

// mapDay reads a date of eight digits, with or without a sign between year, month and day.
func mapDay(text []byte) (day uint32, ok bool) {
	count := 0
	for _, c := range text {
		switch {
		case c >= '0' && c <= '9':
			day = day*10 + uint32(c-'0')
			count++
		case c != '.' && c != '-' && c != '/':
			return 0, false
		}
	}
	return day, count == 8
}

// hashed is the FNV-1a hash of a text.
// Source: http://www.isthe.com/chongo/tech/comp/fnv/.
func hashed(text []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range text {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// mapCounts is what the rows of a national map came to.
type mapCounts struct{ codes, unassured, several, without int }

func (c mapCounts) String() string {
	return fmt.Sprintf("%d codes are translated; not translated are %d without an assured row, %d with several candidates and %d that have no concept", c.codes, c.unassured, c.several, c.without)
}

// decide makes the table. Of the revisions of a map entry the newest counts, and what is
// inactive does not. A code is translated when its assured rows lead to one concept; of
// CTV3 those about the preferred term, where there are any. A code whose rows do not
// decide that is listed without a concept: nothing is guessed. The term code 00 of Read v2
// stands for the code without one, too.
func decide(url string, list []mapRow) (*mapTable, mapCounts) {
	slices.SortFunc(list, func(a, b mapRow) int {
		return cmp.Or(a.key.compare(b.key), cmp.Compare(a.id, b.id), cmp.Compare(b.date, a.date), cmp.Compare(b.line, a.line))
	})
	list = slices.CompactFunc(list, func(a, b mapRow) bool { return a.key == b.key && a.id == b.id })
	list = slices.DeleteFunc(list, func(r mapRow) bool { return !r.active })
	t := &mapTable{url: url, rows: make([]tableRow, 0, len(list))}
	var counts mapCounts
	var chosen []mapRow
	for first := 0; first < len(list); {
		last := first
		for last < len(list) && list[last].key == list[first].key {
			last++
		}
		row := list[first]
		chosen = slices.DeleteFunc(append(chosen[:0], list[first:last]...), func(r mapRow) bool { return !r.assured })
		if slices.ContainsFunc(chosen, func(r mapRow) bool { return r.preferred }) {
			chosen = slices.DeleteFunc(chosen, func(r mapRow) bool { return !r.preferred })
		}
		row.concept = 0
		switch {
		case len(chosen) == 0:
			counts.unassured++
		case slices.ContainsFunc(chosen, func(r mapRow) bool { return r.concept != chosen[0].concept }):
			counts.several++
		case chosen[0].concept == 0:
			counts.without++
		default:
			row = chosen[0]
			counts.codes++
		}
		t.add(row.key, row.concept, row.line)
		if string(row.key[readCodeLength:]) == "00" {
			bare := row.key
			copy(bare[readCodeLength:], "\x00\x00")
			t.add(bare, row.concept, row.line)
		}
		first = last
	}
	t.sort()
	return t, counts
}

// resource is what a national map is as a ConceptMap: without its rows, which are in the
// file.
func (n *nationalMap) resource() *fhir.Node {
	out := fhir.Types(fhir.R4).New("ConceptMap")
	out.Set("id", n.url[len(conceptMaps):])
	out.Set("url", n.url)
	out.Set("name", strings.NewReplacer("-", "", "snomed", "Snomed", "national", "National").Replace(n.url[len(conceptMaps):]))
	out.Set("title", "National "+n.kind)
	out.Set("status", "active")
	out.Set("publisher", "NHS England")
	out.Set("description", "Read from the map file of the NHS Data Migration release that the deployment brought. Its rows are not repeated here; ask $translate.")
	return out
}
