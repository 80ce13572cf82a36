package referral

import (
	"strings"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// rules checks what no profile can say: check digits, the ranges of instruments and days
// that have not come.
// It looks at any tree, also at one that Check found faults in.
func (in *intake) rules() {
	for _, it := range in.items {
		in.everywhere(it.node)
		switch it.node.ResourceType() {
		case "Patient":
			for _, i := range it.node.All("identifier") {
				in.nhsNumber(i)
			}
		case "Observation":
			in.faults = append(in.faults, in.s.Instruments.checkScores(it.node)...)
			in.nhsNumber(it.node.Descend("subject", "identifier"))
		case "ServiceRequest":
			in.nhsNumber(it.node.Descend("subject", "identifier"))
		}
	}
}

// everywhere checks what may stand in any resource.
func (in *intake) everywhere(n *fhir.Node) {
	for _, c := range n.Children {
		switch {
		case c.Name == "implicitRules" && n.ResourceType() != "":
			in.fault(c, issue.NotSupported, "implicit-rules", "the rules named here are not known; send the resource without implicitRules, or not at all")
			continue
		case c.Name == "modifierExtension":
			// http://hl7.org/fhir/R4/extensibility.html#modifierExtension: who does not know it must not go on
			in.fault(c, issue.NotSupported, "modifier-extension", "this changes the meaning of the resource in a way that is not known here; send the resource without it, or not at all")
			continue
		case n.ResourceType() != "" && (c.Name == "birthDate" || c.Name == "deceasedDateTime"):
			in.past(c)
		case c.Type != nil && c.Type.Name == "Coding":
			in.coding(c)
		}
		if len(c.Children) > 0 {
			in.everywhere(c)
		}
	}
}

// past checks that a day in a person's life has come, somewhere on Earth: where it is UTC+14
// it may be the day after that of UTC.
func (in *intake) past(n *fhir.Node) {
	later := in.at.Truncate(24*time.Hour).AddDate(0, 0, 2)
	if from, _, ok := fhir.Interval(n.Value); ok && !from.Before(later) {
		in.fault(n, issue.BusinessRule, "date-future", n.ElementName()+" has not come yet, in no time zone: nobody was born or has died on a later day; correct it, or leave it out").With("%s", n.Value)
	}
}

// coding checks a code by itself: a code of our own list must be there and in it; a SNOMED CT
// code with a wrong check digit is kept and told, since the words beside it may be right.
func (in *intake) coding(c *fhir.Node) {
	system, code := c.Text("system"), c.Child("code")
	if strings.HasPrefix(system, canonical+"/CodeSystem/") && (code == nil || !code.HasValue()) {
		in.fault(c, issue.CodeInvalid, "own-code-missing", "a coding of a code system of this program needs its code; give it, or leave the coding out and keep the words in text").With("system %q", system)
		return
	}
	if code != nil && system == SystemInstrument && in.s.Instruments.byScore[[2]string{system, code.Value}] == nil {
		in.fault(code, issue.CodeInvalid, "instrument-unknown", "this is no code of the instrument code system; correct it").With("code %q", code.Value)
	} else if code != nil && system != SystemInstrument && in.s.unknownHere(system, code.Value) {
		in.fault(code, issue.CodeInvalid, "own-code-unknown", "this is no code of a code system of this program; correct it, or leave the coding out and keep the words").With("code %q", code.Value)
	}
	if e := checkSNOMED(c); e != nil {
		in.notices = append(in.notices, e)
	}
}

// nhsNumber checks an Identifier when it is an NHS number.
func (in *intake) nhsNumber(identifier *fhir.Node) {
	if e := checkNHSNumber(identifier); e != nil {
		in.faults = append(in.faults, e)
	}
}

// nhsNumberOf gives the NHS number of a Patient or a logical reference's identifiers,
// "" when there is none. One that was replaced by another is marked as old, and is none.
func nhsNumberOf(identifiers []*fhir.Node) string {
	for _, i := range identifiers {
		if i.Text("system") == SystemNHSNumber && i.Text("use") != "old" {
			return i.Text("value")
		}
	}
	return ""
}
