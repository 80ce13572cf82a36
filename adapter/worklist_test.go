package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// The worklist is filtered by what its items show: after the request, after what joined it,
// after an outcome was recorded and corrected, after the person moved, and after a start on a
// database from before there were these filters.
func TestTheWorklistFiltersByWhatItShows(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.run(quiet())
		gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
		plain, risky, urgent := someone(practiceA), someone(practiceA), someone(practiceA)
		gp.refer(plain.message())
		gp.refer(risky.message())
		gp.refer(urgent.with(put("priority", `"urgent"`)))
		pooled := a.as(auth.RoleRequester, practiceC).refer(someone(practiceC).message())

		one := func(s *synthetic) referral.View { return theOne(t, worker, s.nhsNumber) }
		lists := func(filter string, want ...*synthetic) {
			t.Helper()
			var got, numbers []string
			for _, v := range worker.worklist("owner=" + service1 + "&" + filter) {
				got = append(got, v.Person.NHSNumber)
			}
			for _, s := range want {
				numbers = append(numbers, s.nhsNumber)
			}
			if !slices.Equal(got, numbers) {
				t.Errorf("%s lists %v, want %v", filter, got, numbers)
			}
		}
		consistent := func() {
			t.Helper()
			items := worker.worklist("")
			for _, risk := range []bool{true, false} {
				n := 0
				for _, v := range items {
					if (len(v.Risks) > 0) == risk {
						n++
					}
				}
				if got := worker.worklist(fmt.Sprintf("risk=%t", risk)); len(got) != n || slices.ContainsFunc(got, func(v referral.View) bool { return (len(v.Risks) > 0) != risk }) {
					t.Errorf("risk=%t lists %d, and %d show it", risk, len(got), n)
				}
			}
			for _, v := range items {
				for _, need := range v.Needs {
					if got := worker.worklist("need=" + need.Need); need.Need != "" && !slices.ContainsFunc(got, func(g referral.View) bool { return g.ID == v.ID }) {
						t.Errorf("need=%s does not list what shows it", need.Need)
					}
				}
			}
		}
		lists("risk=true")
		lists("priority=urgent,asap", urgent)
		lists("priority=routine&sort=updated", plain, risky)
		lists("business_status=awaiting-triage&overdue=false&cancellation_asked=false&open=true&sort=due", plain, risky, urgent)
		lists("due_before=2020-01-01")
		if got := worker.worklist("owner=-"); len(got) != 1 || "Task/"+got[0].ID != pooled {
			t.Errorf("nobody owns %+v", got)
		}
		consistent()

		// a flag joins; a score alone makes no risk
		flag, err := fhir.Parse(fhir.Types(fhir.R4), fmt.Appendf(nil,
			`{"resourceType":"Flag","status":"active","category":[{"coding":[{"code":"SG"}]}],"code":{"text":"call before visiting"},"subject":%s}`, byNumber(risky.nhsNumber)), fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		gp.post(flag).want(http.StatusCreated)
		lists("risk=true", risky)
		consistent()

		// the service finds a risk, and takes it back
		v := one(plain)
		found := fullOutcome()
		found.Findings = append(found.Findings, referral.Coded{Code: "248054003", Display: "Self-neglect"})
		v = worker.act(v, "accept", referral.Input{}).view()
		v = worker.act(v, "complete", referral.Input{Outcome: found}).view()
		lists("risk=true", plain, risky)
		consistent()
		worker.act(v, "correct", referral.Input{Outcome: fullOutcome(), Note: "That was somebody else."}).view()
		lists("risk=true", risky)
		lists("status=completed", plain)
		consistent()

		// the person moves to another practice; only who sent the request sees it
		patient := risky.patient()
		setPart(patient, "generalPractitioner", fmt.Sprintf(`[{"identifier":{"system":%q,"value":%q}}]`, referral.SystemODS, practiceB))
		gp.do(http.MethodPost, "/fhir/R4/Patient", fhir.Encode(patient)).want(http.StatusOK)
		lists("practice="+practiceB, risky)
		lists("practice="+practiceA, plain, risky, urgent)
		if got := a.as(auth.RoleRequester, practiceB).worklist("practice=" + practiceB); len(got) != 0 {
			t.Errorf("practice B sees %+v", got)
		}

		// a database from before
		a.stop()
		db := w.db()
		for _, text := range []string{"DELETE FROM need", "UPDATE referral SET seen = 0, risk = 0, priority = '', registered = ''"} {
			if _, err := db.Exec(text); err != nil {
				t.Fatal(err)
			}
		}
		db.Close()
		a = w.run(quiet())
		worker = a.as(auth.RoleOwner, service1)
		lists("risk=true", risky)
		lists("priority=urgent", urgent)
		lists("practice="+practiceB, risky)
		consistent()
	})
}

// A worklist that is asked for in words nobody knows is refused with the words there are.
func TestTheWorklistSaysWhatItTakes(t *testing.T) {
	worker := newWorld(t, "").run(quiet()).as(auth.RoleOwner, service1)
	for query, want := range map[string]string{
		"need=lonelines": "did you mean loneliness?", "business_status=alocated": "did you mean allocated?", "priority=urgnt": "did you mean urgent?",
		"statsu=received": "did you mean status?", "nhs_number=9990000000": "the worklist takes status, business_status", "sort=name": "created, due, updated",
	} {
		got := worker.get("/api/v1/referrals?" + query).want(http.StatusBadRequest)
		if !strings.Contains(string(got.body), want) {
			t.Errorf("%s is answered with %s", query, got.body)
		}
	}
}
