package referral

import (
	"testing"
	"time"
)

const oneDay = 24 * time.Hour

// An organisation has its own days where the file says so; what would remove in silence, or
// audit records before what they are about, is refused.
func TestRetentionTimes(t *testing.T) {
	r, err := NewRetention(10*oneDay, 30*oneDay, []byte(`{"organisations": {"Y99001": {"closed_days": 20}, "Y99002": {"closed_days": 0, "audit_days": 0}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for ods, want := range map[string][2]time.Duration{"Y99001": {20 * oneDay, 30 * oneDay}, "Y99002": {0, 0}, "Y99003": {10 * oneDay, 30 * oneDay}} {
		if r.Closed(ods) != want[0] || r.Audit(ods) != want[1] {
			t.Errorf("%s: %v and %v, want %v", ods, r.Closed(ods), r.Audit(ods), want)
		}
	}
	if r.EveryAudit() != 0 {
		t.Error("records of an organisation that keeps them for ever would go")
	}
	if r, err = NewRetention(10*oneDay, 30*oneDay, []byte(`{"organisations": {"Y99001": {"audit_days": 40}, "Y99002": {"audit_days": 20}}}`)); err != nil || r.EveryAudit() != 40*oneDay {
		t.Errorf("the longest time does not hold for all: %v, %v", r.EveryAudit(), err)
	}
	for name, c := range map[string]struct {
		closed, audit time.Duration
		file          string
	}{
		"no JSON": {file: "x"}, "a typing mistake": {file: `{"organisations": {"Y99001": {"close_days": 1}}}`},
		"below zero":        {file: `{"organisations": {"Y99001": {"closed_days": -1}}}`},
		"no organisation":   {file: `{"organisations": {"": {"closed_days": 1}}}`},
		"all below zero":    {closed: -1, file: "{}"},
		"audit first":       {closed: 2 * oneDay, audit: oneDay, file: "{}"},
		"audit before ever": {closed: oneDay, audit: 2 * oneDay, file: `{"organisations": {"Y99001": {"closed_days": 0}}}`},
	} {
		if _, err := NewRetention(c.closed, c.audit, []byte(c.file)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
