package store_test

import (
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// asked is a statement as the store asked it.
type asked struct {
	text string
	args []any
}

// planner explains what a store asks of its database, each text once.
type planner struct {
	t    *testing.T
	url  string
	db   *sql.DB
	s    *store.Store
	seen map[string]bool
	many int // statements that were explained
}

// watch runs f and explains all that it asked.
func (p *planner) watch(name string, f func() error) {
	p.t.Helper()
	var list []asked
	p.s.Trace(func(text string, args []any) { list = append(list, asked{text, args}) })
	err := f()
	p.s.Trace(nil)
	if err != nil {
		p.t.Fatalf("%s: %v", name, explain(err))
	}
	for _, a := range list {
		if p.seen[a.text] {
			continue
		}
		p.seen[a.text] = true
		p.many++
		plan := planOf(p.t, p.db, p.url, p.s.Spell(a.text), a.args)
		if table := scans(a.text, plan); table != "" && !strings.Contains(mayScan[table], name+";") {
			p.t.Errorf("%s walks through the whole of %s\n%s\n%s", name, table, a.text, plan)
		}
	}
}

// mayScan names what may read the whole of a table, and why that is right.
var mayScan = map[string]string{
	// subscribers are those who asked to be told: some for each organisation
	"subscriber": "due subscribers;pending;claim notices;",
	// the events without numbers are a few, and a look takes the first
	"waiting":  "numbering;pending;",
	"audience": "pending;due subscribers;",
}

var (
	// SQLite: SCAN walks through a table or a whole index, SEARCH looks into it; what a
	// statement made itself is no table.
	liteScan = regexp.MustCompile(`(?m)^SCAN (\w+)`)
	// PostgreSQL: with enable_seqscan off a Seq Scan says that no index serves, a disabled
	// index cannot be; and an index without a condition is walked through from end to end.
	postgresSeq   = regexp.MustCompile(`Seq Scan on (\w+)`)
	postgresIndex = regexp.MustCompile(`(?:Index Scan|Index Only Scan)(?: Backward)? using (\w+) on (\w+)[^\n]*\n([^\n]*)`)
	postgresBits  = regexp.MustCompile(`Bitmap Index Scan on (\w+)[^\n]*\n([^\n]*)`)
	aliasOf       = regexp.MustCompile(`\b(?:FROM|JOIN) (\w+) (\w+)\b`)
	partial       = map[string]bool{"delivery_wake": true, "delivery_dead": true, "worklist_risk": true, "worklist_asked": true, "worklist_seen": true,
		"referral_unfiled": true, "referral_root": true, "delivery_lane": true, "delivery_awaiting": true}
)

// scans gives a table that a plan walks through from end to end, "" when there is none.
// Indexes that hold few rows may be walked through.
func scans(text, plan string) string {
	tables := map[string]string{}
	for _, m := range aliasOf.FindAllStringSubmatch(text, -1) {
		tables[m[2]] = m[1]
	}
	for line := range strings.Lines(plan) {
		m := liteScan.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		_, index, _ := strings.Cut(strings.TrimSpace(line), " INDEX ")
		if table := tables[m[1]]; table != "" && !partial[index] {
			return table
		}
	}
	if m := postgresSeq.FindStringSubmatch(plan); m != nil {
		return m[1]
	}
	for _, m := range postgresIndex.FindAllStringSubmatch(plan, -1) {
		if !strings.Contains(m[3], "Index Cond") && !partial[m[1]] {
			return m[2]
		}
	}
	for _, m := range postgresBits.FindAllStringSubmatch(plan, -1) {
		if !strings.Contains(m[2], "Index Cond") && !partial[m[1]] {
			return m[1]
		}
	}
	return ""
}

// No list walks through a whole table: every scope with every filter and order of the
// worklist, whether it is sorted or walked along, from the beginning and from a cursor; the
// searches; and what runs in the background. The statements are those that are asked, not
// copies.
func TestNothingWalksThroughATable(t *testing.T) {
	const n = 3000
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url)
		records := many(t, s, n, padded("{}", 40))
		raw(t, url, "UPDATE delivery SET state = 'delivered', open = 0 WHERE id NOT IN (SELECT id FROM delivery ORDER BY id LIMIT 9)")
		// many more than the referrals here have, so that nobody is better off reading all of them
		for i := range 20 {
			raw(t, url, fmt.Sprintf("INSERT INTO activity (id, referral, organisation, owner, name, version, status, open, business_status, sessions, created, updated) "+
				"SELECT 'a%[1]d-' || id, CASE WHEN %[1]d = 0 THEN id ELSE 'r%[1]d-' || id END, organisation, 'SPX%02[1]d', 'walk', 1, 'requested', 1, '', 0, created, updated FROM referral", i))
		}
		for i := range 6 { // of each some accesses, and a list that showed it
			raw(t, url, fmt.Sprintf("INSERT INTO audit (id, organisation, at, client, actor, role, action, interaction, outcome, entity, patient, request_id, query, issue) "+
				"SELECT id || '-%[1]d', organisation, created, 'client', CASE WHEN owner = '' THEN 'SPX01' ELSE owner END, 'owner', 'R', 'read', '0', 'Task/' || id, patient, '', '', '' FROM referral", i))
		}
		raw(t, url, "INSERT INTO audit_about (about, audit, organisation) SELECT 'Patient/' || patient, id || '-0', organisation FROM referral")
		raw(t, url, "INSERT INTO audit_about (about, audit, organisation) SELECT organisation, id || '-0', organisation FROM referral")
		if strings.HasPrefix(url, "postgres") { // it looks at its tables by itself, SQLite never does
			raw(t, url, "ANALYZE")
		}
		p := &planner{t: t, url: url, db: planning(t, url), s: s, seen: map[string]bool{}}
		defer p.db.Close()
		filters := worklistFilters(n)
		filters["patient"] = referral.Filter{Patient: records[7].Patient, Open: referral.Yes}
		names := sorted(filters)
		for scopeName, scope := range worklistScopes {
			for i, name := range names {
				for _, f := range []referral.Filter{filters[name], together(filters[name], filters[names[(i+3)%len(names)]])} {
					for _, order := range worklistSorts {
						for _, few := range []int{3, 60} {
							s.Few(few, 3*few)
							f.Sort, f.Page = order, referral.Page{Count: 2}
							p.watch("worklist "+scopeName+" "+name, func() error {
								_, next, err := s.Referrals(t.Context(), scope, f)
								if err == nil && next != "" {
									f.Page.After = next
									_, _, err = s.Referrals(t.Context(), scope, f)
								}
								return err
							})
						}
					}
				}
			}
			p.surroundings(scope, records[:3])
			if scopeName == "owner" {
				// who has most of what there is sees it read; one with a part of it tells more
				scope = owner("SPX07", "A00001", "default")
			}
			p.searches(scope, records[3])
			p.accesses(scope, records[3])
		}
		p.background(records[0])
		t.Logf("%d statements", p.many)
		if p.many < 500 {
			t.Errorf("only %d statements were looked at", p.many)
		}
	})
}

