package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// together makes n requests at the same moment and gives their answers in order.
func together(t *testing.T, n int, request func(i int) (answer, error)) []answer {
	t.Helper()
	answers, errs := make([]answer, n), make([]error, n)
	var ready, done sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-gate
			answers[i], errs[i] = request(i)
		})
	}
	ready.Wait()
	close(gate)
	done.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return answers
}

// racers is how many send the same message at the same moment.
const racers = 16

// assertOnce demands that all answers are the same, and that one referral is stored: by
// the API for both sides, and in the database.
func assertOnce(t *testing.T, w *world, a *adapter, s *synthetic, answers []answer) {
	t.Helper()
	for i, got := range answers {
		if got.want(http.StatusOK); !bytes.Equal(got.body, answers[0].body) {
			t.Fatalf("answer %d differs:\n%s\n%s", i, got.body, answers[0].body)
		}
	}
	task := receipt(answers[0])
	gp, worker := a.as(auth.RoleRequester, s.practice), a.as(auth.RoleOwner, service1)
	if v := theOne(t, worker, s.nhsNumber); v.Links.Task != task || len(v.Timeline) != 2 {
		t.Errorf("the worklist has %s with %d events, the answer names %s", v.Links.Task, len(v.Timeline), task)
	}
	for path, want := range map[string]int{
		"ServiceRequest?identifier=" + s.identifier: 1, "Patient?identifier=" + s.nhsNumber: 1,
		"Task?patient=" + theOne(t, worker, s.nhsNumber).Links.Patient:        1,
		"Observation?patient=" + theOne(t, worker, s.nhsNumber).Links.Patient: len(s.observations),
	} {
		if n := gp.total("/fhir/R4/" + path); n != want {
			t.Errorf("%s finds %d, want %d", path, n, want)
		}
	}
	patient := strings.TrimPrefix(theOne(t, worker, s.nhsNumber).Links.Patient, "Patient/")
	if n := w.number("SELECT count(*) FROM referral WHERE patient = '" + patient + "'"); n != 1 {
		t.Errorf("the database has %d referrals", n)
	}
}

// The same message sixteen times at the same moment is one referral, and everyone is
// told the same in the same bytes: whatever makes it the same, through one adapter or
// two, on each database, and after a restart.
func TestR05TheSameMessageAtTheSameMomentIsOneReferral(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		adapters := []*adapter{w.start()}
		if !strings.HasPrefix(url, "sqlite:") {
			adapters = append(adapters, w.start())
		}
		type repeat struct {
			s       *synthetic
			headers func(i int) []string
			answer  answer
		}
		cases := map[string]*repeat{}
		for name, headers := range map[string]func(key string) func(i int) []string{
			"X-Request-ID": func(key string) func(int) []string {
				return func(int) []string { return []string{"X-Request-ID", key} }
			},
			"Idempotency-Key": func(key string) func(int) []string {
				return func(int) []string { return []string{"Idempotency-Key", key} }
			},
			"both, each request id its own": func(key string) func(int) []string {
				return func(i int) []string {
					return []string{"Idempotency-Key", key, "X-Request-ID", fmt.Sprintf("%s-%d", key, i)}
				}
			},
			"ServiceRequest.identifier": func(key string) func(int) []string {
				return func(i int) []string { return []string{"X-Request-ID", fmt.Sprintf("%s-%d", key, i)} }
			},
			"ServiceRequest.identifier, no request id": func(string) func(int) []string { return func(int) []string { return nil } },
		} {
			t.Run(name, func(t *testing.T) {
				s := someone(practiceA)
				given := headers(uuid.NewString())
				body := s.message()
				answers := together(t, racers, func(i int) (answer, error) {
					return adapters[i%len(adapters)].as(auth.RoleRequester, practiceA).try(http.MethodPost, "/fhir/R4", body, given(i)...)
				})
				assertOnce(t, w, adapters[0], s, answers)
				cases[name] = &repeat{s, given, answers[0]}
			})
		}
		for _, a := range adapters {
			if code := a.terminate(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		}
		again := w.start()
		for name, c := range cases {
			t.Run(name+", after a restart", func(t *testing.T) {
				got := again.as(auth.RoleRequester, practiceA).do(http.MethodPost, "/fhir/R4", c.s.message(), c.headers(0)...)
				assertOnce(t, w, again, c.s, []answer{c.answer, got})
			})
		}
	})
}

// A message without identifier, request id or key: nothing says that it is the same,
// so that each time is a referral; with a request id it is one.
func TestAServiceRequestWithoutIdentifierIsKnownByTheHeaders(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		gp := w.run(quiet()).as(auth.RoleRequester, practiceA)
		s := someone(practiceA)
		b := s.bundle()
		b.All("entry")[requestEntry].Child("resource").Remove("identifier")
		key := uuid.NewString()
		answers := together(t, racers, func(int) (answer, error) {
			return gp.try(http.MethodPost, "/fhir/R4", fhir.Encode(b), "X-Request-ID", key)
		})
		for _, got := range answers {
			if got.want(http.StatusOK); !bytes.Equal(got.body, answers[0].body) {
				t.Fatal("the answers differ")
			}
		}
		if n := w.number("SELECT count(*) FROM referral"); n != 1 {
			t.Errorf("%d referrals", n)
		}
	})
}

