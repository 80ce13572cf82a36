package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// TestBaRSMessagesAreProcessedOnce: races and repeats (R02 to R07, RC19).
func TestBaRSMessagesAreProcessedOnce(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := barsCast(t, url)
		t.Run("R04 and RC19 the same message again", func(t *testing.T) {
			s, id := someone(practiceA), uuid.NewString()
			before := c.w.number("SELECT count(*) FROM referral")
			taskIn(c.gp.says(practiceA, s.barsMessage(service1), "X-Request-ID", id))
			for range 2 {
				c.gp.says(practiceA, s.barsMessage(service1), "X-Request-ID", id).wantsCode(409, "REC_CONFLICT", "duplicate", "message-duplicate")
			}
			c.gp.saysText(practiceA, "{", "X-Request-ID", id).wantsCode(409, "REC_CONFLICT", "duplicate", "message-duplicate")
			if n := c.w.number("SELECT count(*) FROM referral"); n != before+1 {
				t.Errorf("there are %d referrals", n-before)
			}
			back := uuid.NewString()
			taskIn(c.gp.says(practiceA, s.takenBack("revoked", ""), "X-Request-ID", back))
			c.gp.says(practiceA, s.takenBack("revoked", ""), "X-Request-ID", back).wantsCode(409, "REC_CONFLICT", "duplicate", "message-duplicate")
		})
		t.Run("R05 the same message at the same moment", func(t *testing.T) {
			s, id := someone(practiceA), uuid.NewString()
			before := c.w.number("SELECT count(*) FROM referral")
			body := encoded(s.barsMessage(service1))
			done := 0
			for _, got := range together(t, racers, func(int) (answer, error) {
				return c.gp.try(http.MethodPost, processMessage, body, barsWith(practiceA, "X-Request-ID", id)...)
			}) {
				switch got.status {
				case http.StatusOK:
					done++
				case http.StatusTooEarly:
					got.wantsCode(425, "REC_TOO_EARLY", "transient", "too-early")
				default:
					got.wantsCode(409, "REC_CONFLICT", "duplicate", "message-duplicate")
				}
			}
			if n := c.w.number("SELECT count(*) FROM referral"); n != before+1 || done != 1 {
				t.Errorf("%d referrals, %d successes", n-before, done)
			}
		})
		t.Run("R05 across processes", func(t *testing.T) {
			if strings.HasPrefix(c.w.database, "sqlite") {
				return // one process has the file
			}
			other := c.w.run(quiet()).as(auth.RoleRequester, practiceA)
			s, id := someone(practiceA), uuid.NewString()
			body := encoded(s.barsMessage(service1))
			done := 0
			for _, got := range together(t, racers, func(i int) (answer, error) {
				return []caller{c.gp, other}[i%2].try(http.MethodPost, processMessage, body, barsWith(practiceA, "X-Request-ID", id)...)
			}) {
				if got.status == http.StatusOK {
					done++
				} else if got.status != http.StatusTooEarly {
					got.wantsCode(409, "REC_CONFLICT", "duplicate", "message-duplicate")
				}
			}
			if done != 1 {
				t.Errorf("%d successes", done)
			}
		})
		t.Run("R06 a first try that failed", func(t *testing.T) {
			s, id := someone(practiceA), uuid.NewString()
			b := s.barsMessage(service1)
			withoutType(b, "Consent")
			for range 2 {
				c.gp.says(practiceA, b, "X-Request-ID", id).wantsCode(400, "REC_BAD_REQUEST", "invariant", "message-payload")
			}
		})
		t.Run("R07 another message about the same request", func(t *testing.T) {
			s := someone(practiceA)
			before := c.w.number("SELECT count(*) FROM referral")
			body, done := encoded(s.barsMessage(service1)), 0
			for _, got := range together(t, racers, func(int) (answer, error) {
				return c.gp.try(http.MethodPost, processMessage, body, barsWith(practiceA)...)
			}) {
				if got.status == http.StatusOK {
					done++
				} else {
					got.wantsCode(409, "REC_CONFLICT", "conflict", "request-known")
				}
			}
			if n := c.w.number("SELECT count(*) FROM referral"); n != before+1 || done != 1 {
				t.Errorf("%d referrals, %d successes", n-before, done)
			}
		})
		t.Run("R02 cancelled while it is accepted", func(t *testing.T) {
			for range 8 {
				s := someone(practiceA)
				task, _ := taskIn(c.gp.says(practiceA, s.barsMessage(service1)))
				v := c.worker.look(task)
				back := encoded(s.takenBack("revoked", "Not wanted"))
				answers := together(t, 2, func(i int) (answer, error) {
					if i == 0 {
						return c.gp.try(http.MethodPost, processMessage, back, barsWith(practiceA)...)
					}
					return c.worker.try(http.MethodPost, "/api/v1/referrals/"+v.ID+"/actions/accept", []byte("{}"), "If-Match", fmt.Sprintf(`W/"%d"`, v.Version))
				})
				_, words := taskIn(answers[0])
				accepted := answers[1].status == http.StatusOK
				now := c.worker.look(task)
				if accepted != (now.Status == "accepted") || accepted != strings.Contains(words, "awaiting confirmation") || !accepted && now.Status != "cancelled" {
					t.Errorf("accept was answered with %d, cancel with %q, and the referral is %s", answers[1].status, words, now.Status)
				}
			}
		})
		t.Run("R03 cancelled while its outcome is recorded", func(t *testing.T) {
			for range 4 {
				s := someone(practiceA)
				task, _ := taskIn(c.gp.says(practiceA, s.barsMessage(service1)))
				v := c.worker.act(c.worker.look(task), "accept", referral.Input{}).view()
				v = c.worker.act(v, "contact", referral.Input{Channel: "telephone", Result: "reached"}).view()
				back := encoded(s.takenBack("revoked", "Not wanted"))
				outcome, _ := json.Marshal(referral.Input{Outcome: fullOutcome()})
				answers := together(t, 2, func(i int) (answer, error) {
					if i == 0 {
						return c.gp.try(http.MethodPost, processMessage, back, barsWith(practiceA)...)
					}
					return c.worker.try(http.MethodPost, "/api/v1/referrals/"+v.ID+"/actions/complete", outcome, "If-Match", fmt.Sprintf(`W/"%d"`, v.Version))
				})
				now := c.worker.look(task)
				switch {
				case answers[1].status == http.StatusOK && now.Status == "completed":
					answers[0].wantsCode(400, "REC_BAD_REQUEST", "invariant", "request-not-current")
				case answers[1].status == http.StatusPreconditionFailed && now.BusinessStatus == "cancellation-requested":
					taskIn(answers[0])
				default:
					t.Errorf("the outcome was answered with %d, cancel with %d, and the referral is %s %s", answers[1].status, answers[0].status, now.Status, now.BusinessStatus)
				}
			}
		})
	})
}

