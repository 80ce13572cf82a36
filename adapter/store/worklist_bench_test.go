package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// The needs of the fixture, the frequent ones first.
var manyNeeds = []string{"loneliness", "mental-wellbeing", "money-debt", "housing", "physical-activity", "caring", "bereavement", "food", "transport"}

// many fills a store with n open referrals and a fifth as many closed ones, as a country
// has them: the new ones are received, the old ones in progress; one service has most of
// them and works a pool, one practice has a tenth. It gives them in the order of their creation.
func many(t testing.TB, s *store.Store, n int, content []byte) (list []*referral.Record) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	chance := func(percent int) bool { return rng.IntN(100) < percent }
	total := n + n/5
	room := make(chan struct{}, 64) // commits share transactions
	var group sync.WaitGroup
	for i := range total {
		created := epoch.Add(time.Duration(i) * time.Minute)
		r := &referral.Record{ID: s.NewID(), Organisation: fmt.Sprintf("A%05d", max(0, rng.IntN(220)-20)), Owner: fmt.Sprintf("SPX%02d", max(1, rng.IntN(50)-30)),
			Version: 1, Patient: s.NewID(), ServiceRequest: s.NewID(), Filler: s.NewID(), Sharing: "full", Dialect: "ukcore-r4", Priority: "routine",
			Created: created, Updated: created.Add(time.Duration(rng.IntN(total)) * time.Minute / 4), Content: content}
		r.Since, r.Due = r.Updated, r.Updated.Add(14*24*time.Hour)
		switch age := 100 * (total - i) / total; {
		case rng.IntN(total) >= n:
			r.Status, r.BusinessStatus, r.Due = "completed", []string{"goals-met", "partially-met"}[rng.IntN(2)], time.Time{}
		case age < 8:
			r.Status, r.BusinessStatus = "received", "awaiting-triage"
			if chance(20) {
				r.BusinessStatus = "info-requested"
			}
			if chance(50) {
				r.Owner, r.Pool = "", []string{"north", "A00001"}[rng.IntN(2)]
			}
		case age < 20:
			r.Status, r.BusinessStatus = "accepted", "allocated"
		case chance(8):
			r.Status, r.BusinessStatus, r.Due = "on-hold", "waiting-list", r.Updated.Add(90*24*time.Hour)
		default:
			r.Status, r.BusinessStatus = "in-progress", []string{"contacted", "plan-agreed", "support-ongoing", "contact-attempted"}[rng.IntN(4)]
		}
		r.Needs = []string{manyNeeds[min(rng.IntN(len(manyNeeds)), rng.IntN(len(manyNeeds)))]}
		if chance(40) {
			r.Needs = append(r.Needs, manyNeeds[rng.IntN(len(manyNeeds))])
		}
		r.Risk = chance(8)
		r.RiskTold = r.Risk && chance(90)
		switch {
		case chance(4):
			r.Priority = "urgent"
		case chance(1):
			r.Priority = "asap"
		}
		if chance(3) {
			r.Registered = fmt.Sprintf("A%05d", rng.IntN(200))
		}
		if !referral.Terminal(r.Status) {
			if chance(1) {
				r.Former = r.BusinessStatus
			}
			r.Overdue = chance(6)
		}
		list = append(list, r)
		c := &referral.Change{Organisation: r.Organisation, At: created, Referral: r}
		c.Versions = []referral.Version{
			{Type: "Patient", ID: r.Patient, Number: 1, Patient: r.Patient, Body: padded(`{"resourceType":"Patient"}`, 700),
				Terms: []referral.Term{{Param: "family", Value: fmt.Sprintf("smith%d", i%500)}, {Param: "identifier", System: referral.SystemNHSNumber, Value: fmt.Sprintf("99%08d", i)}}},
			{Type: "Task", ID: r.ID, Number: 1, Referral: r.ID, Patient: r.Patient, Body: padded("{}", 900), Terms: []referral.Term{{Param: "status", Value: r.Status}}},
			{Type: "Observation", ID: s.NewID(), Number: 1, Referral: r.ID, Patient: r.Patient, Body: padded("{}", 700), From: created, To: created.Add(time.Second),
				Terms: []referral.Term{{Param: "code", System: referral.SystemSNOMED, Value: fmt.Sprint(i % 700)}}},
		}
		c.Events = []referral.Event{
			{ID: s.NewID(), Referral: r.ID, Move: "T02", To: "requested", Role: auth.RoleRequester, At: created},
			{ID: s.NewID(), Referral: r.ID, Move: "T03", From: "requested", To: "received", At: created},
		}
		c.Message = &referral.Message{ID: s.NewID(), Client: "gp", Dialect: "ukcore-r4", ContentType: "application/fhir+json", Body: padded("{}", 40), SHA256: "0"}
		c.Keys = []referral.Key{{Kind: referral.KeyNatural, Scope: r.Organisation, Value: r.ID, Hash: "0"}}
		c.Response = &referral.Response{Status: 201, Body: padded("{}", 40)}
		if i%4 == 0 {
			c.Deliveries = []referral.Delivery{notice(s, r.ID, r.Organisation, created)}
		}
		room <- struct{}{}
		group.Go(func() {
			defer func() { <-room }()
			if err := s.Commit(background, c); err != nil {
				t.Error(explain(err))
			}
		})
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return list
}