// surroundings watches what is shown of some referrals.
func (p *planner) surroundings(scope referral.Scope, records []*referral.Record) {
	ctx := p.t.Context()
	var ids, people []string
	for _, r := range records {
		ids, people = append(ids, r.ID), append(people, r.Patient)
	}
	p.watch("referral", func() error {
		_, err := p.s.Referral(ctx, scope, ids[0])
		return unlessNotFound(err)
	})
	p.watch("original", func() error {
		_, err := p.s.Original(ctx, scope, ids[0])
		return unlessNotFound(err)
	})
	p.watch("events", func() error { _, err := p.s.EventsOf(ctx, scope, ids); return err })
	p.watch("joined", func() error { _, err := p.s.Joined(ctx, scope, ids); return err })
	p.watch("patients", func() error { _, err := p.s.ReadAll(ctx, scope, "Patient", people); return err })
	p.watch("tasks", func() error { _, err := p.s.ReadAll(ctx, scope, "Task", ids); return err })
	p.watch("activities of", func() error { _, err := p.s.ActivitiesOf(ctx, ids...); return err })
	p.watch("activity", func() error {
		_, err := p.s.Activity(ctx, scope, ids[0])
		return unlessNotFound(err)
	})
	for _, open := range []referral.Wanted{referral.Either, referral.Yes, referral.No} {
		p.watch("activities", func() error {
			_, _, err := p.s.Activities(ctx, owner("SPX01"), open, referral.Page{Count: 2})
			return err
		})
	}
	p.watch("history", func() error {
		_, err := p.s.History(ctx, scope, "Task", ids[0], referral.Page{Count: 2})
		return unlessNotFound(err)
	})
}

func unlessNotFound(err error) error {
	if err != nil && strings.HasPrefix(explain(err).Error(), "not-found") {
		return nil
	}
	return err
}

