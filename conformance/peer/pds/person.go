package pds

import "strconv"

// Person is one synthetic person.
type Person struct {
	Number       string // NHS number
	Practice     string // ODS code, "" for nobody's patient
	Since, Until string // period of that registration, dates
	Deceased     string // date or dateTime, "" for alive
	Notice       string // death notification status: 1 informal, 2 formal, U removed
	Restricted   bool
	ReplacedBy   string // NHS number, which answers in the place of this one
	Invalid      bool   // invalidated, and not replaced
	BirthDate    string
	Family       string
	Given        string
}

// resource is the Patient as the API gives it: of a restricted person without what says where
// the person is.
func (p *Person) resource(version int) map[string]any {
	level := map[string]any{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "U", "display": "unrestricted"}
	if p.Restricted {
		level["code"], level["display"] = "R", "restricted"
	}
	out := map[string]any{
		"resourceType": "Patient", "id": p.Number,
		"identifier": []any{map[string]any{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": p.Number}},
		"meta":       map[string]any{"versionId": strconv.Itoa(version), "security": []any{level}},
		"name":       []any{map[string]any{"id": "123", "use": "usual", "given": []any{p.Given}, "family": p.Family}},
		"birthDate":  p.BirthDate,
	}
	if !p.Restricted {
		out["address"] = []any{map[string]any{"id": "456", "use": "home", "line": []any{"1 Trevelyan Square"}, "postalCode": "LS1 6AE"}}
		out["telecom"] = []any{map[string]any{"id": "789", "system": "phone", "value": "01632960587", "use": "home"}}
	}
	if p.Practice != "" && !p.Restricted {
		period := map[string]any{"start": or(p.Since, "2020-01-01")}
		if p.Until != "" {
			period["end"] = p.Until
		}
		out["generalPractitioner"] = []any{map[string]any{"id": "254406A3", "type": "Organization", "identifier": map[string]any{
			"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": p.Practice, "period": period}}}
	}
	if p.Deceased != "" {
		out["deceasedDateTime"] = p.Deceased
		out["extension"] = []any{map[string]any{"url": "https://fhir.nhs.uk/R4/StructureDefinition/Extension-UKCore-DeathNotificationStatus", "extension": []any{
			map[string]any{"url": "deathNotificationStatus", "valueCodeableConcept": map[string]any{"coding": []any{
				map[string]any{"system": "https://fhir.nhs.uk/R4/CodeSystem/UKCore-DeathNotificationStatus", "version": "1.0.0", "code": or(p.Notice, "2")}}}},
			map[string]any{"url": "systemEffectiveDate", "valueDateTime": p.Deceased},
		}}}
	}
	return out
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
