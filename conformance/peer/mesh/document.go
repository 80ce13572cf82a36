package mesh

import (
	"encoding/json"

	"github.com/google/uuid"
)

// Person is whom a Document is about.
type Person struct {
	Number, Birth, Family, Given string // Birth is YYYY-MM-DD
}

// Document is a small synthetic ITK3 message with an outcome: event is ITK007C or ITK014M,
// sender an ODS code. Its id is that of its MessageHeader; its Bundle has another.
// Source: ITK3 Message Distribution 2.9.0; GP Connect Send Document.
func Document(id, event, sender string, p Person, change func(header, composition, patient map[string]any)) []byte {
	type object = map[string]any
	ids := map[string]string{"header": id}
	for _, name := range []string{"bundle", "sender", "document", "composition", "custodian", "patient", "binary"} {
		ids[name] = uuid.NewSHA1(uuid.Nil, []byte(id+name)).String()
	}
	ref := func(name string) object { return object{"reference": "urn:uuid:" + ids[name]} }
	entry := func(name string, resource object) object {
		resource["id"] = ids[name]
		return object{"fullUrl": "urn:uuid:" + ids[name], "resource": resource}
	}
	handled := func(name string, value object) object {
		value["url"] = name
		return value
	}
	header := object{
		"resourceType": "MessageHeader",
		"extension": []object{{"url": "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-ITK-MessageHandling-2", "extension": []object{
			handled("BusAckRequested", object{"valueBoolean": true}), handled("InfAckRequested", object{"valueBoolean": true}),
			handled("RecipientType", object{"valueCoding": object{"system": "https://fhir.nhs.uk/STU3/CodeSystem/ITK-RecipientType-1", "code": "FI"}}),
			handled("MessageDefinition", object{"valueReference": object{"reference": "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-1"}}),
			handled("SenderReference", object{"valueString": "urn:uuid:" + ids["composition"]}), handled("LocalExtension", object{"valueString": "None"}),
		}}},
		"event": object{"system": eventSystem, "code": event}, "timestamp": "2026-11-23T12:00:00+00:00",
		"source": object{"endpoint": "urn:nhs-uk:addressing:mesh:X26SP001"}, "sender": ref("sender"), "focus": []object{ref("document")},
	}
	composition := object{
		"resourceType": "Composition", "status": "final", "type": object{"coding": []object{{"system": "http://snomed.info/sct", "code": "734163000"}}},
		"subject": ref("patient"), "date": "2026-11-23T12:00:00+00:00", "author": []object{ref("custodian")}, "title": "Social prescribing outcome",
		"custodian": ref("custodian"), "section": []object{{"entry": []object{ref("patient"), ref("binary")}}},
	}
	patient := object{
		"resourceType": "Patient", "identifier": []object{{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": p.Number}},
		"name": []object{{"use": "official", "family": p.Family, "given": []string{p.Given}}}, "birthDate": p.Birth,
	}
	if change != nil {
		change(header, composition, patient)
	}
	organization := func() object {
		return object{"resourceType": "Organization", "identifier": []object{{"system": odsSystem, "value": sender}}, "name": "Synthetic Wellbeing"}
	}
	inner := object{"resourceType": "Bundle", "type": "document", "entry": []object{
		entry("composition", composition), entry("custodian", organization()), entry("patient", patient),
		entry("binary", object{"resourceType": "Binary", "contentType": "text/plain", "content": "c3ludGhldGlj"}),
	}}
	body, _ := json.Marshal(object{ // maps of texts
		"resourceType": "Bundle", "id": ids["bundle"], "type": "message", "identifier": object{"system": "https://tools.ietf.org/html/rfc4122", "value": ids["bundle"]},
		"entry": []object{entry("header", header), entry("sender", organization()), entry("document", inner)},
	})
	return body
}
