package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/directory"
)

// hit is an entry that was found, before it is read: its number in one of the loads.
type hit struct {
	load int // index of the load
	n    int64
	mm   int64 // millimetres in a list by distance, -1 elsewhere
}

// rare is how many entries are better taken all, and sorted or measured, than found by
// walking through those of another condition.
const rare = 1500

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
	var found []*directory.Entry
	if q.Near == nil {
		found, err = f.byName()
	} else {
		found, err = f.byDistance()
	}
	if err != nil {
		return none, err
	}
	if q.Total && q.Near == nil {
		if none.Total, err = f.count(); err != nil {
			return none, err
		}
	}
	if none.Entries = found[:min(len(found), q.Count)]; len(found) > q.Count && q.Count > 0 {
		last := found[q.Count-1]
		c := cursor{Sort: last.Sort, ID: last.ID}
		if q.Near != nil {
			if c.Time = int64(math.Round(last.Distance * 1000)); last.Distance < 0 {
				c.Time, c.Number = 0, placeless
			}
		}
		none.Next = c.encode(list)
	}
	return none, nil
}

// read gives the entries of hits, in their order.
func (f *finder) read(hits []hit) ([]*directory.Entry, error) {
	type key struct {
		load int
		n    int64
	}
	by := map[key]*directory.Entry{}
	for i, load := range f.loads {
		var numbers []string
		for _, h := range hits {
			if h.load == i {
				numbers = append(numbers, strconv.FormatInt(h.n, 10))
			}
		}
		ask := func(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
			for i, a := range args { // inSteps knows texts
				args[i], _ = strconv.ParseInt(a.(string), 10, 64)
			}
			return f.d.ask(ctx, text, append([]any{load}, args...)...)
		}
		err := inSteps(f.ctx, ask, "SELECT r.n, "+entryColumns+" FROM directory_rank r CROSS JOIN directory_entry e WHERE e.load = r.load AND e.id = r.id AND r.load = ? AND r.n IN (", numbers, func(rows *sql.Rows) error {
			var n int64
			e, err := scanEntry(rows, &n)
			by[key{i, n}] = e
			return err
		})
		if err != nil {
			return nil, fault(err)
		}
	}
	var out []*directory.Entry
	for _, h := range hits {
		if e := by[key{h.load, h.n}]; e != nil { // gone only when a search took longer than loads are kept
			if h.mm >= 0 {
				e.Distance = float64(h.mm) / 1000
			}
			out = append(out, e)
		}
	}
	return out, nil
}

// byName finds one entry more than the page has, in the order of names.
func (f *finder) byName() ([]*directory.Entry, error) {
	var hits []hit
	for i, load := range f.loads {
		w, err := f.lead(load)
		if err != nil {
			return nil, err
		}
		if f.more {
			from, err := f.position(load)
			if err != nil {
				return nil, err
			}
			w.and("d.n > ?", from)
		}
		text := "SELECT d.n FROM " + w.from + " WHERE " + w.text.String() + " ORDER BY d.n LIMIT CAST(? AS BIGINT)"
		rows, err := f.d.ask(f.ctx, text, append(w.args, int64(f.q.Count)+1)...)
		if err != nil {
			return nil, fault(err)
		}
		list, err := all(rows, func(rows *sql.Rows) (hit, error) {
			h := hit{load: i, mm: -1}
			return h, rows.Scan(&h.n)
		})
		if err != nil {
			return nil, fault(err)
		}
		hits = append(hits, list...)
	}
	out, err := f.read(hits)
	if err == nil && len(f.loads) > 1 {
		slices.SortFunc(out, func(a, b *directory.Entry) int {
			if c := strings.Compare(a.Sort, b.Sort); c != 0 {
				return c
			}
			return strings.Compare(a.ID, b.ID)
		})
	}
	return out[:min(len(out), f.q.Count+1)], err
}

const selectPosition = `
SELECT COALESCE((SELECT r.n FROM directory_entry e CROSS JOIN directory_rank r
    WHERE e.load = ? AND (e.sort, e.id) <= (?, ?) AND r.load = e.load AND r.id = e.id ORDER BY e.sort DESC, e.id DESC LIMIT 1), 0)`

// position gives the number of the last entry of a load that is not behind the cursor.
func (f *finder) position(load int64) (n int64, err error) {
	rows, err := f.d.ask(f.ctx, selectPosition, load, f.after.Sort, f.after.ID)
	if err != nil {
		return 0, fault(err)
	}
	n, err = one(rows, func(rows *sql.Rows) (n int64, err error) { return n, rows.Scan(&n) })
	return n, fault(err)
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
		n, err := f.number("SELECT 1 FROM "+w.from+" WHERE "+w.text.String(), w.args, limit)
		if err != nil {
			return 0, err
		}
		total += n
	}
	if total > counted && f.q.Count > 0 {
		return -1, nil
	}
	return total, nil
}

