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
		if _, known := st.s.Partners.organisations[in.Activity.Provider]; !known {
			fault(issue.BusinessRule, "provider-unknown", "activity.provider", "this provider does not work here itself; correct its ODS code, or leave provider out and speak for it")
		}
	}
	if in.Status != "" {
		oneOf("status", in.Status, st.move.Business)
	}
	st.business = st.detail(reason)
	return faults
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
