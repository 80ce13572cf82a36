package store

import (
	"context"
	"math"
	"strings"
)

// table is what a commit inserts into.
type table int

// The tables in the order a commit writes them: keys first, so that a repeat in
// another process is met before anything else is written.
const (
	tableKey table = iota
	tableMessage
	tableResponse
	tableResource
	tableTerm
	tableReferral
	tableContent
	tableNeed
	tableEvent
	tableWaiting
	tableAudit
	tableAbout
	tableDelivery
	tableAttempt
	tableFeed
	tableSubscriber
	tableNotification
	tableActivity
	tableGone
	tableHold
	tableAcknowledgement
	tables
)

var tableColumns = [tables]struct{ name, columns string }{
	tableKey:      {"key", "id, kind, scope, value, organisation, at, hash, response, about"},
	tableMessage:  {"message", "id, organisation, at, client, dialect, content_type, sha256, body, about"},
	tableResponse: {"response", "id, organisation, at, status, content_type, location, etag, body, about"},
	tableResource: {"resource", "id, number, type, organisation, updated, current, deleted, hidden, referral, patient, since, until, body"},
	tableTerm:     {"term", "id, type, param, system, value, organisation"},
	tableReferral: {"referral", "id, organisation, owner, pool, version, status, open, business_status, patient, service_request, filler, sharing, dialect, attempts, created, updated, message, former, follows, root, unfiled, since, due, overdue, remind, priority, risk, risk_told, registered, deadline, seen"},
	tableContent:  {"content", "referral, organisation, body"},
	tableNeed:     {"need", "code, created, referral, organisation"},
	tableEvent:    {"event", "id, referral, organisation, move, from_status, to_status, business_status, reason, actor, role, at, data, activity"},
	tableWaiting:  {"waiting", "audiences, body"},
	tableAudit:    {"audit", auditColumns},
	tableAbout:    {"audit_about", "about, audit, organisation"},
	tableDelivery: {"delivery", "id, organisation, referral, recipient, place, state, open, wake, claim, attempts, problem, move, kind, route, content_type, facts, due, expires, created, replay_of, supersedes, body"},
	tableAttempt:  {"attempt", "delivery, number, organisation, at, duration, state, due, status, issue, details"},

	tableFeed:         {"feed", "audience, number, at, body"},
	tableSubscriber:   {"subscriber", subscriberColumns},
	tableNotification: {"notification", "subscriber, number, event"},
	tableActivity:     {"activity", activityColumns},
	tableGone:         {"gone", "id, type, organisation, owner, at"},
	tableHold:         {"hold", holdColumns},

	tableAcknowledgement: {"acknowledgement", acknowledgementColumns},
}

// maxRows is the most rows of one INSERT. With 29 columns that is 1,856 parameters,
// far below the 32,766 of SQLite and the 65,535 of PostgreSQL.
const maxRows = 64

// inserts holds the text of every INSERT: for 1, 2, 4 … maxRows rows, so that a group
// of any size is written with few statements, all of them prepared before long.
var inserts = func() (out [tables][]string) {
	for t := range tables {
		c := tableColumns[t]
		row := "(" + marks(width(t)) + ")"
		for n := 1; n <= maxRows; n *= 2 {
			out[t] = append(out[t], "INSERT INTO "+c.name+" ("+c.columns+") VALUES "+
				strings.TrimSuffix(strings.Repeat(row+", ", n), ", "))
		}
	}
	return out
}()

func width(t table) int { return strings.Count(tableColumns[t].columns, ",") + 1 }

var widths = func() (out [tables]int) {
	for t := range tables {
		out[t] = width(t)
	}
	return out
}()

// batch is rows to insert: for each table its values, row after row.
type batch [tables][]any

func (b *batch) add(t table, values ...any) { b[t] = append(b[t], values...) }

func (b *batch) join(other *batch) {
	for t := range b {
		b[t] = append(b[t], other[t]...)
	}
}

// insert seals and inserts the rows.
func (db *database) insert(ctx context.Context, s session, b *batch) error {
	if err := db.keys.seal(b); err != nil {
		return err
	}
	return s.run(ctx, b.inserts(nil))
}

// inserts appends the statements that insert the rows.
func (b *batch) inserts(list []statement) []statement {
	for t := range tables {
		values := b[t]
		for step := len(inserts[t]) - 1; len(values) > 0; {
			n := (1 << step) * widths[t]
			if n > len(values) {
				step--
				continue
			}
			list = append(list, statement{text: inserts[t][step], args: values[:n]})
			values = values[n:]
		}
	}
	return list
}

// Open ends of a range of dates.
const (
	farPast   = math.MinInt64
	farFuture = math.MaxInt64
)
