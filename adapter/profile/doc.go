// Package profile runs what the standard states about the content of resources beyond
// their structure: the invariants of the base standard, and StructureDefinitions,
// which are compiled to validators.
//
//	base := profile.Base(fhir.Types(fhir.R4))
//	err := base.Validate(bundle) // every invariant on every node, each fault with its key
//
//	p, err := profile.Compile(definition, profile.Env{ValidateCode: codes})
//	err = p.Validate(serviceRequest)
//
// Source: http://hl7.org/fhir/R4/profiling.html, http://hl7.org/fhir/R4/elementdefinition.html,
// http://hl7.org/fhir/R4/conformance-rules.html#constraints.
//
// It repeats nothing that fhir.Check says (cardinality, lexical form and required codes
// of the base standard, references, bdl-*). Of profiling it has no snapshot
// generation, no slicing by profile or position, and no example or preferred bindings,
// which bind nobody.
package profile
