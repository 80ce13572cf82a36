package gateway

import (
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// ruleSystem is the code system of the rule ids in OperationOutcome.issue.details.
const ruleSystem = "https://spadapter.example/fhir/CodeSystem/rule"

// Source: http://hl7.org/fhir/R4/extension-operationoutcome-issue-source.html and its
// neighbours; these two are in the HL7 extensions pack.
const (
	extensionLine   = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line"
	extensionColumn = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col"
)

// outcome makes an OperationOutcome with the issues in their order; there must be
// one at least. Source: http://hl7.org/fhir/R4/operationoutcome.html.
func outcome(issues []*issue.Error) *fhir.Node {
	root := fhir.Types(fhir.R4).New("OperationOutcome")
	for _, e := range issues {
		n := root.Add("issue")
		if e.Line > 0 {
			addInteger(n, extensionLine, e.Line)
			if e.Column > 0 {
				addInteger(n, extensionColumn, e.Column)
			}
		}
		n.Set("severity", string(severityOf(e)))
		n.Set("code", string(e.Type))
		if e.Rule != "" || e.Details != "" {
			details := n.Add("details")
			if e.Rule != "" {
				coding := details.Add("coding")
				coding.Set("system", ruleSystem)
				coding.Set("code", e.Rule)
			}
			details.Set("text", e.Details)
		}
		n.Set("diagnostics", e.Diagnostics)
		switch {
		case strings.HasPrefix(e.Expression, "http."):
			// a header or a query parameter is no element: R4 gives it in location
			addText(n, "location", e.Expression)
		case e.Expression != "":
			addText(n, "expression", e.Expression)
		}
	}
	return root
}

// maxIssues bounds the issues of one answer.
const maxIssues = 200

// capped gives as many issues as an answer may list, the last of which says that there
// are more. What refuses the message goes before what only warns.
func capped(issues []*issue.Error) []*issue.Error {
	if len(issues) <= maxIssues {
		return issues
	}
	list := slices.Clone(issues)
	slices.SortStableFunc(list, func(a, b *issue.Error) int {
		switch {
		case a.Failure() == b.Failure():
			return 0
		case a.Failure():
			return -1
		}
		return 1
	})
	more := issue.Newf(issue.Informational, "more-issues", "there are more issues; only the first %d are listed", maxIssues-1).Graded(issue.SeverityInformation)
	return append(list[:maxIssues-1], more)
}

func severityOf(e *issue.Error) issue.Severity {
	if e.Severity == "" {
		return issue.SeverityError
	}
	return e.Severity
}

func addInteger(n *fhir.Node, url string, value int) {
	extension := n.Add("extension")
	extension.Set("url", url)
	extension.Set("valueInteger", strconv.Itoa(value))
}

// addText adds one value to a primitive that repeats.
func addText(n *fhir.Node, name, text string) {
	m, ok := n.Type.Member(name)
	if !ok {
		return
	}
	n.Append(name, fhir.NewPrimitive(m.Type, text))
}
