package referral

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Act makes a move of the life cycle. version is what If-Match named and must be the
// current one. The answer is the referral after the move.
//
// Errors: not-found for the referral or the action; conflict (rule "version-conflict")
// for a stale version; business-rule for an illegal move, naming the legal ones;
// forbidden for the wrong role; required, value and business-rule for the input, all
// faults joined.
func (s *Service) Act(ctx context.Context, c Call, id, action string, version int, in Input) (*View, error) {
	if !slices.Contains(Actions(), action) {
		return nil, issue.New(issue.NotFound, "action-unknown", "there is no such action; there are "+strings.Join(Actions(), ", "))
	}
	r, err := s.Store.Referral(ctx, s.scope(c), id)
	if err != nil {
		return nil, err
	}
	if r.Version != version {
		return nil, issue.New(issue.Conflict, "version-conflict", fmt.Sprintf("the referral has changed: its version is now %d; read it again and decide anew", r.Version))
	}
	events, err := s.Store.Events(ctx, s.scope(c), id)
	if err != nil {
		return nil, err
	}
	st := &step{s: s, c: c, before: r, events: events, in: in, at: s.now()}
	if err := st.decide(action); err != nil {
		return nil, err
	}
	change, err := st.change(ctx)
	if err != nil {
		return nil, err
	}
	if err := sound(change); err != nil {
		return nil, err
	}
	if err := s.Store.Commit(ctx, change); err != nil {
		return nil, err
	}
	return s.view(ctx, c, st.after, append(events, change.Events...))
}

// step is one move being made.
type step struct {
	s      *Service
	c      Call
	before *Record
	events []Event
	in     Input
	at     time.Time // when it is recorded
	when   time.Time // when it happened

	move     Move
	business string
	after    *Record
}

// decide finds the row of the table and checks everything it demands.
func (st *step) decide(action string) error {
	rows := moves(action, st.before.Status)
	if len(rows) == 0 {
		return issue.New(issue.BusinessRule, "illegal-move", fmt.Sprintf("%s is not possible while the referral is %s; %s",
			action, st.before.Status, legal(st.before.Status)))
	}
	st.move = rows[0]
	if err := allowed(st.c, st.move.Role); err != nil {
		return err
	}
	faults := st.fields()
	sit := situation{events: st.events, input: &st.in, business: st.business, attempts: st.s.MinAttempts}
	for _, g := range st.move.Guards {
		if e := g.check(sit); e != nil {
			faults = append(faults, e)
		}
	}
	if len(faults) > 0 {
		return issue.Join(faults)
	}
	after := *st.before
	after.Version++
	after.Status, after.BusinessStatus, after.Updated = st.move.To, st.business, st.at
	if st.business == "contact-attempted" {
		after.Attempts++
	}
	if after.Owner == "" {
		// T05 claims what waits in a pool; the version makes the claim atomic
		if after.Owner, after.Pool = st.claimant(), ""; after.Owner == "" {
			return issue.New(issue.Forbidden, "pool", "none of the caller's organisations may claim from this pool")
		}
	}
	st.after = &after
	return nil
}

// written is when the referral was authored, else received: nothing was done for the
// person before.
func (st *step) written() time.Time {
	received := st.before.Created.Add(-time.Minute) // for clocks that differ
	content, err := parse(st.before.Content)
	if err != nil {
		return received
	}
	for _, entry := range content.All("entry") {
		n := entry.Child("resource")
		if from, _, ok := fhir.Interval(n.Text("authoredOn")); ok && n.Text("id") == st.before.Filler && from.Before(received) {
			return from
		}
	}
	return received
}

// claimant is the caller's organisation that may claim from the pool, "" when none may.
func (st *step) claimant() string {
	for _, ods := range st.c.Principal.Organisations {
		if st.before.Pool == poolDefault && len(st.s.Partners.practices[ods]) > 0 || slices.Contains(st.s.Partners.practices[ods], st.before.Pool) {
			return ods
		}
	}
	return ""
}

// legal says in words what may follow a status.
func legal(status string) string {
	var names []string
	for _, m := range Table {
		if m.Action != "" && slices.Contains(m.From, status) && !slices.Contains(names, m.Action) {
			names = append(names, m.Action)
		}
	}
	if len(names) == 0 {
		return "nothing follows this status"
	}
	return "possible are " + strings.Join(names, ", ")
}