// TestDefectsOfABaRSReceiver: what was seen in another receiver's program is not here.
func TestDefectsOfABaRSReceiver(t *testing.T) {
	c := barsCast(t, "")
	t.Run("RC22 no constant takes the place of a value", func(t *testing.T) {
		for _, priority := range []string{"routine", "urgent", "asap", "stat", ""} {
			b := someone(practiceA).barsMessage(service1)
			messageOf(b, "ServiceRequest").Remove("priority")
			if priority != "" {
				messageOf(b, "ServiceRequest").Set("priority", priority)
			}
			got := c.gp.in(t).says(practiceA, b)
			taskIn(got)
			stored := c.gp.get("/fhir/R4/ServiceRequest/" + messageOf(got.node(), "ServiceRequest").Text("id")).node()
			if stored.Text("priority") != priority {
				t.Errorf("%q became %q", priority, stored.Text("priority"))
			}
		}
	})
	t.Run("RC23 a list is not its first", func(t *testing.T) {
		s := someone(practiceA)
		b := s.barsMessage(service1)
		p := messageOf(b, "Patient")
		now := p.Child("name")
		p.Remove("name")
		old := p.Add("name")
		old.Set("use", "old")
		old.Set("family", "Ravensworth")
		p.Append("name", now)
		task, _ := taskIn(c.gp.says(practiceA, b))
		v := c.worker.look(task)
		if v.Person.Name == "" || strings.Contains(v.Person.Name, "Ravensworth") || len(v.Person.Names) != 2 {
			t.Errorf("the person is %q of %d names", v.Person.Name, len(v.Person.Names))
		}
	})
	t.Run("RC25 what is missing is told where it is missing", func(t *testing.T) {
		b := someone(practiceA).barsMessage(service1)
		p := messageOf(b, "Patient")
		p.Remove("name")
		p.Remove("address")
		got := c.gp.says(practiceA, b)
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(string(got.body), "Patient") || !strings.Contains(string(got.body), "Bundle.entry[2]") {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
}
