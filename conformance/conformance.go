// Package conformance holds the artefacts that say what a message must be: profiles,
// value sets, code systems and the definitions of instruments. They are standard FHIR
// resources; the program compiles them at start-up.
//
//	registry, err := terminology.LoadFS(conformance.FS)
//
// Source: http://hl7.org/fhir/R4/structuredefinition.html and
// http://hl7.org/fhir/R4/terminology-module.html.
//
// It runs nothing: package profile compiles the profiles, terminology the codes.
package conformance

import "embed"

// FS holds the artefacts by kind, one resource a file, all FHIR R4 JSON.
//
//go:embed codesystems conceptmaps extensions instruments messagedefinitions operations profiles valuesets
var FS embed.FS

// Letters holds the profiles of the GP Connect messages that go out, FHIR STU3 JSON.
//
//go:embed letters
var Letters embed.FS

// OpenAPI is the document of the plain JSON API, before the program fills in what it knows
// better: the server, the actions of the life cycle, the codes that hold.
// Source: https://spec.openapis.org/oas/v3.1.0.
//
//go:embed openapi.json
var OpenAPI string
