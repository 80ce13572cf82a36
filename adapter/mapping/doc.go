// Package mapping runs the FHIR Mapping Language. Compile turns .map texts into
// closures against the type systems; Transform runs one over an element tree. A Library
// holds dialects, which are folders of maps and codes, in layers that override each
// other; what uses a dialect calls Convert, which checks both ends.
//
//	library, err := mapping.LoadLibrary(mapping.Env{}, mapping.Layer{FS: mappings.FS}, mapping.Layer{Name: dir, FS: os.DirFS(dir)})
//	result, err := library.Dialect(sender, "ukcore-r4-to-referral").
//		Convert(ctx, mapping.Input{Source: bundle, Identity: messageID, Now: received})
//	body := fhir.Encode(result.Target)
//
// A map that names an element that does not exist, or puts a list where one value goes,
// does not compile. The same input gives the same bytes. With Input.Trace every target
// element names the source, rule and line that made it; Result.Unread holds every
// source element that no rule read.
//
// Format prints a map in the canonical form of the language, Resource as a StructureMap;
// both read either form.
//
// Where the standard leaves something open: dateOp(value, amount, unit) is FHIRPath's date
// arithmetic; cp(value) infers phone, email or url; escape knows plain, java, xml, json,
// html and url; a code that no row of a ConceptMap has gives nothing and an informational
// issue map-untranslated; a default group for Quantity maps an Age too.
//
// Source: http://hl7.org/fhir/R4/mapping-language.html,
// http://hl7.org/fhir/R4/structuremap.html; the grammar of R5 where it adds to R4's.
//
// It knows the FHIR types alone, no CDA or HL7 v2 models, and produces one resource:
// what becomes of it is the caller's business.
package mapping
