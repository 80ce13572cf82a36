// Package profile runs what the standard states about the content of resources beyond
// their structure: the invariants of the base standard, and StructureDefinitions,
// which are compiled to validators.
//
//	ukcore, err := fhir.OpenPackage("ukcore.tgz")      // or a folder
//	own, err := fhir.PackageFS(conformance.FS, "own")  // or what is embedded
//	set, err := profile.Load(profile.Env{ValidateCode: codes}, own, ukcore)
//	err = set.Compile()         // what is wrong inside the definitions
//	err = set.Validate(bundle)  // invariants, claims of meta.profile, extensions
//	err = set.ValidateAgainst(request, "https://fhir.hl7.org.uk/StructureDefinition/UKCore-ServiceRequest")
//	absent := set.MustSupport(request)
//
// Source: http://hl7.org/fhir/R4/profiling.html, http://hl7.org/fhir/R4/elementdefinition.html,
// http://hl7.org/fhir/R4/conformance-rules.html#constraints.
//
// It repeats nothing that fhir.Check says (cardinality, lexical form and required codes
// of the base standard, references, bdl-*). Of profiling it has no snapshot
// generation, no slices of slices, no slicing by position, and no example or preferred
// bindings, which bind nobody.
package profile
