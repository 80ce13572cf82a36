package main

import (
	"fmt"
	"net/http"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// A flag that the practice raised holds on when the referral is handed over, however often;
// who handed it over sees nothing of what came later.
func TestAFlagHoldsAfterAHandOver(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		third := c.a.as(auth.RoleOwner, practiceC) // any organisation may be a service
		s := someone(practiceA)
		raise := func(words string) {
			t.Helper()
			flag, err := fhir.Parse(fhir.Types(fhir.R4), fmt.Appendf(nil,
				`{"resourceType":"Flag","status":"active","category":[{"coding":[{"code":"SG"}]}],"code":{"text":%q},"subject":%s}`, words, byNumber(s.nhsNumber)), fhir.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			c.gp.post(flag).want(http.StatusCreated)
		}
		risks := func(v referral.View) (words []string) {
			for _, f := range v.Risks {
				words = append(words, f.Text)
			}
			return words
		}
		first := c.worker.look(c.gp.refer(s.message()))
		raise("call before visiting")
		first = c.worker.look(first.ID)
		handed := first
		for i, next := range []struct {
			from caller
			to   string
			who  caller
		}{{c.worker, service2, c.other}, {c.other, practiceC, third}} {
			next.from.act(handed, "transfer", referral.Input{Reason: said("replaced"), Service: next.to}).want(http.StatusOK)
			list := next.who.worklist("risk=true")
			if len(list) != 1 || list[0].Follows != handed.ID || len(list[0].Risks) != 1+i {
				t.Fatalf("after hand-over %d the service has %d referrals at risk: %+v", 1+i, len(list), list)
			}
			handed = list[0]
			raise(fmt.Sprint("said after hand-over ", 1+i))
			if handed = next.who.look(handed.ID); len(handed.Risks) != 2+i {
				t.Errorf("after hand-over %d the risks are %q", 1+i, risks(handed))
			}
		}
		if got := risks(c.worker.look(first.ID)); len(got) != 1 {
			t.Errorf("who handed it over sees %q", got)
		}
		for _, who := range []struct {
			caller
			n int
		}{{c.worker, 1}, {c.other, 2}, {third, 3}} {
			if got := len(who.get("/fhir/R4/Flag").want(http.StatusOK).node().All("entry")); got != who.n {
				t.Errorf("%d flags are found, want %d", got, who.n)
			}
		}
	})
}
