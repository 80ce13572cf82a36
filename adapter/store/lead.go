package store

import (
	"context"
	"math"
	"strings"
)

const (
	// fewListed is how many candidates are better sorted than found by walking along a list.
	fewListed = 2000
	// manyListed is how many of one holder are better walked along than those of everybody
	// in one state.
	manyListed = 6000
	// lateListed is how many times as many are better sorted when the walk would be a long
	// one: past what did not change to what did, or past all that meet one condition of many.
	lateListed = 5
	// maxWalks bounds the walks that one statement puts together; each is planned by itself.
	maxWalks = 24
)

// lead is where a statement begins.
type lead struct {
	part int  // index of parts, -1 for the scope
	walk bool // along an index in the order of the list, else all of it is sorted
	span int  // index of the span that its index has too, -1 for none
}

// leadOf chooses where to begin: with a walk along an index that has just what is asked for
// in its order; else with what the fewest rows meet, when these are few; else with a walk in
// the order of the list, along the states when some are asked for and else along the scope.
func (s *Store) leadOf(ctx context.Context, w *worklist) (lead, error) {
	walk := w.walkOf(false)
	if walk.walk && w.exact(walk) {
		return walk, nil
	}
	if other := w.walkOf(true); other.walk && w.exact(other) {
		return other, nil
	}
	var best *lead
	most, wide := math.MaxInt, false
	few := s.options.few
	if len(w.parts)+len(w.spans) > 2 {
		few *= lateListed // a walk past rows of which three things must hold is a long one
	}
	for _, l := range w.leads() {
		limit := min(most, few+1)
		scope := l.part < 0 && l.span < 0
		switch {
		case l.span >= 0 && w.spans[l.span].column == "updated" && w.column != "updated":
			// whoever asks what has changed asks for what is last in the other orders
			limit = min(most, lateListed*s.options.few+1)
		case scope && best == nil && w.walkOf(true).part != walk.part:
			limit = max(s.options.many, few) + 1
		}
		if wide && scope {
			break // what is in a range of it is more than that already
		}
		from := w.begin(l)
		n, err := s.capped(ctx, "SELECT 1 FROM "+from.from+" WHERE "+from.text.String(), from.args, limit)
		if err != nil {
			return l, err
		}
		wide = l.part < 0 && n > s.options.many
		if n < limit && (!scope || n <= few) {
			best, most = &l, n
		}
		// what is in nobody's scope but another's must not be told from what is nowhere: how
		// many statements there are is a matter of the caller's own alone
		if own := l.part < 0 || w.parts[l.part].inside || w.scope.keys == nil; own && n == 0 {
			break
		}
	}
	if best != nil {
		return *best, nil
	}
	return w.walkOf(wide || w.scope.keys == nil), nil
}

// leads are the beginnings that an index serves and whose rows can be counted, the scope
// last: it is met by the most.
func (w *worklist) leads() (list []lead) {
	for i := len(w.parts) - 1; i >= -1; i-- {
		p := w.at(i)
		everybody := i < 0 && p.keys == nil
		for at := range w.spans {
			if p.staged || everybody {
				list = append(list, lead{part: i, span: at})
			}
		}
		if p.whole.text.Len() > 0 || everybody && w.stages != nil {
			list = append(list, lead{part: i, span: -1})
		}
	}
	return list
}

// walkOf chooses a walk: along one holder or practice that is asked for, along the states
// when the scope is wide, else along the scope. Where that has more pieces than one
// statement should have, all of it is sorted.
func (w *worklist) walkOf(wide bool) lead {
	best := lead{part: -1, walk: true, span: -1}
	for i, s := range w.spans {
		if s.column == w.column {
			best.span = i
		}
	}
	for i, p := range w.parts {
		if inside := p.inside || w.scope.keys == nil; w.walkable(i) && (p.staged && inside || (p.late || !p.staged) && wide) {
			best.part = i
			break
		}
	}
	best.walk = w.walkable(best.part)
	return best
}

// exact reports whether all that a walk meets is on the list.
func (w *worklist) exact(l lead) bool {
	for i := range w.parts {
		if i != l.part {
			return false
		}
	}
	for i := range w.spans {
		if i != l.span {
			return false
		}
	}
	if l.part < 0 {
		return true
	}
	p := w.parts[l.part]
	return (p.inside || w.scope.keys == nil) && (p.staged || w.stages == nil)
}

// walkable reports whether an index has the rows of a part in the order of the list.
func (w *worklist) walkable(i int) bool {
	if i < 0 {
		return max(1, len(w.scope.keys))*len(w.stagesOf(-1)) <= maxWalks
	}
	p := w.parts[i]
	return p.ordered && len(p.keys)*len(w.stagesOf(i)) <= maxWalks
}

