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
// # Errors
//
// Unknown functions, elements, types and variables, wrong numbers of arguments, and
// operators and string functions on what is known to be of the wrong type are errors of
// Compile; the rest are errors of Eval. Both are *issue.Error, and PlaceOf gives the
// line, column and offset inside the expression. Of an error of Eval, Expression, Line
// and Column name the focus in its document.
//
// # Limits
//
// A source has at most 64 KiB, 200 levels of nesting and chains of 2,000 steps. An
// evaluation has Context.Steps of work, about one per term evaluated and element
// touched, more for texts, regular expressions, units and series; what would need more
// ends with an issue too-costly. At the default of 1,000,000 the hostile expressions of
// the tests end within a second and hold at most 130 MB. A text has at most 1 MiB, a
// decimal 60 digits, a regular expression 20,000 instructions, a unit 200 bytes.
//
// # What it does not do
//
// It reads no clock, no network and no terminology: the time, resolve(), memberOf(),
// conformsTo(), subsumes(), subsumedBy(), elementDefinition() and slice() are handed in. There is no cancellation from outside; the steps end
// an evaluation first.
//
// It has no CQL, no reflection beyond type(), no defineVariable(), no factory and no
// %terminologies, and no strict mode that refuses an order of unordered collections. There is
// no Long; an Integer has 32 bits and overflows to empty.
//
// Regular expressions are RE2: without look-around and back-references, repeats up to
// 1,000. exp(), ln(), log(), sqrt() and power() with a fraction, and every division, are
// exact to 16 digits after the point; sums, differences and products are exact. A
// computed dateTime at the offset +00:00 is written with Z.
//
// Of UCUM it has the case-sensitive symbols in atom.go, all prefixes, exponents,
// annotations and brackets, and converts Celsius, Fahrenheit and Réaumur. Logarithmic
// units (pH, bel, neper), arbitrary units ([iU]) and units it does not know compare with
// themselves only; a temperature scale in a product, such as J/Cel, is none. mol is the
// number of the SI of 2019. A Quantity without a code goes by its unit as written.
//
// Static types end where the standard has none to give: at resolve(), contained,
// children(), descendants(), repeat(), variables, and elements that may hold any resource.
package fhirpath
