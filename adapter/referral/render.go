package referral

import (
	"encoding/json"
	"slices"
	"time"

	"spadapter/adapter/fhir"
)

// render makes a View of a record, its content, the person as known now, and what came
// later. find reads a stored Organization that the content does not have; it may be nil.
func (s *Service) render(c Call, r *Record, patient *fhir.Node, later []Version, events []Event, find func(reference string) *fhir.Node) (*View, error) {
	content, err := s.content(r)
	if err != nil {
		return nil, err
	}
	v := &View{
		ID: r.ID, Version: r.Version, Status: r.Status, BusinessStatus: r.BusinessStatus, Created: r.Created, Updated: r.Updated,
		Requester: s.party(r.Organisation), Sharing: r.Sharing, Attachments: []Attached{}, AllowedActions: []Action{},
		Links: Links{Task: "Task/" + r.ID, ServiceRequest: "ServiceRequest/" + r.ServiceRequest, Patient: "Patient/" + r.Patient},
	}
	if r.Owner != "" {
		p := s.party(r.Owner)
		v.Owner = &p
	}
	v.CancellationAsked, v.Overdue, v.Follows = r.Asked(), r.Overdue, r.Follows
	if !r.Due.IsZero() {
		v.Due = &r.Due
	}
	if r.BusinessStatus == "crisis" || r.BusinessStatus == "safeguarding" {
		v.Advice = phoneFirst
	}
	if r.BusinessStatus == "info-requested" {
		v.Question = asked(events)
	}
	h := s.newSheet(v)
	h.patient, h.find = patient, find
	h.read = make(reading, usualValues)
	if err := h.fill(r, content, later, events); err != nil {
		return nil, err
	}
	v.SharingNotice = sharingNotice(events)
	v.Intake = receivedOf(r, events)
	v.Notes = append(v.Notes, s.notes(permissionOf(c, r, events), events)...)
	return v, nil
}

// usualValues is how many values a referral has as a rule.
const usualValues = 200

// timeline is what the caller may read of the events of a referral.
func timeline(c Call, r *Record, events []Event) (list []Step) {
	may := permissionOf(c, r, events)
	for i := range events {
		if step, ok := may.step(&events[i]); ok {
			list = append(list, step)
		}
	}
	return list
}

// fill shows the person and every resource of a referral: the normalised content, then
// what came later.
func (h *sheet) fill(r *Record, content *fhir.Node, later []Version, events []Event) error {
	accepted := time.Time{}
	for _, e := range events {
		if e.Move == "T05" {
			accepted = e.At
		}
	}
	roles := map[*fhir.Node]string{}
	for _, entry := range content.All("entry") {
		n := entry.Child("resource")
		if n.ResourceType() == "Patient" && n.Text("id") == r.Patient {
			continue // as it was then; shown is as it is now
		}
		roles[n] = RoleBaseline
		h.add(n)
	}
	for i := range later {
		version := &later[i]
		n, err := version.content()
		if err != nil {
			return err
		}
		roles[n] = RoleFollowUp
		if accepted.IsZero() || version.Updated.Before(accepted) {
			roles[n] = RoleBaseline // the practice sent it before support began
		}
		h.add(n)
	}
	h.person(h.patient, content)
	if n := h.by["ServiceRequest/"+r.Filler]; n != nil {
		h.request(n, r.Organisation)
	}
	if n := h.by["ServiceRequest/"+r.ServiceRequest]; n != nil {
		h.original(n)
	}
	for _, n := range h.resources {
		h.show(n, roles[n])
	}
	h.finish()
	return nil
}

// phoneFirst is said with every answer about a crisis or a safeguarding concern: nobody
// promises when an inbox is read.
const phoneFirst = "Telephone the practice now, and 999 when somebody is in danger; for safeguarding follow the local procedure. The message to the practice is the record of it and takes the place of neither."

// asked is the last question to the referrer.
func asked(events []Event) string {
	for _, e := range slices.Backward(events) {
		var in Input
		if len(e.Data) > 0 && json.Unmarshal(e.Data, &in) == nil && in.Question != "" {
			return in.Question
		}
	}
	return ""
}

func (s *Service) party(ods string) Party {
	return Party{ODS: ods, Name: s.Partners.Organisation(ods).Name}
}

// need splits a reason into our own need and the sender's codes.
func need(reason *fhir.Node) Need {
	n := Need{Text: reason.Text("text")}
	for _, c := range codings(reason) {
		if c.System == SystemNeed {
			n.Need = c.Code
		} else {
			n.Codes = append(n.Codes, c)
		}
	}
	return n
}

func codings(concept *fhir.Node) []Coded {
	var out []Coded
	for _, c := range concept.All("coding") {
		out = append(out, Coded{System: c.Text("system"), Code: c.Text("code"), Display: c.Text("display")})
	}
	return out
}
