package referral

import (
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// CheckDigits checks the NHS numbers and the SNOMED CT codes anywhere in a resource,
// which no profile can. It looks at any tree, also at one that fhir.Check found faults in.
//
// It returns the faults in the order of the tree, nil when there is none: required and
// value for an NHS number that is none, business-rule for one with a wrong check digit;
// code-invalid of severity warning for a code with a wrong check digit, since the words
// beside it may be right.
func CheckDigits(root *fhir.Node) []*issue.Error {
	var found []*issue.Error
	var visit func(n *fhir.Node)
	visit = func(n *fhir.Node) {
		if n.Type != nil {
			var e *issue.Error
			switch n.Type.Name {
			case "Identifier":
				e = checkNHSNumber(n)
			case "Coding":
				e = checkSNOMED(n)
			}
			if e != nil {
				found = append(found, e)
			}
		}
		for _, c := range n.Children {
			if len(c.Children) > 0 {
				visit(c)
			}
		}
	}
	visit(root)
	return found
}

// checkNHSNumber checks an Identifier when it is an NHS number; nil when it is right.
func checkNHSNumber(identifier *fhir.Node) *issue.Error {
	if identifier.Text("system") != SystemNHSNumber {
		return nil
	}
	fault := func(n *fhir.Node, t issue.Type, rule, details string) *issue.Error {
		return issue.New(t, rule, details).At(n.Path()).On(n.Position())
	}
	value := identifier.Child("value")
	switch {
	case value == nil:
		return fault(identifier, issue.Required, "nhs-number", "an NHS number identifier needs its value")
	case len(value.Value) != 10 || strings.Trim(value.Value, "0123456789") != "":
		return fault(value, issue.Value, "nhs-number", "an NHS number is 10 digits, without blanks or hyphens").With("got %q", value.Value)
	case !NHSNumber(value.Value):
		return fault(value, issue.BusinessRule, "nhs-number-check-digit", "the check digit of the NHS number is wrong; correct the number").With("got %q", value.Value)
	}
	return nil
}

// checkSNOMED checks the digits of a Coding when it is one of SNOMED CT; nil when they
// are right.
func checkSNOMED(coding *fhir.Node) *issue.Error {
	code := coding.Child("code")
	if code == nil || coding.Text("system") != SystemSNOMED || terminology.Verhoeff(code.Value) {
		return nil
	}
	return issue.New(issue.CodeInvalid, "snomed-check-digit", "the check digit of this SNOMED CT code is wrong: it was probably mistyped; it is kept and not understood").
		Graded(issue.SeverityWarning).At(code.Path()).On(code.Position()).With("code %q", code.Value)
}