func (w *worklist) at(i int) *part {
	if i < 0 {
		return w.scope
	}
	return w.parts[i]
}

// stagesOf are the stages that a walk along a part is made of: each its own, in the
// indexes that have the stage before the order.
func (w *worklist) stagesOf(i int) []int64 {
	switch p := w.at(i); {
	case i >= 0 && !p.staged:
		return []int64{-1} // all of them are mixed there
	case w.stages == nil:
		return everyStage
	}
	return w.stages
}

// begin is the beginning of a statement that sorts: the lead and the stage with it.
func (w *worklist) begin(l lead) *clause {
	c := &clause{from: "referral f"}
	p := w.at(l.part)
	everybody := l.part < 0 && p.keys == nil
	if p.join != "" {
		c.from = p.join + " n"
	}
	if p.whole.text.Len() > 0 {
		c.and(p.whole.text.String(), p.whole.args...)
	}
	if p.staged || everybody {
		stages := w.stages
		if stages == nil {
			stages = everyStage // the index has it before the spans
		}
		text, args := stageIn(stage, stages)
		c.and(text, args...)
	}
	if l.span >= 0 {
		s := w.spans[l.span]
		c.and("f."+s.column+" "+s.operator+" ?", s.value)
	}
	return c
}

// rest adds every condition but the lead, in a CASE: no index serves that, and PostgreSQL
// takes it for true of every second row, where it would take several conditions for true of
// nearly none, and sort a list of which it must walk along the beginning.
func (w *worklist) rest(c *clause, l lead) {
	var rest clause
	if l.part >= 0 {
		rest.and(w.scope.check.text.String(), w.scope.check.args...)
	}
	for i, p := range w.parts {
		if i != l.part {
			rest.and(p.check.text.String(), p.check.args...)
		}
	}
	if p := w.at(l.part); !p.staged && !(l.part < 0 && p.keys == nil) && w.stages != nil {
		text, args := stageIn(stage, w.stages)
		rest.and(text, args...)
	}
	for i, s := range w.spans {
		if i != l.span {
			rest.and("f."+s.column+" "+s.operator+" ?", s.value)
		}
	}
	if w.after != nil && !l.walk {
		rest.and("(f."+w.column+", f.id) > (?, ?)", w.after.Time, w.after.ID)
	}
	if rest.text.Len() > 0 {
		c.and("CASE WHEN "+rest.text.String()+" THEN TRUE ELSE FALSE END", rest.args...)
	}
}

// statement gives the ids on a page, as id, and their place in the order, as k.
func (w *worklist) statement(l lead) (string, []any) {
	order := " ORDER BY f." + w.column + ", f.id LIMIT CAST(? AS BIGINT)"
	if !l.walk {
		c := w.begin(l)
		if p := w.at(l.part); p.join != "" {
			c.from = "(SELECT DISTINCT n.referral FROM " + c.from + " WHERE " + c.text.String() + ") d CROSS JOIN referral f"
			c.text.Reset()
			c.and("f.id = d.referral")
		}
		w.rest(c, l)
		return "SELECT f.id, f." + w.column + " AS k FROM " + c.from + " WHERE " + c.text.String() + order, append(c.args, w.limit)
	}
	keys := w.at(l.part).keys
	if keys == nil {
		keys = []*clause{{}} // everybody
	}
	var walks []string
	var all []any
	for _, key := range keys {
		for _, n := range w.stagesOf(l.part) {
			var c clause
			if key.text.Len() > 0 {
				c.and(key.text.String(), key.args...)
			}
			if n >= 0 {
				c.and(stage+" = ?", n)
			}
			if l.span >= 0 {
				s := w.spans[l.span]
				c.and("f."+s.column+" "+s.operator+" ?", s.value)
			}
			if w.after != nil {
				c.and("(f."+w.column+", f.id) > (?, ?)", w.after.Time, w.after.ID)
			}
			w.rest(&c, l)
			walks = append(walks, "SELECT * FROM (SELECT f.id, f."+w.column+" AS k FROM referral f WHERE "+c.text.String()+order+") x")
			all = append(all, append(c.args, w.limit)...)
		}
	}
	if len(walks) == 1 {
		return walks[0], all
	}
	return "SELECT * FROM (" + strings.Join(walks, "\nUNION ALL ") + ") u ORDER BY u.k, u.id LIMIT CAST(? AS BIGINT)", append(all, w.limit)
}

func stageIn(column string, list []int64) (string, []any) {
	args := make([]any, len(list))
	for i, n := range list {
		args[i] = n
	}
	return column + " IN (" + marks(len(args)) + ")", args
}
