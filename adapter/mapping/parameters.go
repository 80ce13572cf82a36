package mapping

import (
	"strconv"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Parameters is what the transform did, as an R4 Parameters resource, in this order:
//
//	dialect  valueString     its name, where there is one
//	map      valueCanonical  url of the map that was run
//	trace    part            one for each step of Trace, in its order: target and source
//	                         (FHIRPath, source repeats), map, group, rule, file, line, and
//	                         conceptMap and row where a code was translated
//	unread   part            one for each element of Unread: element (FHIRPath), line, column
//	issues   resource        an OperationOutcome with Issues, where there are some
//
// It holds paths and no values, but for the diagnostics of the issues, which may quote the
// sender. It is valid FHIR, and the same for the same result.
func (r *Result) Parameters() *fhir.Node {
	root := fhir.Types(fhir.R4).New("Parameters")
	add := func(parent *fhir.Node, list, name, value, text string) *fhir.Node {
		if value != "" && text == "" {
			return nil // FHIR has no empty values
		}
		p := parent.Add(list)
		p.Set("name", name)
		if value != "" {
			p.Set(value, text)
		}
		return p
	}
	at := newPaths()
	add(root, "parameter", "dialect", "valueString", r.Dialect)
	add(root, "parameter", "map", "valueCanonical", r.Map.URL)
	for _, s := range r.Trace {
		p := add(root, "parameter", "trace", "", "")
		part := func(name, value, text string) { add(p, "part", name, value, text) }
		part("target", "valueString", at.of(s.Target))
		for _, n := range s.Sources {
			part("source", "valueString", at.of(n))
		}
		part("map", "valueCanonical", s.Map)
		part("group", "valueString", s.Group)
		part("rule", "valueString", s.Rule)
		part("file", "valueString", s.File)
		part("line", "valueInteger", strconv.Itoa(s.Line))
		if s.ConceptMap != "" {
			part("conceptMap", "valueCanonical", s.ConceptMap)
			part("row", "valueInteger", strconv.Itoa(s.Row))
		}
	}
	for _, n := range r.Unread {
		p := add(root, "parameter", "unread", "", "")
		add(p, "part", "element", "valueString", at.of(n))
		if line, column := n.Position(); line > 0 {
			add(p, "part", "line", "valueInteger", strconv.Itoa(line))
			add(p, "part", "column", "valueInteger", strconv.Itoa(column))
		}
	}
	if len(r.Issues) > 0 {
		add(root, "parameter", "issues", "", "").Append("resource", outcome(r.Issues))
	}
	return root
}

// outcome is an OperationOutcome with the issues in their order.
// Source: http://hl7.org/fhir/R4/operationoutcome.html.
func outcome(issues []*issue.Error) *fhir.Node {
	root := fhir.Types(fhir.R4).New("OperationOutcome")
	for _, e := range issues {
		n := root.Add("issue")
		severity := e.Severity
		if severity == "" {
			severity = issue.SeverityError
		}
		n.Set("severity", string(severity))
		n.Set("code", string(e.Type))
		if e.Rule != "" || e.Details != "" {
			details := n.Add("details")
			if e.Rule != "" {
				coding := details.Add("coding")
				coding.Set("system", "https://spadapter.example/fhir/CodeSystem/rule")
				coding.Set("code", e.Rule)
			}
			details.Set("text", e.Details)
		}
		n.Set("diagnostics", e.Diagnostics)
		if e.Expression != "" {
			n.Set("expression", e.Expression)
		}
	}
	return root
}
