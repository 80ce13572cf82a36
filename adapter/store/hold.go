package store

import (
	"context"
	"database/sql"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

const holdColumns = "id, kind, target, reason, placed, placed_by, lifted, lifted_by, lifted_why"

// retentionLock is the advisory lock of those who remove and those who place a hold, so that
// a hold that was placed is one that holds.
const retentionLock = 0x5350_5245

func (db *database) lockRetention(ctx context.Context, tx session) error {
	if !db.postgres {
		return nil // the one writer has the whole file
	}
	_, err := tx.exec(ctx, "SELECT pg_advisory_xact_lock(?, hashtext(current_schema()))", int64(retentionLock))
	return err
}

// Hold places a hold, from whose return on nothing of its target is removed. Its ID is
// filled in when empty. Errors: not-found for a referral or patient that is not there,
// deleted for one that was removed already, conflict with the rule "held" when it is under a
// hold of this kind, transient.
func (s *Store) Hold(ctx context.Context, h *referral.Hold, by referral.Audit) error {
	h.ID = orNew(h.ID)
	return s.inWriteAudited(ctx, false, func(tx session) error {
		if err := s.db.lockRetention(ctx, tx); err != nil {
			return err
		}
		if err := s.holdable(ctx, tx, h, &by); err != nil {
			return err
		}
		var b batch
		b.add(tableHold, h.ID, string(h.Kind), h.Target, clean(h.Reason), milli(h.Placed), clean(h.PlacedBy), int64(0), "", "")
		return s.finish(ctx, tx, &b, by, h.Placed, nil)
	})
}

func (s *Store) holdable(ctx context.Context, tx session, h *referral.Hold, by *referral.Audit) error {
	text := ""
	switch h.Kind {
	case referral.HoldReferral:
		text, by.Entity = "SELECT f.organisation FROM referral f WHERE f.id = ?", "Task/"+h.Target
	case referral.HoldPatient:
		text, by.Entity, by.Patient = "SELECT r.organisation FROM resource r WHERE r.id = ? AND r.type || '' = 'Patient' AND r.current = 1", "Patient/"+h.Target, h.Target
	case referral.HoldOrganisation: // one may come whose data must stay from the first day
		by.Organisation = h.Target
	default:
		return issue.New(issue.Value, "hold", "a hold is on a referral, a patient or an organisation")
	}
	if text != "" {
		organisation, err := firstText(ctx, tx, text, h.Target)
		if err != nil {
			return err
		}
		if by.Organisation = organisation; organisation == "" {
			gone, err := exists(ctx, tx, "SELECT 1 FROM gone g WHERE g.id = ?", h.Target)
			if err != nil {
				return err
			}
			if gone {
				return issue.New(issue.Deleted, "resource-removed", "it was removed at the end of its retention: there is nothing left to hold")
			}
			return notFound("there is no such " + string(h.Kind))
		}
	}
	held, err := exists(ctx, tx, "SELECT 1 FROM hold h WHERE h.target = ? AND h.kind = ? AND h.lifted = 0", h.Target, string(h.Kind))
	if err == nil && held {
		err = issue.New(issue.Conflict, "held", "it is under a hold already: lift that one first, or leave it")
	}
	return err
}

// firstText asks for one text, "" when there is none.
func firstText(ctx context.Context, tx session, text string, args ...any) (string, error) {
	rows, err := tx.query(ctx, text, args...)
	if err != nil {
		return "", err
	}
	list, err := all(rows, func(rows *sql.Rows) (v string, err error) { return v, rows.Scan(&v) })
	if err != nil || len(list) == 0 {
		return "", err
	}
	return list[0], nil
}

// Lift lifts a hold. h names it, and says who lifts it and why. Errors: not-found for one
// that does not stand, transient.
func (s *Store) Lift(ctx context.Context, h *referral.Hold, by referral.Audit) error {
	return s.inWriteAudited(ctx, false, func(tx session) error {
		n, err := tx.exec(ctx, "UPDATE hold SET lifted = ?, lifted_by = ?, lifted_why = ? WHERE id = ? AND lifted = 0",
			milli(h.Lifted), clean(h.LiftedBy), clean(h.LiftedWhy), h.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound("there is no such hold, or it was lifted already")
		}
		by.Entity = "hold/" + h.ID
		var b batch
		return s.finish(ctx, tx, &b, by, h.Lifted, nil)
	})
}

// Holds lists the holds, the oldest first; with lifted also those that do not stand any
// more. They are few. Errors: transient.
func (s *Store) Holds(ctx context.Context, lifted bool) ([]referral.Hold, error) {
	rows, err := s.db.query(ctx, "SELECT "+holdColumns+" FROM hold ORDER BY id")
	if err != nil {
		return nil, fault(err)
	}
	list, err := all(rows, func(rows *sql.Rows) (h referral.Hold, err error) {
		var placed, lifted int64
		err = rows.Scan(&h.ID, &h.Kind, &h.Target, &h.Reason, &placed, &h.PlacedBy, &lifted, &h.LiftedBy, &h.LiftedWhy)
		h.Placed, h.Lifted = fromMilli(placed), fromMilli(lifted)
		return h, err
	})
	if err != nil {
		return nil, fault(err)
	}
	out := list[:0]
	for _, h := range list {
		if lifted || h.Lifted.IsZero() {
			out = append(out, h)
		}
	}
	return out, nil
}

const selectHeld = `
SELECT 1 FROM hold h WHERE h.lifted = 0 AND (h.target = ? AND h.kind = 'organisation' OR h.target = ? AND h.kind = 'patient' OR h.target IN (%s) AND h.kind = 'referral')
LIMIT 1`
