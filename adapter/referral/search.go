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
	Type       string   // token, string, reference or date
	Definition string   // canonical of the SearchParameter
	Targets    []string // of a reference: the types it leads to here, nil for one by identifier alone
	Modifiers  []string // beside the types of a reference
	path       []string
}

const definitions = "http://hl7.org/fhir/SearchParameter/"

func token(name, definition string, path ...string) SearchParam {
	return SearchParam{Name: name, Kind: ParamToken, Type: "token", Definition: definitions + definition, Modifiers: []string{ModifierNot, ModifierMissing}, path: path}
}

// The modifiers that are offered. Identifier asks for an identifier of what a reference leads
// to, or of an organisation that is known by nothing else.
// Source: http://hl7.org/fhir/R4/search.html#modifiers.
const (
	ModifierIdentifier = "identifier"
	ModifierMissing    = "missing"
	ModifierNot        = "not"
)

// toPatient is a parameter that leads to the Patient.
func toPatient(name, definition string) SearchParam {
	return SearchParam{Name: name, Kind: ParamPatient, Type: "reference", Definition: definitions + definition, Targets: []string{"Patient"}, Modifiers: []string{ModifierIdentifier, ModifierMissing}}
}

// to is a parameter that leads to other types. Its identifier can be asked for where that is one type.
func to(name, definition string, targets []string, path ...string) SearchParam {
	p := SearchParam{Name: name, Kind: ParamRef, Type: "reference", Definition: definitions + definition, Targets: targets, Modifiers: []string{ModifierMissing}, path: path}
	if len(targets) == 1 {
		p.Modifiers = []string{ModifierIdentifier, ModifierMissing}
	}
	return p
}

// on is a parameter by date.
func on(name, definition string, path ...string) SearchParam {
	return SearchParam{Name: name, Kind: ParamDate, Type: "date", Definition: definitions + definition, Modifiers: []string{ModifierMissing}, path: path}
}

// proven are the types that a Provenance is about.
var proven = []string{"Consent", "DocumentReference", "Observation", "Procedure", "Task"}

// params is everything Search can find by; what is not here is not indexed.
// Source: http://hl7.org/fhir/R4/searchparameter-registry.html.
var params = map[string][]SearchParam{
	"Observation": {
		token("code", "clinical-code", "code"),
		on("date", "clinical-date", "effective"),
		token("identifier", "clinical-identifier", "identifier"),
		toPatient("patient", "clinical-patient"),
		token("status", "Observation-status", "status"),
		toPatient("subject", "Observation-subject"),
	},
	"Organization": {
		token("identifier", "Organization-identifier", "identifier"),
	},
	"Patient": {
		on("birthdate", "individual-birthdate", "birthDate"),
		{Name: "family", Kind: ParamString, Type: "string", Definition: definitions + "individual-family", Modifiers: []string{ModifierMissing}, path: []string{"name", "family"}},
		token("identifier", "Patient-identifier", "identifier"),
	},
	"Practitioner": {
		token("identifier", "Practitioner-identifier", "identifier"),
	},
	"PractitionerRole": {
		token("identifier", "PractitionerRole-identifier", "identifier"),
	},
	"ServiceRequest": {
		on("authored", "ServiceRequest-authored", "authoredOn"),
		token("code", "clinical-code", "code"),
		token("identifier", "clinical-identifier", "identifier"),
		toPatient("patient", "clinical-patient"),
		token("status", "ServiceRequest-status", "status"),
		toPatient("subject", "ServiceRequest-subject"),
	},
	"Task": {
		token("business-status", "Task-business-status", "businessStatus"),
		to("focus", "Task-focus", []string{"ServiceRequest"}, "focus"),
		token("identifier", "Task-identifier", "identifier"),
		{Name: "owner", Kind: ParamOwner, Type: "reference", Definition: definitions + "Task-owner", Modifiers: []string{ModifierIdentifier}},
		to("part-of", "Task-part-of", []string{"Task"}, "partOf"),
		toPatient("patient", "Task-patient"),
		{Name: "requester", Kind: ParamRequester, Type: "reference", Definition: definitions + "Task-requester", Modifiers: []string{ModifierIdentifier}},
		token("status", "Task-status", "status"),
	},
	"Condition": {
		token("code", "clinical-code", "code"),
		toPatient("patient", "clinical-patient"),
	},
	"Consent": {
		toPatient("patient", "clinical-patient"),
	},
	"Flag": {
		toPatient("patient", "clinical-patient"),
	},
	"HealthcareService": {
		token("identifier", "HealthcareService-identifier", "identifier"),
	},
	"Location": {
		token("identifier", "Location-identifier", "identifier"),
	},
	"QuestionnaireResponse": {
		toPatient("patient", "QuestionnaireResponse-patient"),
	},
	"RelatedPerson": {
		toPatient("patient", "RelatedPerson-patient"),
	},
	"DocumentReference": {
		toPatient("patient", "clinical-patient"),
	},
	"Provenance": {
		to("target", "Provenance-target", proven, "target"),
	},
	"Procedure": {
		token("code", "clinical-code", "code"),
		toPatient("patient", "clinical-patient"),
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