// number counts rows up to a limit.
func (f *finder) number(text string, args []any, limit int64) (int, error) {
	rows, err := f.d.ask(f.ctx, "SELECT COUNT(*) FROM ("+text+" LIMIT CAST(? AS BIGINT)) found", append(args[:len(args):len(args)], limit)...)
	if err != nil {
		return 0, fault(err)
	}
	n, err := one(rows, func(rows *sql.Rows) (n int, err error) { return n, rows.Scan(&n) })
	return n, fault(err)
}

// lead writes the conditions for one load so that both databases begin at the rarest
// term: d has load and n of what is found, each once.
func (f *finder) lead(load int64) (*clause, error) {
	w := &clause{}
	if f.q.IDs != nil {
		text, args := in("d.id", cleanAll(f.q.IDs))
		w.from = "directory_rank d"
		w.and("d.load = ? AND "+text+" AND d.type = ?", append(append([]any{load}, args...), f.q.Type)...)
		return w, f.others(w, load, -1)
	}
	lead, n, err := f.rarest(load)
	if err != nil {
		return nil, err
	}
	c := f.where(lead)
	values, args := in("d.value", shortAll(c.Values))
	args = append([]any{load, c.Param}, args...)
	if len(c.Values) > 1 && n <= rare { // some entries have several of the values
		w.from = "(SELECT DISTINCT d.load, d.n FROM directory_term d WHERE d.load = ? AND d.param = ? AND " + values + ") d"
		w.args = args
		w.and("1 = 1")
	} else {
		w.from = "directory_term d"
		w.and("d.load = ? AND d.param = ? AND "+values, args...)
	}
	return w, f.others(w, load, lead)
}

// where gives a condition; that on the type stands behind the others.
func (f *finder) where(i int) directory.Condition {
	if i < len(f.q.Where) {
		return f.q.Where[i]
	}
	return directory.Condition{Param: directory.ParamType, Values: []string{f.q.Type}}
}

// rarest gives the condition that the fewest terms meet and how many, at most rare + 1.
// One with several values counts only when they are few: their terms are not in order.
func (f *finder) rarest(load int64) (lead, n int, err error) {
	lead, n = len(f.q.Where), rare+1
	if len(f.q.Where) == 1 && len(f.q.Where[0].Values) == 1 {
		return 0, n, nil
	}
	for i, c := range f.q.Where {
		values, args := in("d.value", shortAll(c.Values))
		if values == nothing {
			return i, 0, nil
		}
		m, err := f.number("SELECT 1 FROM directory_term d WHERE d.load = ? AND d.param = ? AND "+values, append([]any{load, c.Param}, args...), rare+1)
		if err != nil {
			return 0, 0, err
		}
		switch {
		case m < n:
			lead, n = i, m
		case n > rare && len(c.Values) == 1:
			lead = i // of many either way: the later, which the domain takes for the rarer
		}
	}
	return lead, n, nil
}

// others adds every condition but the one that leads, on d.
func (f *finder) others(w *clause, load int64, lead int) error {
	for i := len(f.q.Where) - 1; i >= 0; i-- { // what fewer meet is asked first
		c := f.q.Where[i]
		if i == lead {
			continue
		}
		values, args := in("x.value", shortAll(c.Values))
		// With its LIMIT it stays a look into the key for each row, where a planner that
		// knows little would join all terms with all.
		w.and("(SELECT 1 FROM directory_term x WHERE x.load = d.load AND x.param = ? AND "+values+" AND x.n = d.n LIMIT 1) = 1", append([]any{c.Param}, args...)...)
	}
	if f.q.Name != "" {
		// the numbers are in the order of names: those of a beginning lie together
		prefix := sortKey(f.q.Name)
		name := *f
		name.after = cursor{Sort: prefix}
		low, err := name.position(load)
		if err != nil {
			return err
		}
		name.after.Sort = prefix + "\U0010FFFF"
		high, err := name.position(load)
		if err != nil {
			return err
		}
		w.and("d.n > ? AND d.n <= ?", low, high)
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
		w.and("(SELECT 1 FROM directory_rank e WHERE e.load = d.load AND e.n = d.n AND "+strings.Join(text, " AND ")+" LIMIT 1) = 1", args...)
	}
	return nil
}

func shortAll(list []string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = short(v)
	}
	return out
}
