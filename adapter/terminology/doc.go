// Package terminology answers questions about codes: what a code translates to,
// whether a value set holds it, which codes a value set has, what a code means. Code
// systems, value sets and concept maps are FHIR resources, compiled once into look-up
// tables; a release of SNOMED CT is read from its own files.
//
//	codes, err := terminology.LoadFS(files) // every *.json below files
//	codes, read, err := codes.WithFolder(terminology.Folder{FS: os.DirFS("terminology")})
//	matches, err := codes.Translate("https://spadapter.example/fhir/ConceptMap/need", snomed, "267076002")
//	answer, err := codes.Answer(terminology.Question{Source: valueSet, Codings: codings}) // as $translate does
//	ok, known := codes.ValidateCode(terminology.Refset("1373501000000105"), snomed, code)
//	ok, known = codes.HasCode(valueSet, element) // as a binding asks
//	verdict, err := codes.Validate(ctx, terminology.Check{ValueSet: valueSet, Codings: codings}) // as $validate-code does
//	list, err := codes.List(ctx, terminology.Wanted{ValueSet: valueSet, Count: 100}) // as $expand does
//	details, err := codes.Describe(snomed, "", code) // as $lookup does
//
// # Three answers
//
// A value set holds a code, does not hold it, or that is not known: what it draws on is
// not loaded. The third is never given as the second; Validate and List say what is
// missing, such as "the reference set 999007691000230101 is not loaded". That a concept of
// SNOMED CT does not lie below another is certain only where every way up from it ends at
// the root; that it does not exist, only where concepts of its namespace are loaded.
//
// # What a folder may hold
//
// WithFolder reads these files, in any subfolder, or within a .zip as releases come:
//
//   - RF2 snapshots of SNOMED CT, known by their names: sct2_Concept_Snapshot,
//     sct2_Description_Snapshot, sct2_Relationship_Snapshot (is-a, inferred),
//     der2_Refset_…Snapshot (simple reference sets) and der2_cRefset_Language…Snapshot
//     (which term is preferred). Every part may be missing. Full and Delta files, other
//     reference sets, stated relationships and text definitions are passed over. A file
//     with another name and the header of one of these forms is read as that form.
//   - Lists of reference set members (.csv, .tsv, .txt): UTF-8, with a header, separated by
//     commas, tabs or semicolons, a field in quotation marks where it needs them, each row
//     on a line. The columns may stand in any order among others: refsetId and
//     referencedComponentId; optionally term, and active (1 or 0, true or false, yes or
//     no). PCD_Refset_ID, SNOMED_code and SNOMED_code_description are understood as well,
//     in any case and with any spaces or underscores. A table with another header is
//     passed over, unless it has identifiers where members would stand: that is refused.
//   - The national maps of Read codes to SNOMED CT (TRUD, NHS Data Migration): rcsctmap2_uk
//     and ctv3sctmap2_uk (.txt), tab separated, known by their headers. Each becomes a
//     ConceptMap, readv2-snomed-national or ctv3-snomed-national, which the ConceptMaps that
//     ship hand over to: a row of theirs goes before the national one. Only active and
//     assured rows count; a code whose rows lead to several concepts is not translated.
//   - FHIR resources (.json): CodeSystem, ValueSet, ConceptMap, and Bundles of them.
//
// A row whose active is 0 is no member, no term and no relationship. Where several files
// have a concept or a description, the row with the latest effectiveTime counts; two
// releases of one file are refused. Each identifier of a table must pass its check digit,
// and each that a ValueSet lists in its compose; those of a FHIR package (a .tgz, or a
// folder with a package.json) are taken as they were published, and are told. A file with a fault is refused with its faults by line, and nothing is loaded at all. What
// is no regular file is passed over.
//
// Reading is row by row. What stays is about 130 bytes a concept with two terms, its
// parents and a share of a reference set.
//
// # What it does not do
//
// It asks no server, composes no expressions, and reads of the expression constraint
// language what goes by concepts, hierarchy and reference sets. The codes of UCUM, MIME
// types and language tags have no end: they are held to their grammar, and where that
// does not decide, the answer is not known.
//
// Source: http://hl7.org/fhir/R4/terminology-module.html,
// http://hl7.org/fhir/R4/conceptmap-operation-translate.html,
// http://hl7.org/fhir/R4/valueset-operation-validate-code.html,
// http://hl7.org/fhir/R4/valueset-operation-expand.html,
// http://hl7.org/fhir/R4/codesystem-operation-lookup.html,
// http://hl7.org/fhir/R4/snomedct.html, http://snomed.org/rfs, http://snomed.org/ecl.
package terminology
