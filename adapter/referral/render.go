package referral

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/fhir"
)

// render makes a View of a record, its content, and Observations that came later.
func (s *Service) render(c Call, r *Record, later []Version, events []Event) (*View, error) {
	content, err := parse(r.Content)
	if err != nil {
		return nil, err
	}
	v := &View{
		ID: r.ID, Version: r.Version, Status: r.Status, BusinessStatus: r.BusinessStatus, Created: r.Created, Updated: r.Updated,
		Requester: s.party(r.Organisation), Sharing: r.Sharing,
		Needs: []Need{}, Scores: []Score{}, Findings: []Finding{}, Risks: []Finding{}, Notes: []Note{}, AllowedActions: []Action{},
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
	for _, entry := range content.All("entry") {
		switch n := entry.Child("resource"); n.ResourceType() {
		case "ServiceRequest":
			if n.Text("id") != r.Filler {
				continue // the original, whose content the normalised one has too
			}
			v.Priority, v.AuthoredOn = n.Text("priority"), n.Text("authoredOn")
			for _, reason := range n.All("reasonCode") {
				v.Needs = append(v.Needs, need(reason))
			}
			for _, note := range n.All("note") {
				v.Notes = append(v.Notes, Note{Text: note.Text("text"), Time: note.Text("time"), Author: r.Organisation})
			}
		default:
			s.show(v, n, RoleBaseline)
		}
	}
	accepted := time.Time{}
	for _, e := range events {
		if e.Move == "T05" {
			accepted = e.At
		}
	}
	for _, version := range later {
		role := RoleFollowUp
		if accepted.IsZero() || version.Updated.Before(accepted) {
			role = RoleBaseline // the practice sent it before support began
		}
		n, err := parse(version.Body)
		if err != nil {
			return nil, err
		}
		s.show(v, n, role)
	}
	v.RiskStatement = "Risks are listed in risks."
	if len(v.Risks) == 0 {
		v.RiskStatement = "No risk is recorded in the referral; that is not the same as no known risk."
	}
	for _, e := range events {
		v.Timeline = append(v.Timeline, Step{Move: e.Move, Activity: e.Activity, From: e.From, To: e.To, BusinessStatus: e.BusinessStatus,
			Reason: e.Reason, Actor: e.Actor, At: e.At, Data: json.RawMessage(e.Data)})
		var in Input
		if len(e.Data) > 0 && json.Unmarshal(e.Data, &in) == nil && in.Note != "" {
			v.Notes = append(v.Notes, Note{Text: in.Note, Time: e.At.Format(instant), Author: e.Actor})
		}
	}
	return v, nil
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

// show files what the practice or the service recorded where the link worker looks for it.
func (s *Service) show(v *View, n *fhir.Node, role string) {
	status := n.Text("verificationStatus", "coding", "code")
	if status == "refuted" || status == "entered-in-error" || n.Text("status") == "entered-in-error" {
		return
	}
	switch n.ResourceType() {
	case "Observation":
		s.observed(v, n, role)
	case "Flag", "Condition":
		f := Finding{Codes: codings(n.Child("code")), Text: n.Text("code", "text"), Date: n.Text("period", "start"), Value: n.Text("status")}
		if n.ResourceType() == "Condition" {
			f.Date, f.Value = n.Text("onset"), n.Text("clinicalStatus", "coding", "code")
		}
		// a safeguarding flag is a risk whatever its code
		if n.Text("category", "coding", "code") == "SG" || s.isRisk(f) {
			v.Risks = append(v.Risks, f)
		} else {
			v.Findings = append(v.Findings, f)
		}
	}
}

// observed files an Observation under scores, risks or findings.
func (s *Service) observed(v *View, n *fhir.Node, role string) {
	value := n.Child("value")
	text := value.Text("value")
	if value != nil && value.HasValue() {
		text = value.Value
	}
	date := n.Text("effective")
	if i := s.Instruments.Of(n); i != nil {
		better := i.HigherIsBetter
		v.Scores = append(v.Scores, Score{Instrument: i.Code, Name: i.Name, Value: text, Date: date, Low: i.Low.String(), High: i.High.String(),
			HigherIsBetter: &better, Change: i.Change, Scoring: i.Scoring(text), Role: role, Observation: "Observation/" + n.Text("id")})
		return
	}
	f := Finding{Codes: codings(n.Child("code")), Text: n.Text("code", "text"), Date: date}
	switch {
	case value != nil && value.Name == "valueCodeableConcept":
		if f.Value = value.Text("text"); f.Value == "" {
			f.Value = value.Text("coding", "display")
		}
	case value != nil && value.Name == "valueQuantity":
		f.Value = strings.TrimSpace(text + " " + value.Text("unit"))
	default:
		f.Value = text
	}
	if s.isRisk(f) && f.Value != "false" { // a risk that is denied is a finding
		v.Risks = append(v.Risks, f)
		return
	}
	v.Findings = append(v.Findings, f)
}

// isRisk reports whether a code is in our list of risks and safeguarding concerns.
func (s *Service) isRisk(f Finding) bool {
	for _, c := range f.Codes {
		if ok, _ := s.Terminology.ValidateCode(canonical+"/ValueSet/sp-risk", c.System, c.Code); ok {
			return true
		}
	}
	return false
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
