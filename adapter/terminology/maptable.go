package terminology

import (
	"slices"
	"strconv"
)

// mapTable is the rows of a ConceptMap with hundreds of thousands of them, each code once:
// about 20 bytes a code. It is read-only once it is sorted. nil has no rows.
type mapTable struct {
	url  string
	rows []tableRow
}

type tableRow struct {
	concept uint64 // 0: the code is listed, and nothing is decided
	line    uint32 // of the file, from 1
	key     mapKey
}

func (t *mapTable) add(key mapKey, concept uint64, line uint32) {
	t.rows = append(t.rows, tableRow{concept, line, key})
}

func (t *mapTable) sort() {
	slices.SortFunc(t.rows, func(a, b tableRow) int { return a.key.compare(b.key) })
	t.rows = slices.Clip(t.rows)
}

// lookup gives the match of a code, and whether the table lists it.
func (t *mapTable) lookup(code string) ([]Match, bool) {
	var key mapKey
	if len(code) > len(key) {
		return nil, false
	}
	copy(key[:], code)
	i, found := slices.BinarySearchFunc(t.rows, key, func(row tableRow, key mapKey) int { return row.key.compare(key) })
	if !found || t.rows[i].concept == 0 {
		return nil, found
	}
	return []Match{t.match(i)}, true
}

// match is a row. How far the concept is the same as the code is stated nowhere in the
// files: relatedto. Row is the line of the file below its header, from 0.
func (t *mapTable) match(i int) Match {
	row := t.rows[i]
	return Match{System: SNOMED, Code: strconv.FormatUint(row.concept, 10), Equivalence: "relatedto", Map: t.url, Row: int(row.line) - 2}
}

// each hands over every row that leads to a concept.
func (t *mapTable) each(yield func(code string, match Match)) {
	if t == nil {
		return
	}
	for i, row := range t.rows {
		if row.concept != 0 {
			yield(row.key.code(), t.match(i))
		}
	}
}
