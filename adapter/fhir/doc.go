// Package fhir is the language of this program: one element tree for every FHIR
// resource, the type systems of R4 and STU3, JSON and XML, the structural checks, and the
// typed resources of github.com/google/fhir/go.
//
//	root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
//	if err == nil {
//		err = fhir.Check(root) // every fault at once, each with its FHIRPath and line
//	}
//	status := root.Text("status")
//
// The type systems are built at start-up from the descriptors of google/fhir/go,
// which is the single source of the base standard here. Its jsonformat package is
// not used in the program; tests use it as a second opinion.
//
// ParseXML and EncodeXML do for XML what Parse and Encode do for JSON: what lies between
// them is the same tree.
//
// Source: http://hl7.org/fhir/R4/json.html, http://hl7.org/fhir/R4/xml.html, http://hl7.org/fhir/STU3/json.html.
//
// It does no FHIRPath: invariants and profiles are the business of package profile.
package fhir
