package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
)

// random makes referrals as the standard lets them be: to the ordinary one it adds any
// elements of the definitions of R4, extensions, values that are left out, contained
// resources, references of every form, more identifiers and more entries.
type random struct {
	*rand.Rand
	targets map[string][]string // where a reference may lead, by resource type
	local   map[string]string   // contained resources of the one that is made, by type
	unique  string              // begins every value of an identifier
	made    int                 // identifiers so far
}

// chance is true once in n.
func (r *random) chance(n int) bool { return r.IntN(n) == 0 }

func oneOf[V any](r *random, list ...V) V { return list[r.IntN(len(list))] }

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

// element makes a value of an element that has that type, nil when it is left out.
func (r *random) element(e *fhir.Element, t *fhir.Type, depth int) any {
	switch {
	case t.Kind == fhir.Primitive:
		list := oddities[t.Name]
		if len(e.Codes) > 0 {
			list = e.Codes
		}
		text := oneOf(r, list...)
		if t.JSON() == fhir.String {
			return text
		}
		return json.RawMessage(text)
	case shapes[t.Name] != nil:
		return value("%s", oneOf(r, shapes[t.Name]...))
	case t.Name == "Reference":
		return r.reference(e.Targets, depth)
	case t.Name == "Identifier":
		return r.identifier(t, depth)
	case t.Name == "Extension":
		return r.extension(depth)
	case t.Abstract || t.Kind == fhir.Resource:
		return nil
	}
	o := object{}
	for _, part := range t.Elements {
		if part.Required || depth < 4 && !slices.Contains(kept, part.Name) && r.chance(4) {
			r.add(o, t, part, depth+1)
		}
	}
	if len(o) == 0 {
		return value("%s", oneOf(r, `{"id":"a1"}`, nothingSaid))
	}
	return o
}

// add gives an object one of the elements of its type, in front of others of a list.
func (r *random) add(o object, t *fhir.Type, e *fhir.Element, depth int) {
	for name := range o {
		if m, ok := t.Member(strings.TrimPrefix(name, "_")); ok && m.Element == e && (!e.List || m.Type.Kind == fhir.Primitive) {
			return
		}
	}
	et := oneOf(r, e.Types...)
	name := e.JSONName(et)
	v := r.element(e, et, depth)
	switch {
	case v == nil:
	case e.List && o[name] != nil && r.chance(2):
		o[name] = append(o[name].([]any), v)
	case e.List && o[name] != nil:
		o[name] = append([]any{v}, o[name].([]any)...)
	case e.List:
		o[name] = []any{v}
	default:
		o[name] = v
	}
}

// reference leads into the message, to what was sent before, elsewhere, to a contained
// resource or nowhere.
func (r *random) reference(types []string, depth int) object {
	o := object{}
	kind := oneOf(r, slices.Sorted(maps.Keys(r.targets))...)
	if len(types) > 0 && !slices.Contains(types, "Resource") {
		kind = oneOf(r, types...)
	}
	switch at := r.IntN(5); {
	case at < 3 && len(r.targets[kind]) > 0:
		o["reference"] = oneOf(r, r.targets[kind]...)
	case at < 4 && r.local[kind] != "":
		o["reference"] = "#" + r.local[kind]
	case at == 4:
		o["reference"] = "https://gp.example/fhir/" + kind + "/7"
	}
	if len(o) == 0 || r.chance(4) {
		o["display"] = oneOf(r, oddities["string"]...)
	}
	if depth < 4 && r.chance(5) {
		o["identifier"] = object{"value": "i", "assigner": r.reference([]string{"Organization"}, depth+1)}
	}
	return o
}

// identifier may have no value, which is the first thing that one expects of it.
func (r *random) identifier(t *fhir.Type, depth int) object {
	o := object{}
	if r.chance(2) {
		o["system"] = oneOf(r, "https://gp.example/ids", "urn:oid:1.2.3", "https://millbrook.example/referrals")
	}
	if !r.chance(4) {
		r.made++
		o["value"] = fmt.Sprintf("%s-%d", r.unique, r.made)
	} else if len(o) == 0 || r.chance(2) {
		o["_value"] = value(nothingSaid)
	}
	for _, name := range []string{"use", "type", "period"} {
		if r.chance(4) {
			r.add(o, t, t.Element(name), depth+1)
		}
	}
	if depth < 4 && r.chance(3) {
		o["assigner"] = r.reference([]string{"Organization"}, depth+1)
	}
	return o
}

