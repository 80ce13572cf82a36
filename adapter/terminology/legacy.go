package terminology

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
)

// ReadV2 is the code system Read v2 (5-byte), as GP Connect writes it.
// Source: GP Connect Access Record Structured, common code systems.
const ReadV2 = "http://read.info/readv2"

// CTV3 is the code system Clinical Terms Version 3, as GP Connect writes it.
const CTV3 = "http://read.info/ctv3"

// The ConceptMaps by which a legacy code is taken for a SNOMED CT code, and the one that
// says which code system a spelling means. They ship with the maps, and a deployment may
// put its own in their place.
const (
	conceptMaps      = "https://spadapter.example/fhir/ConceptMap/"
	LegacyCodeSystem = conceptMaps + "legacy-code-system"
)

var legacyMaps = []string{conceptMaps + "readv2-snomed", conceptMaps + "ctv3-snomed", conceptMaps + "emis-snomed"}

// HasMeaning is HasCode, where a code of a legacy system counts as the SNOMED CT code that a
// ConceptMap has for it, too. A row that says unmatched counts for nothing.
func (r *Registry) HasMeaning(valueSet string, n *fhir.Node) (ok, known bool) {
	ok, known = r.HasCode(valueSet, n)
	if ok || n == nil || n.IsPrimitive() {
		return ok, known
	}
	codings := n.All("coding")
	if len(codings) == 0 {
		codings = []*fhir.Node{n}
	}
	for _, coding := range codings {
		for _, match := range r.legacy(coding.Text("system"), coding.Text("code")) {
			if held, decided := r.ValidateCode(valueSet, match.System, match.Code); held && decided {
				return true, true
			}
		}
	}
	return ok, known
}

// legacy gives the matches of a legacy code in whatever spelling of its code system.
func (r *Registry) legacy(system, code string) []Match {
	if system == "" || system == SNOMED || code == "" {
		return nil
	}
	if meant, err := r.Translate(LegacyCodeSystem, "", system); err == nil && len(meant) > 0 {
		system = meant[0].Code
	}
	var out []Match
	for _, url := range legacyMaps {
		matches, err := r.Translate(url, system, code)
		if err != nil { // it is not loaded: nothing is known
			continue
		}
		for _, m := range matches {
			if m.Matched() {
				out = append(out, m)
			}
		}
	}
	return out
}

// NationalDifferences says of every row of the legacy ConceptMaps that a national map has
// another concept for the code, in order; nil when none has. The row is what counts.
func (r *Registry) NationalDifferences() []string {
	var out []string
	for _, url := range legacyMaps {
		m := r.mapAt(url)
		if m == nil {
			continue
		}
		for _, g := range m.groups {
			if fileless[g.other] == nil {
				continue
			}
			for _, code := range slices.Sorted(maps.Keys(g.rows)) {
				own := g.rows[code]
				theirs, _, err := r.translate(g.other, g.source, code, 0)
				if err == nil && len(own) > 0 && len(theirs) > 0 && own[0].Code != theirs[0].Code {
					out = append(out, fmt.Sprintf("%s %s: %s here, %s in the national map", g.source, code, own[0].Code, theirs[0].Code))
				}
			}
		}
	}
	return out
}

// termCode cuts the term code off a Read v2 code: two characters after the five of the code,
// which say which of its terms was chosen. False for a code without one.
// Source: NHS Data Migration (TRUD), rcsctmap2_uk: ReadCode and TermCode.
func termCode(code string) (bare string, ok bool) {
	if len(code) != readCodeLength+2 || code[readCodeLength] < '0' || code[readCodeLength] > '9' || strings.ContainsAny(code, " \t") {
		return "", false
	}
	return code[:readCodeLength], true
}

const readCodeLength = 5
