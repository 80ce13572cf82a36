package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// unaudited is a store that lets go of records of access, whose durable write is measured
// by itself.
type unaudited struct{ *store.Store }

func (u unaudited) Commit(ctx context.Context, c *referral.Change) error {
	if c.Referral == nil && len(c.Versions) == 0 {
		return nil
	}
	return u.Store.Commit(ctx, c)
}

// BenchmarkWorklist renders a page of 50 of 100,000 open referrals (WORKLIST_REFERRALS sets
// another number), each with the content of a real one, for a service that has most of them
// and a pool, for a practice and for an operator; without the durable record of the access,
// and with it.
func BenchmarkWorklist(b *testing.B) {
	n := 100_000
	if text := os.Getenv("WORKLIST_REFERRALS"); text != "" {
		n, _ = strconv.Atoi(text)
	}
	for name, database := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		url := database(b)
		if url == "" {
			continue
		}
		kept := storetest.Open(b, url)
		service := benchService(b, kept)
		fill(b, service, kept, n)
		service.Store = unaudited{kept}
		middle := time.Now().Add(-time.Duration(n/2) * time.Minute)
		for scope, who := range map[string]*auth.Principal{
			"owner":     {Client: "bench", Role: auth.RoleOwner, Organisations: []string{demoService}},
			"requester": {Client: "bench", Role: auth.RoleRequester, Organisations: []string{demoPractice}},
			"operator":  {Client: "bench", Role: auth.RoleOperator},
		} {
			for filter, f := range map[string]referral.Filter{
				"open": {Open: referral.Yes}, "received": {Status: []string{"received"}}, "need": {Needs: []string{"housing"}}, "risk": {Risk: referral.Yes}, "overdue": {Overdue: referral.Yes},
				"due-before": {DueBefore: middle}, "since": {Since: middle}, "several": {Open: referral.Yes, Status: []string{"in-progress"}, Needs: []string{"loneliness"}, Risk: referral.Yes},
			} {
				for _, order := range []referral.Sort{referral.SortCreated, referral.SortDue, referral.SortUpdated} {
					f.Sort, f.Page.Count = order, 50
					b.Run(name+"/"+scope+"/"+filter+"/"+string(order), func(b *testing.B) { benchPage(b, service, who, f) })
				}
			}
		}
		service.Store = kept
		who := &auth.Principal{Client: "bench", Role: auth.RoleOwner, Organisations: []string{demoService}}
		b.Run(name+"/owner/recorded", func(b *testing.B) {
			benchPage(b, service, who, referral.Filter{Open: referral.Yes, Page: referral.Page{Count: 50}})
		})
	}
}

func benchPage(b *testing.B, service *referral.Service, who *auth.Principal, f referral.Filter) {
	least := time.Hour // on a machine with other work this is what counts
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		begin := time.Now()
		list, _, err := service.Worklist(b.Context(), referral.Call{Principal: who}, f)
		if err != nil {
			b.Fatal(err)
		}
		least, rows = min(least, time.Since(begin)), len(list)
	}
	b.ReportMetric(float64(least.Microseconds())/1000, "min-ms")
	b.ReportMetric(float64(rows), "rows")
}

// benchService is the domain with the artefacts that ship.
func benchService(b *testing.B, kept *store.Store) *referral.Service {
	c := Config{Issuer: "spadapter", Sharing: "summary", MinAttempts: 3, BodyBytes: 5 << 20, RetryFor: time.Hour}
	given, _, err := openPackages(nil)
	if err != nil {
		b.Fatal(err)
	}
	compiled, err := compile(c, given, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "partners.json")
	if err := os.WriteFile(file, demoPartners("http://127.0.0.1:9/fhir"), 0o600); err != nil {
		b.Fatal(err)
	}
	partners, err := loadPartners(file)
	if err != nil {
		b.Fatal(err)
	}
	return referral.NewService(referral.Config{Store: kept, Partners: partners, Instruments: compiled.instruments, Terminology: compiled.codes,
		Dialect: compiled.dialect, Outlet: outlets{library: compiled.library, partners: partners}.toRecord, Conforms: compiled.conforms, Sharing: c.Sharing, Rules: c.rules(), RetryFor: c.RetryFor})
}

