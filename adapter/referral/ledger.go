package referral

import (
	"context"
	"time"
)

// Ledger is every loop that is open for too long: referrals that stand longer than they
// may, and outcomes that are not in a record; and how many there are of each kind.
type Ledger struct {
	AsOf        time.Time       `json:"as_of"`
	Counts      []LedgerCount   `json:"counts"` // by practice, in the order of their ODS codes
	Overdue     []LedgerEntry   `json:"overdue"`
	Undelivered []LedgerOutcome `json:"undelivered"`
	Next        LedgerCursors   `json:"next"`
}

// LedgerCursors lead to the rest of the two lists, "" at the end of one.
type LedgerCursors struct {
	Overdue     string `json:"overdue,omitempty"`
	Undelivered string `json:"undelivered,omitempty"`
}

// LedgerCount says where the referrals of one practice stand. Each is in exactly one of
// the five; overdue ones are counted there too.
type LedgerCount struct {
	Practice            Party `json:"practice"`
	WaitingForService   int   `json:"waiting_for_service"`
	WaitingForRequester int   `json:"waiting_for_requester"`
	InService           int   `json:"in_service"`
	ClosedDelivered     int   `json:"closed_and_delivered"`
	ClosedOpen          int   `json:"closed_and_delivery_open"`
	Overdue             int   `json:"overdue"`
}

// LedgerEntry is a referral that has stood in its state for longer than it may.
type LedgerEntry struct {
	Referral       string     `json:"referral"`
	Patient        string     `json:"-"` // whom the audit names
	Practice       Party      `json:"practice"`
	Owner          *Party     `json:"owner"` // null while nobody has claimed it
	Status         string     `json:"status"`
	BusinessStatus string     `json:"business_status"`
	Wait           string     `json:"wait"`      // triage, answer, first contact, support, cancellation or review
	WaitsFor       string     `json:"waits_for"` // service, requester or review date
	Since          time.Time  `json:"since"`     // when it last moved
	Due            *time.Time `json:"due,omitempty"`
}

// LedgerOutcome is something that should be in a record and is not, and why.
type LedgerOutcome struct {
	Referral  string    `json:"referral"`
	Patient   string    `json:"-"` // whom the audit names
	Practice  Party     `json:"practice"`
	Status    string    `json:"status"`
	Move      string    `json:"move,omitempty"`     // row that caused it
	Delivery  string    `json:"delivery,omitempty"` // "" when there is none: nothing could be sent
	Recipient *Party    `json:"recipient,omitempty"`
	State     string    `json:"state"` // queued, sending, awaiting, dead or unfiled
	Attempts  int       `json:"attempts"`
	Since     time.Time `json:"since"`
	Why       string    `json:"why"` // issue type of the last try, no-nhs-number, or waiting
	Details   string    `json:"details,omitempty"`
}

// LedgerQuery selects a part of the ledger.
type LedgerQuery struct {
	Now    time.Time
	Count  int // entries of each list
	Cursor LedgerCursors
}

// Ledger gives the open loops of the referrals that the caller may see, the oldest first.
// Errors: value for a bad cursor.
func (s *Service) Ledger(ctx context.Context, c Call, q LedgerQuery) (*Ledger, error) {
	l, err := s.LedgerOf(ctx, s.scope(c), q)
	if err != nil {
		return nil, err
	}
	a := s.audit(c, "search-type", "E", nil)
	a.Entity = "Task"
	for i := range l.Overdue {
		a.shows(l.Overdue[i].Practice.ODS, l.Overdue[i].Patient)
	}
	for i := range l.Undelivered {
		a.shows(l.Undelivered[i].Practice.ODS, l.Undelivered[i].Patient)
	}
	return l, s.record(ctx, a)
}

// LedgerOf is Ledger for a scope, without a record of who asked.
func (s *Service) LedgerOf(ctx context.Context, scope Scope, q LedgerQuery) (*Ledger, error) {
	q.Now = s.now()
	l, err := s.Store.Ledger(ctx, scope, q)
	if err != nil {
		return nil, err
	}
	l.Explain()
	named := func(p *Party) {
		if p != nil {
			*p = s.party(p.ODS)
		}
	}
	for i := range l.Counts {
		named(&l.Counts[i].Practice)
	}
	for i := range l.Overdue {
		named(&l.Overdue[i].Practice)
		named(l.Overdue[i].Owner)
	}
	for i := range l.Undelivered {
		named(&l.Undelivered[i].Practice)
		named(l.Undelivered[i].Recipient)
	}
	return l, nil
}

// Explain says of each overdue referral what it waits for, and of each outcome in words
// why it is not in a record.
func (l *Ledger) Explain() {
	for i := range l.Overdue {
		e := &l.Overdue[i]
		if w := waiting(e.Status, e.BusinessStatus, e.BusinessStatus == "cancellation-requested"); w != nil {
			e.Wait, e.WaitsFor = w.Name, w.For
		}
	}
	for i := range l.Undelivered {
		switch o := &l.Undelivered[i]; {
		case o.Why == UnfiledNoNumber:
			o.Details = "the NHS number of the person is not known: trace the person, then file the outcome"
		case o.Why == "":
			o.Why = "waiting"
		}
	}
}
