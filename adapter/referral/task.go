package referral

import (
	"spadapter/adapter/fhir"
)

// newTask makes the Task of a new referral, in the status received.
// Source: Gravity SDOH Clinical Care, Task for referral management: intent order, code
// fulfill, focus the ServiceRequest.
func newTask(r *Record, partners *Partners, request *fhir.Node) *fhir.Task {
	t := &fhir.Task{
		Id:             fhir.NewID(r.ID),
		Identifier:     []*fhir.Identifier{fhir.NewIdentifier(IDSystem+"task", r.ID)},
		BasedOn:        []*fhir.Reference{fhir.NewReference("ServiceRequest/" + r.Filler)},
		Status:         fhir.NewBound[fhir.TaskStatus](r.Status),
		BusinessStatus: businessStatus(r.BusinessStatus),
		Intent:         fhir.NewBound[fhir.TaskIntent]("order"),
		Code:           fhir.NewConcept("http://hl7.org/fhir/CodeSystem/task-code", "fulfill", "Fulfill the focal request", ""),
		Focus:          fhir.NewReference("ServiceRequest/" + r.ServiceRequest),
		ForValue:       fhir.NewReference("Patient/" + r.Patient),
		AuthoredOn:     fhir.NewDateTime(r.Created),
		LastModified:   fhir.NewDateTime(r.Updated),
		Requester:      party(partners, r.Organisation),
	}
	if priority := request.Text("priority"); priority != "" {
		t.Priority = fhir.NewBound[fhir.TaskPriority](priority)
	}
	if r.Owner != "" {
		t.Owner = party(partners, r.Owner)
	}
	return t
}

// party refers to an organisation by its ODS code, so that the reference holds in
// every system.
func party(partners *Partners, ods string) *fhir.Reference {
	ref := fhir.IdentifierReference(SystemODS, ods)
	ref.Type = fhir.NewURI("Organization")
	ref.Display = fhir.NewString(partners.Organisation(ods).Name)
	return ref
}

func businessStatus(code string) *fhir.CodeableConcept {
	return fhir.NewConcept(SystemBusinessStatus, code, "", "")
}

// taskVersion is the stored version of a referral's Task.
func taskVersion(r *Record, task *fhir.Node) Version {
	stamp(task, r.ID, r.Version, r.Updated)
	v := Version{Type: "Task", ID: r.ID, Number: r.Version, Organisation: r.Organisation, Updated: r.Updated, Referral: r.ID, Patient: r.Patient}
	v.Terms, v.From, v.To = terms(task)
	v.Body = fhir.Encode(task)
	return v
}
