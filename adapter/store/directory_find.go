package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"

	"spadapter/adapter/directory"
)

// hit is an entry that was found, before it is read.
type hit struct {
	load     int64
	id, sort string
	mm       int64  // millimetres, when the list is by distance
	location string // what is so far away
}

// finder is one search under way. The loads are searched one after another, each by its
// key, and their first rows merged.
type finder struct {
	d     *Directory
	ctx   context.Context
	q     directory.Query
	loads []int64
	after cursor
	more  bool // after is given
}

// placeless is the Number of a cursor in the part of a list by distance that has no places.
const placeless = 2

// Find gives entries. By name, or by distance from Near with those that are nowhere at
// the end by name; Within leaves those out. Total counts only lists by name, up to 10,000.
//
// Errors: value for a bad cursor, too-costly for more than maxValues values, transient.
func (d *Directory) Find(ctx context.Context, q directory.Query) (directory.Found, error) {
	none := directory.Found{Total: -1}
	values := len(q.IDs)
	for _, c := range q.Where {
		values += len(c.Values)
	}
	if err := affordable(values); err != nil {
		return none, err
	}
	f := &finder{d: d, ctx: ctx, q: q}
	same := q
	same.Count, same.After, same.Near, same.Total = 0, "", nil, false
	list := fmt.Sprintf("directory %+v", same)
	if q.Near != nil {
		list += fmt.Sprintf(" near %v", *q.Near)
	}
	var err error
	if f.after, f.more, err = decodeCursor(list, q.After); err != nil {
		return none, err
	}
	if f.loads, err = d.loads(ctx); err != nil {
		return none, err
	}
	var hits []hit
	if q.Near == nil {
		hits, err = f.byName()
	} else {
		hits, err = f.byDistance()
	}
	if err != nil {
		return none, err
	}
	if q.Total && q.Near == nil {
		if none.Total, err = f.count(); err != nil {
			return none, err
		}
	}
	if len(hits) > q.Count {
		hits = hits[:q.Count]
		if q.Count > 0 {
			last := hits[q.Count-1]
			c := cursor{Sort: last.sort, ID: last.id, Time: last.mm}
			if q.Near != nil && last.location == "" {
				c.Number = placeless
			}
			none.Next = c.encode(list)
		}
	}
	none.Entries, err = f.read(hits)
	return none, err
}

// read gives the entries of hits, in their order.
func (f *finder) read(hits []hit) ([]*directory.Entry, error) {
	by := map[string]*directory.Entry{}
	for _, load := range f.loads {
		var ids []string
		for _, h := range hits {
			if h.load == load {
				ids = append(ids, h.id)
			}
		}
		list, err := f.d.entries(f.ctx, load, ids)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			by[e.ID] = e
		}
	}
	var out []*directory.Entry
	for _, h := range hits {
		if e := by[h.id]; e != nil { // gone only when a search took longer than loads are kept
			if h.location != "" {
				e.Distance, e.Nearest = float64(h.mm)/1000, h.location
			}
			out = append(out, e)
		}
	}
	return out, nil
}

// byName finds one hit more than the page has, in the order of names.
func (f *finder) byName() ([]hit, error) {
	var out []hit
	for _, load := range f.loads {
		w, err := f.lead(load)
		if err != nil {
			return nil, err
		}
		if f.more {
			w.and("(d.sort, d.id) > (?, ?)", f.after.Sort, f.after.ID)
		}
		text := "SELECT d.sort, d.id FROM " + w.from + " WHERE " + w.text.String() + " ORDER BY d.sort, d.id LIMIT CAST(? AS BIGINT)"
		rows, err := f.d.ask(f.ctx, text, append(w.args, int64(f.q.Count)+1)...)
		if err != nil {
			return nil, fault(err)
		}
		list, err := all(rows, func(rows *sql.Rows) (h hit, err error) {
			h.load = load
			return h, rows.Scan(&h.sort, &h.id)
		})
		if err != nil {
			return nil, fault(err)
		}
		out = append(out, list...)
	}
	slices.SortFunc(out, func(a, b hit) int {
		if c := strings.Compare(a.sort, b.sort); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	return out[:min(len(out), f.q.Count+1)], nil
}

// counted is up to how many entries a page says the total: of more, it would cost more
// than the page. A list without a page has it exactly.
const counted = 10_000

// count counts all that meet the conditions, -1 when they are too many.
func (f *finder) count() (total int, err error) {
	limit := int64(counted + 1)
	if f.q.Count == 0 {
		limit = math.MaxInt64
	}
	for _, load := range f.loads {
		w, err := f.lead(load)
		if err != nil {
			return 0, err
		}
		rows, err := f.d.ask(f.ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+w.from+" WHERE "+w.text.String()+" LIMIT CAST(? AS BIGINT)) x", append(w.args, limit)...)
		if err != nil {
			return 0, fault(err)
		}
		n, err := one(rows, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) })
		if err != nil {
			return 0, fault(err)
		}
		total += n
	}
	if total > counted && f.q.Count > 0 {
		return -1, nil
	}
	return total, nil
}

