package referral

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// fields checks the input against the row: what must be given, what may be, and
// whether it makes sense. It also settles the business status.
func (st *step) fields() []*issue.Error {
	var faults []*issue.Error
	fault := func(t issue.Type, rule, field, text string) {
		faults = append(faults, issue.New(t, rule, text).At(field))
	}
	in := &st.in
	given := in.given()
	may := append(slices.Clone(st.move.Requires), append([]string{"note"}, st.move.Allows...)...)
	must := st.move.Requires
	if st.move.Reason {
		may, must = append(may, "reason"), append(slices.Clone(must), "reason")
	}
	for _, field := range inputFields {
		switch {
		case slices.Contains(must, field) && !given[field]:
			fault(issue.Required, "field-required", field, st.move.Action+" needs "+field)
		case given[field] && !slices.Contains(may, field):
			fault(issue.Value, "field-not-allowed", field, st.move.Action+" does not take "+field)
		}
	}
	faults = append(faults, st.happened(in.At)...)
	if in.At != nil {
		in.At = &st.when
	}
	faults = append(faults, st.noteReaders()...)
	if _, _, ok := fhir.Interval(in.ReviewOn); in.ReviewOn != "" && (!ok || len(in.ReviewOn) != 10) {
		fault(issue.Value, "field-date", "review_on", "review_on is a date, YYYY-MM-DD")
	} else if in.ReviewOn != "" && in.ReviewOn < st.at.Format(time.DateOnly) {
		fault(issue.Value, "field-date", "review_on", "review_on lies in the past; give a date to come")
	}
	oneOf := func(field, value string, allowed []string) {
		if value != "" && !slices.Contains(allowed, value) {
			fault(issue.CodeInvalid, "field-code", field, field+" is one of "+strings.Join(allowed, ", "))
		}
	}
	faults = append(faults, in.texts()...)
	oneOf("channel", in.Channel, Channels)
	oneOf("result", in.Result, Results)
	reason := ""
	if st.move.Reason && in.Reason != nil {
		reason = st.s.businessOf(in.Reason)
		oneOf("reason.code", reason, st.move.ReasonCodes())
		if reason == "" {
			fault(issue.Required, "field-required", "reason.code", "reason needs a code: one of "+strings.Join(st.move.ReasonCodes(), ", ")+
				", or with the system "+SystemCloseReason+" a close reason that belongs to one of these")
		}
	}
	st.reason = reason
	if in.Outcome != nil {
		oneOf("outcome.status", in.Outcome.Status, st.move.Outcomes)
		if in.Outcome.Status == "" {
			fault(issue.Required, "field-required", "outcome.status", "outcome needs a status: one of "+strings.Join(st.move.Outcomes, ", "))
		}
		faults = append(faults, st.s.checkOutcome(in.Outcome)...)
	}
	if in.Signpost != nil && in.Signpost.Code != nil {
		faults = append(faults, st.s.checkCode("signpost.code", in.Signpost.Code)...)
	}
	if in.Activity != nil && in.Activity.Code != nil {
		faults = append(faults, st.s.checkCode("activity.code", in.Activity.Code)...)
	}
	if in.Activity != nil && in.Activity.Provider != "" {
		if in.Activity.Provider == st.before.Organisation {
			fault(issue.BusinessRule, "provider-practice", "activity.provider", "this is the practice that sent the referral, which gives no activity: ask it by escalate, or name another provider")
		} else if _, known := st.s.Partners.organisations[in.Activity.Provider]; !known {
			fault(issue.BusinessRule, "provider-unknown", "activity.provider", "this provider does not work here itself; correct its ODS code, or leave provider out and speak for it")
		}
	}
	if in.Status != "" {
		oneOf("status", in.Status, st.move.Business)
	}
	st.business = st.detail(reason)
	return faults
}

// happened settles when it happened; nil is now.
func (st *step) happened(at *time.Time) (faults []*issue.Error) {
	if st.when = st.at; at == nil {
		return nil
	}
	st.when = at.UTC()
	if st.when.Before(st.written()) {
		faults = append(faults, issue.New(issue.Value, "field-time", "at lies before the referral was written").At("at"))
	}
	// a minute for clocks that differ
	if st.when.After(st.at.Add(time.Minute)) {
		faults = append(faults, issue.New(issue.Value, "field-time", "at lies in the future; give the time when it happened").At("at"))
	}
	return faults
}