// fill takes one referral in and copies it, with a person of its own each, n times.
func fill(b *testing.B, service *referral.Service, kept *store.Store, n int) {
	var m message
	newSeries(demoPractice, 1).next(&m)
	gp := referral.Call{Principal: &auth.Principal{Client: "gp", Role: auth.RoleRequester, Organisations: []string{demoPractice}}, Body: m.body, RequestID: uuid.NewString()}
	root, err := fhir.Parse(fhir.Types(fhir.R4), m.body, fhir.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := service.Submit(b.Context(), gp, root); err != nil {
		b.Fatal(err)
	}
	everything := referral.Scope{Role: auth.RoleOperator}
	list, _, err := kept.Referrals(b.Context(), everything, referral.Filter{Page: referral.Page{Count: 1}})
	if err != nil {
		b.Fatal(err)
	}
	model := list[0]
	patient, err := kept.Read(b.Context(), everything, "Patient", model.Patient)
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	needs := []string{"loneliness", "mental-wellbeing", "money-debt", "housing", "physical-activity", "caring", "food", "transport"}
	states := [][2]string{{"received", "awaiting-triage"}, {"accepted", "allocated"}, {"in-progress", "contacted"}, {"in-progress", "plan-agreed"}, {"in-progress", "support-ongoing"}, {"on-hold", "waiting-list"}}
	room := make(chan struct{}, 64)
	var group sync.WaitGroup
	start := time.Now().Add(-time.Duration(n) * time.Minute)
	for i := range n {
		r := model
		r.ID, r.Patient, r.Created = kept.NewID(), kept.NewID(), start.Add(time.Duration(i)*time.Minute)
		r.Updated = r.Created.Add(time.Duration(rng.IntN(1+n-i)) * time.Minute)
		state := states[1+rng.IntN(len(states)-1)]
		if i > n*9/10 {
			state = states[0]
		}
		r.Status, r.BusinessStatus, r.Since, r.Due = state[0], state[1], r.Updated, r.Updated.Add(14*24*time.Hour)
		r.Overdue, r.Risk, r.Needs = rng.IntN(20) == 0, rng.IntN(12) == 0, []string{needs[rng.IntN(len(needs))]}
		r.RiskTold = r.Risk
		if rng.IntN(10) > 0 { // the model's practice has a tenth
			r.Organisation = fmt.Sprintf("Y9%04d", rng.IntN(400))
		}
		if rng.IntN(3) == 0 {
			r.Owner = fmt.Sprintf("Y98%03d", rng.IntN(30))
		} else if i%20 == 0 && r.Status == "received" {
			r.Owner, r.Pool = "", "default"
		}
		c := &referral.Change{Organisation: r.Organisation, At: r.Created, Referral: &r}
		c.Versions = []referral.Version{{Type: "Patient", ID: r.Patient, Number: 1, Patient: r.Patient, Updated: r.Created,
			Body: bytes.ReplaceAll(patient.Body, []byte(model.Patient), []byte(r.Patient))}}
		if i%20 == 0 {
			id := kept.NewID()
			c.Versions = append(c.Versions, referral.Version{Type: "Flag", ID: id, Number: 1, Referral: r.ID, Patient: r.Patient, Updated: r.Created,
				Terms: []referral.Term{{Param: "_referral", Value: r.ID}},
				Body:  fmt.Appendf(nil, `{"resourceType":"Flag","id":%q,"status":"active","code":{"text":"needs longer appointments"},"subject":{"reference":"Patient/%s"}}`, id, r.Patient)})
		}
		for j, move := range []string{"T02", "T03", "T05", "T08"} {
			c.Events = append(c.Events, referral.Event{ID: kept.NewID(), Referral: r.ID, Move: move, From: "received", To: "received", BusinessStatus: "contacted",
				At: r.Created.Add(time.Duration(j) * time.Second), Data: []byte(`{"channel":"telephone","result":"reached","note":"Prefers mornings."}`)})
		}
		room <- struct{}{}
		group.Go(func() {
			defer func() { <-room }()
			if err := kept.Commit(context.Background(), c); err != nil {
				b.Error(err)
			}
		})
	}
	group.Wait()
}