// lead writes the conditions for one load so that both databases begin at the rarest
// term: d has load, sort and id of what is found, each once.
func (f *finder) lead(load int64) (*clause, error) {
	w := &clause{}
	if f.q.IDs != nil {
		text, args := in("d.id", cleanAll(f.q.IDs))
		w.from = "directory_entry d"
		w.and("d.load = ? AND "+text+" AND d.type = ?", append(append([]any{load}, args...), f.q.Type)...)
		f.others(w, -1)
		return w, nil
	}
	lead, n, err := f.rarest(load)
	if err != nil {
		return nil, err
	}
	c := f.where(lead)
	values, args := in("d.value", shortAll(c.Values))
	switch {
	case len(c.Values) == 1:
		w.from = "directory_term d"
		w.and("d.load = ? AND d.param = ? AND "+values, append([]any{load, c.Param}, args...)...)
	case n <= few: // some ids have several of the values
		w.from = "(SELECT DISTINCT d.load, d.sort, d.id FROM directory_term d WHERE d.load = ? AND d.param = ? AND " + values + ") d"
		w.args = append([]any{load, c.Param}, args...)
		w.and("1 = 1")
	}
	f.others(w, lead)
	return w, nil
}

// where gives a condition; that on the type stands behind the others.
func (f *finder) where(i int) directory.Condition {
	if i < len(f.q.Where) {
		return f.q.Where[i]
	}
	return directory.Condition{Param: directory.ParamType, Values: []string{f.q.Type}}
}

// rarest gives the condition that the fewest terms meet and how many, at most few + 1.
// One with several values counts only when they are few: their terms are not in order.
func (f *finder) rarest(load int64) (lead, n int, err error) {
	lead, n = len(f.q.Where), few+1
	if f.q.Name == "" && len(f.q.Where) == 1 && len(f.q.Where[0].Values) == 1 {
		return 0, n, nil
	}
	for i, c := range f.q.Where {
		values, args := in("d.value", shortAll(c.Values))
		if values == nothing {
			return i, 0, nil
		}
		args = append([]any{load, c.Param}, args...)
		rows, err := f.d.ask(f.ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM directory_term d WHERE d.load = ? AND d.param = ? AND "+values+" LIMIT CAST(? AS BIGINT)) x", append(args, int64(few)+1)...)
		if err != nil {
			return 0, 0, fault(err)
		}
		m, err := one(rows, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) })
		if err != nil {
			return 0, 0, fault(err)
		}
		switch {
		case m < n:
			lead, n = i, m
		case n > few && len(c.Values) == 1:
			lead = i // of many either way: the later, which the domain takes for the rarer
		}
	}
	return lead, n, nil
}

// others adds every condition but the one that leads, on d.
func (f *finder) others(w *clause, lead int) {
	for i, c := range f.q.Where {
		if i == lead {
			continue
		}
		values, args := in("x.value", shortAll(c.Values))
		// With its LIMIT it stays a look into the key for each row, where a planner that
		// knows little would join all terms with all.
		w.and("(SELECT 1 FROM directory_term x WHERE x.load = d.load AND x.param = ? AND "+values+" AND x.sort = d.sort AND x.id = d.id LIMIT 1) = 1",
			append([]any{c.Param}, args...)...)
	}
	if f.q.Name != "" {
		prefix := sortKey(f.q.Name)
		w.and("d.sort >= ? AND d.sort < ?", prefix, prefix+"\U0010FFFF")
	}
	var text []string
	var args []any
	if f.q.Pence >= 0 {
		text, args = append(text, "e.pence BETWEEN 0 AND ?"), append(args, f.q.Pence)
	}
	if !f.q.Since.IsZero() {
		text, args = append(text, "e.updated >= ?"), append(args, ceilMilli(f.q.Since))
	}
	if !f.q.Before.IsZero() {
		text, args = append(text, "e.updated < ?"), append(args, ceilMilli(f.q.Before))
	}
	if text != nil {
		w.and("(SELECT 1 FROM directory_entry e WHERE e.load = d.load AND e.id = d.id AND "+strings.Join(text, " AND ")+" LIMIT 1) = 1", args...)
	}
}

func shortAll(list []string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = short(v)
	}
	return out
}
