package referral

import (
	"strings"

	"spadapter/adapter/terminology"
)

// Systems of identifiers and codes that the domain reads and writes.
// Source: NHS England and HL7 UK identifier systems, https://simplifier.net/hl7fhirukcorer4.
const (
	SystemSNOMED    = "http://snomed.info/sct"
	SystemNHSNumber = "https://fhir.nhs.uk/Id/nhs-number"
	SystemODS       = "https://fhir.nhs.uk/Id/ods-organization-code"

	canonical            = "https://spadapter.example/fhir"
	SystemBusinessStatus = canonical + "/CodeSystem/business-status"
	SystemTaskOutput     = canonical + "/CodeSystem/task-output"
	SystemNeed           = canonical + "/CodeSystem/need"
	SystemInstrument     = canonical + "/CodeSystem/instrument"
	SystemCloseReason    = canonical + "/CodeSystem/close-reason"

	// IDSystem with the lower-case type name at its end is the system of the identifiers
	// that this program gives: .../Id/task, .../Id/observation.
	IDSystem = canonical + "/Id/"
)

// CodeReferral is the national code of the referral itself: written to a record at
// most once per episode, and never by this program when the request carried it.
// Source: NHS England coding guidance for the investment and impact fund, as quoted by
// Transformation Partners in Health and Care.
const CodeReferral = "871731000000106"

// unknownHere reports whether a code claims to be of a code system of this program and
// is not in it.
func (s *Service) unknownHere(system, code string) bool {
	if !strings.HasPrefix(system, canonical+"/CodeSystem/") {
		return false
	}
	_, known := s.Terminology.Lookup(system, code)
	return !known
}

// isODSSystem accepts the spellings of the ODS identifier system that published
// messages use: "id" in lower case, "organisation", and the site codes.
// ODSCode reads the ODS code of an organisation from "code", or from "system|code" with
// the system of ODS codes; false for anything else, such as a reference.
func ODSCode(text string) (ods string, ok bool) {
	if system, code, both := strings.Cut(text, "|"); both {
		if !isODSSystem(system) {
			return "", false
		}
		text = code
	}
	return strings.ToUpper(text), text != "" && !strings.ContainsAny(text, "/:|")
}

func isODSSystem(system string) bool {
	switch strings.ToLower(system) {
	case "https://fhir.nhs.uk/id/ods-organization-code", "https://fhir.nhs.uk/id/ods-organisation-code", "https://fhir.nhs.uk/id/ods-site-code":
		return true
	}
	return false
}

// neverUse are codes that public lists print and that are wrong or offensive: the
// check digit fails, or the concept must not be written about a person.
var neverUse = map[string]string{
	"224165006":        "mistyped; financially secure is 224165005",
	"713619003":        "not the Patient Activation Measure",
	"718451000000106":  "not a WEMWBS score",
	"104586100000100":  "fails its check digit",
	"1054321000000100": "fails its check digit",
	"1076171000000100": "fails its check digit",
	"160702009":        "a judgement about a person",
	"185336008":        "a judgement about a person",
}

// usNamespaces are the SNOMED CT namespaces of US extensions, whose concepts are not
// in the UK edition.
var usNamespaces = map[string]bool{"1000124": true, "1000119": true, "1000175": true}

// refusedCode says why a SNOMED CT code must not be written to a record in England,
// "" when it may.
func refusedCode(code string) string {
	if !terminology.Verhoeff(code) {
		return "its check digit is wrong: the code was mistyped"
	}
	if why := neverUse[code]; why != "" {
		return why
	}
	// a long-format id ends in namespace (7), partition (2) and check digit (1)
	if n := len(code); n > 10 && code[n-3] == '1' && usNamespaces[code[n-10:n-3]] {
		return "it belongs to a US extension and is not in the UK edition"
	}
	if code == CodeReferral {
		return "the referral code is recorded once per episode, and the request already carries it"
	}
	return ""
}