// The same clinical content under a new request id and new ids inside is the same
// referral; other content under a known key is a conflict that names what there is.
func TestOtherContentUnderAKnownKeyIsAConflict(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.run(quiet())
		gp := a.as(auth.RoleRequester, practiceA)
		s := someone(practiceA)
		key := uuid.NewString()
		first := gp.do(http.MethodPost, "/fhir/R4", s.message(), "Idempotency-Key", key, "X-Request-ID", key).want(http.StatusOK)
		task := receipt(first)

		// sent anew by a system that numbers its entries each time
		again := *s
		again.uuid = someone(practiceA).uuid
		anew := gp.do(http.MethodPost, "/fhir/R4", again.message(), "X-Request-ID", uuid.NewString())
		assertOnce(t, w, a, s, []answer{first, anew})

		other := *s
		other.observations = s.observations[:2]
		before := w.counts()
		for name, headers := range map[string][]string{
			"the same Idempotency-Key": {"Idempotency-Key", key},
			"the same X-Request-ID":    {"X-Request-ID", key},
			"the same identifier":      {"X-Request-ID", uuid.NewString()},
		} {
			t.Run(name, func(t *testing.T) {
				got := gp.do(http.MethodPost, "/fhir/R4", other.message(), headers...).want(http.StatusConflict)
				if rules := got.rules(); len(rules) != 1 || rules[0] != "repeat-differs" {
					t.Errorf("the rules are %v", rules)
				}
			})
		}
		assertOnlyAudited(t, before, w.counts(), 3)
		// the conflict says where the existing one is
		if got := gp.do(http.MethodPost, "/fhir/R4", other.message()).node().Text("issue", "diagnostics"); !strings.Contains(got, gp.get("/fhir/R4/"+task).node().Text("focus", "reference")) {
			t.Errorf("the conflict does not name the existing referral: %q", got)
		}
		// another practice may use the same identifier and the same keys
		elsewhere := someone(practiceB)
		elsewhere.identifier = s.identifier
		if receipt(a.as(auth.RoleRequester, practiceB).do(http.MethodPost, "/fhir/R4", elsewhere.message(), "Idempotency-Key", key, "X-Request-ID", key).want(http.StatusOK)) == task {
			t.Error("two practices share a referral")
		}
	})
}

// assertOnlyAudited demands that nothing was stored but the records of the refusals.
func assertOnlyAudited(t *testing.T, before, after map[string]int, refusals int) {
	t.Helper()
	for name, n := range after {
		want := before[name]
		if name == "audit" {
			want += refusals
		}
		if n != want {
			t.Errorf("the table %s has %d rows, want %d", name, n, want)
		}
	}
}

// Several referrals of one stranger at the same moment are several referrals of one
// Patient: who comes second finds what the first made.
func TestReferralsOfOneStrangerShareThePatient(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		gp := w.run(quiet()).as(auth.RoleRequester, practiceA)
		s := someone(practiceA)
		tasks := map[string]bool{}
		for _, got := range together(t, racers, func(i int) (answer, error) {
			one := *s
			one.identifier = fmt.Sprintf("%s-%d", s.identifier, i)
			one.uuid = func(entry int) string { return fmt.Sprintf("8a1d7c52-0b7e-4c1a-9a53-00000000%02x%02x", i, entry) }
			for {
				body, contentType := one.message(), "application/fhir+json"
				if i%2 == 1 { // who loses a round reads its message again, in its format
					body, contentType = inXML(t, body), xmlType
				}
				got, err := gp.try(http.MethodPost, "/fhir/R4", body, "Content-Type", contentType, "Accept", "application/fhir+json")
				// who lost every round is told to send again, and does
				if err != nil || got.status != http.StatusServiceUnavailable {
					return got, err
				}
			}
		}) {
			tasks[receipt(got.want(http.StatusOK))] = true
		}
		if n := w.number("SELECT count(DISTINCT id) FROM resource WHERE type = 'Patient'"); n != 1 || len(tasks) != racers {
			t.Errorf("%d Patients and %d referrals, want 1 and %d", n, len(tasks), racers)
		}
	})
}