// fields checks the input against the row: what must be given, what may be, and
// whether it makes sense. It also settles the business status.
func (st *step) fields() []*issue.Error {
	var faults []*issue.Error
	fault := func(t issue.Type, rule, field, text string) {
		faults = append(faults, issue.New(t, rule, text).At(field))
	}
	in := &st.in
	given := map[string]bool{
		"channel": in.Channel != "", "result": in.Result != "", "status": in.Status != "", "review_on": in.ReviewOn != "",
		"plan": in.Plan != nil, "outcome": in.Outcome != nil, "reason": in.Reason != nil,
	}
	may := append(slices.Clone(st.move.Requires), st.move.Allows...)
	must := st.move.Requires
	if st.move.Reason {
		may, must = append(may, "reason"), append(slices.Clone(must), "reason")
	}
	for _, field := range []string{"channel", "result", "status", "review_on", "plan", "outcome", "reason"} {
		switch {
		case slices.Contains(must, field) && !given[field]:
			fault(issue.Required, "field-required", field, st.move.Action+" needs "+field)
		case given[field] && !slices.Contains(may, field):
			fault(issue.Value, "field-not-allowed", field, st.move.Action+" does not take "+field)
		}
	}
	st.when = st.at
	if in.At != nil {
		st.when = in.At.UTC()
		in.At = &st.when
		if st.when.Before(st.written()) {
			fault(issue.Value, "field-time", "at", "at lies before the referral was written")
		}
		// a minute for clocks that differ
		if st.when.After(st.at.Add(time.Minute)) {
			fault(issue.Value, "field-time", "at", "at lies in the future; give the time when it happened")
		}
	}
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
	switch {
	case st.move.Reason && in.Reason != nil:
		st.business = st.s.businessOf(in.Reason)
		oneOf("reason.code", st.business, st.move.Business)
		if st.business == "" {
			fault(issue.Required, "field-required", "reason.code", "reason needs a code: one of "+strings.Join(st.move.Business, ", ")+
				", or with the system "+SystemCloseReason+" a close reason that belongs to one of these")
		}
	case in.Result != "":
		st.business = "contact-attempted"
		if in.Result == "reached" || reached(st.events) {
			st.business = "contacted"
		}
	case in.Status != "":
		oneOf("status", in.Status, st.move.Business)
		st.business = in.Status
	case in.Outcome != nil:
		oneOf("outcome.status", in.Outcome.Status, st.move.Business)
		if in.Outcome.Status == "" {
			fault(issue.Required, "field-required", "outcome.status", "outcome needs a status: one of "+strings.Join(st.move.Business, ", "))
		}
		st.business = in.Outcome.Status
		faults = append(faults, st.s.checkOutcome(in.Outcome)...)
	default:
		st.business = st.move.Business[0]
	}
	return faults
}

// Channels are the ways to contact a person: the codes of CodeSystem contact-channel.
var Channels = []string{"telephone", "sms", "e-mail", "letter", "video", "home-visit", "in-person"}

// Results are what came of a contact: the codes of CodeSystem contact-result.
var Results = []string{"reached", "no-answer", "message-left", "message-with-household", "message-not-delivered", "wrong-number", "refused", "did-not-attend"}

// checkOutcome checks the codes and scores of an outcome.
func (s *Service) checkOutcome(o *Outcome) []*issue.Error {
	var faults []*issue.Error
	code := func(field string, list []Coded) {
		for i := range list {
			at := fmt.Sprintf("outcome.%s[%d]", field, i)
			if list[i].System == "" && list[i].Code != "" {
				list[i].System = SystemSNOMED
			}
			if list[i].Code == "" && list[i].Text == "" {
				faults = append(faults, issue.New(issue.Required, "code-or-text", "give a code or a text").At(at))
			}
			if list[i].System == SystemSNOMED {
				if why := refusedCode(list[i].Code); why != "" {
					faults = append(faults, issue.New(issue.CodeInvalid, "code-refused", "this code is not written to a record: "+why).At(at+".code").With("code %q", list[i].Code))
					continue
				}
			}
			if s.unknownHere(list[i].System, list[i].Code) {
				faults = append(faults, issue.New(issue.CodeInvalid, "code-refused", "this is no code of a code system of this program").At(at+".code").With("code %q", list[i].Code))
				continue
			}
			if list[i].Code != "" && list[i].Display == "" && list[i].Text == "" {
				if _, known := s.Terminology.Lookup(list[i].System, list[i].Code); !known {
					faults = append(faults, issue.New(issue.Required, "code-words", "this code is not known here: give display or text, so that the record says in words what was meant").At(at))
				}
			}
		}
	}
	code("findings", o.Findings)
	code("interventions", o.Interventions)
	for i, score := range o.Scores {
		at := fmt.Sprintf("outcome.scores[%d]", i)
		instrument := s.Instruments.ByCode(score.Instrument)
		if instrument == nil {
			faults = append(faults, issue.New(issue.CodeInvalid, "instrument-unknown", "instrument is one of "+strings.Join(s.Instruments.Codes(), ", ")).At(at+".instrument"))
			continue
		}
		if e := instrument.Check(score.Value); e != nil {
			faults = append(faults, e.At(at+".value"))
		}
		if from, _, _ := fhir.Interval(score.Date); score.Date != "" && !fhir.Lexical("dateTime", score.Date) {
			faults = append(faults, issue.New(issue.Value, "field-date", "date is a FHIR date, or a dateTime with seconds and offset").At(at+".date"))
		} else if from.After(s.now()) {
			faults = append(faults, issue.New(issue.Value, "field-date", "date lies in the future").At(at+".date"))
		}
	}
	return faults
}
