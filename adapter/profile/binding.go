package profile

import (
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// binding checks a coded value. Source: http://hl7.org/fhir/R4/terminologies.html#strength:
// required binds; extensible lets other codes through where none fits, so it warns;
// preferred and example bind nobody. A value set that cannot be decided is said once.
func (v *validator) binding(e *element, n *fhir.Node) {
	b := e.binding
	required := b.strength == "required"
	if b.widest != "" && !required {
		if ok, known := v.member(b.widest, n); !ok && known && codes(n) != "no code" {
			v.fault(issue.CodeInvalid, n, b.by, e, e.path+" must have no code outside the value set "+b.widest+v.codes(b.widest)).With("got %s", clip(codes(n)))
			return
		}
	}
	if !required && b.strength != "extensible" || n.Kind == fhir.Absent {
		return
	}
	ok, known := v.member(b.valueSet, n)
	switch {
	case ok && known:
	case !known:
		if v.once(b.by.id + "/" + e.id) {
			v.fault(issue.Informational, n, b.by, e, "checking the codes of "+e.path+" was not possible: the value set "+b.valueSet+" is not complete here").Graded(issue.SeverityInformation)
		}
	case required:
		v.fault(issue.CodeInvalid, n, b.by, e, e.path+" must have a code of the value set "+b.valueSet+v.codes(b.valueSet)).With("got %s", clip(codes(n)))
	case n.Type != nil && n.Type.Name == "CodeableConcept" && n.Child("coding") == nil:
		// text alone says that no code fits
	default:
		v.fault(issue.CodeInvalid, n, b.by, e, e.path+" should have a code of the value set "+b.valueSet+" where one fits"+v.codes(b.valueSet)).
			Graded(issue.SeverityWarning).With("got %s", clip(codes(n)))
	}
}

// member reports whether a value set holds one of the codes of n.
func (v *validator) member(valueSet string, n *fhir.Node) (ok, known bool) {
	if v.env.ValidateCode == nil {
		return false, false
	}
	if n.Type == nil || n.Type.Name != "CodeableConcept" { // without a closure
		return v.env.ValidateCode(valueSet, n)
	}
	return anyCoding(n, func(c *fhir.Node) (bool, bool) { return v.env.ValidateCode(valueSet, c) })
}

// codes names what a value set allows, where that is few.
func (v *validator) codes(valueSet string) string {
	if v.env.Codes == nil {
		return ""
	}
	codes := v.env.Codes(valueSet)
	if len(codes) == 0 {
		return ""
	}
	return ": " + list(codes)
}

// codes lists the codes of a node as system|code.
func codes(n *fhir.Node) string {
	if n.HasValue() {
		return n.Value
	}
	list := n.All("coding")
	if n.Child("code") != nil {
		list = []*fhir.Node{n}
	}
	var out []string
	for _, c := range list {
		out = append(out, c.Text("system")+"|"+c.Text("code"))
	}
	if len(out) == 0 {
		return "no code"
	}
	return strings.Join(out, ", ")
}
