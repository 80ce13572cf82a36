package store

import (
	"context"
	"strings"
)

const (
	// fewListed is how many candidates are better sorted than found by walking along a list.
	fewListed = 3000
	// manyListed is how many of one holder are better walked along than those of everybody
	// in one state.
	manyListed = 10_000
	// maxWalks bounds the walks that one statement puts together; each is planned by itself.
	maxWalks = 24
)

// lead is where a statement begins.
type lead struct {
	part int  // index of parts, -1 for the scope
	walk bool // along an index in the order of the list, else all of it is sorted
	span int  // index of the span that its index has too, -1 for none
}

// leadOf chooses where to begin: with no filter but what an index has in order, there;
// else with what the fewest rows meet, when these are few; else with a walk in the order of
// the list, along the states when some are asked for and else along the scope.
func (s *Store) leadOf(ctx context.Context, w *worklist) (lead, error) {
	if len(w.parts) == 0 && len(w.spans) == 0 && w.walkable(-1) {
		return lead{part: -1, walk: true, span: -1}, nil
	}
	if len(w.parts) == 1 && len(w.spans) == 0 && w.scope.keys == nil && w.stages == nil && w.walkable(0) {
		return lead{part: 0, walk: true, span: -1}, nil
	}
	best, most := lead{}, fewListed+1
	widest := 0 // how many the scope has, up to manyListed+1
	for i := -1; i < len(w.parts); i++ {
		for at := -1; at < len(w.spans); at++ {
			l := lead{part: i, span: at}
			if !w.leads(l) {
				continue
			}
			limit := most
			if i < 0 && at < 0 {
				limit = manyListed + 1
			}
			from := w.begin(l)
			n, err := s.capped(ctx, "SELECT 1 FROM "+from.from+" WHERE "+from.text.String(), from.args, limit)
			if err != nil {
				return l, err
			}
			if i < 0 && at < 0 {
				widest = n
			}
			if n < most {
				best, most = l, n
			}
			if most == 0 {
				return best, nil
			}
		}
	}
	if most <= fewListed {
		return best, nil
	}
	return w.walkOf(widest), nil
}

// walkOf chooses the walk when whatever is asked for holds for many.
func (w *worklist) walkOf(widest int) lead {
	span := -1
	for i, s := range w.spans {
		if s.column == w.column {
			span = i
		}
	}
	best := lead{part: -1, walk: true, span: span}
	for i := range w.parts {
		if p := w.parts[i]; w.walkable(i) && (p.staged || widest > manyListed) {
			best.part = i
			break
		}
	}
	if !w.walkable(best.part) {
		best.walk = false // more pieces than one statement should have
	}
	return best
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

// leads reports whether an index serves a lead, so that it can be counted.
func (w *worklist) leads(l lead) bool {
	p := w.at(l.part)
	everybody := l.part < 0 && p.keys == nil
	switch {
	case everybody:
		return l.span >= 0 || w.stages != nil
	case l.span >= 0:
		return p.staged
	}
	return p.whole.text.Len() > 0
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

// rest adds every condition but the lead, spelled so that no index serves it.
func (w *worklist) rest(c *clause, l lead) {
	if l.part >= 0 {
		c.and(w.scope.check.text.String(), w.scope.check.args...)
	}
	for i := range w.parts {
		if i != l.part {
			c.and(w.parts[i].check.text.String(), w.parts[i].check.args...)
		}
	}
	if p := w.at(l.part); !p.staged && !(l.part < 0 && p.keys == nil) && w.stages != nil {
		text, args := stageIn("("+stage+" + 0)", w.stages)
		c.and(text, args...)
	}
	for i, s := range w.spans {
		if i != l.span {
			c.and("f."+s.column+" + 0 "+s.operator+" ?", s.value)
		}
	}
	if w.after != nil && !l.walk {
		c.and("(f."+w.column+" + 0, f.id || '') > (?, ?)", w.after.Time, w.after.ID)
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