// The scopes of the worklists that are measured and explained.
var worklistScopes = map[string]referral.Scope{
	"owner":     owner("SPX01", "north", "default"),
	"small":     owner("SPX07"),
	"requester": requester("A00000"),
	"operator":  operator,
}

// worklistFilters are the filters, by name.
func worklistFilters(n int) map[string]referral.Filter {
	middle := epoch.Add(time.Duration(n) * time.Minute * 6 / 10)
	return map[string]referral.Filter{
		"all": {}, "open": {Open: referral.Yes}, "ended": {Open: referral.No},
		"status=received": {Status: []string{"received"}}, "status=in-progress": {Status: []string{"in-progress"}}, "status=two": {Status: []string{"accepted", "on-hold"}},
		"owner": {Owner: "SPX01"}, "owner=other": {Owner: "SPX07"}, "owner=-": {Owner: "-"},
		"overdue=true": {Overdue: referral.Yes}, "overdue=false": {Overdue: referral.No, Open: referral.Yes},
		"need": {Needs: []string{"loneliness"}}, "need=rare": {Needs: []string{"transport", "food"}}, "need=none": {Needs: []string{"nobody"}},
		"risk=true": {Risk: referral.Yes}, "risk=false": {Risk: referral.No},
		"practice": {Practices: []string{"A00007"}}, "practice=many": {Practices: []string{"A00000", "A00001"}},
		"priority": {Priority: []string{"urgent", "asap"}}, "priority=routine": {Priority: []string{"routine"}},
		"business": {Business: []string{"waiting-list"}}, "business=many": {Business: []string{"plan-agreed", "contacted"}},
		"asked=true": {Asked: referral.Yes}, "asked=false": {Asked: referral.No, Open: referral.Yes},
		"due-before": {DueBefore: middle}, "since": {Since: middle}, "since=late": {Since: epoch.Add(time.Duration(n) * time.Minute * 13 / 10), Open: referral.Yes},
		"all of them": {Open: referral.Yes, Status: []string{"in-progress"}, Needs: []string{"loneliness", "caring"}, Risk: referral.Yes, Priority: []string{"routine"}, DueBefore: middle},
		"two many":    {Open: referral.Yes, Status: []string{"in-progress"}, Needs: []string{"loneliness"}, Asked: referral.No},
	}
}

var worklistSorts = []referral.Sort{referral.SortCreated, referral.SortDue, referral.SortUpdated}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// BenchmarkWorklist asks for pages of 50 of 100,000 open referrals; WORKLIST_REFERRALS sets
// another number.
func BenchmarkWorklist(b *testing.B) {
	n := 100_000
	if text := os.Getenv("WORKLIST_REFERRALS"); text != "" {
		n, _ = strconv.Atoi(text)
	}
	databases := map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres}
	for _, name := range sorted(databases) {
		url := databases[name](b)
		if url == "" {
			continue
		}
		s := storetest.Open(b, url)
		begin := time.Now()
		many(b, s, n, padded("{}", 7000))
		b.Logf("%s filled in %v", name, time.Since(begin))
		filters := worklistFilters(n)
		for _, scope := range sorted(worklistScopes) {
			for _, filter := range sorted(filters) {
				for _, order := range worklistSorts {
					b.Run(name+"/"+scope+"/"+filter+"/"+string(order), func(b *testing.B) {
						f := filters[filter]
						f.Sort, f.Page.Count = order, 50
						least := time.Hour // on a machine with other work this is what counts
						for b.Loop() {
							begin := time.Now()
							if _, _, err := s.Referrals(b.Context(), worklistScopes[scope], f); err != nil {
								b.Fatal(explain(err))
							}
							least = min(least, time.Since(begin))
						}
						b.ReportMetric(float64(least.Microseconds())/1000, "min-ms")
					})
				}
			}
		}
	}
}
