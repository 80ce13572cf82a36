package store

const (
	updateCurrent  = "UPDATE resource SET current = 0 WHERE id = ? AND number = ? AND current = 1"
	deleteTerms    = "DELETE FROM term WHERE id = ?"
	updateReferral = `
UPDATE referral SET owner = ?, pool = ?, version = ?, status = ?, open = ?, business_status = ?, patient = ?,
    service_request = ?, filler = ?, sharing = ?, attempts = ?, updated = ?, former = ?, unfiled = ?, since = ?, due = ?, overdue = ?, remind = ?,
    deadline = CASE WHEN ? = 1 THEN deadline ELSE ? END, risk = ?, risk_told = ?
WHERE id = ? AND version = ?`
	updateEndangered = "UPDATE referral SET risk = 1, risk_told = 1 WHERE root = ? AND root <> '' AND created > ? AND risk_told = 0"
	updateRegistered = "UPDATE referral SET registered = ? WHERE patient = ? AND organisation = ? AND registered <> ?"
	updateReminder   = "UPDATE referral SET remind = ? WHERE id = ? AND version = ? AND remind = ? AND open = 1"
	updateTimer      = "UPDATE referral SET due = 0, overdue = 1 WHERE id = ? AND version = ? AND due = ? AND open = 1"
	updateActivity   = `
UPDATE activity SET version = ?, status = ?, open = ?, business_status = ?, sessions = ?, updated = ?
WHERE id = ? AND version = ?`
	updateSuperseded = "UPDATE delivery SET state = 'superseded', open = 0, claim = '' WHERE id = ? AND (open = 1 OR state = 'dead')"
	updateCancelled  = "UPDATE delivery SET state = 'superseded', open = 0, claim = '' WHERE id = ? AND state = 'queued' AND attempts = ?"
	updateUnsent     = "UPDATE delivery SET state = 'superseded', open = 0, claim = '' WHERE id = ? AND state = 'sending' AND claim = ?"
)

// replace makes way for the rows of c: what was current is no longer.
func (g *group) replace(c *prepared) {
	for _, b := range c.builds {
		g.change(updateCurrent, b.id, int64(b.number))
		g.changes = append(g.changes, statement{text: deleteTerms, args: []any{b.id}})
		// Whether the new version is the current one was settled in prepare; a later
		// member cannot build on it, since nobody has seen it yet.
		delete(g.current, b.id)
	}
	if r := c.record; r != nil {
		g.change(updateReferral, r.Owner, r.Pool, int64(r.Version), r.Status, flag(open(r.Status)), r.BusinessStatus,
			r.Patient, r.ServiceRequest, r.Filler, r.Sharing, int64(r.Attempts), milli(r.Updated), r.Former, r.Unfiled, milli(orTime(r.Since, r.Updated)), milli(r.Due), flag(r.Overdue), milli(r.Remind),
			flag(r.Overdue && r.Due.IsZero()), deadline(r), flag(r.Risk), flag(r.RiskTold), r.ID, int64(r.Version-1))
		delete(g.states, r.ID)
		if c.endangers {
			g.changes = append(g.changes, statement{text: updateEndangered, args: []any{or(r.Root, r.ID), milli(r.Created)}})
		}
	}
	for _, id := range c.supersedes {
		g.change(updateSuperseded, id)
		g.replaced[id] = true
	}
	for _, a := range c.activities {
		g.change(updateActivity, int64(a.Version), a.Status, flag(open(a.Status)), a.BusinessStatus, int64(a.Sessions),
			milli(a.Updated), a.ID, int64(a.Version-1))
	}
	for _, d := range c.cancels {
		if d.Claim != "" {
			g.change(updateUnsent, d.Delivery, d.Claim)
		} else {
			g.change(updateCancelled, d.Delivery, int64(d.Attempts))
		}
	}
	if t := c.timer; t != nil && !t.Remind.IsZero() {
		g.change(updateReminder, milli(t.Next), t.Referral, int64(t.Version), milli(t.Remind))
	} else if t != nil {
		g.change(updateTimer, t.Referral, int64(t.Version), milli(t.Due))
	}
	for _, r := range c.registered {
		practice := r.Practice
		if practice == c.organisation {
			practice = ""
		}
		g.changes = append(g.changes, statement{text: updateRegistered, args: []any{practice, r.Patient, c.organisation, practice}})
	}
	g.hold(c)
	g.takePlaces(c)
}

// takePlaces gives a delivery that supersedes another the place of that one, so that
// the order to send stays.
func (g *group) takePlaces(c *prepared) {
	if len(c.supersedes) == 0 {
		return
	}
	n := widths[tableDelivery]
	rows := c.rows[tableDelivery]
	for at := 0; at < len(rows); at += n {
		if old := rows[at+supersedesIn].(string); old != "" {
			rows[at+placeIn] = g.places[old]
		}
	}
}

// change gathers an update of a row that was there when it was checked.
func (g *group) change(text string, args ...any) {
	g.changes = append(g.changes, statement{text: text, args: args, one: true})
}
