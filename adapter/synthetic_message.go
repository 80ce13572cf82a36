package main

import (
	"encoding/base64"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// What a synthetic message of BaRS is for: a use case that the standard has for another kind
// of service, because it has none for social prescribing.
const (
	barsService = "2000099991" // DoS service id, made up
	barsUseCase = "a5t1"
	barsVersion = "1.1.0"
)

// Entries of every synthetic message, after those of a synthetic referral.
const (
	headerEntry = 0x20 + iota
	encounterEntry
	planEntry
	serviceEntry
	receiverEntry
	taskEntry
	consentEntry
)

const bars = "https://fhir.nhs.uk/"

// barsMessage makes the same referral as a message of BaRS to a service, of 12 entries.
func (s *synthetic) barsMessage(service string) *fhir.Node {
	r4 := fhir.Types(fhir.R4)
	to := func(n *fhir.Node, name string, entry int) { n.Add(name).Set("reference", s.url(entry)) }
	plain := *s
	plain.observations = nil
	request := plain.request()
	for _, name := range []string{"category", "code", "reasonCode", "note", "requester"} {
		request.Remove(name)
	}
	request.Set("intent", "plan")
	category := request.Add("category")
	setCode(category, bars+"CodeSystem/message-category-servicerequest", "referral", "Transfer of Care")
	setCode(category, bars+"CodeSystem/usecases-categories-bars", barsUseCase, "Primary Care to Community Pharmacy")
	to(request, "basedOn", planEntry)
	to(request, "encounter", encounterEntry)
	to(request, "requester", practitionerEntry)
	to(request, "performer", serviceEntry)

	header := r4.New("MessageHeader")
	event := header.Add("eventCoding")
	event.Set("system", bars+"CodeSystem/message-events-bars")
	event.Set("code", "servicerequest-request")
	destination := header.Add("destination")
	destination.Set("endpoint", bars+"Id/dos-service-id|"+barsService)
	to(destination, "receiver", receiverEntry)
	to(header, "sender", organisationEntry)
	source := header.Add("source")
	source.Set("name", s.practiceName)
	source.Set("endpoint", bars+"Id/dos-service-id|2000099992")
	setCode(header.Add("reason"), bars+"CodeSystem/message-reason-bars", "new", "")
	to(header, "focus", requestEntry)
	header.Set("definition", bars+"MessageDefinition/bars-message-servicerequest-request-referral")

	encounter := r4.New("Encounter")
	encounter.Set("status", "finished")
	class := encounter.Add("class")
	class.Set("system", "http://terminology.hl7.org/CodeSystem/v3-ActCode")
	class.Set("code", "EMER")
	to(encounter, "subject", patientEntry)
	encounter.Add("episodeOfCare").Set("reference", "EpisodeOfCare/5b8a4c66-3a2e-4f5e-9b51-6f4f2f8f9d11")
	plan := r4.New("CarePlan")
	plan.Set("status", "completed")
	plan.Set("intent", "plan")
	to(plan, "subject", patientEntry)
	to(plan, "encounter", encounterEntry)
	activity := plan.Add("activity")
	activity.Add("outcomeCodeableConcept").Set("text", "Would like company and a reason to go out. Please ring after ten, she is slow to the phone.")
	to(activity, "reference", taskEntry)
	offered := r4.New("HealthcareService")
	addIdentifier(offered, bars+"Id/dos-service-id", barsService)
	offered.Set("active", "true")
	to(offered, "providedBy", receiverEntry)
	offered.Set("name", "Social prescribing")
	receiver := r4.New("Organization")
	addIdentifier(receiver, referral.SystemODS, service)
	receiver.Set("name", "Receiving/performing Organization")
	task := r4.New("Task")
	task.Set("status", "requested")
	task.Set("intent", "order")
	setCode(task.Add("code"), referral.SystemSNOMED, referral.CodeReferral, "Referral to social prescribing service")
	to(task, "focus", requestEntry)
	to(task, "for", patientEntry)
	task.Set("authoredOn", syntheticTime)
	consent := r4.New("Consent")
	consent.Set("status", "active")
	setCode(consent.Add("scope"), "http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy", "")
	setCode(consent.Add("category"), bars+"CodeSystem/consent-categories-bars", "DRC", "Direct Care")
	to(consent, "patient", patientEntry)
	consent.Set("dateTime", syntheticTime)
	setCode(consent.Add("policyRule"), "http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMPLIED", "")

	return s.barsBundle([]int{headerEntry, requestEntry, patientEntry, encounterEntry, planEntry, serviceEntry, organisationEntry, receiverEntry, practitionerEntry, roleEntry, taskEntry, consentEntry},
		[]*fhir.Node{header, request, s.patient(), encounter, plan, offered, s.organisation(), receiver, s.practitioner(), s.role(), task, consent})
}

// barsBundle makes a message of resources and their entries.
func (s *synthetic) barsBundle(entries []int, resources []*fhir.Node) *fhir.Node {
	b := fhir.Types(fhir.R4).New("Bundle")
	b.Set("id", s.uuid(0x40))
	b.Add("meta").Set("versionId", barsVersion)
	b.Child("meta").Set("lastUpdated", syntheticTime)
	b.Set("type", "message")
	b.Set("timestamp", syntheticTime)
	for i, n := range resources {
		if n.Child("meta") == nil {
			n.Add("meta")
		}
		n.Child("meta").Set("lastUpdated", syntheticTime)
		entry := b.Add("entry")
		entry.Set("fullUrl", s.url(entries[i]))
		entry.Append("resource", n)
	}
	return b
}

// barsHeaders are the headers of a message, by name.
func barsHeaders(practice string) []string {
	encoded := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	return []string{
		"NHSD-Target-Identifier", encoded(`{"system":"` + bars + `Id/dos-service-id","value":"` + barsService + `"}`),
		"NHSD-End-User-Organisation", encoded(`{"resourceType":"Organization","identifier":[{"system":"` + referral.SystemODS + `","value":"` + practice + `"}],"name":"Synthetic practice"}`),
	}
}