func (r *random) extension(depth int) object {
	o := object{"url": oneOf(r, "https://gp.example/e", "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "urn:uuid:5a000001-0000-4000-8000-000000000009")}
	if depth < 3 && r.chance(5) {
		o["extension"] = []any{r.extension(depth + 1)}
		return o
	}
	if strings.HasSuffix(o["url"].(string), "reason") {
		o["valueCode"] = oneOf(r, "unknown", "masked")
		return o
	}
	for _, kind := range []string{oneOf(r, "Reference", "Identifier", "CodeableConcept", "Period", "string", "decimal", "dateTime", "Attachment", "Quantity")} {
		t := fhir.Types(fhir.R4).Type(kind)
		o["value"+strings.ToUpper(kind[:1])+kind[1:]] = r.element(&fhir.Element{}, t, depth+1)
	}
	return o
}

// roughen changes an object of a type and what is in it here and there.
func (r *random) roughen(o object, t *fhir.Type, depth, rate int) {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		m, ok := t.Member(name)
		if !ok || strings.HasPrefix(name, "_") || name == "extension" || name == "contained" {
			continue
		}
		list, isList := o[name].([]any)
		switch {
		case m.Type.Kind != fhir.Primitive && isList:
			for _, v := range list {
				if part, ok := v.(object); ok {
					r.roughen(part, m.Type, depth+1, rate)
				}
			}
		case m.Type.Kind != fhir.Primitive:
			r.roughen(o[name].(object), m.Type, depth+1, rate)
		case !isList && name != "id" && name != "url" && o["_"+name] == nil && r.chance(4*rate):
			o["_"+name] = object{"extension": []any{r.extension(1)}}
			if !m.Element.Required && !slices.Contains(kept, name) && !slices.Contains([]string{"reference", "system", "code", "value"}, name) && r.chance(3) {
				delete(o, name)
			}
		}
	}
	if r.chance(rate) && o["extension"] == nil && t.Element("extension") != nil {
		o["extension"] = []any{r.extension(0)}
	}
	if shapes[t.Name] != nil || t.Name == "Reference" {
		return
	}
	for r.chance(max(2, rate/2)) {
		if e := oneOf(r, t.Elements...); !slices.Contains(kept, e.Name) && !slices.Contains(keptPaths, e.Path) {
			r.add(o, t, e, depth+1)
		}
	}
}

// contain puts resources into one, each referred to from its supportingInfo.
func (r *random) contain(request object) {
	subject, _ := json.Marshal(request["subject"])
	of := map[string]string{
		"Organization": `{"resourceType":"Organization","id":%q,"name":"o"}`, "Practitioner": `{"resourceType":"Practitioner","id":%q}`,
		"Condition":      `{"resourceType":"Condition","id":%q,"subject":` + string(subject) + `}`,
		"Observation":    `{"resourceType":"Observation","id":%q,"status":"final","code":{"text":"x"}}`,
		"ServiceRequest": `{"resourceType":"ServiceRequest","id":%q,"status":"active","intent":"order","subject":` + string(subject) + `}`,
		"CarePlan":       `{"resourceType":"CarePlan","id":%q,"status":"active","intent":"order","subject":` + string(subject) + `}`,
		"Coverage":       `{"resourceType":"Coverage","id":%q,"status":"active","beneficiary":` + string(subject) + `,"payor":[{"display":"p"}]}`,
	}
	names := slices.Sorted(maps.Keys(of))
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var contained []any
	info, _ := request["supportingInfo"].([]any)
	for i, name := range names[:1+r.IntN(2)] {
		r.local[name] = fmt.Sprintf("c%d", i)
		contained = append(contained, value(of[name], r.local[name]))
		info = append(info, object{"reference": "#" + r.local[name]})
	}
	request["contained"], request["supportingInfo"] = contained, info
}

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

// referral makes the message of somebody; before are the resources that were sent about
// them, as references.
func (r *random) referral(s *synthetic, before []string) []byte {
	b := value("%s", s.message()).(object)
	r.unique = s.identifier
	r.targets, r.local = map[string][]string{}, map[string]string{}
	for _, at := range before {
		kind, _, _ := strings.Cut(at, "/")
		r.targets[kind] = append(r.targets[kind], oneOf(r, at, publicURL+"/fhir/R4/"+at))
	}
	entries := b["entry"].([]any)
	if at := slices.IndexFunc(before, func(at string) bool { return strings.HasPrefix(at, "Patient/") }); at >= 0 && r.chance(4) {
		return r.alone(b, entries[requestEntry].(object), oneOf(r, byReference(before[at]), byReference(publicURL+"/fhir/R4/"+before[at]), byNumber(s.nhsNumber)))
	}
	subject := mustJSON(object{"reference": s.url(patientEntry)})
	for _, name := range slices.Sorted(maps.Keys(further)) {
		if r.chance(8) {
			text := further[name]
			if strings.Contains(text, "%s") {
				text = fmt.Sprintf(text, subject)
			}
			entries = append(entries, object{"fullUrl": s.url(len(entries)), "resource": value("%s", text), "request": value(`{"method":"POST","url":%q}`, name)})
		}
	}
	for _, e := range entries {
		kind := e.(object)["resource"].(object)["resourceType"].(string)
		r.targets[kind] = append(r.targets[kind], e.(object)["fullUrl"].(string))
	}
	for _, e := range entries {
		resource := e.(object)["resource"].(object)
		kind := resource["resourceType"].(string)
		r.local = map[string]string{}
		rate := 15
		if kind == "ServiceRequest" {
			if rate = 6; r.chance(3) {
				r.contain(resource)
			}
			for r.chance(2) { // what names a request matters most
				r.add(resource, fhir.Types(fhir.R4).Type(kind), fhir.Types(fhir.R4).Type(kind).Element("identifier"), 1)
			}
		}
		r.roughen(resource, fhir.Types(fhir.R4).Type(kind), 0, rate)
	}
	if r.chance(5) {
		r.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	}
	b["entry"] = entries
	return mustJSON(b)
}

// alone makes the message of the request alone, about a person who is known.
func (r *random) alone(b, entry object, subject string) []byte {
	request := entry["resource"].(object)
	delete(request, "requester")
	delete(request, "supportingInfo")
	request["subject"] = value("%s", subject)
	if r.chance(2) {
		delete(entry, "fullUrl")
	}
	if r.chance(3) {
		r.contain(request)
	}
	r.roughen(request, fhir.Types(fhir.R4).Type("ServiceRequest"), 0, 6)
	b["entry"] = []any{entry}
	return mustJSON(b)
}
