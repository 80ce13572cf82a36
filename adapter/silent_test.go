package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// A database that takes connections and never answers costs a request its time and no more:
// every kind of request is told so with 503, and served when the database speaks again.
func TestDatabaseIsSilent(t *testing.T) {
	database := storetest.Postgres(t)
	if database == "" {
		return
	}
	l, near := newLine(t, database)
	w := newWorld(t, near)
	w.config.RequestTimeout = time.Second
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	before := worker.look(gp.refer(someone(practiceA).message()))

	l.hush(true)
	sent, key := someone(practiceA), uuid.NewString()
	refused := func(got answer) {
		t.Helper()
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("the answer is %d %v %s", got.status, got.header, got.body)
		}
	}
	for range 2 {
		refused(gp.do(http.MethodPost, "/fhir/R4", sent.message(), "X-Request-ID", key))
		refused(gp.get("/fhir/R4/Task"))
		refused(worker.get("/api/v1/referrals"))
		refused(worker.act(before, "accept", referral.Input{}))
	}
	refused(gp.get("/readyz"))
	gp.get("/healthz").want(http.StatusOK)
	gp.get("/fhir/R4/metadata").want(http.StatusOK)

	l.hush(false)
	eventually(t, "the adapter is ready again", func() bool { return gp.get("/readyz").status == http.StatusOK })
	task := gp.refer(sent.message(), "X-Request-ID", key)
	if again := gp.refer(sent.message(), "X-Request-ID", key); again != task {
		t.Errorf("sent again, the Task is %s and %s", task, again)
	}
	worker.act(worker.look(before.ID), "accept", referral.Input{}).want(http.StatusOK)
}
