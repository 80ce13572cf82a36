package store

import (
	"context"
	"database/sql"

	"spadapter/adapter/referral"
)

// Unseen gives at most n referrals whose priority, needs, risk and practice were never read
// in their content, with content: those from before there was a column for them. It knows no
// scope. Errors: transient.
func (s *Store) Unseen(ctx context.Context, n int) ([]referral.Record, error) {
	rows, err := s.db.query(ctx, referralColumns+`
FROM (SELECT f.id FROM referral f WHERE f.seen = 0 ORDER BY f.id LIMIT CAST(? AS BIGINT)) p CROSS JOIN referral f CROSS JOIN content c
WHERE f.id = p.id AND c.referral = p.id`, int64(n))
	if err != nil {
		return nil, fault(err)
	}
	list, err := all(rows, func(rows *sql.Rows) (referral.Record, error) { return s.db.scanReferral(rows) })
	return list, fault(err)
}

const updateSeen = "UPDATE referral SET priority = ?, risk = ?, risk_told = ?, registered = ?, seen = 1 WHERE id = ? AND version = ? AND seen = 0"

// See stores what was read in the content of referrals, in one transaction. One that has
// changed since stays unseen, since what joined it may hold a risk. Errors: transient.
func (s *Store) See(ctx context.Context, list []referral.Record) error {
	return s.inWrite(ctx, false, func(tx session) error {
		var b batch
		for i := range list {
			r := &list[i]
			n, err := tx.exec(ctx, updateSeen, r.Priority, flag(r.Risk), flag(r.RiskTold), r.Registered, r.ID, int64(r.Version))
			if err != nil {
				return err
			}
			if n == 1 {
				b.addNeeds(r.Needs, milli(r.Created), r.ID, r.Organisation)
			}
		}
		return s.db.insert(ctx, tx, &b)
	})
}
