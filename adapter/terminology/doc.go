// Package terminology answers questions about codes: what a code translates to,
// whether a value set holds it, how it is displayed. Code systems, value sets and
// concept maps are FHIR resources, compiled once into look-up tables.
//
//	codes, err := terminology.LoadFS(files) // every *.json below files
//	matches, err := codes.Translate("https://spadapter.example/fhir/ConceptMap/need", snomed, "267076002")
//	answer, err := codes.Answer(terminology.Question{Source: valueSet, Codings: codings}) // as $translate does
//	ok, known := codes.ValidateCode("http://hl7.org/fhir/ValueSet/task-status", "http://hl7.org/fhir/task-status", "draft")
//
// Source: http://hl7.org/fhir/R4/terminology-module.html,
// http://hl7.org/fhir/R4/conceptmap-operation-translate.html,
// http://hl7.org/fhir/R4/valueset-operation-validate-code.html.
//
// It holds no SNOMED CT release and asks no server: a question it cannot decide from
// what was loaded is answered with "not known", never with "invalid".
package terminology
