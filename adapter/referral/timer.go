package referral

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
)

// maxExpired is how many times that are over are looked at in one round.
const maxExpired = 200

// RunTimers looks every so often for times that are over, until ctx ends. Every process
// may run one: the commit lets each take effect once.
func (s *Service) RunTimers(ctx context.Context, log *slog.Logger, every time.Duration) {
	for ctx.Err() == nil {
		n, err := s.Expire(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Warn("timers_failed", "issue", string(issue.All(err)[0].Type))
		case n > 0:
			log.Info("timers_expired", "referrals", n)
		}
		if n == maxExpired && err == nil {
			continue // there are more
		}
		select {
		case <-ctx.Done():
		case <-time.After(every):
		}
	}
}

// Expire makes the moves of the times that are over: what is asked to be cancelled is
// (T14), a service that has not decided is reminded (T25) or, where the deployment says so,
// counted as rejecting (T06), anything else is overdue (T21). It gives how many took effect here; where a
// person or another process was first, the timer does nothing. One referral that cannot
// be moved does not keep the others (RC02).
func (s *Service) Expire(ctx context.Context) (n int, err error) {
	ids, err := s.Store.DueReferrals(ctx, s.now(), maxExpired)
	if err != nil {
		return 0, err
	}
	var faults []error
	for _, id := range ids {
		err := s.expire(ctx, id)
		switch {
		case err == nil:
			n++
		case errors.Is(err, issue.Conflict) || errors.Is(err, issue.BusinessRule):
			// somebody acted in the meantime, or another process was first
		default:
			faults = append(faults, err)
		}
	}
	return n, errors.Join(faults...)
}

// expire makes the move of one timer, on the version that it sees.
func (s *Service) expire(ctx context.Context, id string) error {
	st := &step{s: s, scope: Scope{Role: auth.RoleOperator}, actor: ActorTimer, at: s.now()}
	if err := st.read(ctx, id); err != nil {
		return err
	}
	m := st.timed()
	if r := st.before; m == nil && !r.Remind.IsZero() && !st.at.Before(r.Remind) {
		// what was to be done then is not configured any more
		return s.Store.Commit(ctx, &Change{Organisation: r.Organisation, At: st.at,
			Timer: &Timer{Referral: r.ID, Version: r.Version, Remind: r.Remind, Next: s.Rules.looks(r.Status, r.BusinessStatus, r.Since, r.Remind)}})
	}
	if m == nil {
		return issue.New(issue.BusinessRule, "illegal-move", "no time counts in this state")
	}
	if m.Reason {
		st.in.Reason = &Coded{Code: m.ReasonCodes()[0], Text: silence[m.ID]}
	}
	if err := st.take(m); err != nil {
		return err
	}
	var change *Change
	var err error
	if m.To == "" {
		change = st.tag()
	} else if change, err = st.finish(ctx); err != nil {
		return err
	}
	return s.Store.Commit(ctx, change)
}

// silence is what is said to the record of what time alone ended.
var silence = map[string]string{
	"T06": "The service did not answer in the time agreed.",
	"T14": "Nobody answered in the time agreed.",
}

// timed is the row that a timer makes from here, the one that moves the referral first.
func (st *step) timed() *Move {
	var tag *Move
	sit := st.situation()
	for i := range Table {
		m := &Table[i]
		switch {
		case !m.By(ActorTimer) || !m.Starts(st.before.Status, st.before.Asked()) || slices.ContainsFunc(m.Guards, func(g Guard) bool { return !g.ok(sit) }):
		case m.To == "":
			if tag == nil {
				tag = m
			}
		case !st.s.Rules.NoAutoCancel:
			return m
		}
	}
	return tag
}

// tag makes the Change of a move that only says that a time is over: the Task stays as it
// is, so that nobody's version becomes stale.
func (st *step) tag() *Change {
	r := st.before
	change := &Change{Organisation: r.Organisation, At: st.at, Timer: &Timer{Referral: r.ID, Version: r.Version, Due: r.Due}}
	if st.move.ID == "T25" {
		change.Timer.Remind, change.Timer.Next = r.Remind, st.s.Rules.looks(r.Status, r.BusinessStatus, r.Since, r.Remind)
	}
	change.Events = []Event{{ID: st.s.Store.NewID(), Referral: r.ID, Move: st.move.ID, From: r.Status, To: r.Status, BusinessStatus: r.BusinessStatus, At: st.at}}
	st.s.tellOf(&change.Events[0], r, st.at)
	a := st.s.audit(st.c, "update", "U", nil)
	a.Client, a.Organisation, a.Entity, a.Version, a.Patient = "timers", r.Organisation, "Task/"+r.ID, r.Version, r.Patient
	change.Audits = []Audit{a}
	return change
}
