package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

// law is the life cycle as a walk expects it, written by hand from its description and
// not from the table that runs, so that a wrong row is seen. A state with + has a
// cancellation asked for. What stands under "becomes" is the business status, or where it
// comes from; under "sends" the least sharing level at which the record is told.
const law = `
states                               who    action                row  to                becomes                guards              sends
received                             LW     ask                   T04  =                 info-requested         -                   codes-only
received                             REQ    answer                T23  =                 awaiting-triage        questioned          -
received                             LW     accept                T05  accepted          allocated              -                   -
received                             LW     reject                T06  rejected          reason                 -                   codes-only
received                             REQ    cancel                T07  cancelled         reason                 -                   -
accepted,in-progress                 LW     contact               T08  in-progress       result                 alive               -
in-progress                          LW     plan                  T09  =                 plan-agreed            reached             summary
in-progress                          LW     signpost              T09  =                 signposted             reached,alive       -
in-progress                          LW     refer                 T09  =                 referred-onward        reached,alive       -
accepted,in-progress,on-hold         LW     escalate              T09  in-progress       status                 -                   codes-only
in-progress                          LW     progress              T09  =                 status                 -                   -
accepted,in-progress                 LW     hold                  T10  on-hold           reason                 -                   -
on-hold                              LW     resume                T11  in-progress       support-ongoing        -                   -
accepted,in-progress                 LW     reject                T12  rejected          reason                 unreached           codes-only
accepted,in-progress,on-hold         REQ    cancel                T13  =                 cancellation-requested -                   -
accepted+,in-progress+,on-hold+      LW     confirm-cancellation  T14  cancelled         reason                 -                   codes-only
accepted+,in-progress+,on-hold+      LW     complete              T15  completed         outcome-recorded       ended               codes-only
accepted+,in-progress+,on-hold+      REQ    withdraw-cancellation T22  =                 former                 -                   -
accepted+,in-progress+,on-hold+      LW     decline-cancellation  T22  =                 former                 -                   codes-only
accepted,in-progress,on-hold         LW     complete              T16  completed         outcome                ended               codes-only
accepted,in-progress,on-hold         LW     close                 T17  cancelled         reason                 attempts            codes-only
received,accepted,in-progress,on-hold LW,ADM transfer             T17  cancelled         replaced               -                   codes-only
accepted,in-progress,on-hold         LW     fail                  T18  failed            service-closed         -                   codes-only
received                             REQ    enter-in-error        T19  entered-in-error  =                      -                   retract
received,accepted,accepted+          ADM    enter-in-error        T19  entered-in-error  =                      -                   retract
in-progress,in-progress+,on-hold,on-hold+,rejected,cancelled,completed,failed ADM enter-in-error T24 entered-in-error = - retract
completed                            LW     correct               T20  =                 =                      -                   codes-only
rejected,cancelled,completed,failed  REQ,LW reopen                T02  =                 =                      reopenable,owned       -
`

// statute is one row of the law.
type statute struct {
	states, who              []string
	action, row, to, becomes string
	guards                   []string
	sends                    string
}

func readLaw(t testing.TB) (list []statute) {
	for _, line := range strings.Split(strings.TrimSpace(law), "\n")[1:] {
		f := strings.Fields(line)
		if len(f) != 8 {
			t.Fatalf("the law says %q", line)
		}
		comma := func(s string) []string { return strings.Split(s, ",") }
		list = append(list, statute{comma(f[0]), comma(f[1]), f[2], f[3], f[4], f[5], comma(f[6]), f[7]})
	}
	return list
}

// errandLaw is the same for sub-Tasks: from, action, row, to.
const errandLaw = `
requested   accept S02 accepted
requested   reject S02 rejected
accepted    attend S03 in-progress
in-progress attend S03 in-progress
accepted    end    S04 completed
in-progress end    S04 completed
requested   cancel S05 cancelled
accepted    cancel S05 cancelled
in-progress cancel S05 cancelled
`

// ended are the states in which a referral does nothing any more.
var ended = []string{"rejected", "cancelled", "completed", "failed", "entered-in-error"}

// knows is what a walk knows of a referral beside its record.
type knows struct {
	id, practice string
	reached      bool            // the person was
	attempts     map[string]bool // days on which nobody answered
	followed     bool            // another Task has taken its place
	task         []byte          // the Task as it was at the last look
	beside       []*beside
}

// finds gives the row of the law for a move, and whether it may be made; nil where the
// state knows no such move of this actor.
func (w *walk) finds(k *knows, r *referral.Record, who, action string, in *referral.Input) (s *statute, allowed bool) {
	state := r.Status
	if r.Former != "" {
		state += "+"
	}
	for i := range w.law {
		s := &w.law[i]
		if s.action == action && slices.Contains(s.states, state) && slices.Contains(s.who, who) {
			return s, !slices.ContainsFunc(s.guards, func(g string) bool { return !w.holds(g, who, k, r, in) })
		}
	}
	return nil, false
}

