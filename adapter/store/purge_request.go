package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"spadapter/adapter/referral"
)

// member is one referral on a request.
type member struct {
	id, organisation, owner, patient, unfiled string
	open                                      bool
	created, updated                          int64
}

const selectMember = "SELECT f.id, f.organisation, f.owner, f.patient, f.unfiled, f.open, f.created, f.updated FROM referral f WHERE "

func scanMember(rows *sql.Rows) (m member, err error) {
	var open int64
	err = rows.Scan(&m.id, &m.organisation, &m.owner, &m.patient, &m.unfiled, &open, &m.created, &m.updated)
	m.open = open == 1
	return m, err
}

// taken ends a SELECT of rows that are then decided on: nobody changes them meanwhile.
func (b *purgeBatch) taken() string {
	if b.apply && b.s.db.postgres {
		return " FOR UPDATE"
	}
	return ""
}

// request removes all referrals on one request, unless they are kept. Whoever changes one of
// them has its row, so that after it was taken what is seen is what holds.
func (b *purgeBatch) request(ctx context.Context, root string) error {
	var members []member
	for _, where := range []string{"f.id = ?", "f.root = ? AND f.root <> ''"} {
		rows, err := b.tx.query(ctx, selectMember+where+b.taken(), root)
		if err != nil {
			return err
		}
		list, err := all(rows, scanMember)
		if err != nil {
			return err
		}
		members = append(members, list...)
	}
	if len(members) == 0 {
		return nil // another purge was quicker
	}
	standing, err := b.standing(ctx, members)
	if err != nil {
		return err
	}
	if why := b.removal.Keeps(standing); why != "" {
		if why != referral.KeptRecent {
			b.done.Kept[why]++
		}
		return nil
	}
	b.done.Requests++
	b.ids = append(b.ids, root)
	if err := b.remove(ctx, members); err != nil {
		return err
	}
	return b.person(ctx, members[0].patient, members[len(members)-1].owner)
}

// arguments are the ids of members and the placeholders for them.
func arguments(members []member) (string, []any) {
	args := make([]any, len(members))
	for i, m := range members {
		args[i] = m.id
	}
	return marks(len(args)), args
}

// standing asks for what decides.
func (b *purgeBatch) standing(ctx context.Context, members []member) (st referral.Standing, err error) {
	list, args := arguments(members)
	for _, m := range members {
		st.Open = st.Open || m.open
		st.Unfiled = st.Unfiled || m.unfiled != ""
		if at := fromMilli(m.updated); at.After(st.Changed) {
			st.Changed = at
		}
	}
	text := "SELECT d.state FROM delivery d WHERE d.referral IN (" + list + ")"
	if lock := b.taken(); lock != "" { // whoever replays one has its row, and adds another
		rows, err := b.tx.query(ctx, text+lock, args...)
		if err != nil {
			return st, err
		}
		rows.Close()
	}
	rows, err := b.tx.query(ctx, text, args...)
	if err != nil {
		return st, err
	}
	states, err := all(rows, func(rows *sql.Rows) (s referral.DeliveryState, err error) { return s, rows.Scan(&s) })
	if err != nil {
		return st, err
	}
	st.Sending = slices.Contains(states, referral.DeliverySending) || slices.Contains(states, referral.DeliveryAwaiting)
	st.Unfiled = st.Unfiled || st.Sending || slices.Contains(states, referral.DeliveryQueued) || slices.Contains(states, referral.DeliveryDead)
	st.Held, err = exists(ctx, b.tx, fmt.Sprintf(selectHeld, list), append([]any{members[0].organisation, members[0].patient}, args...)...)
	return st, err
}

// parts are the tables of a referral beside its resources, in an order in which they can be
// removed.
var parts = []struct{ kind, where string }{
	{"acknowledgement", "delivery IN (SELECT d.id FROM delivery d WHERE d.referral IN (%s))"},
	{"dispatch", "delivery IN (SELECT d.id FROM delivery d WHERE d.referral IN (%s))"},
	{"attempt", "delivery IN (SELECT d.id FROM delivery d WHERE d.referral IN (%s))"},
	{"delivery", "referral IN (%s)"},
	{"event", "referral IN (%s)"},
	{"content", "referral IN (%s)"},
	{"activity", "referral IN (%s)"},
	{"referral", "id IN (%s)"},
}

func (b *purgeBatch) remove(ctx context.Context, members []member) error {
	list, args := arguments(members)
	owners := map[string]string{}
	for _, m := range members {
		owners[m.id] = m.owner
		b.removed[m.id] = !b.apply
	}
	// what is about no person came with the request and belongs to all who name it
	err := b.resources(ctx, owners, "r.patient = ? AND r.patient <> '' AND r.referral IN ("+list+")", append([]any{members[0].patient}, args...)...)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := b.rowsOf(ctx, part.kind, fmt.Sprintf(part.where, list), args...); err != nil {
			return err
		}
	}
	if err := b.needs(ctx, members); err != nil {
		return err
	}
	for _, m := range members {
		if err := b.about(ctx, m.id); err != nil {
			return err
		}
	}
	return nil
}

