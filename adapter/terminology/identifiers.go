package terminology

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// identifiers holds the codes of SNOMED CT that a ValueSet, or one of a Bundle, lists to
// their form and check digit. What is wrong in a resource of the deployment's own is a
// fault of its file; of a published one the codes are returned.
func (l *folderLoader) identifiers(n *fhir.Node) (wrong []string) {
	if n.ResourceType() == "Bundle" {
		for _, e := range n.All("entry") {
			if r := e.Child("resource"); r != nil {
				wrong = append(wrong, l.identifiers(r)...)
			}
		}
	}
	if n.ResourceType() != "ValueSet" {
		return wrong
	}
	compose := n.Child("compose")
	for _, c := range slices.Concat(compose.All("include"), compose.All("exclude")) {
		if c.Text("system") != SNOMED {
			continue
		}
		for _, concept := range c.All("concept") {
			code := concept.Text("code")
			id, ok := sctid(code)
			if ok && partition(id) == partitionConcept || strings.ContainsAny(code, ":+=,|{(<") { // an expression is none
				continue
			}
			if !l.published {
				line, _ := concept.Position()
				l.faults.add(line, issue.Value, "sctid", "the code %.40q of ValueSet %.200s is not the identifier of a SNOMED CT concept: 6 to 18 digits with a right check digit", code, n.Text("url"))
			} else if len(wrong) < maxFileFaults {
				wrong = append(wrong, code)
			}
		}
	}
	return wrong
}