// noteReaders checks the audience of a note that is given with a move.
func (st *step) noteReaders() []*issue.Error {
	in := &st.in
	var e *issue.Error
	switch {
	case in.NoteAudience == "":
		return nil
	case in.Note == "":
		e = issue.New(issue.Value, "field-not-allowed", "note_audience goes with a note")
	case !slices.Contains(Readers, in.NoteAudience):
		e = issue.New(issue.CodeInvalid, "field-code", "note_audience is one of "+strings.Join(Readers, ", "))
	case in.NoteAudience == ForPractice:
		return nil
	case st.actor != ActorWorker || st.activity != nil:
		e = issue.New(issue.BusinessRule, "audience-practice", "this note is read by everybody who sees the Task: leave note_audience out, or send practice")
	case in.NoteAudience == ForService && st.move.Opens == OpensSuccessor && st.move.To == "" && st.before.Owner == "":
		e = issue.New(issue.BusinessRule, "audience-nobody", "no service owns the new referral yet: a note for the service alone would have no reader")
	case in.NoteAudience == ForService && slices.Contains(st.move.Requires, "note"):
		e = issue.New(issue.BusinessRule, "audience-practice", "the note says to the practice why: it cannot be for the service alone")
	default:
		return nil
	}
	return []*issue.Error{e.At("note_audience")}
}

// detail is the business status that the row and what is given with it lead to.
func (st *step) detail(reason string) string {
	m, in := st.move, &st.in
	switch {
	case m.Restores:
		return st.before.Former
	case len(m.Business) == 0:
		return st.before.BusinessStatus
	case len(m.Business) == 1:
		return m.Business[0]
	case m.Reason && m.Reasons == nil:
		return reason
	case in.Result != "":
		if in.Result == "reached" || reached(st.events) {
			return "contacted"
		}
		return "contact-attempted"
	case in.Status != "":
		return in.Status
	case in.Outcome != nil:
		return in.Outcome.Status
	}
	return m.Business[0]
}

// Channels are the ways to contact a person: the codes of CodeSystem contact-channel.
var Channels = []string{"telephone", "sms", "e-mail", "letter", "video", "home-visit", "in-person"}

// Results are what came of a contact: the codes of CodeSystem contact-result.
var Results = []string{"reached", "no-answer", "message-left", "message-with-household", "message-not-delivered", "wrong-number", "refused", "did-not-attend"}

// checkCode checks one code that is to be written to a record, and settles its system.
func (s *Service) checkCode(at string, c *Coded) []*issue.Error {
	if c.System == "" && c.Code != "" {
		c.System = SystemSNOMED
	}
	var faults []*issue.Error
	if c.Code == "" && c.Text == "" {
		faults = append(faults, issue.New(issue.Required, "code-or-text", "give a code or a text").At(at))
	}
	if c.System == SystemSNOMED {
		if why := refusedCode(c.Code); why != "" {
			return append(faults, issue.New(issue.CodeInvalid, "code-refused", "this code is not written to a record: "+why).At(at+".code").With("code %q", c.Code))
		}
	}
	if s.unknownHere(c.System, c.Code) {
		return append(faults, issue.New(issue.CodeInvalid, "code-refused", "this is no code of a code system of this program").At(at+".code").With("code %q", c.Code))
	}
	if c.Code != "" && c.Display == "" && c.Text == "" {
		if _, known := s.Terminology.Lookup(c.System, c.Code); !known {
			faults = append(faults, issue.New(issue.Required, "code-words", "this code is not known here: give display or text, so that the record says in words what was meant").At(at))
		}
	}
	return faults
}

// checkOutcome checks the codes and scores of an outcome.
func (s *Service) checkOutcome(o *Outcome) []*issue.Error {
	var faults []*issue.Error
	code := func(field string, list []Coded) {
		for i := range list {
			faults = append(faults, s.checkCode(fmt.Sprintf("outcome.%s[%d]", field, i), &list[i])...)
		}
	}
	code("findings", o.Findings)
	code("interventions", o.Interventions)
	for i, score := range o.Scores {
		at := fmt.Sprintf("outcome.scores[%d]", i)
		if named := s.Instruments.byScore[[2]string{score.System, score.Code}]; score.Instrument == "" && named != nil {
			o.Scores[i].Instrument = named.Code // over FHIR it is named by the code of its score
		}
		instrument := s.Instruments.ByCode(o.Scores[i].Instrument)
		if instrument == nil {
			faults = append(faults, issue.New(issue.CodeInvalid, "instrument-unknown", "instrument is one of "+strings.Join(s.Instruments.Codes(), ", ")).At(at+".instrument"))
			continue
		}
		if e := instrument.Check(score.Value); e != nil {
			faults = append(faults, e.At(at+".value"))
		}
		if score.Role != "" && score.Role != RoleBaseline && score.Role != RoleFollowUp {
			faults = append(faults, issue.New(issue.CodeInvalid, "field-code", "role is baseline or follow-up").At(at+".role"))
		}
		if from, _, _ := fhir.Interval(score.Date); score.Date != "" && !fhir.Lexical("dateTime", score.Date) {
			faults = append(faults, issue.New(issue.Value, "field-date", "date is a FHIR date, or a dateTime with seconds and offset").At(at+".date"))
		} else if from.After(s.now()) {
			faults = append(faults, issue.New(issue.Value, "field-date", "date lies in the future").At(at+".date"))
		}
	}
	return faults
}