// rowsOf counts and removes rows of a table.
func (b *purgeBatch) rowsOf(ctx context.Context, table, where string, args ...any) error {
	if !b.apply {
		rows, err := b.tx.query(ctx, "SELECT COUNT(*) FROM "+table+" WHERE "+where, args...)
		if err != nil {
			return err
		}
		n, err := one(rows, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) })
		b.done.Rows[table] += n
		return err
	}
	n, err := b.tx.exec(ctx, "DELETE FROM "+table+" WHERE "+where, args...)
	b.done.Rows[table] += int(n)
	return err
}

// resources removes resources with all their versions and terms, and leaves tombstones.
// owners says to whom besides the requester an id was known, by referral.
func (b *purgeBatch) resources(ctx context.Context, owners map[string]string, where string, args ...any) error {
	rows, err := b.tx.query(ctx, "SELECT r.id, r.type, MAX(r.referral), COUNT(*) FROM resource r WHERE "+where+" GROUP BY r.id, r.type", args...)
	if err != nil {
		return err
	}
	type resource struct {
		id, kind, referral string
		versions           int
	}
	list, err := all(rows, func(rows *sql.Rows) (r resource, err error) {
		return r, rows.Scan(&r.id, &r.kind, &r.referral, &r.versions)
	})
	if err != nil {
		return err
	}
	for _, r := range list {
		b.done.Rows[r.kind] += r.versions
		if !b.apply {
			continue
		}
		for _, text := range []string{"DELETE FROM resource WHERE id = ?", deleteTerms} {
			if _, err := b.tx.exec(ctx, text, r.id); err != nil {
				return err
			}
		}
		b.rows.add(tableGone, r.id, r.kind, b.removal.Organisation, owners[r.referral], b.at)
	}
	return nil
}

// needs removes the needs of referrals: their key begins with the code, of which there are
// a few.
func (b *purgeBatch) needs(ctx context.Context, members []member) error {
	if !b.apply {
		return nil
	}
	for b.codes == nil || b.codes[len(b.codes)-1] != "" {
		last := ""
		if len(b.codes) > 0 {
			last = b.codes[len(b.codes)-1]
		}
		next, err := firstText(ctx, b.tx, "SELECT n.code FROM need n WHERE n.code > ? ORDER BY n.code LIMIT CAST(1 AS BIGINT)", last)
		if err != nil {
			return err
		}
		b.codes = append(b.codes, next)
	}
	for _, code := range b.codes {
		for _, m := range members {
			if _, err := b.tx.exec(ctx, "DELETE FROM need WHERE code = ? AND created = ? AND referral = ?", code, m.created, m.id); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	deleteNames = "DELETE FROM key WHERE about = ? AND about <> '' AND kind IN ('patient', 'conditional', 'successor')"
	updateKeys  = "UPDATE key SET value = '', hash = '" + referral.KeyPurged + "', response = '', about = '' WHERE about = ? AND about <> ''"
)

// about removes the messages and answers of a referral or Patient, and empties its keys: what
// made its message the same as another goes on doing so. A key that names a resource goes.
func (b *purgeBatch) about(ctx context.Context, id string) error {
	for _, table := range []string{"message", "response"} {
		if err := b.rowsOf(ctx, table, "about = ? AND about <> ''", id); err != nil {
			return err
		}
	}
	if !b.apply {
		return nil
	}
	for _, text := range []string{deleteNames, updateKeys} {
		if _, err := b.tx.exec(ctx, text, id); err != nil {
			return err
		}
	}
	return nil
}

// lonePerson removes a Patient on whom there is no referral, unless it is held.
func (b *purgeBatch) lonePerson(ctx context.Context, id string) error {
	held, err := exists(ctx, b.tx, fmt.Sprintf(selectHeld, "''"), b.removal.Organisation, id)
	if err != nil || held {
		return err
	}
	return b.person(ctx, id, "")
}

// person removes a Patient with all that is about it, when there is no referral left and it
// did not change since.
func (b *purgeBatch) person(ctx context.Context, id, owner string) error {
	if b.removed[id] {
		return nil // told already, with the last referral
	}
	rows, err := b.tx.query(ctx, "SELECT r.id, r.updated FROM resource r WHERE r.id = ? AND r.current = 1 AND r.organisation = ? AND r.type || '' = 'Patient'"+b.taken(), id, b.removal.Organisation)
	if err != nil {
		return err
	}
	list, err := all(rows, scanCursor)
	if err != nil || len(list) == 0 || b.removal.Patient == "" && list[0].Time >= b.removal.Before.UnixMilli() {
		return err
	}
	rows, err = b.tx.query(ctx, "SELECT f.id FROM referral f WHERE f.patient = ?", id)
	if err != nil {
		return err
	}
	left, err := all(rows, func(rows *sql.Rows) (id string, err error) { return id, rows.Scan(&id) })
	if err != nil || slices.ContainsFunc(left, func(id string) bool { return !b.removed[id] }) {
		return err
	}
	b.done.People++
	b.removed[id] = !b.apply
	b.ids = append(b.ids, id)
	where := "r.patient = ?"
	args := []any{id}
	if len(left) > 0 { // where nothing was really removed, what belongs to these was counted with them
		for _, of := range left {
			args = append(args, of)
		}
		where += " AND r.referral NOT IN (" + marks(len(left)) + ")"
	}
	if err := b.resources(ctx, map[string]string{"": owner}, where, args...); err != nil {
		return err
	}
	if b.apply {
		if _, err := b.tx.exec(ctx, "DELETE FROM person WHERE patient = ?", id); err != nil {
			return err
		}
	}
	return b.about(ctx, id)
}
