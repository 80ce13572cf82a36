package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"spadapter/adapter/directory"
	"spadapter/adapter/issue"
)

// Directory is the part of a Store that keeps the directory of services. It is safe for
// concurrent use, by several processes on PostgreSQL.
type Directory struct {
	db    *database
	trace func(text string, args []any) // for tests: sees each statement that finds; nil for nobody
}

var _ directory.Store = (*Directory)(nil)

// Directory gives the directory that is kept in s.
func (s *Store) Directory() *Directory { return &Directory{db: s.db} }

// ask reads outside any transaction.
func (d *Directory) ask(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if d.trace != nil {
		d.trace(text, args)
	}
	return d.db.query(ctx, text, args...)
}

const selectFeeds = `
SELECT name, services, refreshed, due, state, failures, problem, visible, until FROM directory_feed`

// feedRow is a feed with what only the store knows.
type feedRow struct {
	directory.Feed
	visible int64
	until   int64
}

func scanFeed(rows *sql.Rows) (f feedRow, err error) {
	var refreshed, due int64
	err = rows.Scan(&f.Name, &f.Services, &refreshed, &due, &f.State, &f.Failures, &f.Problem, &f.visible, &f.until)
	f.Refreshed, f.Due = fromMilli(refreshed), fromMilli(due)
	return f, err
}

func (d *Directory) feeds(ctx context.Context) ([]feedRow, error) {
	rows, err := d.db.query(ctx, selectFeeds+" ORDER BY name")
	if err != nil {
		return nil, fault(err)
	}
	list, err := all(rows, scanFeed)
	return list, fault(err)
}

// Feeds gives all feeds, by name. Errors: transient.
func (d *Directory) Feeds(ctx context.Context) ([]directory.Feed, error) {
	list, err := d.feeds(ctx)
	var out []directory.Feed
	for _, f := range list {
		out = append(out, f.Feed)
	}
	return out, err
}

const insertFeed = `
INSERT INTO directory_feed (name, services, refreshed, due, state, failures, problem, visible, staging, claim, until)
VALUES (?, 0, 0, 0, '', 0, '', 0, 0, '', 0) ON CONFLICT (name) DO NOTHING`

const updateClaim = "UPDATE directory_feed SET claim = ?, until = ?, staging = ? WHERE name = ? AND until <= ? AND (due <= ? OR 1 = ?)"

// Claim takes a feed for one refresh; nil when it is not due and not forced, or when
// somebody else has it. Errors: transient.
func (d *Directory) Claim(ctx context.Context, name string, now, until time.Time, force bool) (*directory.Claim, error) {
	// asked without a writing transaction first, so that idle polling disturbs nobody
	rows, err := d.db.query(ctx, selectFeeds+" WHERE name = ?", name)
	if err != nil {
		return nil, fault(err)
	}
	known, err := all(rows, scanFeed)
	if err != nil {
		return nil, fault(err)
	}
	if len(known) == 1 && (known[0].until > now.UnixMilli() || !force && known[0].Due.After(now)) {
		return nil, nil
	}
	// larger than all before, so that the keys of a load grow at the end
	c := &directory.Claim{Token: newID(), Load: now.UnixMilli()<<20 | rand.Int64N(1<<20)}
	taken := false
	err = d.db.inTransaction(ctx, func(tx session) error {
		if _, err := tx.exec(ctx, insertFeed, name); err != nil {
			return err
		}
		n, err := tx.exec(ctx, updateClaim, c.Token, until.UnixMilli(), c.Load, name, now.UnixMilli(), now.UnixMilli(), flag(force))
		if taken = n == 1; err != nil || !taken {
			return err
		}
		if _, err := tx.exec(ctx, "INSERT INTO directory_load (load, feed, retired) VALUES (?, ?, 0)", c.Load, name); err != nil {
			return err
		}
		rows, err := tx.query(ctx, selectFeeds+" WHERE name = ?", name)
		if err != nil {
			return err
		}
		f, err := one(rows, scanFeed)
		c.Feed, c.Seen = f.Feed, f.visible
		return err
	})
	if err != nil || !taken {
		return nil, fault(err)
	}
	return c, nil
}

// Renew keeps a claim until then. Errors: conflict when it is lost, transient.
func (d *Directory) Renew(ctx context.Context, c *directory.Claim, until time.Time) error {
	return d.claimed(ctx, c, func(session) error { return nil }, "until = ?", until.UnixMilli())
}

// claimed runs f in a transaction that changes the row of a claimed feed, which makes it
// fail when the claim is lost, and keeps others from the row until it ends.
func (d *Directory) claimed(ctx context.Context, c *directory.Claim, f func(session) error, set string, args ...any) error {
	return fault(d.db.inTransaction(ctx, func(tx session) error {
		n, err := tx.exec(ctx, "UPDATE directory_feed SET "+set+" WHERE name = ? AND claim = ?", append(args, c.Feed.Name, c.Token)...)
		if err != nil {
			return err
		}
		if n == 0 {
			return issue.New(issue.Conflict, "feed-claim", "another process refreshes this feed by now")
		}
		return f(tx)
	}))
}

