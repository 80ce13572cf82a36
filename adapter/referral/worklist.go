package referral

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/fhir"
)

// Worklist gives the referrals the caller may see, oldest first, without timelines.
// Errors: value for a bad cursor.
func (s *Service) Worklist(ctx context.Context, c Call, f Filter) (list []View, next string, err error) {
	records, next, err := s.Store.Referrals(ctx, s.scope(c), f)
	if err != nil {
		return nil, "", err
	}
	list = make([]View, 0, len(records))
	for i := range records {
		v, err := s.view(ctx, c, &records[i], nil)
		if err != nil {
			return nil, "", err
		}
		v.Timeline = nil
		list = append(list, *v)
	}
	a := s.audit(c, "search-type", "E", nil)
	a.Entity = "Task"
	if len(records) > 0 {
		a.Organisation = records[0].Organisation
	}
	return list, next, s.record(ctx, a)
}

// View gives one referral with its timeline. Errors: not-found.
func (s *Service) View(ctx context.Context, c Call, id string) (*View, error) {
	r, err := s.Store.Referral(ctx, s.scope(c), id)
	if err != nil {
		return nil, err
	}
	events, err := s.Store.Events(ctx, s.scope(c), id)
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, c, r, events)
	if err != nil {
		return nil, err
	}
	a := s.audit(c, "read", "R", nil)
	a.Organisation, a.Entity, a.Patient = r.Organisation, "Task/"+r.ID, r.Patient
	return v, s.record(ctx, a)
}

// view renders one referral with what joined it after the request, and the person as
// known now. events is nil when they are still to be read.
func (s *Service) view(ctx context.Context, c Call, r *Record, events []Event) (*View, error) {
	if events == nil {
		var err error
		if events, err = s.Store.Events(ctx, s.scope(c), r.ID); err != nil {
			return nil, err
		}
	}
	var later []Version
	for _, kind := range []string{"Observation", "Flag", "Condition"} {
		found, err := s.Store.Search(ctx, s.scope(c), Query{Type: kind, Page: Page{Count: 500}, Conditions: []Condition{
			{Param: "_referral", Kind: ParamRef, Values: []Value{{Text: r.ID}}},
		}})
		if err != nil {
			return nil, err
		}
		slices.Reverse(found.Versions) // oldest first
		later = append(later, found.Versions...)
	}
	v, err := s.render(c, r, later, events)
	if err != nil {
		return nil, err
	}
	// a corrected telephone number must reach the link worker
	current, err := s.Store.Read(ctx, s.scope(c), "Patient", r.Patient)
	if err != nil {
		return nil, err
	}
	patient, err := parse(current.Body)
	if err != nil {
		return nil, err
	}
	v.Person = person(patient)
	activities, err := s.Store.ActivitiesOf(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	for i := range activities {
		a, err := s.activityView(ctx, c, &activities[i], r)
		if err != nil {
			return nil, err
		}
		v.Activities = append(v.Activities, *a)
	}
	v.AllowedActions = s.offers(c, situation{record: r, events: events, activities: activities, deceased: deceased(patient), input: &Input{},
		now: s.now(), rules: &s.Rules, partners: s.Partners})
	return v, nil
}

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

// offers lists what the caller may do next.
func (s *Service) offers(c Call, sit situation) []Action {
	out := []Action{}
	r, actor := sit.record, actorOf(c.Principal.Role)
	for i := range Table {
		m := &Table[i]
		if m.Action == "" || !m.By(actor) || !m.Starts(r.Status, r.Asked()) {
			continue
		}
		if slices.ContainsFunc(m.Guards, func(g Guard) bool { return g.early && !g.ok(sit) }) {
			continue
		}
		out = append(out, m.offer("/api/v1/referrals/"+r.ID))
	}
	return out
}

func person(n *fhir.Node) Person {
	p := Person{NHSNumber: nhsNumberOf(n.All("identifier")), BirthDate: n.Text("birthDate"), Gender: n.Text("gender"), Language: n.Text("communication", "language", "text")}
	if p.Language == "" {
		p.Language = n.Text("communication", "language", "coding", "display")
	}
	p.Name = personName(n.All("name"))
	for _, t := range n.All("telecom") {
		if t.Text("use") != "old" {
			p.Telecom = append(p.Telecom, strings.TrimSpace(t.Text("system")+" "+t.Text("value")))
		}
	}
	for _, a := range n.All("address") {
		if a.Text("use") == "old" {
			continue
		}
		if p.Address = a.Text("text"); p.Address == "" {
			var parts []string
			for _, line := range a.All("line") {
				parts = append(parts, line.Value)
			}
			for _, part := range []string{"city", "district", "postalCode"} {
				if v := a.Text(part); v != "" {
					parts = append(parts, v)
				}
			}
			p.Address = strings.Join(parts, ", ")
		}
		break
	}
	return p
}

// personName chooses the name to call a person by: the usual or official one, never
// an old one.
func personName(names []*fhir.Node) string {
	var best *fhir.Node
	rank := map[string]int{"usual": 4, "official": 3, "": 2, "nickname": 1, "temp": 1, "anonymous": 1}
	for _, n := range names {
		if r := rank[n.Text("use")]; r > 0 && (best == nil || r > rank[best.Text("use")]) {
			best = n
		}
	}
	if best == nil {
		return ""
	}
	if text := best.Text("text"); text != "" {
		return text
	}
	var parts []string
	for _, g := range best.All("given") {
		parts = append(parts, g.Value)
	}
	return strings.TrimSpace(strings.Join(append(parts, best.Text("family")), " "))
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
