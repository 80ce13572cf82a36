package fhir

import (
	"slices"

	"spadapter/adapter/issue"
)

// concept is a required binding of an element that holds a CodeableConcept.
type concept struct {
	system   string
	codes    []string
	valueSet string
}

// concepts are the elements of R4 that hold a CodeableConcept with a required binding.
// The library's descriptors state the bindings of codes alone, so these four are here.
// Source: http://hl7.org/fhir/R4/condition.html, http://hl7.org/fhir/R4/allergyintolerance.html.
var concepts = map[string]concept{
	"Condition.clinicalStatus": {"http://terminology.hl7.org/CodeSystem/condition-clinical",
		[]string{"active", "recurrence", "relapse", "inactive", "remission", "resolved"}, "http://hl7.org/fhir/ValueSet/condition-clinical"},
	"Condition.verificationStatus": {"http://terminology.hl7.org/CodeSystem/condition-ver-status",
		[]string{"unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"}, "http://hl7.org/fhir/ValueSet/condition-ver-status"},
	"AllergyIntolerance.clinicalStatus": {"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
		[]string{"active", "inactive", "resolved"}, "http://hl7.org/fhir/ValueSet/allergyintolerance-clinical"},
	"AllergyIntolerance.verificationStatus": {"http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
		[]string{"unconfirmed", "confirmed", "refuted", "entered-in-error"}, "http://hl7.org/fhir/ValueSet/allergyintolerance-verification"},
}

// concept checks a CodeableConcept with a required binding: one of its codings is in the
// value set. The others may be of any system.
func (c *checker) concept(n *Node) {
	b, bound := concepts[n.Element.Path]
	if !bound || c.system.Version != R4 {
		return
	}
	at, got := n, ""
	for _, coding := range n.All("coding") {
		code := coding.Child("code")
		if coding.Text("system") != b.system || code == nil {
			continue
		}
		if slices.Contains(b.codes, code.Value) {
			return
		}
		at, got = code, code.Value
	}
	e := c.report(issue.CodeInvalid, at, "required-code", n.Element.Path+" must have a code of "+b.system+": one of "+codeList(b.codes)+" ("+b.valueSet+")"+meantCode(b.codes, got))
	if got != "" {
		_ = e.With("got %s", clip(got))
	}
}