const setFeed = "claim = '', until = 0, staging = 0, services = ?, refreshed = ?, due = ?, state = ?, failures = ?, problem = ?"

func feedValues(f directory.Feed) []any {
	return []any{int64(f.Services), milli(f.Refreshed), milli(f.Due), f.State, int64(f.Failures), clean(f.Problem)}
}

// Publish makes a load what everybody sees. Errors: conflict when the claim is lost, transient.
func (d *Directory) Publish(ctx context.Context, c *directory.Claim, f directory.Feed) error {
	return d.claimed(ctx, c, func(tx session) error {
		_, err := tx.exec(ctx, "UPDATE directory_load SET retired = ? WHERE load = ?", time.Now().UnixMilli(), c.Seen)
		return err
	}, setFeed+", visible = ?", append(feedValues(f), c.Load)...)
}

// Release lets a claim go without showing its load. Errors: conflict when the claim is
// lost, transient.
func (d *Directory) Release(ctx context.Context, c *directory.Claim, f directory.Feed) error {
	return d.claimed(ctx, c, func(session) error { return nil }, setFeed, feedValues(f)...)
}

const (
	columnsEntry = "load, id, type, feed, version, updated, withdrawn, sort, pence, listed, digest, terms, body"
	columnsRank  = "load, n, id, type, pence, updated"
	columnsTerm  = "load, param, value, n"
	columnsPlace = "load, n, number, type, band, longitude, latitude"
)

// finding is what an entry is found by, between Stage and Index.
type finding struct {
	Terms  []directory.EntryTerm `json:"t,omitempty"`
	Places []directory.Place     `json:"p,omitempty"`
}

// Stage writes entries into the load of a claim. Errors: conflict when the claim is
// lost, transient.
func (d *Directory) Stage(ctx context.Context, c *directory.Claim, now time.Time, list []*directory.Entry) error {
	return d.claimed(ctx, c, func(tx session) error {
		if err := number(ctx, tx, c, now, list); err != nil {
			return err
		}
		var entries []any
		for _, e := range list {
			terms, err := json.Marshal(finding{e.Terms, e.Places})
			if err != nil {
				return err
			}
			entries = append(entries, c.Load, e.ID, e.Type, c.Feed.Name, int64(e.Version), milli(e.Updated), milli(e.Withdrawn), sortKey(e.Sort), e.Pence, e.Listed,
				e.Digest, clean(string(terms)), clean(string(e.Body)))
		}
		return insertAll(ctx, tx, "directory_entry", columnsEntry, entries)
	}, "staging = staging")
}

const selectStaged = `
SELECT e.sort, e.id, e.type, e.pence, e.updated, e.terms FROM directory_entry e
WHERE e.load = ? AND (e.sort, e.id) > (?, ?) ORDER BY e.sort, e.id LIMIT CAST(? AS BIGINT)`

// Index makes the next entries of a load findable, in the order of names, at most count
// of them. Errors: conflict when the claim is lost, transient.
func (d *Directory) Index(ctx context.Context, c *directory.Claim, m directory.Mark, count int) (directory.Mark, error) {
	err := d.claimed(ctx, c, func(tx session) error {
		rows, err := tx.query(ctx, selectStaged, c.Load, m.Sort, m.ID, int64(count))
		if err != nil {
			return err
		}
		var ranks, terms, places []any
		list, err := all(rows, func(rows *sql.Rows) (struct{}, error) {
			var kind, text string
			var pence, updated int64
			if err := rows.Scan(&m.Sort, &m.ID, &kind, &pence, &updated, &text); err != nil {
				return struct{}{}, err
			}
			m.N++
			ranks = append(ranks, c.Load, m.N, m.ID, kind, pence, updated)
			var f finding
			if err := json.Unmarshal([]byte(text), &f); err != nil {
				return struct{}{}, err
			}
			seen := map[directory.EntryTerm]bool{}
			for _, t := range f.Terms {
				if t.Value = short(t.Value); !seen[t] {
					seen[t] = true
					terms = append(terms, c.Load, t.Param, t.Value, m.N)
				}
			}
			for i, p := range f.Places {
				places = append(places, c.Load, m.N, int64(i), kind, band(p.Latitude), p.Longitude, p.Latitude)
			}
			return struct{}{}, nil
		})
		if err != nil {
			return err
		}
		m.Done = len(list) < count
		if err := insertAll(ctx, tx, "directory_rank", columnsRank, ranks); err != nil {
			return err
		}
		if err := insertAll(ctx, tx, "directory_term", columnsTerm, terms); err != nil {
			return err
		}
		return insertAll(ctx, tx, "directory_place", columnsPlace, places)
	}, "staging = staging")
	if err == nil && m.Done {
		err = d.tidy(ctx)
	}
	return m, err
}

