// Package mappings holds the conversions of this program: one folder for each dialect,
// with its maps in the FHIR Mapping Language, its ConceptMaps, its cases and a README
// that says what was decided. The folder base is part of every dialect.
//
//	library, err := mapping.LoadLibrary(mapping.Env{}, mapping.Layer{FS: mappings.FS})
//	result, err := library.Dialect("", "ukcore-r4-to-referral").Convert(ctx, mapping.Input{Source: bundle})
//
// Source: http://hl7.org/fhir/R4/mapping-language.html.
//
// It has no code of its own: what a supplier's messages need is written in a map.
package mappings

import "embed"

// FS holds every dialect folder.
//
//go:embed base bars-to-ukcore-r4 gpconnect-stu3-to-ukcore-r4 ukcore-r4-to-referral outcome-to-ukcore-r4 outcome-to-bars outcome-to-gpconnect-document outcome-to-gpconnect-record
var FS embed.FS