// searches watches a search by each parameter of each type, alone and with the one before.
func (p *planner) searches(scope referral.Scope, r *referral.Record) {
	values := map[referral.ParamKind]referral.Value{
		referral.ParamToken: {System: referral.SystemSNOMED, Text: "7"}, referral.ParamString: {Text: "smith1"}, referral.ParamRef: {Text: "Patient/" + r.Patient},
		referral.ParamID: {Text: r.ID}, referral.ParamOwner: {Text: "SPX07"}, referral.ParamRequester: {Text: "A00001"}, referral.ParamPatient: {Text: r.Patient},
		referral.ParamDate:    {Prefix: "ge", From: r.Created, To: r.Created.Add(24 * time.Hour)},
		referral.ParamUpdated: {Prefix: "ge", From: r.Created, To: r.Created.Add(time.Second)},
	}
	for _, kind := range referral.ResourceTypes() {
		var before []referral.Condition
		list := append([]referral.SearchParam{{}, {Name: "_id", Kind: referral.ParamID}, {Name: "_lastUpdated", Kind: referral.ParamUpdated}}, referral.SearchParams(kind)...)
		for _, param := range list {
			var conditions []referral.Condition
			if param.Name != "" {
				conditions = []referral.Condition{{Param: param.Name, Kind: param.Kind, Values: []referral.Value{values[param.Kind], values[param.Kind]}}}
			}
			for _, q := range [][]referral.Condition{conditions, append(conditions, before...)} {
				query := referral.Query{Type: kind, Conditions: q, Page: referral.Page{Count: 2}, Total: true}
				p.watch("search "+kind+" by "+param.Name, func() error {
					found, err := p.s.Search(p.t.Context(), scope, query)
					if err == nil && found.Next != "" {
						query.Page.After = found.Next
						_, err = p.s.Search(p.t.Context(), scope, query)
					}
					return err
				})
			}
			before = conditions
		}
		p.links(scope, kind, values)
		p.watch("history of "+kind, func() error {
			_, err := p.s.History(p.t.Context(), scope, kind, "", referral.Page{Count: 2})
			return err
		})
	}
}

// accesses watches a search of the audit by each parameter, alone and within a patient.
func (p *planner) accesses(scope referral.Scope, r *referral.Record) {
	values := map[referral.ParamKind]referral.Value{
		referral.ParamToken: {Text: "R"}, referral.ParamRef: {Text: "Task/" + r.ID}, referral.ParamID: {Text: r.ID}, referral.ParamOwner: {Text: "SPX07"},
		referral.ParamPatient: {Text: r.Patient}, referral.ParamDate: {Prefix: "ge", From: r.Created, To: r.Created.Add(24 * time.Hour)},
	}
	patient := referral.Condition{Kind: referral.ParamPatient, Values: []referral.Value{values[referral.ParamPatient]}}
	for _, param := range append(referral.SearchParams(referral.TypeAudit), referral.SearchParam{Name: "_id", Kind: referral.ParamID}, referral.SearchParam{}) {
		var one []referral.Condition
		if param.Name == "type" {
			continue // every record has the same
		}
		if param.Name != "" {
			one = []referral.Condition{{Param: param.Name, Kind: param.Kind, Values: []referral.Value{values[param.Kind], values[param.Kind]}}}
		}
		for _, conditions := range [][]referral.Condition{one, append(one, patient)} {
			query := referral.Query{Conditions: conditions, Page: referral.Page{Count: 2}}
			p.watch("audit by "+param.Name, func() error {
				found, err := p.s.Audits(p.t.Context(), scope, query)
				if err == nil && found.Next != "" {
					query.Page.After = found.Next
					_, err = p.s.Audits(p.t.Context(), scope, query)
				}
				return err
			})
		}
	}
}

