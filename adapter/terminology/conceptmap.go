package terminology

import (
	"slices"
	"strings"
	"sync"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Match is one answer of Translate.
type Match struct {
	System      string
	Code        string
	Display     string
	Equivalence string // a code of http://hl7.org/fhir/concept-map-equivalence; "unmatched" has no Code
	Map         string // canonical of the ConceptMap that holds the row
	Row         int    // position of the row in that map, counted from 0 over all groups, elements and targets; -1 for an unmapped rule
}

// Matched reports whether m names a code: neither unmatched nor disjoint.
func (m Match) Matched() bool {
	return m.Code != "" && m.Equivalence != "unmatched" && m.Equivalence != "disjoint"
}

// conceptMap is a compiled ConceptMap.
type conceptMap struct {
	url, version   string
	source, target string // canonicals of the value sets, "" when it states none
	groups         []*mapGroup
	details        map[int]*detail // by row, for the rows that have more than a Match
	node           *fhir.Node
}

type mapGroup struct {
	source, sourceVersion string
	target, targetVersion string
	rows                  map[string][]Match // the rows that depend on nothing; of a code that has others only, none
	conditional           map[string][]Match // the rows that depend on other elements
	unmapped              string             // "", provided, fixed, other-map
	fixed                 []Match
	other                 string
	table                 *mapTable                  // the rows of a national map file, in place of rows; nil for others
	origins               func() map[string][]origin // the rows by their target, for the way back
}

// lookup gives the rows of a code that depend on nothing, and whether the group says
// anything of the code.
func (g *mapGroup) lookup(code string) ([]Match, bool) {
	if g.table != nil {
		return g.table.lookup(code)
	}
	rows, listed := g.rows[code]
	return rows, listed
}

// detail is what a row says beside its Match.
type detail struct {
	depends  []Product // every one of them must hold
	products []Product
}

// origin is a row as it is read from right to left.
type origin struct {
	code string // of the source
	Match
}

// equivalences are the codes of http://hl7.org/fhir/R4/valueset-concept-map-equivalence.html.
var equivalences = []string{"relatedto", "equivalent", "equal", "wider", "subsumes", "narrower", "specializes", "inexact", "unmatched", "disjoint"}

// maxHandovers is how often a map may hand over to another: a chain this long is a cycle.
const maxHandovers = 8

// Translate gives the matches of a code in a ConceptMap, in the order of its rows; they
// are shared, to be read only. system "" means any: the rows of every group count. A row
// that depends on other elements does not match, for none is known here: Answer takes
// them. No row and no unmapped rule give none; a row that says unmatched or disjoint is
// an answer, with Matched false. A code that a group has a row for does not fall under
// the group's unmapped rule, whatever the row says or depends on. A code of Read v2 with a
// term code that nothing lists is translated as the code without it.
//
// Errors: not-found when the ConceptMap, or one that an unmapped rule hands over to, is
// not loaded.
//
// Source: http://hl7.org/fhir/R4/conceptmap.html.
func (r *Registry) Translate(conceptMap, system, code string) ([]Match, error) {
	out, listed, err := r.translate(conceptMap, system, code, 0)
	if err != nil || listed || len(out) > 0 || system != "" && system != ReadV2 {
		return out, err
	}
	if bare, ok := termCode(code); ok && r.mapAt(conceptMap).isAbout(ReadV2) {
		out, _, err = r.translate(conceptMap, ReadV2, bare, 0)
	}
	return out, err
}

// mapAt finds a ConceptMap; nil when it is not loaded. A national map file that is not there
// is a ConceptMap without rows: those that ship hand over to it.
func (r *Registry) mapAt(url string) *conceptMap {
	if r != nil {
		if m, ok := find(r.maps, url); ok {
			return m
		}
	}
	return fileless[url]
}

func (m *conceptMap) isAbout(system string) bool {
	return slices.ContainsFunc(m.groups, func(g *mapGroup) bool { return g.source == system })
}

// translate also reports whether a group says anything of the code.
func (r *Registry) translate(url, system, code string, depth int) (out []Match, listed bool, err error) {
	m := r.mapAt(url)
	if m == nil {
		return nil, false, issue.Newf(issue.NotFound, "conceptmap-unknown", "the ConceptMap %s is not loaded", url)
	}
	if len(m.groups) == 1 && (system == "" || m.groups[0].source == system || m.groups[0].source == "") {
		if rows, known := m.groups[0].lookup(code); known {
			return rows, true, nil // what a mapping asks most
		}
	}
	for _, g := range m.groups {
		if system != "" && g.source != "" && g.source != system {
			continue
		}
		more, known := g.lookup(code)
		if !known {
			if more, known, err = r.byRule(m, g, system, code, depth); err != nil {
				return nil, false, err
			}
		}
		listed = listed || known
		switch {
		case len(more) == 0:
		case out == nil:
			out = more // the ordinary case costs no allocation
		default:
			out = append(out, more...)
		}
	}
	return out, listed, nil
}

// byRule gives what the unmapped rule of a group makes of a code that it has no row for, and
// whether the rule, or a map that it hands over to, says anything of it.
func (r *Registry) byRule(m *conceptMap, g *mapGroup, system, code string, depth int) (out []Match, listed bool, err error) {
	switch g.unmapped {
	case "provided":
		target := g.target
		if target == "" {
			target = system
		}
		return []Match{{System: target, Code: code, Equivalence: "equal", Map: m.url, Row: -1}}, true, nil
	case "fixed":
		return g.fixed, true, nil
	case "other-map":
		if depth >= maxHandovers {
			return nil, false, handsOverForEver(m)
		}
		return r.translate(g.other, system, code, depth+1)
	}
	return nil, false, nil
}

func handsOverForEver(m *conceptMap) *issue.Error {
	return issue.Newf(issue.NotFound, "conceptmap-cycle", "the ConceptMap %s hands over to another map without end", m.url)
}

func (l *loader) conceptMap(n *fhir.Node) *conceptMap {
	m := &conceptMap{
		url: n.Text("url"), version: n.Text("version"), source: n.Text("source"), target: n.Text("target"),
		details: map[int]*detail{}, node: n,
	}
	row := 0
	for _, gn := range n.All("group") {
		g := &mapGroup{
			source: gn.Text("source"), sourceVersion: gn.Text("sourceVersion"),
			target: gn.Text("target"), targetVersion: gn.Text("targetVersion"),
			rows: map[string][]Match{}, conditional: map[string][]Match{},
		}
		for _, en := range gn.All("element") {
			row = l.mapElement(m, g, en, row)
		}
		for code, rows := range g.rows {
			g.rows[code] = slices.Clip(rows) // shared with callers: what they append is their own
		}
		if un := gn.Child("unmapped"); un != nil {
			g.unmapped, g.other = un.Text("mode"), un.Text("url")
			g.fixed = []Match{{System: g.target, Code: un.Text("code"), Display: un.Text("display"), Equivalence: "inexact", Map: m.url, Row: -1}}
		}
		g.origins = sync.OnceValue(g.reversed)
		m.groups = append(m.groups, g)
	}
	return m
}

// mapElement compiles the rows of one code. row is the number of the first; the number
// after the last is given back.
func (l *loader) mapElement(m *conceptMap, g *mapGroup, en *fhir.Node, row int) int {
	code := en.Text("code")
	if code == "" {
		l.fail(en, issue.Value, "conceptmap-code", "a row of a ConceptMap needs the code that it translates")
		return row
	}
	if g.rows[code] == nil {
		g.rows[code] = []Match{}
	}
	for _, tn := range en.All("target") {
		match := Match{System: g.target, Code: tn.Text("code"), Display: tn.Text("display"),
			Equivalence: tn.Text("equivalence"), Map: m.url, Row: row}
		if !slices.Contains(equivalences, match.Equivalence) {
			l.fail(tn, issue.Value, "conceptmap-equivalence", "the equivalence of a ConceptMap row is one of %s", strings.Join(equivalences, ", "))
		}
		d := &detail{depends: products(tn.All("dependsOn")), products: products(tn.All("product"))}
		if d.depends != nil || d.products != nil {
			m.details[row] = d
		}
		if d.depends != nil {
			g.conditional[code] = append(g.conditional[code], match)
		} else {
			g.rows[code] = append(g.rows[code], match)
		}
		row++
	}
	return row
}

// products reads dependsOn or product elements.
func products(list []*fhir.Node) []Product {
	var out []Product
	for _, n := range list {
		system, version, _ := strings.Cut(n.Text("system"), "|")
		out = append(out, Product{Element: n.Text("property"), Value: Coding{System: system, Version: version, Code: n.Text("value"), Display: n.Text("display")}})
	}
	return out
}

// reversed orders the rows by the code they lead to.
func (g *mapGroup) reversed() map[string][]origin {
	out := map[string][]origin{}
	for _, rows := range []map[string][]Match{g.rows, g.conditional} {
		for code, matches := range rows {
			for _, match := range matches {
				if match.Code != "" {
					out[match.Code] = append(out[match.Code], origin{code, match})
				}
			}
		}
	}
	g.table.each(func(code string, match Match) {
		if match.Code != "" {
			out[match.Code] = append(out[match.Code], origin{code, match})
		}
	})
	for _, list := range out {
		slices.SortFunc(list, func(a, b origin) int { return a.Row - b.Row })
	}
	return out
}