// Of the workers who make the same move at the same moment one makes it, and the
// others are told that the referral has changed (lifecycle R01).
func TestR01OneOfManyWorkersWinsTheClaim(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		adapters := []*adapter{w.run(quiet())}
		if !strings.HasPrefix(url, "sqlite:") {
			adapters = append(adapters, w.run(quiet()))
		}
		for _, practice := range []string{practiceA, practiceC} {
			task := adapters[0].as(auth.RoleRequester, practice).refer(someone(practice).message())
			v := adapters[0].as(auth.RoleOwner, service1).look(task)
			won, lost := 0, 0
			var owner string
			for i, got := range together(t, racers, func(i int) (answer, error) {
				service := service1
				if practice == practiceC && i%2 == 1 {
					service = service2
				}
				return adapters[i/2%len(adapters)].as(auth.RoleOwner, service).try(http.MethodPost, "/api/v1/referrals/"+v.ID+"/actions/accept", []byte("{}"), "If-Match", `W/"1"`)
			}) {
				switch got.status {
				case http.StatusOK:
					won++
					owner = got.view().Owner.ODS
				case http.StatusPreconditionFailed:
					lost++
				case http.StatusNotFound:
					// in a pool, whoever comes after the other service's claim sees it no more
					if practice == practiceC {
						lost++
					}
				default:
					t.Errorf("worker %d: %d %s", i, got.status, got.body)
				}
			}
			if won != 1 || lost != racers-1 {
				t.Errorf("%d won and %d lost", won, lost)
			}
			now := adapters[0].as(auth.RoleOwner, owner).look(task)
			if now.Version != 2 || now.Status != referral.StatusAccepted || len(now.Timeline) != 3 {
				t.Errorf("the referral is %s, version %d, with %d events", now.Status, now.Version, len(now.Timeline))
			}
		}
	})
}

// claims are the ways to accept a referral in the version that was seen.
var claims = map[string]func(c caller, task *fhir.Node, version string) (answer, error){
	"action": func(c caller, task *fhir.Node, version string) (answer, error) {
		return c.try(http.MethodPost, "/api/v1/referrals/"+task.Text("id")+"/actions/accept", []byte("{}"), "If-Match", version)
	},
	"JSON Patch": func(c caller, task *fhir.Node, version string) (answer, error) {
		return c.try(http.MethodPatch, "/fhir/R4/Task/"+task.Text("id"), []byte(`[{"op":"replace","path":"/status","value":"accepted"}]`),
			"Content-Type", "application/json-patch+json", "If-Match", version)
	},
	"FHIRPath Patch": func(c caller, task *fhir.Node, version string) (answer, error) {
		return c.try(http.MethodPatch, "/fhir/R4/Task/"+task.Text("id"), []byte(`{"resourceType":"Parameters","parameter":[{"name":"operation","part":[
			{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Task.status"},{"name":"value","valueCode":"accepted"}]}]}`),
			"Content-Type", "application/fhir+json", "If-Match", version)
	},
	"update": func(c caller, task *fhir.Node, version string) (answer, error) {
		return c.try(http.MethodPut, "/fhir/R4/Task/"+task.Text("id"), fhir.Encode(change(task.Clone(), "accepted", "", "")),
			"Content-Type", "application/fhir+json", "If-Match", version)
	},
}

// However workers ask, over FHIR or JSON, through one process or two, one of those who
// accept at the same moment has the referral, in every round.
func TestOneClaimWinsHoweverItIsMade(t *testing.T) {
	const rounds = 12
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		adapters := []*adapter{w.start()}
		if !strings.HasPrefix(url, "sqlite:") {
			adapters = append(adapters, w.start())
		}
		ways := slices.Sorted(maps.Keys(claims))
		winners := map[string]int{}
		for round := range rounds {
			task := adapters[0].as(auth.RoleRequester, practiceA).refer(someone(practiceA).message())
			worker := adapters[0].as(auth.RoleOwner, service1)
			seen := worker.get("/fhir/R4/" + task).want(http.StatusOK).node()
			won := ""
			for i, got := range together(t, racers, func(i int) (answer, error) {
				way := claims[ways[(i+round)%len(ways)]]
				return way(adapters[i/len(ways)%len(adapters)].as(auth.RoleOwner, service1), seen, `W/"1"`)
			}) {
				way := ways[(i+round)%len(ways)]
				switch {
				case got.status == http.StatusOK && won == "":
					won = way
				case got.status != http.StatusPreconditionFailed:
					t.Errorf("round %d: %s, after %q won: %d %s", round, way, won, got.status, got.body)
				}
			}
			winners[won]++
			now := worker.look(task)
			if won == "" || now.Version != 2 || now.Status != referral.StatusAccepted || len(now.Timeline) != 3 {
				t.Errorf("round %d: %q won; the referral is %s, version %d, with %d events", round, won, now.Status, now.Version, len(now.Timeline))
			}
			if n := len(worker.get("/fhir/R4/" + task + "/_history").want(http.StatusOK).node().All("entry")); n != 2 {
				t.Errorf("round %d: the Task has %d versions", round, n)
			}
		}
		t.Logf("the winners were %v", winners)
	})
}