// tidy tells PostgreSQL what the tables hold now: it knows nothing of a new load, takes it
// for a few rows, and would read all of it to find fifty; and until its rows are known to
// be visible, each look into a key is one into the table as well. SQLite needs neither.
func (d *Directory) tidy(ctx context.Context) error {
	if !d.db.postgres {
		return nil
	}
	for _, table := range []string{"directory_entry", "directory_rank", "directory_term", "directory_place"} {
		if _, err := d.db.write.ExecContext(ctx, "VACUUM (ANALYZE) "+table); err != nil {
			return fault(err)
		}
	}
	return nil
}

// number gives each entry the version that follows from the one that is visible.
func number(ctx context.Context, tx session, c *directory.Claim, now time.Time, list []*directory.Entry) error {
	type version struct {
		number, updated int64
		digest          string
	}
	known := map[string]version{}
	if c.Seen != 0 {
		ids := make([]string, len(list))
		for i, e := range list {
			ids[i] = e.ID
		}
		ask := func(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
			return tx.query(ctx, text, append([]any{c.Seen}, args...)...)
		}
		err := inSteps(ctx, ask, "SELECT id, version, updated, digest FROM directory_entry WHERE load = ? AND id IN (", ids, func(rows *sql.Rows) error {
			var id string
			var v version
			err := rows.Scan(&id, &v.number, &v.updated, &v.digest)
			known[id] = v
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, e := range list {
		old, ok := known[e.ID]
		switch {
		case ok && old.digest == e.Digest:
			e.Version, e.Updated = int(old.number), fromMilli(old.updated)
		default:
			e.Version, e.Updated = int(old.number)+1, now
		}
	}
	return nil
}

// sortKey is the beginning of a folded name: entries whose names begin alike are in the
// order of their ids.
func sortKey(name string) string {
	const most = 60
	name = clean(name)
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "")
	}
	return name
}

// band is the tenth of a degree that a latitude lies in.
func band(latitude float64) int64 { return int64(math.Floor(latitude * 10)) }

// insertAll writes rows with few different statements: 64 at a time, then 32 and so on.
func insertAll(ctx context.Context, tx session, table, columns string, values []any) error {
	width := strings.Count(columns, ",") + 1
	row := "(" + marks(width) + ")"
	for n := maxRows; len(values) > 0; {
		if n*width > len(values) {
			n /= 2
			continue
		}
		text := "INSERT INTO " + table + " (" + columns + ") VALUES " + strings.TrimSuffix(strings.Repeat(row+", ", n), ", ")
		if _, err := tx.exec(ctx, text, values[:n*width]...); err != nil {
			return err
		}
		values = values[n*width:]
	}
	return nil
}

// keep is how long the rows of an old load stay for searches that began before.
const keep = 10 * time.Minute

const selectRetired = `
SELECT l.load FROM directory_load l
WHERE l.load NOT IN (SELECT visible FROM directory_feed)
  AND l.load NOT IN (SELECT staging FROM directory_feed WHERE until > ?)
  AND l.retired <= ?`

// sweepStep is how many rows one transaction removes.
const sweepStep = 1000

// Sweep removes the loads that nobody sees: those that were replaced some minutes ago,
// and what refreshes left that came to nothing. Errors: transient.
func (d *Directory) Sweep(ctx context.Context, now time.Time) error {
	rows, err := d.db.query(ctx, selectRetired, now.UnixMilli(), now.Add(-keep).UnixMilli())
	if err != nil {
		return fault(err)
	}
	loads, err := all(rows, func(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) })
	if err != nil {
		return fault(err)
	}
	for _, load := range loads {
		for _, t := range [][2]string{{"directory_term", "param, value, n"}, {"directory_place", "n, number"}, {"directory_rank", "n"}, {"directory_entry", "id"}} {
			if err := d.empty(ctx, t[0], t[1], load); err != nil {
				return fault(err)
			}
		}
		err := d.db.inTransaction(ctx, func(tx session) error {
			_, err := tx.exec(ctx, "DELETE FROM directory_load WHERE load = ?", load)
			return err
		})
		if err != nil {
			return fault(err)
		}
	}
	return nil
}

// empty removes the rows of a load from a table, in the order of its key, so that each
// step finds its rows by the key.
func (d *Directory) empty(ctx context.Context, table, key string, load int64) error {
	width := strings.Count(key, ",") + 1
	for {
		var bound []any
		err := d.db.inTransaction(ctx, func(tx session) error {
			rows, err := tx.query(ctx, "SELECT "+key+" FROM "+table+" WHERE load = ? ORDER BY "+key+" LIMIT 1 OFFSET CAST(? AS BIGINT)", load, int64(sweepStep))
			if err != nil {
				return err
			}
			bound, err = one(rows, func(rows *sql.Rows) ([]any, error) {
				into, out := make([]any, width), make([]any, width)
				for i := range into {
					into[i] = &out[i]
				}
				err := rows.Scan(into...)
				return out, err
			})
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			text, args := "DELETE FROM "+table+" WHERE load = ?", []any{load}
			if err == nil {
				text += " AND (" + key + ") < (" + marks(width) + ")"
				args = append(args, bound...)
			} else {
				bound = nil
			}
			_, err = tx.exec(ctx, text, args...)
			return err
		})
		if err != nil || bound == nil {
			return err
		}
	}
}
