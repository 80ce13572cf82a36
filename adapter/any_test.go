package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

var (
	referrals = flag.Int("referrals", 240, "random referrals that are taken from intake to their end")
	seed      = flag.Uint64("seed", 1, "seed of the random referrals")
)

// endings are the ways a referral goes, each with every move that may write back.
var endings = [][]string{
	{"reject"}, {"accept", "reject"}, {"accept", "contact", "plan", "complete"}, {"accept", "contact", "complete"}, {"accept", "contact", "plan", "close"}, {"accept", "hold", "close"}, {"accept", "fail"},
}

// Whatever a GP system may say by the standard is taken in or refused in words for its
// sender, and what is taken in can be brought to an end: nothing that was sent makes what
// this program makes of it, then or later, unfit.
func TestAnyReferralIsRefusedOrCanBeEnded(t *testing.T) {
	t.Logf("-seed %d -referrals %d", *seed, *referrals)
	reason := func(code string) referral.Input {
		return referral.Input{Reason: &referral.Coded{Code: code, Text: "in words"}}
	}
	hold := reason("waiting-list")
	hold.ReviewOn = time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	inputs := map[string]referral.Input{
		"contact": {Channel: "telephone", Result: "reached"}, "plan": agreedPlan(), "complete": {Outcome: fullOutcome()},
		"reject": reason("wrong-service"), "close": reason("declined-by-patient"), "hold": hold, "fail": reason("service-closed"),
	}
	levels := []string{"codes-only", "summary", "full", "none"}
	for l, level := range levels {
		t.Run(level, func(t *testing.T) {
			w := newWorld(t, "")
			w.config.Sharing = level
			a := w.run(quiet())
			gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
			var last *synthetic
			var before []string
			taken, refusals := 0, map[string]int{}
			n := *referrals / len(levels)
			for i := range n {
				r := &random{Rand: rand.New(rand.NewPCG(*seed, uint64(l*1_000_000+i)))}
				s := someone(practiceA)
				if last != nil && r.chance(2) {
					s.nhsNumber = last.nhsNumber
				} else {
					before = nil
				}
				body := r.referral(s, before)
				got := gp.do(http.MethodPost, "/fhir/R4", body)
				if got.status >= 500 {
					t.Errorf("referral %d is answered with %d %s\n%s", i, got.status, got.body, body)
				}
				if got.status != http.StatusOK {
					for _, rule := range got.rules() {
						refusals[rule]++
					}
					continue
				}
				taken++
				last = s
				for _, entry := range got.node().All("entry") {
					at, _, _ := strings.Cut(entry.Text("response", "location"), "/_history/")
					before = append(before, at)
				}
				v := worker.look(receipt(got))
				for _, action := range endings[r.IntN(len(endings))] {
					got := worker.act(v, action, inputs[action])
					if got.status != http.StatusOK {
						t.Errorf("referral %d: %s is answered with %d %s\n%s", i, action, got.status, got.body, body)
						break
					}
					v = got.view()
				}
			}
			t.Log(fmt.Sprint(taken, " of ", n, " are taken; the rules that refuse: ", refusals))
			if taken < n/2 {
				t.Errorf("only %d of %d referrals are taken", taken, n)
			}
		})
	}
}
