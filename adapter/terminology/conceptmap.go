package terminology

import (
	"slices"
	"strings"

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
	url    string
	groups []*mapGroup
}

type mapGroup struct {
	source, target string
	rows           map[string][]Match
	unmapped       string // "", provided, fixed, other-map
	fixed          Match
	other          string
}

// equivalences are the codes of http://hl7.org/fhir/R4/valueset-concept-map-equivalence.html.
var equivalences = []string{"relatedto", "equivalent", "equal", "wider", "subsumes", "narrower", "specializes", "inexact", "unmatched", "disjoint"}

// Translate gives the matches of a code in a ConceptMap, in the order of its rows.
// system "" means any: the rows of every group count. No row and no unmapped rule give
// none; a row that says unmatched or disjoint is an answer, with Matched false.
//
// Errors: not-found when the ConceptMap, or one that an unmapped rule hands over to, is
// not loaded.
//
// Source: http://hl7.org/fhir/R4/conceptmap.html.
func (r *Registry) Translate(conceptMap, system, code string) ([]Match, error) {
	return r.translate(conceptMap, system, code, 0)
}

func (r *Registry) translate(url, system, code string, depth int) ([]Match, error) {
	if r == nil {
		r = &Registry{}
	}
	m, ok := find(r.maps, url)
	if !ok {
		return nil, issue.Newf(issue.NotFound, "conceptmap-unknown", "the ConceptMap %s is not loaded", url)
	}
	if len(m.groups) == 1 && (system == "" || m.groups[0].source == system || m.groups[0].source == "") {
		if rows, ok := m.groups[0].rows[code]; ok {
			return rows, nil // the ordinary case costs no allocation
		}
	}
	var out []Match
	for _, g := range m.groups {
		if system != "" && g.source != "" && g.source != system {
			continue
		}
		if rows, ok := g.rows[code]; ok {
			out = append(out, rows...)
			continue
		}
		switch g.unmapped {
		case "provided":
			target := g.target
			if target == "" {
				target = system
			}
			out = append(out, Match{System: target, Code: code, Equivalence: "equal", Map: m.url, Row: -1})
		case "fixed":
			out = append(out, g.fixed)
		case "other-map":
			if depth > 8 { // a chain this long is a cycle
				return nil, issue.Newf(issue.NotFound, "conceptmap-cycle", "the ConceptMap %s hands over to another map without end", url)
			}
			more, err := r.translate(g.other, system, code, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, nil
}

func (l *loader) conceptMap(n *fhir.Node) *conceptMap {
	m := &conceptMap{url: n.Text("url")}
	row := 0
	for _, gn := range n.All("group") {
		g := &mapGroup{source: gn.Text("source"), target: gn.Text("target"), rows: map[string][]Match{}}
		for _, en := range gn.All("element") {
			code := en.Text("code")
			if code == "" {
				l.fail(en, issue.Value, "conceptmap-code", "a row of a ConceptMap needs the code that it translates")
				continue
			}
			rows := g.rows[code]
			if rows == nil {
				rows = []Match{}
			}
			for _, tn := range en.All("target") {
				match := Match{System: g.target, Code: tn.Text("code"), Display: tn.Text("display"),
					Equivalence: tn.Text("equivalence"), Map: m.url, Row: row}
				row++
				if !slices.Contains(equivalences, match.Equivalence) {
					l.fail(tn, issue.Value, "conceptmap-equivalence", "the equivalence of a ConceptMap row is one of %s", strings.Join(equivalences, ", "))
				}
				rows = append(rows, match)
			}
			g.rows[code] = rows
		}
		if un := gn.Child("unmapped"); un != nil {
			g.unmapped, g.other = un.Text("mode"), un.Text("url")
			g.fixed = Match{System: g.target, Code: un.Text("code"), Display: un.Text("display"), Equivalence: "inexact", Map: m.url, Row: -1}
		}
		m.groups = append(m.groups, g)
	}
	return m
}