// holds reports whether what a guard demands is so.
func (w *walk) holds(guard, who string, k *knows, r *referral.Record, in *referral.Input) bool {
	switch guard {
	case "questioned":
		return r.BusinessStatus == "info-requested"
	case "alive":
		return !w.dead[k.id]
	case "reached":
		return k.reached
	case "unreached":
		return !k.reached
	case "ended":
		return !slices.ContainsFunc(w.errands(r.ID), func(a referral.Activity) bool { return !slices.Contains(ended, a.Status) })
	case "attempts":
		return in.Reason.Code != "unable-to-contact" || len(k.attempts) >= w.service.Rules.MinAttempts
	case "reopenable":
		return r.BusinessStatus != "replaced" && !k.followed && w.now.Sub(r.Since) <= 90*24*time.Hour
	case "owned":
		return who != "LW" || r.Owner != ""
	}
	return guard == "-"
}

// becomes is the business status that a move leads to.
func (s *statute) business(k *knows, r *referral.Record, in *referral.Input) string {
	switch s.becomes {
	case "=":
		return r.BusinessStatus
	case "reason":
		return in.Reason.Code
	case "former":
		return r.Former
	case "status":
		return in.Status
	case "outcome":
		return in.Outcome.Status
	case "result":
		if in.Result == "reached" || k.reached {
			return "contacted"
		}
		return "contact-attempted"
	}
	return s.becomes
}

// given are inputs with which nothing of a move is wrong.
func (w *walk) given(action string, r *referral.Record, draw func(string, []string) string) referral.Input {
	reason := func(codes ...string) referral.Input { return referral.Input{Reason: said(draw("reason", codes))} }
	switch action {
	case "ask":
		return referral.Input{Question: "Which language?"}
	case "answer":
		return referral.Input{Answer: "Somali."}
	case "contact":
		return referral.Input{Channel: "telephone", Result: draw("result", []string{"reached", "no-answer", "message-left"})}
	case "plan":
		return referral.Input{Plan: &referral.Plan{Summary: "Lunch club.", Agreed: true}}
	case "signpost":
		return referral.Input{Signpost: &referral.Signpost{To: "the library"}}
	case "refer":
		return referral.Input{Activity: &referral.ActivityInput{Provider: draw("provider", []string{service2, ""}), Name: "Choir", Consent: true}}
	case "progress":
		return referral.Input{Status: draw("status", []string{"assessment-booked", "did-not-attend", "support-ongoing"})}
	case "escalate":
		return referral.Input{Status: draw("status", []string{"escalated-to-gp", "crisis", "safeguarding"}), RequestedAction: "Please see her today."}
	case "hold":
		in := reason("waiting-list", "patient-request", "unwell")
		in.ReviewOn = w.now.AddDate(0, 0, 9).Format(time.DateOnly)
		return in
	case "reject":
		if r.Status == "received" {
			return reason("not-eligible", "no-capacity", "wrong-service", "duplicate")
		}
		return reason("no-capacity", "wrong-service")
	case "cancel":
		return reason("cancellation-requested", "consent-withdrawn", "moved-away", "deceased")
	case "confirm-cancellation":
		return reason("consent-withdrawn", "moved-away", "deceased")
	case "decline-cancellation":
		return reason("support-ongoing", "patient-request")
	case "complete":
		return referral.Input{Outcome: fullOutcome()}
	case "close":
		return reason("declined-by-patient", "unable-to-contact", "disengaged", "deceased", "moved-away")
	case "transfer":
		in := reason("replaced")
		in.Service = map[string]string{service1: service2, service2: service1}[r.Owner]
		return in
	case "fail":
		return reason("service-closed")
	case "enter-in-error":
		return reason("entered-in-error")
	case "correct":
		return referral.Input{Outcome: fullOutcome(), Note: "a slip"}
	}
	return referral.Input{}
}

// spoil makes an input unfit, whatever the action.
func spoil(in referral.Input, how string, now time.Time) referral.Input {
	switch later := now.Add(time.Hour); {
	case how == "foreign":
		in.Sessions = "3" // of activities alone
	case how == "future":
		in.At = &later
	case in.Reason != nil:
		in.Reason = &referral.Coded{Code: "because", Text: "in words"}
	case in.Outcome != nil:
		in.Outcome = &referral.Outcome{Status: "splendid"}
	default:
		in.Channel, in.Result = "pigeon", "flew"
	}
	return in
}

// roles are the callers of a walk by the actor they are for a referral of one owner.
func (w *walk) call(who string, r *referral.Record) referral.Call {
	p := &auth.Principal{Client: "walk-" + who, Scopes: []string{"system/*.cruds"}}
	switch who {
	case "REQ":
		p.Role, p.Organisations = auth.RoleRequester, []string{r.Organisation}
	case "LW":
		p.Role, p.Organisations = auth.RoleOwner, []string{r.Owner}
	case "ADM":
		p.Role = auth.RoleOperator
	case "stranger": // another service
		p.Role, p.Organisations = auth.RoleOwner, []string{map[string]string{service1: service2, service2: service1}[r.Owner]}
	}
	return referral.Call{Principal: p, RequestID: w.store.NewID()}
}
