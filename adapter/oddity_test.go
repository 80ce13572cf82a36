package main

import "strings"

// oddities are texts of each primitive type that are allowed and seldom seen.
var oddities = map[string][]string{
	"boolean": {"true", "false"}, "integer": {"0", "-3", "2147483647"}, "decimal": {"0", "1.50", "-0.0001", "12345678901234567890"},
	"positiveInt": {"1", "7"}, "unsignedInt": {"0", "9"}, "date": {"1900", "2026-02", "2024-02-29", "0001-01-01", "9999-12-31"},
	"dateTime": {"1900", "2026-02", "2024-02-29", "2024-02-29T23:59:59.123456789+14:00", "2016-12-31T23:59:60Z", "9999-12-31T23:59:59-12:00"},
	"instant":  {"2026-03-02T09:12:00.123Z", "2016-12-31T23:59:60+00:00"}, "time": {"00:00:00", "23:59:60", "09:12:00.5"},
	"uri": {"urn:oid:1.2.3", "https://gp.example/a", "a"}, "url": {"https://gp.example/a"}, "canonical": {"https://gp.example/c|1"}, "oid": {"urn:oid:1.2"},
	"uuid": {"urn:uuid:5a000001-0000-4000-8000-000000000001"}, "id": {"a-1.b"}, "base64Binary": {"YQ=="}, "code": {"en", "a-b", "text/plain"},
	"string":   {"x", "Zoë", "\u202eodd", "𝔘", "<b>&\"'", "%00", "0", "a\tb", strings.Repeat("é", 900)},
	"markdown": {"*x*", "a\nb"}, "xhtml": {`<div xmlns="http://www.w3.org/1999/xhtml"><p>x &amp; y</p></div>`},
}

// shapes are values of types whose elements depend on each other.
var shapes = map[string][]string{
	"Coding": {`{"system":"http://snomed.info/sct","code":"422650009","display":"Social isolation"}`, `{"system":"http://snomed.info/sct","code":"81877007"}`,
		`{"code":"z","userSelected":true}`, `{"system":"https://gp.example/cs"}`, `{"display":"words"}`, `{"version":"1","system":"http://read.info/readv2","code":"XaJoP"}`,
		`{"system":"https://gp.example/cs","_code":` + nothingSaid + `}`, `{"system":"https://spadapter.example/fhir/CodeSystem/need","code":"housing"}`,
		`{"system":"https://spadapter.example/fhir/CodeSystem/need","version":"9","code":"loneliness"}`, nothingSaid},
	"Period": {`{"start":"2020"}`, `{"end":"2022-02-03"}`, `{"start":"2020-02-03","end":"2029-01-01T00:00:00Z"}`, nothingSaid},
	"Range":  {`{"low":{"value":1,"unit":"u"}}`}, "Ratio": {`{"numerator":{"value":1},"denominator":{"value":2}}`},
	"Quantity":     {`{"value":1.50,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}`, `{"value":3,"comparator":"<"}`, `{"unit":"u"}`, nothingSaid},
	"Timing":       {`{"repeat":{"frequency":1,"period":1,"periodUnit":"d"}}`, `{"event":["2026-02"]}`, `{"code":{"text":"daily"}}`},
	"Narrative":    {`{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>x &amp; y</p></div>"}`},
	"Attachment":   {`{"contentType":"text/plain","data":"YQ=="}`, `{"url":"https://gp.example/d","title":"t"}`, nothingSaid},
	"ContactPoint": {`{"system":"email","value":"x@gp.example"}`, `{"use":"work"}`}, "Money": {`{"value":1,"currency":"GBP"}`},
	"HumanName":   {`{"family":"F"}`, `{"text":"t"}`, `{"given":[null,"b"],"_given":[` + nothingSaid + `,null]}`},
	"Address":     {`{"line":["1 St"],"city":"X"}`, `{"text":"t"}`, `{"_city":` + nothingSaid + `}`},
	"SampledData": {`{"origin":{"value":0},"period":1,"dimensions":1,"data":"1 2"}`},
	"Signature":   {`{"type":[{"code":"x"}],"when":"2026-03-02T09:12:00Z","who":{"display":"d"}}`},
	"Age":         {`{"value":3,"system":"http://unitsofmeasure.org","code":"a"}`}, "Duration": {`{"value":3,"system":"http://unitsofmeasure.org","code":"d"}`},
}

// kept are elements that a referral must have as they are, or may not have at all.
var kept = []string{"implicitRules", "modifierExtension", "contained", "doNotPerform", "extension", "id", "subject", "patient", "resourceType", "status", "intent", "fullUrl", "request"}

var keptPaths = []string{"Observation.dataAbsentReason", "Observation.value", "Observation.code", "Patient.link", "Patient.managingOrganization", "ServiceRequest.performer",
	"ServiceRequest.requester", "ServiceRequest.code", "Organization.identifier", "Organization.telecom", "Organization.address", "Organization.partOf", "Patient.name", "PractitionerRole.organization", "Patient.deceased"}

// further are entries that a referral may have beside.
var further = map[string]string{
	"Condition":             `{"resourceType":"Condition","subject":%s,"code":{"text":"c"}}`,
	"DocumentReference":     `{"resourceType":"DocumentReference","status":"current","subject":%s,"content":[{"attachment":{"contentType":"text/plain","data":"YQ=="}}]}`,
	"Flag":                  `{"resourceType":"Flag","status":"active","code":{"text":"f"},"subject":%s}`,
	"RelatedPerson":         `{"resourceType":"RelatedPerson","patient":%s}`,
	"QuestionnaireResponse": `{"resourceType":"QuestionnaireResponse","status":"completed","subject":%s}`,
	"Location":              `{"resourceType":"Location","name":"l"}`,
	"HealthcareService":     `{"resourceType":"HealthcareService","name":"h"}`,
}
