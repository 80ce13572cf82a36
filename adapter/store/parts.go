package store

import (
	"slices"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// stage is where a referral is: 0 closed, 1 open, 2 overdue; spelled as in
// 0004_worklist.sql, where the indexes are.
const stage = "(f.open * (1 + f.overdue))"

var everyStage = []int64{0, 1, 2}

// never is the deadline of a referral without one: behind every time.
const never = 9_000_000_000_000_000_000

// It is this program that chooses where a statement begins: SQLite knows nothing of its
// tables, PostgreSQL nothing for the first minute, and neither that the new referrals are
// those which nobody has accepted. So one condition stands where an index serves it, and all
// others in a CASE, where none does (see rest).

// part is one condition of a worklist.
type part struct {
	check clause    // for a row that is at hand
	whole clause    // the same, as an index has it; empty when none does
	keys  []*clause // the same in pieces, of which no two hold for one row; each is the beginning of an index

	join    string // "need": what the index is on when it is not referral
	staged  bool   // next in the index of each key is the stage
	ordered bool   // and then come the columns of every order
	inside  bool   // whatever meets it is in the scope
	late    bool   // what meets it is at the end of the order as a rule
}

// worklist is a filter in a scope, as conditions.
type worklist struct {
	scope  *part // ordered and staged, or nothing for an operator
	parts  []*part
	stages []int64 // that may be on the list, nil for all
	column string  // that it is sorted by
	spans  []span
	after  *cursor
	limit  int64
	empty  bool // the scope and the filter exclude each other
}

// span is a condition on a column of an order.
type span struct {
	column, operator string
	value            int64
}

// list makes a part of a column and its alternatives.
func list(column string, values []string) *part {
	values = slices.Compact(slices.Sorted(slices.Values(values)))
	p := &part{}
	text, args := in(column, values)
	p.check.and(text, args...)
	p.whole.and(text, args...)
	for _, a := range args {
		key := &clause{}
		key.and(column+" = ?", a)
		p.keys = append(p.keys, key)
	}
	return p
}

// fixed makes a part of a condition without alternatives.
func fixed(check, whole string, args ...any) *part {
	p := &part{}
	p.check.and(check, args...)
	if whole != "" {
		p.whole.and(whole, args...)
	}
	return p
}

var sortColumns = map[referral.Sort]string{"": "created", referral.SortCreated: "created", referral.SortDue: "deadline", referral.SortUpdated: "updated"}

func newWorklist(scope referral.Scope, f referral.Filter) (*worklist, error) {
	w := &worklist{column: sortColumns[f.Sort]}
	if w.column == "" {
		return nil, issue.New(issue.Value, "worklist-sort", "the worklist is sorted by created, due or updated").With("got %q", string(f.Sort))
	}
	w.within(scope, f.Owner)
	w.practices(f.Practices)
	add := func(p *part, ordered bool) {
		p.ordered = ordered
		w.parts = append(w.parts, p)
	}
	if f.Patient != "" {
		add(list("f.patient", []string{clean(f.Patient)}), false)
	}
	if len(f.Business) > 0 {
		add(list("f.business_status", cleanAll(f.Business)), true)
	}
	if len(f.Status) > 0 {
		add(list("f.status", cleanAll(f.Status)), true)
	}
	if len(f.Priority) > 0 {
		p := list("f.priority", cleanAll(f.Priority))
		if slices.Contains(f.Priority, "routine") || slices.Contains(f.Priority, "") {
			p.whole.text.Reset() // nearly all are
		} else {
			p.whole.and("f.priority <> 'routine' AND f.priority <> ''") // as the index has it
		}
		p.keys = nil
		add(p, false)
	}
	w.needs(f.Needs)
	switch {
	case f.Risk == referral.Yes && scope.Role == auth.RoleRequester: // what is kept from it is none for it
		add(fixed("f.risk = 1 AND f.risk_told = 1", "f.risk = 1 AND f.risk_told = 1"), false) // the first as the index has it
	case f.Risk == referral.No && scope.Role == auth.RoleRequester:
		add(fixed("f.risk_told = 0", ""), false)
	case f.Risk == referral.Yes:
		add(fixed("f.risk = 1", "f.risk = 1"), false)
	case f.Risk == referral.No:
		add(fixed("f.risk = 0", ""), false)
	}
	switch f.Asked {
	case referral.Yes:
		add(fixed("f.former <> ''", "f.former <> ''"), false)
	case referral.No:
		add(fixed("f.former = ''", ""), false)
	}
	w.stage(f)
	if !f.Since.IsZero() {
		w.spans = append(w.spans, span{"updated", ">=", f.Since.UnixMilli()})
	}
	if !f.DueBefore.IsZero() {
		w.spans = append(w.spans, span{"deadline", "<", f.DueBefore.UnixMilli()})
	}
	return w, nil
}

// within limits the list to a scope, and there to one owner; "-" for nobody.
func (w *worklist) within(scope referral.Scope, owner string) {
	holder := holderOf("f")
	owned := func(p *part) {
		p.staged, p.ordered = true, true
		w.parts = append(w.parts, p)
	}
	switch scope.Role {
	case auth.RoleOwner:
		mine := holders(scope)
		w.scope = list(holder, mine)
		// what an owner asks for is a part of what it holds
		w.empty = w.scope.keys == nil
		if owner != "" {
			some := slices.DeleteFunc(slices.Clone(mine), func(h string) bool { return owner == "-" && h[0] != '/' || owner != "-" && h != owner })
			w.empty = len(some) == 0
			p := list(holder, some)
			p.inside = true
			owned(p)
		}
		w.scope.staged, w.scope.ordered = true, true
		return
	case auth.RoleRequester:
		w.scope = list("f.organisation", scope.Organisations)
		w.scope.staged, w.scope.ordered = true, true
		w.empty = w.scope.keys == nil
	case auth.RoleOperator:
		w.scope = fixed("1 = 1", "")
	default:
		w.scope, w.empty = fixed(nothing, ""), true
	}
	switch owner {
	case "":
	case "-":
		p := fixed("f.owner = ''", "f.owner = ''")
		p.keys, p.late = []*clause{&p.whole}, true
		owned(p)
	default:
		owned(list(holder, []string{clean(owner)}))
	}
}

// practices limits the list to those of practices: who sent the request, or where the
// person is registered.
func (w *worklist) practices(ods []string) {
	if len(ods) == 0 {
		return
	}
	sent, elsewhere := list("f.organisation", cleanAll(ods)), list("f.registered", cleanAll(ods))
	p := &part{}
	p.check.and("("+sent.check.text.String()+" OR "+elsewhere.check.text.String()+")", append(sent.check.args, elsewhere.check.args...)...)
	p.whole.and("("+sent.whole.text.String()+" OR (f.registered <> '' AND "+elsewhere.whole.text.String()+"))", append(sent.whole.args, elsewhere.whole.args...)...)
	w.parts = append(w.parts, p)
}

// needs limits the list to those with one of some needs.
func (w *worklist) needs(codes []string) {
	if len(codes) == 0 {
		return
	}
	named := make([]string, len(codes))
	for i, code := range codes {
		named[i] = short(code)
	}
	text, args := in("n.code", named)
	p := &part{join: "need"}
	// a scalar, which is asked for each row that is walked past: of an EXISTS PostgreSQL may
	// make a join with all that have the need
	p.check.and("(SELECT 1 FROM need n WHERE "+text+" AND n.created = f.created AND n.referral = f.id LIMIT 1) = 1", args...)
	p.whole.and(text, args...)
	w.parts = append(w.parts, p)
}

// stage limits the list to where referrals are. What is closed is due at no time.
func (w *worklist) stage(f referral.Filter) {
	w.stages = slices.DeleteFunc(slices.Clone(everyStage), func(n int64) bool {
		return (f.Open == referral.Yes || !f.DueBefore.IsZero()) && n == 0 || f.Open == referral.No && n != 0 || f.Overdue == referral.Yes && n != 2 || f.Overdue == referral.No && n == 2
	})
	switch len(w.stages) {
	case 0: // such as what has ended and is overdue
		w.empty = true
	case len(everyStage):
		w.stages = nil
	}
}
