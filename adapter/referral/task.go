package referral

import (
	"spadapter/adapter/fhir"
)

// newTask makes the Task of a new referral, in the status received.
// Source: Gravity SDOH Clinical Care, Task for referral management: intent order, code
// fulfill, focus the ServiceRequest.
func (s *Service) newTask(r *Record, request *fhir.Node) *fhir.Task {
	t := &fhir.Task{
		Id:             fhir.NewID(r.ID),
		Identifier:     []*fhir.Identifier{fhir.NewIdentifier(IDSystem+"task", r.ID)},
		BasedOn:        []*fhir.Reference{fhir.NewReference("ServiceRequest/" + r.Filler)},
		Status:         fhir.NewBound[fhir.TaskStatus](r.Status),
		BusinessStatus: s.businessStatus(r.BusinessStatus),
		Intent:         fhir.NewBound[fhir.TaskIntent]("order"),
		Code:           fhir.NewConcept("http://hl7.org/fhir/CodeSystem/task-code", "fulfill", "Fulfill the focal request", ""),
		Focus:          fhir.NewReference("ServiceRequest/" + r.ServiceRequest),
		ForValue:       fhir.NewReference("Patient/" + r.Patient),
		AuthoredOn:     fhir.NewDateTime(r.Created),
		LastModified:   fhir.NewDateTime(r.Updated),
		Requester:      s.reference(r.Organisation),
	}
	if priority := request.Text("priority"); priority != "" {
		t.Priority = fhir.NewBound[fhir.TaskPriority](priority)
	}
	if r.Owner != "" {
		t.Owner = s.reference(r.Owner)
	}
	restrict(t, r)
	return t
}

// restrict says in the Task until when its state may last, as long as time counts.
func restrict(t *fhir.Task, r *Record) {
	t.Restriction = nil
	if !r.Due.IsZero() {
		t.Restriction = &fhir.TaskRestriction{Period: fhir.NewPeriod(r.Since, r.Due)}
	}
}

// reference refers to an organisation by its ODS code, so that the reference holds in
// every system.
func (s *Service) reference(ods string) *fhir.Reference {
	ref := fhir.IdentifierReference(SystemODS, ods)
	ref.Type = fhir.NewURI("Organization")
	ref.Display = fhir.NewString(s.Partners.Organisation(ods).Name)
	return ref
}

// concept makes a concept of a code, with the display that is known here when c has none.
func (s *Service) concept(c Coded) *fhir.CodeableConcept {
	if c.Code == "" {
		return &fhir.CodeableConcept{Text: fhir.NewString(c.Text)}
	}
	if c.Display == "" {
		if known, ok := s.Terminology.Lookup(c.System, c.Code); ok {
			c.Display = known.Display
		}
	}
	return fhir.NewConcept(c.System, c.Code, c.Display, c.Text)
}

func (s *Service) businessStatus(code string) *fhir.CodeableConcept {
	return s.concept(Coded{System: SystemBusinessStatus, Code: code})
}

// taskVersion is the stored version of a referral's Task, which fits its profile.
// Errors: those of emits.
func (s *Service) taskVersion(r *Record, task *fhir.Node) (Version, error) {
	stamp(task, r.ID, r.Version, r.Updated)
	label(task, r.Sharing, SharingSummary)
	v := Version{Type: "Task", ID: r.ID, Number: r.Version, Organisation: r.Organisation, Updated: r.Updated, Referral: r.ID, Patient: r.Patient}
	v.Terms, v.From, v.To = terms(task)
	v.write(task)
	return v, s.emits("the Task", ProfileTask, task)
}
