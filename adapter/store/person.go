package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"spadapter/adapter/referral"
)

const (
	selectPerson = "SELECT p.number, p.held, p.asked, p.answered, p.etag, p.problem FROM person p WHERE p.patient = ?"

	// A change of what is held builds on the change before it; one that does not changes no row.
	upsertHeld = `
INSERT INTO person (patient, organisation, number, held, asked, answered, etag, problem) VALUES (?, ?, ?, ?, 0, 0, '', '')
ON CONFLICT (patient) DO UPDATE SET number = excluded.number, held = excluded.held WHERE person.number = excluded.number - 1`

	upsertAsked = `
INSERT INTO person (patient, organisation, number, held, asked, answered, etag, problem) VALUES (?, ?, 0, '{}', ?, ?, ?, ?)
ON CONFLICT (patient) DO UPDATE SET asked = excluded.asked, answered = excluded.answered, etag = excluded.etag, problem = excluded.problem`

	selectUnasked = `
SELECT f.patient, MIN(COALESCE(p.asked, 0)) FROM referral f LEFT JOIN person p ON p.patient = f.patient
WHERE f.open = 1 AND (p.asked IS NULL OR p.asked < ?)
GROUP BY f.patient ORDER BY 2, 1 LIMIT CAST(? AS BIGINT)`
)

// holding is what the column held has.
type holding struct {
	Facts map[string]referral.Origin `json:"facts,omitempty"`
	Said  *referral.Said             `json:"said,omitempty"`
}

// Held gives what is known of the origin of facts about a Patient; one without anything when
// nothing is. It knows no scope. Errors: transient.
func (s *Store) Held(ctx context.Context, patient string) (*referral.Held, error) {
	rows, err := s.db.query(ctx, selectPerson, clean(patient))
	if err != nil {
		return nil, fault(err)
	}
	h, err := one(rows, func(rows *sql.Rows) (h referral.Held, err error) {
		var asked, answered int64
		var text []byte
		if err = rows.Scan(&h.Number, &text, &asked, &answered, &h.ETag, &h.Problem); err != nil {
			return h, err
		}
		h.Asked, h.Answered = fromMilli(asked), fromMilli(answered)
		var in holding
		err = json.Unmarshal(text, &in)
		h.Facts, h.Said = in.Facts, in.Said
		return h, err
	})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fault(err)
	}
	h.Patient = patient
	return &h, nil
}

// Asked notes when a person was looked up, and what came of it. Errors: transient.
func (s *Store) Asked(ctx context.Context, organisation string, h referral.Held) error {
	return s.inWrite(ctx, false, func(tx session) error {
		_, err := tx.exec(ctx, upsertAsked, h.Patient, organisation, milli(h.Asked), milli(h.Answered), clean(h.ETag), clean(h.Problem))
		return err
	})
}

// Unasked gives the ids of at most n Patients with an open referral who were not looked up
// since a time, the longest waiting first. It knows no scope. Errors: transient.
func (s *Store) Unasked(ctx context.Context, since time.Time, n int) ([]string, error) {
	rows, err := s.db.query(ctx, selectUnasked, since.UnixMilli(), int64(n))
	if err != nil {
		return nil, fault(err)
	}
	list, err := all(rows, func(rows *sql.Rows) (id string, err error) {
		var asked int64
		return id, rows.Scan(&id, &asked)
	})
	return list, fault(err)
}

// hold gathers the change of what is held of a Patient.
func (g *group) hold(c *prepared) {
	if h := c.held; h != nil {
		g.change(upsertHeld, h.Patient, c.organisation, int64(h.Number), c.holding)
	}
}
