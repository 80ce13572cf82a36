// Package fhirpath is FHIRPath over the element tree of package fhir. An expression
// is compiled once, into closures, and evaluated any number of times from any number
// of goroutines.
//
//	e, err := fhirpath.Compile("name.where(use = 'official').family", fhirpath.Type(patient))
//	if err == nil {
//		names, err = e.Eval(fhirpath.Context{}, root)
//	}
//
// Source: http://hl7.org/fhirpath/N1/ (FHIRPath normative release 1) with the
// additions and the type mapping of http://hl7.org/fhir/R4/fhirpath.html, and the
// functions of http://hl7.org/fhirpath/ that the HL7 test suite for R4 uses.
//
// It reads no clock, no network and no terminology: the time, resolve(), memberOf()
// and conformsTo() are handed in. It has no CQL, no reflection beyond type(), and of
// UCUM only the units in unit.go.
package fhirpath
