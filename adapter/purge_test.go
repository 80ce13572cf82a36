package main

import (
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/store/storetest"
)

// delivered is a referral of practice A whose outcome is in the record.
func delivered(w *world, a *adapter) (*synthetic, string) {
	w.t.Helper()
	s, task := completed(a)
	eventually(w.t, "the outcome arrives", func() bool {
		return w.number("SELECT count(*) FROM delivery WHERE referral = '"+strings.TrimPrefix(task, "Task/")+"' AND state <> 'delivered'") == 0
	})
	return s, task
}

// A purge beside a server: a look, a hold, the removal. What is gone answers so, also to the
// old message; the person may be referred anew.
func TestPurgeBesideAServer(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.start()
		s, task := delivered(w, a)
		_, other := delivered(w, a)
		gp := a.as(auth.RoleRequester, practiceA)
		message := s.message()
		patient := gp.look(task).Links.Patient
		run := func(want string, args ...string) {
			t.Helper()
			out, code := program(t, []string{"ADAPTER_DATABASE=" + w.database}, args...)
			if code != 0 || !strings.Contains(out, want) {
				t.Fatalf("%v ends with %d: %s", args, code, out)
			}
		}
		erase := []string{"purge", "-o", practiceA, "-patient", patient}
		run("kept for ever", "purge")
		run("1 requests and 1 people would be removed; nothing was changed", erase...)
		gp.get("/fhir/R4/" + task).want(http.StatusOK)
		run("holds referral "+strings.TrimPrefix(task, "Task/"), "hold", "add", "referral", task, "-reason", "complaint", "-by", "someone")
		run("complaint", "hold", "list")
		run("0 requests and 0 people were removed", append(erase, "-apply")...)
		run("0 requests and 0 people were removed", "purge", "-retain-for", "1ms", "-o", practiceB, "-apply")
		gp.get("/fhir/R4/" + task).want(http.StatusOK)
		hold := ""
		db := w.db()
		defer db.Close()
		if err := db.QueryRow("SELECT id FROM hold").Scan(&hold); err != nil {
			t.Fatal(err)
		}
		run("is lifted", "hold", "remove", hold, "-reason", "answered")
		run("1 requests and 1 people were removed", append(erase, "-apply")...)

		for _, path := range []string{"/fhir/R4/" + task, "/fhir/R4/" + task + "/_history", "/fhir/R4/" + patient, "/api/v1/referrals/" + strings.TrimPrefix(task, "Task/")} {
			gp.get(path).want(http.StatusGone)
			a.as(auth.RoleRequester, practiceB).get(path).want(http.StatusNotFound)
		}
		a.as(auth.RoleOwner, service1).get("/api/v1/referrals/" + strings.TrimPrefix(task, "Task/")).want(http.StatusGone)
		gp.do(http.MethodPost, "/fhir/R4", message).want(http.StatusGone)
		gp.get("/fhir/R4/" + other).want(http.StatusOK)
		again := someone(practiceA)
		again.nhsNumber = s.nhsNumber
		if next := gp.look(gp.refer(again.message())); next.Links.Patient == patient {
			t.Error("the person has the id that was removed")
		}
		run("1 requests and 1 people were removed", "purge", "-retain-for", "1ms", "-apply")
		gp.get("/fhir/R4/" + other).want(http.StatusGone)
		if n := w.number("SELECT count(*) FROM audit WHERE interaction = 'purge' AND query LIKE '%sha256=%'"); n != 2 {
			t.Errorf("%d audit records of purges", n)
		}

		// the audit goes last, in one piece for all organisations, and not while there is a hold
		records := w.number("SELECT count(*) FROM audit")
		run("holds organisation "+practiceB, "hold", "add", "organisation", practiceB, "-reason", "inquiry", "-by", "someone")
		run("kept while there is a hold", "purge", "-retain-for", "1ms", "-retain-audit-for", "1ms", "-apply")
		if n := w.number("SELECT count(*) FROM audit"); n < records {
			t.Errorf("%d of %d audit records are left under a hold", n, records)
		}
		if err := db.QueryRow("SELECT id FROM hold WHERE lifted = 0").Scan(&hold); err != nil {
			t.Fatal(err)
		}
		run("is lifted", "hold", "remove", hold, "-reason", "answered")
		run("records before", "purge", "-retain-for", "1ms", "-retain-audit-for", "1ms")
		run("audit", "purge", "-retain-for", "1ms", "-retain-audit-for", "1ms", "-apply")
		if n := w.number("SELECT count(*) FROM audit"); n >= records/2 {
			t.Errorf("%d of %d audit records are left", n, records)
		}
		run("every record is as it was written", "audit", "verify")
	})
}
