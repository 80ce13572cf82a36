package terminology

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// What a value set may have that is sent with a question. Those that are loaded are the
// deployment's own, and not bounded by these.
const (
	maxSentClauses  = 1000    // include and exclude
	maxSentSets     = 1000    // that its clauses draw on
	maxSentFilters  = 200     // of all clauses
	maxSentPrograms = 10_000  // instructions of its regular expressions, each counted once
	maxSentCodes    = 100_000 // that it lists
)

// bound refuses a value set that is sent and is too much to compile. Its regular
// expressions are measured before any of them is compiled, so that what is refused costs
// no more than its reading.
func (l *loader) bound(n *fhir.Node) {
	clauses, sets, filters, codes, programs := 0, 0, 0, 0, 0
	measured := map[string]bool{}
	compose := n.Child("compose")
	for _, name := range []string{"include", "exclude"} {
		for _, c := range compose.All(name) {
			clauses++
			sets += len(c.All("valueSet"))
			codes += len(c.All("concept"))
			for _, f := range c.All("filter") {
				filters++
				text := f.Text("value")
				if f.Text("op") != "regex" || measured[text] || filters > maxSentFilters {
					continue
				}
				measured[text] = true
				size := patternSize(text)
				if programs += size; size > maxProgram {
					l.fail(f, issue.TooCostly, "valueset-regex", "the regular expression is too large: with its repetitions written out it has more than %d steps", maxProgram)
					return
				}
			}
		}
	}
	var count func(at *fhir.Node)
	count = func(at *fhir.Node) {
		for _, c := range at.All("contains") {
			codes++
			count(c)
		}
	}
	count(n.Child("expansion"))
	for _, b := range []struct {
		have, most int
		words      string
	}{
		{clauses, maxSentClauses, "clauses (include and exclude)"},
		{sets, maxSentSets, "other value sets in its clauses"},
		{filters, maxSentFilters, "filters"},
		{codes, maxSentCodes, "codes in its lists"},
		{programs, maxSentPrograms, "steps in its regular expressions, with their repetitions written out"},
	} {
		if b.have > b.most {
			l.fail(n, issue.TooCostly, "valueset-size", "the value set that is sent has %d %s, and may have %d; send a smaller one, or have it loaded", b.have, b.words, b.most)
			return
		}
	}
}
