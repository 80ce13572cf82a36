package referral

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"spadapter/adapter/issue"
)

// Retention says how long the closed referrals of each organisation are kept after their
// last change. Zero is for ever. How long is for the deployment to decide; as a starting
// point, the NHS Records Management Code of Practice keeps adult health records and adult
// social care records for 8 years after the last contact, and those of children until the
// 25th birthday.
// Source: https://transform.england.nhs.uk/information-governance/guidance/records-management-code/.
type Retention struct {
	closed time.Duration
	audit  time.Duration
	own    map[string]organisationRetention
}

type organisationRetention struct {
	ClosedDays *int `json:"closed_days"`
	AuditDays  *int `json:"audit_days"`
}

// NewRetention reads the times of single organisations over those of all: JSON such as
// {"organisations": {"Y99001": {"closed_days": 2922, "audit_days": 7305}}}, nil for none.
// Errors: value.
func NewRetention(closed, audit time.Duration, file []byte) (*Retention, error) {
	r := &Retention{closed: closed, audit: audit}
	if file != nil {
		var list struct {
			Organisations map[string]organisationRetention `json:"organisations"`
		}
		d := json.NewDecoder(bytes.NewReader(file))
		d.DisallowUnknownFields() // a typing mistake would else delete, or keep, in silence
		if err := d.Decode(&list); err != nil {
			return nil, issue.New(issue.Value, "retention", `the times of organisations are JSON such as {"organisations": {"Y99001": {"closed_days": 2922}}}`).Because(err)
		}
		r.own = list.Organisations
	}
	for ods, o := range r.own {
		if o.ClosedDays != nil && *o.ClosedDays < 0 || o.AuditDays != nil && *o.AuditDays < 0 {
			return nil, issue.Newf(issue.Value, "retention", "the days of %s are not below zero; 0 keeps for ever", ods)
		}
	}
	for _, ods := range slices.Sorted(maps.Keys(r.own)) {
		if ods == "" {
			return nil, issue.New(issue.Value, "retention", "an organisation has an ODS code")
		}
	}
	for _, ods := range append([]string{""}, slices.Sorted(maps.Keys(r.own))...) {
		if a, c := r.Audit(ods), r.Closed(ods); a > 0 && (c == 0 || a < c) {
			whose := ods
			if whose == "" {
				whose = "organisations without times of their own"
			}
			return nil, issue.Newf(issue.Value, "retention", "audit records of %s would go before what they are about: keep them at least as long as closed referrals", whose)
		}
	}
	if closed < 0 || audit < 0 {
		return nil, issue.New(issue.Value, "retention", "times are not below zero; 0 keeps for ever")
	}
	return r, nil
}

// Closed is how long the closed referrals of an organisation are kept; 0 for ever.
func (r *Retention) Closed(organisation string) time.Duration {
	return days(r.own[organisation].ClosedDays, r.closed)
}

// Audit is how long its audit records are kept; 0 for ever.
func (r *Retention) Audit(organisation string) time.Duration {
	return days(r.own[organisation].AuditDays, r.audit)
}

// EveryAudit is after how long no organisation keeps an audit record any more; 0 for never.
func (r *Retention) EveryAudit() time.Duration {
	longest := r.audit
	if longest == 0 {
		return 0
	}
	for ods := range r.own {
		keep := r.Audit(ods)
		if keep == 0 {
			return 0
		}
		longest = max(longest, keep)
	}
	return longest
}

func days(own *int, all time.Duration) time.Duration {
	if own == nil {
		return all
	}
	return time.Duration(*own) * 24 * time.Hour
}

// Standing is what decides whether the referrals on one request may be removed. They go
// together: each Task that took the place of another shares its request.
type Standing struct {
	Open    bool      // one of them is
	Changed time.Time // when the last of them changed last
	Held    bool      // one of them, their patient or their organisation is under a hold
	Sending bool      // something is with its recipient at this moment
	Unfiled bool      // an outcome is not in a record: still to go, dead, or without a number
}

// Why something is kept.
const (
	KeptOpen    = "open"
	KeptRecent  = "recent"
	KeptHeld    = "held"
	KeptUnfiled = "outcome not in a record"
)

// Removal is what is to be removed, and from what.
type Removal struct {
	Organisation string
	Before       time.Time // changed last before; not asked with Patient
	Patient      string    // of one person alone, whatever its age: an erasure
	Force        bool      // also what has an outcome that is not in a record
}

// Keeps says why the referrals on a request are kept, "" when they may go.
func (r *Removal) Keeps(s Standing) string {
	switch {
	case s.Open:
		return KeptOpen
	case s.Held:
		return KeptHeld
	case r.Patient == "" && !s.Changed.Before(r.Before):
		return KeptRecent
	case s.Sending, s.Unfiled && !r.Force:
		return KeptUnfiled
	}
	return ""
}

// Removed is what was removed, or would be.
type Removed struct {
	Requests int            // with all referrals on each
	People   int            // Patients without any referral left
	Rows     map[string]int // by kind: types of resources, and tables for the rest
	Kept     map[string]int // requests that are old enough and were kept, by why
}

// Add counts what another removed.
func (r *Removed) Add(o Removed) {
	r.Requests, r.People = r.Requests+o.Requests, r.People+o.People
	if r.Rows == nil {
		r.Rows, r.Kept = map[string]int{}, map[string]int{}
	}
	for kind, n := range o.Rows {
		r.Rows[kind] += n
	}
	for why, n := range o.Kept {
		r.Kept[why] += n
	}
}

// KeyPurged is the hash of a key whose referral was removed. A message with that key is old
// news, not a new referral.
const KeyPurged = "purged"

// purged is the answer to such a message.
func purged(k Key) error {
	return issue.New(issue.Deleted, "referral-purged",
		"this "+keyNames[k.Kind]+" belongs to a referral that was removed at the end of its retention; it is not taken in again: refer anew under a new identifier if that is meant")
}

// HoldKind is what a hold keeps.
type HoldKind string

// The kinds of hold.
const (
	HoldReferral     HoldKind = "referral"
	HoldPatient      HoldKind = "patient"
	HoldOrganisation HoldKind = "organisation"
)

// Hold keeps what would else be removed, as for an inquiry or a complaint.
type Hold struct {
	ID        string
	Kind      HoldKind
	Target    string // id of the Task or Patient, or ODS code
	Reason    string
	Placed    time.Time
	PlacedBy  string
	Lifted    time.Time // zero while it stands
	LiftedBy  string
	LiftedWhy string
}
