package referral

import (
	"slices"
	"strings"
	"time"

	"spadapter/adapter/fhir"
)

// SearchParam is one search parameter that the CapabilityStatement offers.
type SearchParam struct {
	Name       string
	Kind       ParamKind
	Type       string // token, string, reference or date
	Definition string // canonical of the SearchParameter
	path       []string
}

const definitions = "http://hl7.org/fhir/SearchParameter/"

func token(name, definition string, path ...string) SearchParam {
	return SearchParam{Name: name, Kind: ParamToken, Type: "token", Definition: definitions + definition, path: path}
}

// params is everything Search can find by; what is not here is not indexed.
// Source: http://hl7.org/fhir/R4/searchparameter-registry.html.
var params = map[string][]SearchParam{
	"Observation": {
		token("code", "clinical-code", "code"),
		{Name: "date", Kind: ParamDate, Type: "date", Definition: definitions + "clinical-date", path: []string{"effective"}},
		token("identifier", "clinical-identifier", "identifier"),
		{Name: "patient", Kind: ParamPatient, Type: "reference", Definition: definitions + "clinical-patient"},
		token("status", "Observation-status", "status"),
		{Name: "subject", Kind: ParamPatient, Type: "reference", Definition: definitions + "Observation-subject"},
	},
	"Organization": {
		token("identifier", "Organization-identifier", "identifier"),
	},
	"Patient": {
		{Name: "birthdate", Kind: ParamDate, Type: "date", Definition: definitions + "individual-birthdate", path: []string{"birthDate"}},
		{Name: "family", Kind: ParamString, Type: "string", Definition: definitions + "individual-family", path: []string{"name", "family"}},
		token("identifier", "Patient-identifier", "identifier"),
	},
	"Practitioner": {
		token("identifier", "Practitioner-identifier", "identifier"),
	},
	"PractitionerRole": {
		token("identifier", "PractitionerRole-identifier", "identifier"),
	},
	"ServiceRequest": {
		{Name: "authored", Kind: ParamDate, Type: "date", Definition: definitions + "ServiceRequest-authored", path: []string{"authoredOn"}},
		token("code", "clinical-code", "code"),
		token("identifier", "clinical-identifier", "identifier"),
		{Name: "patient", Kind: ParamPatient, Type: "reference", Definition: definitions + "clinical-patient"},
		token("status", "ServiceRequest-status", "status"),
		{Name: "subject", Kind: ParamPatient, Type: "reference", Definition: definitions + "ServiceRequest-subject"},
	},
	"Task": {
		token("business-status", "Task-business-status", "businessStatus"),
		{Name: "focus", Kind: ParamRef, Type: "reference", Definition: definitions + "Task-focus", path: []string{"focus"}},
		token("identifier", "Task-identifier", "identifier"),
		{Name: "owner", Kind: ParamOwner, Type: "reference", Definition: definitions + "Task-owner"},
		{Name: "part-of", Kind: ParamRef, Type: "reference", Definition: definitions + "Task-part-of", path: []string{"partOf"}},
		{Name: "patient", Kind: ParamPatient, Type: "reference", Definition: definitions + "Task-patient"},
		token("status", "Task-status", "status"),
	},
	"Condition": {
		token("code", "clinical-code", "code"),
		{Name: "patient", Kind: ParamPatient, Type: "reference", Definition: definitions + "clinical-patient"},
	},
	"Consent": {
		{Name: "patient", Kind: ParamPatient, Type: "reference", Definition: definitions + "clinical-patient"},
	},
	"Flag": {
		{Name: "patient", Kind: ParamPatient, Type: "reference", Definition: definitions + "clinical-patient"},
	},
	"HealthcareService": {
		token("identifier", "HealthcareService-identifier", "identifier"),
	},
	"Location": {
		token("identifier", "Location-identifier", "identifier"),
	},
	"QuestionnaireResponse": {
		{Name: "patient", Kind: ParamPatient, Type: "reference", Definition: definitions + "QuestionnaireResponse-patient"},
	},
	"RelatedPerson": {
		{Name: "patient", Kind: ParamPatient, Type: "reference", Definition: definitions + "RelatedPerson-patient"},
	},
	"DocumentReference": {
		{Name: "patient", Kind: ParamPatient, Type: "reference", Definition: definitions + "clinical-patient"},
	},
	"Provenance": {
		{Name: "target", Kind: ParamRef, Type: "reference", Definition: definitions + "Provenance-target", path: []string{"target"}},
	},
	"Procedure": {
		token("code", "clinical-code", "code"),
		{Name: "patient", Kind: ParamPatient, Type: "reference", Definition: definitions + "clinical-patient"},
	},
}

// accepted are the types a message may create; the others are made by the adapter.
var accepted = []string{
	"Condition", "Consent", "DocumentReference", "Flag", "HealthcareService", "Location", "Observation", "Organization", "Patient",
	"Practitioner", "PractitionerRole", "QuestionnaireResponse", "RelatedPerson", "ServiceRequest",
}

// ResourceTypes lists the types that are stored, in alphabetical order.
func ResourceTypes() []string {
	var out []string
	for name := range params {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// CreateTypes lists the types a caller may create, in alphabetical order.
func CreateTypes() []string { return slices.Clone(accepted) }

// SearchParams lists what Search can find by for a resource type, in alphabetical
// order; nil for a type that cannot be searched.
func SearchParams(resourceType string) []SearchParam {
	if resourceType == TypeAudit {
		return slices.Clone(auditParams)
	}
	return slices.Clone(params[resourceType])
}

// terms gives the index rows of a resource and the span of its date parameter.
func terms(n *fhir.Node) (list []Term, from, to time.Time) {
	for _, p := range params[n.ResourceType()] {
		for _, v := range values(n, p.path) {
			switch p.Kind {
			case ParamToken:
				list = appendToken(list, p.Name, v)
			case ParamString:
				if v.HasValue() {
					list = append(list, Term{Param: p.Name, Value: strings.ToLower(v.Value)})
				}
			case ParamRef:
				if r, _, _ := strings.Cut(v.Text("reference"), "/_history/"); r != "" {
					list = append(list, Term{Param: p.Name, Value: r})
				}
			case ParamDate:
				if v.Type != nil && v.Type.Name == "Period" {
					from, _, _ = fhir.Interval(v.Text("start"))
					if _, end, ok := fhir.Interval(v.Text("end")); ok {
						to = end
					}
				} else if a, b, ok := fhir.Interval(v.Value); ok {
					from, to = a, b
				}
			}
		}
	}
	return list, from, to
}

// values follows a path through every repetition; nil for an empty path.
func values(n *fhir.Node, path []string) []*fhir.Node {
	if len(path) == 0 {
		return nil
	}
	found := n.All(path[0])
	for _, name := range path[1:] {
		var next []*fhir.Node
		for _, f := range found {
			next = append(next, f.All(name)...)
		}
		found = next
	}
	return found
}

func appendToken(list []Term, param string, v *fhir.Node) []Term {
	if v.IsPrimitive() {
		if v.HasValue() {
			list = append(list, Term{Param: param, Value: v.Value})
		}
		return list
	}
	codings := v.All("coding")
	if codings == nil {
		codings = []*fhir.Node{v}
	}
	for _, c := range codings {
		value := c.Text("code")
		if value == "" {
			value = c.Text("value") // an Identifier
		}
		if value != "" {
			list = append(list, Term{Param: param, System: c.Text("system"), Value: value})
		}
	}
	return list
}
