package referral

import (
	"context"

	"spadapter/adapter/fhir"
)

// succeed makes the Task that takes the place of this one, on the same request: for the
// same service when a referral is opened again, for another when it is handed over.
func (st *step) succeed(ctx context.Context, change *Change, content *fhir.Node) error {
	s, old := st.s, st.before
	next := &Record{
		ID: s.Store.NewID(), Organisation: old.Organisation, Owner: old.Owner, Pool: old.Pool, Version: 1, Status: row("T03").To,
		BusinessStatus: row("T03").Business[0], Patient: old.Patient, ServiceRequest: old.ServiceRequest, Filler: old.Filler,
		Sharing: old.Sharing, Dialect: old.Dialect, Created: st.at, Updated: st.at, Since: st.at, Follows: old.ID, Root: old.Root, Content: old.Content,
	}
	if next.Root == "" {
		next.Root = old.ID
	}
	if st.in.Service != "" {
		next.Owner, next.Pool = st.in.Service, ""
	}
	next.Due = s.Rules.due(next.Status, next.BusinessStatus, false, st.at, "")
	next.Remind = s.Rules.looks(next.Status, next.BusinessStatus, st.at, st.at)
	s.glance(next, content)
	next.RiskTold = next.RiskTold || old.RiskTold
	// what a service kept to itself is not for the next one
	next.Risk = next.Risk || old.RiskTold || old.Risk && next.Owner == old.Owner
	next.Registered = old.Registered // as known now
	request := fhir.New(fhir.Types(fhir.R4).Type("ServiceRequest"))
	for _, entry := range content.All("entry") {
		if n := entry.Child("resource"); n.Text("id") == old.Filler {
			request = n
		}
	}
	task := s.newTask(next, request)
	was := fhir.NewReference("Task/" + old.ID)
	was.Type, was.Identifier = fhir.NewURI("Task"), fhir.NewIdentifier(IDSystem+"task", old.ID)
	input := &fhir.TaskInput{Type: s.concept(Coded{System: SystemTaskOutput, Code: "follows"})}
	must(fhir.SetChoice(input, "value", was))
	task.Input = append(task.Input, input)
	if st.in.Note != "" && st.in.NoteAudience != ForService && st.move.To == "" { // else the Task that ended has it
		task.Note = append(task.Note, st.s.annotation(st.in.Note, st.in.NoteAudience, "", st.when))
	}
	n, err := fhir.FromTyped(task)
	if err != nil {
		return err
	}
	version, err := s.taskVersion(next, n)
	if err != nil {
		return err
	}
	change.Successor, st.successor = next, next
	change.Versions = append(change.Versions, version)
	change.Keys = append(change.Keys, Key{KeySuccessor, old.Organisation, old.ID, next.ID})
	for _, id := range []string{"T02", "T03"} {
		m := row(id)
		e := Event{ID: s.Store.NewID(), Referral: next.ID, Move: id, From: m.From[0], To: m.To, At: st.at, BusinessStatus: next.BusinessStatus}
		if id == "T02" {
			e.Actor, e.Role = st.party(), st.role()
			data := struct {
				Follows string `json:"follows"`
				noted
			}{Follows: old.ID}
			if st.move.To == "" { // else the event of the Task that ended has it
				data.noted = noted{Note: st.in.Note, Audience: st.in.NoteAudience}
			}
			e.Data = mustJSON(data)
		}
		change.Events = append(change.Events, e)
	}
	return nil
}
