package referral

import (
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// rules checks what no profile can say: check digits and the ranges of instruments.
// It looks at any tree, also at one that Check found faults in.
func (in *intake) rules() {
	for _, it := range in.items {
		switch it.node.ResourceType() {
		case "Patient":
			for _, i := range it.node.All("identifier") {
				in.nhsNumber(i)
			}
		case "Observation":
			if e := in.s.Instruments.checkScore(it.node); e != nil {
				in.faults = append(in.faults, e)
			}
			in.nhsNumber(it.node.Descend("subject", "identifier"))
		case "ServiceRequest":
			in.nhsNumber(it.node.Descend("subject", "identifier"))
		}
	}
}

// nhsNumber checks an Identifier when it is an NHS number.
func (in *intake) nhsNumber(identifier *fhir.Node) {
	if identifier.Text("system") != SystemNHSNumber {
		return
	}
	value := identifier.Child("value")
	switch {
	case value == nil:
		in.fault(identifier, issue.Required, "nhs-number", "an NHS number identifier needs its value")
	case len(value.Value) != 10 || strings.Trim(value.Value, "0123456789") != "":
		in.fault(value, issue.Value, "nhs-number", "an NHS number is 10 digits, without blanks or hyphens").With("got %q", value.Value)
	case !NHSNumber(value.Value):
		in.fault(value, issue.BusinessRule, "nhs-number-check-digit", "the check digit of the NHS number is wrong; correct the number").With("got %q", value.Value)
	}
}

// nhsNumberOf gives the NHS number of a Patient or a logical reference's identifiers,
// "" when there is none.
func nhsNumberOf(identifiers []*fhir.Node) string {
	for _, i := range identifiers {
		if i.Text("system") == SystemNHSNumber {
			return i.Text("value")
		}
	}
	return ""
}