// links watches a search over each link of a type, forth and back, by few and by many at
// the other end, and what it includes.
func (p *planner) links(scope referral.Scope, kind string, values map[referral.ParamKind]referral.Value) {
	ask := func(name string, q referral.Query) {
		for _, few := range []int{0, 300} {
			p.s.Linked(few)
			p.watch(name, func() error {
				q.Total, q.Page = true, referral.Page{Count: 2}
				_, err := p.s.Search(p.t.Context(), scope, q)
				return err
			})
		}
	}
	for _, from := range referral.ResourceTypes() {
		for _, param := range referral.SearchParams(from) {
			if from == kind {
				c := referral.Condition{Param: param.Name, Kind: param.Kind, Values: []referral.Value{values[param.Kind]}}
				if slices.Contains(param.Modifiers, referral.ModifierNot) {
					c.Not = true
					ask("search "+kind+" by "+param.Name+":not", referral.Query{Type: kind, Conditions: []referral.Condition{c}, Oldest: true})
				}
				for _, absent := range []referral.Wanted{referral.Yes, referral.No} {
					if c.Absent = absent; slices.Contains(param.Modifiers, referral.ModifierMissing) {
						ask("search "+kind+" by "+param.Name+":missing", referral.Query{Type: kind, Conditions: []referral.Condition{c}})
					}
				}
			}
			for _, target := range param.Targets {
				link := referral.Link{From: from, Param: param.Name, Kind: param.Kind, To: target}
				if from != kind && target != kind {
					continue
				}
				for _, back := range []bool{false, true} {
					other := target
					if back {
						other = from
					}
					if back && target != kind || !back && from != kind {
						continue
					}
					asked := map[referral.ParamKind]bool{}
					for _, inner := range append(referral.SearchParams(other), referral.SearchParam{Name: "_id", Kind: referral.ParamID}, referral.SearchParam{Name: "_lastUpdated", Kind: referral.ParamUpdated}) {
						if asked[inner.Kind] {
							continue
						}
						asked[inner.Kind] = true
						ask("search "+kind+" over "+from+"."+param.Name+" by "+inner.Name, referral.Query{Type: kind, Conditions: []referral.Condition{
							{Param: inner.Name, Kind: inner.Kind, Values: []referral.Value{values[inner.Kind]}, Link: &link, Back: back}}})
					}
				}
				if from == kind {
					ask("include "+from+":"+param.Name, referral.Query{Type: kind, Included: []referral.Link{link}})
				}
				if target == kind {
					ask("include what refers by "+from+":"+param.Name, referral.Query{Type: kind, Referring: []referral.Link{link}})
				}
			}
		}
	}
}

// background watches what no caller asks for.
func (p *planner) background(r *referral.Record) {
	ctx, s, now := p.t.Context(), p.s, epoch.AddDate(1, 0, 0)
	for _, name := range []string{"small", "requester"} { // the others count most of what there is
		scope := worklistScopes[name]
		p.watch("ledger "+name, func() error {
			l, err := s.Ledger(ctx, scope, referral.LedgerQuery{Now: now, Count: 2})
			if err == nil {
				_, err = s.Ledger(ctx, scope, referral.LedgerQuery{Now: now, Count: 2, Cursor: l.Next})
			}
			return err
		})
	}
	p.watch("due", func() error { _, err := s.DueReferrals(ctx, now, 10); return err })
	p.watch("unseen", func() error { _, err := s.Unseen(ctx, 10); return err })
	p.watch("outbox", func() error { _, err := s.Outbox(ctx, r.ID); return err })
	p.watch("claim", func() error { _, err := s.Claim(ctx, now, time.Minute, 10); return err })
	p.watch("claim notices", func() error { _, err := s.Notices().Claim(ctx, now, time.Minute, 10); return err })
	for _, state := range []referral.DeliveryState{referral.DeliveryQueued, referral.DeliveryDead} {
		p.watch("deliveries "+string(state), func() error {
			_, _, err := s.Deliveries(ctx, store.Outbox{State: state, Page: referral.Page{Count: 2}})
			return err
		})
	}
	p.watch("deliveries of", func() error {
		_, _, err := s.Deliveries(ctx, store.Outbox{Referral: r.ID, Page: referral.Page{Count: 2}})
		return err
	})
	p.watch("feed", func() error { _, err := s.Feed(ctx, referral.AudienceOperator, 0, 10); return err })
	p.watch("numbering", func() error { _, err := s.Sequence(ctx); return err })
	p.watch("due subscribers", func() error { _, err := s.DueSubscribers(ctx, now); return err })
	p.watch("subscribers", func() error {
		_, _, err := s.Subscribers(ctx, "owner:SPX01", "webhook", referral.Page{Count: 2})
		return err
	})
	p.watch("numbers", func() error { _, err := s.Numbers(ctx, "x", 1, 9, 9); return err })
	p.watch("deliveries to a subscriber", func() error {
		_, _, err := s.SubscriberDeliveries(ctx, "x", "", referral.Page{Count: 2})
		return err
	})
	p.watch("audit verify", func() error { _, err := s.VerifyAudit(ctx, nil, nil, nil); return err })
	p.watch("known", func() error {
		_, err := s.Known(ctx, []referral.Key{{Kind: referral.KeyNatural, Scope: "a", Value: "b"}})
		return err
	})
	p.watch("pending", func() error {
		if _, err := s.Pending(ctx); err != nil {
			return err
		}
		_, err := s.PendingEvents(ctx)
		return err
	})
}
