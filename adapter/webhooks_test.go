package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// A webhook is told of what its organisation may see, in order, signed, and of nothing else.
func TestWebhookIsToldInOrderAndSigned(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		w.config.SubscriberNetworks = loopback
		a := w.start()
		worker, other := a.as(auth.RoleOwner, service1), a.as(auth.RoleOwner, service2)
		worked(a, 1) // before there was a webhook: not told
		worker.told(3)
		mine, theirs := newSubscriber(t), newSubscriber(t)
		hook := worker.hook(mine.URL)
		other.hook(theirs.URL)
		worked(a, 2)
		a.as(auth.RoleRequester, practiceB).refer(someone(practiceB).message())
		got := mine.first(t, 6)
		for i, m := range got {
			h := m.happening(t)
			if h.Number != int64(i)+4 || h.Source != publicURL || h.Data.Owner != service1 || m.header.Get("webhook-id") != h.ID || m.header.Get("Content-Type") != "application/json" {
				t.Errorf("message %d is %s with %v", i, m.body, m.header)
			}
			if n, good := m.signedWith(t, hook.Secret); n != 1 || !good {
				t.Errorf("message %d has %d signatures, good: %v", i, n, good)
			}
		}
		for _, m := range theirs.first(t, 2) {
			if h := m.happening(t); h.Data.Requester != practiceB {
				t.Errorf("service 2 is told of %+v", h)
			}
		}
		// the secret was shown once
		shown := worker.get("/api/v1/webhooks/" + hook.ID).want(http.StatusOK)
		list := worker.get("/api/v1/webhooks").want(http.StatusOK)
		if strings.Contains(string(shown.body)+string(list.body), "whsec_") || !strings.Contains(string(list.body), hook.ID) {
			t.Errorf("%s %s", shown.body, list.body)
		}
		// another's does not exist
		for _, path := range []string{"", "/deliveries", "/pause", "/resume", "/test", "/rotate-secret"} {
			method := http.MethodPost
			if path == "" || path == "/deliveries" {
				method = http.MethodGet
			}
			other.do(method, "/api/v1/webhooks/"+hook.ID+path, nil).want(http.StatusNotFound)
		}
		other.do(http.MethodDelete, "/api/v1/webhooks/"+hook.ID, nil).want(http.StatusNotFound)

		// a test event, and a rotation: both secrets sign for a while
		n := len(mine.messages())
		worker.say("/api/v1/webhooks/"+hook.ID+"/test", "").want(http.StatusAccepted)
		test := mine.first(t, n+1)[n]
		if h := test.happening(t); h.Type != "test" || h.Number != 0 {
			t.Errorf("the test event is %s", test.body)
		}
		var rotated referral.Webhook
		worker.say("/api/v1/webhooks/"+hook.ID+"/rotate-secret", "").want(http.StatusOK).into(&rotated)
		worker.say("/api/v1/webhooks/"+hook.ID+"/test", "").want(http.StatusAccepted)
		test = mine.first(t, n+2)[n+1]
		for _, secret := range []string{hook.Secret, rotated.Secret} {
			if n, good := test.signedWith(t, secret); n != 2 || !good {
				t.Errorf("%d signatures, good: %v", n, good)
			}
		}
		worker.say("/api/v1/webhooks/"+hook.ID+"/rotate-secret", `{"overlap":"0s"}`).want(http.StatusOK).into(&rotated)
		worker.say("/api/v1/webhooks/"+hook.ID+"/test", "").want(http.StatusAccepted)
		test = mine.first(t, n+3)[n+2]
		if n, good := test.signedWith(t, rotated.Secret); n != 1 || !good {
			t.Errorf("%d signatures, good: %v", n, good)
		}

		// changes need the version that was seen
		worker.do(http.MethodPatch, "/api/v1/webhooks/"+hook.ID, []byte(`{"description":"other"}`)).want(http.StatusPreconditionRequired)
		worker.do(http.MethodPatch, "/api/v1/webhooks/"+hook.ID, []byte(`{"description":"other"}`), "If-Match", `W/"1"`).want(http.StatusPreconditionFailed)
		worker.do(http.MethodPatch, "/api/v1/webhooks/"+hook.ID, []byte(`{"description":"other"}`), "If-Match", `W/"3"`).want(http.StatusOK)
		worker.do(http.MethodDelete, "/api/v1/webhooks/"+hook.ID, nil).want(http.StatusNoContent)
		worker.get("/api/v1/webhooks/" + hook.ID).want(http.StatusNotFound)
	})
}

// A webhook that is paused is sent nothing, and all of it when it is resumed, also after
// a restart (RC17).
func TestRC17PausedWebhookMissesNothing(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		w.config.SubscriberNetworks = loopback
		a := w.start()
		mine := newSubscriber(t)
		worker := a.as(auth.RoleOwner, service1)
		hook := worker.hook(mine.URL)
		worked(a, 1)
		mine.first(t, 3)
		worker.say("/api/v1/webhooks/"+hook.ID+"/pause", "").want(http.StatusOK)
		worked(a, 8) // more than the outbox holds for one subscriber
		worker.told(27)
		worker.say("/api/v1/webhooks/"+hook.ID+"/test", "").want(http.StatusAccepted)
		if code := a.terminate(); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		if n := len(mine.messages()); n != 3 {
			t.Errorf("%d messages while paused", n-3)
		}
		a = w.start()
		worker = a.as(auth.RoleOwner, service1)
		worker.say("/api/v1/webhooks/"+hook.ID+"/resume", "").want(http.StatusOK)
		got := mine.first(t, 28)
		if h := got[3].happening(t); h.Type != "test" {
			t.Errorf("first comes %s", got[3].body)
		}
		for i, m := range got[4:] {
			if h := m.happening(t); h.Number != int64(i)+4 {
				t.Errorf("number %d where %d is next", h.Number, i+4)
			}
		}
	})
}

// Two processes on one database tell a webhook each event, in the order of the numbers,
// whichever of them does.
func TestTwoProcessesTellAWebhookInOrder(t *testing.T) {
	url := storetest.Postgres(t)
	if url == "" {
		return
	}
	w := newWorld(t, url)
	w.config.SubscriberNetworks = loopback
	one, two := w.start(), w.start()
	mine := newSubscriber(t)
	one.as(auth.RoleOwner, service1).hook(mine.URL)
	for range 12 {
		worked(one, 1)
		worked(two, 1)
	}
	var numbers []int64
	eventually(t, "all 72 events are told", func() bool {
		numbers = nil
		for _, m := range mine.messages() {
			numbers = append(numbers, m.happening(t).Number)
		}
		return slices.Contains(numbers, 72)
	})
	if once := slices.Compact(slices.Clone(numbers)); !slices.IsSorted(once) || len(once) != 72 {
		t.Errorf("told in the order %v", numbers)
	}
}

// Whatever a receiver does, the message comes again with the same id and the same bytes,
// what is behind it waits, and other subscribers do not (R21).
func TestR21NastyReceiversHoldUpNobodyElse(t *testing.T) {
	elsewhere := newSubscriber(t)
	hang := make(chan struct{})
	defer close(hang)
	nasty := map[string]func(w http.ResponseWriter, r *http.Request){
		"fails": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"floods": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			for range 200 {
				if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
					return
				}
			}
		},
		"closes": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"hangs":  func(http.ResponseWriter, *http.Request) { <-hang },
		"slows": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		},
	}
	w := newWorld(t, "")
	w.config.SubscriberNetworks = loopback
	a := w.run(quiet())
	worker := a.as(auth.RoleOwner, service1)
	receivers := map[string]*subscriber{}
	for name, answer := range nasty {
		receivers[name] = newSubscriber(t, answer)
		receivers[name].Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		worker.hook(receivers[name].URL)
	}
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	untrusted.StartTLS()
	defer untrusted.Close()
	noTrust := worker.hook(untrusted.URL)
	honest := newSubscriber(t)
	worker.hook(honest.URL)
	worked(a, 2)
	honest.first(t, 6) // long before those that hang have done so
	for name, r := range receivers {
		if name == "hangs" {
			if n := len(r.messages()); n > 1 {
				t.Errorf("%s: %d messages at once", name, n)
			}
			continue
		}
		got := r.first(t, 7) // the first one twice
		if got[0].header.Get("webhook-id") != got[1].header.Get("webhook-id") || !bytes.Equal(got[0].body, got[1].body) {
			t.Errorf("%s: the second try is another message", name)
		}
		for i, m := range got[1:] {
			if h := m.happening(t); h.Number != int64(i)+1 {
				t.Errorf("%s: number %d where %d is next", name, h.Number, i+1)
			}
		}
	}
	eventually(t, "the owner is told of the certificate", func() bool {
		var list struct{ Items []referral.Notice }
		worker.get("/api/v1/webhooks/" + noTrust.ID + "/deliveries").want(http.StatusOK).into(&list)
		return slices.ContainsFunc(list.Items, func(n referral.Notice) bool { return n.Problem == "security" && n.State == referral.DeliveryQueued })
	})
	if n := len(elsewhere.messages()); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
}

// An answer whose end never comes has said that the message arrived: the next one waits
// no longer for it than a moment.
func TestTricklingReceiverIsToldOn(t *testing.T) {
	w := newWorld(t, "")
	w.config.SubscriberNetworks = loopback
	a := w.run(quiet())
	trickle := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5000")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	mine := newSubscriber(t, slices.Repeat([]func(http.ResponseWriter, *http.Request){trickle}, 100)...)
	a.as(auth.RoleOwner, service1).hook(mine.URL)
	worked(a, 3) // more than could be told in the time of a test, if each held up the next
	for i, m := range mine.first(t, 9) {
		if h := m.happening(t); h.Number != int64(i)+1 {
			t.Errorf("number %d where %d is next", h.Number, i+1)
		}
	}
}

// A server that is killed between a commit and the note that a message was taken tells of
// it again, with the same webhook-id and the same bytes, and of everything behind it in order.
func TestKilledServerTellsAgain(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		w.config.SubscriberNetworks = loopback
		a := w.start()
		mine := newSubscriber(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		fhirs := newSubscriber(t)
		worker := a.as(auth.RoleOwner, service1)
		hook := worker.hook(mine.URL)
		subscription := worker.subscribe(fhirs.URL, "id-only", "")
		worker.subscriptionIs(subscription.Text("id"), "active")
		worked(a, 1)
		mine.first(t, 1) // taken, and not answered
		a.kill()
		const rounds = 4
		for range rounds { // killed as soon as the last commit is answered
			w.age()
			a = w.start()
			worked(a, 1)
			a.kill()
		}
		w.age()
		a = w.start()
		const events = 3 * (rounds + 1)
		var numbers []int64
		ids, bodies := map[int64]string{}, map[int64]string{}
		eventually(t, "all events are told", func() bool {
			numbers = nil
			for _, m := range mine.messages() {
				h := m.happening(t)
				numbers = append(numbers, h.Number)
				if id := ids[h.Number]; id != "" && (id != m.header.Get("webhook-id") || bodies[h.Number] != string(m.body)) {
					t.Fatalf("event %d comes again as another message", h.Number)
				}
				ids[h.Number], bodies[h.Number] = m.header.Get("webhook-id"), string(m.body)
				if n, good := m.signedWith(t, hook.Secret); n != 1 || !good {
					t.Fatalf("event %d has %d signatures, good: %v", h.Number, n, good)
				}
			}
			return slices.Contains(numbers, events)
		})
		if once := slices.Compact(slices.Clone(numbers)); !slices.IsSorted(numbers) || len(once) != events || numbers[1] != 1 {
			t.Errorf("told in the order %v", numbers)
		}
		var told []string
		eventually(t, "the Subscription is told of all", func() bool {
			told = nil
			for _, m := range fhirs.messages() {
				told = append(told, notifications(t, m.body).numbers...)
			}
			return slices.Contains(told, fmt.Sprint(events))
		})
		if once := slices.Compact(told); len(once) != events {
			t.Errorf("the Subscription is told %v", told)
		}
		a.as(auth.RoleOwner, service1).subscriptionIs(subscription.Text("id"), "active")
	})
}

// A receiver that answers 410 is sent nothing more until its owner resumes it, and then
// everything; what was given up is listed, and can be sent again.
func TestGoneReceiverIsPausedAndDeadLettersAreReplayed(t *testing.T) {
	w := newWorld(t, "")
	w.config.SubscriberNetworks = loopback
	w.config.RetryFor = time.Millisecond // the first failure is the last
	a := w.run(quiet())
	worker := a.as(auth.RoleOwner, service1)
	gone := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }
	mine := newSubscriber(t, gone)
	hook := worker.hook(mine.URL)
	worked(a, 1)
	worker.hookIs(hook.ID, "paused", "gone")
	var list struct{ Items []referral.Notice }
	eventually(t, "a delivery is dead", func() bool {
		worker.get("/api/v1/webhooks/" + hook.ID + "/deliveries?state=dead").want(http.StatusOK).into(&list)
		return len(list.Items) == 1
	})
	if n := len(mine.messages()); n != 1 {
		t.Errorf("%d messages after 410", n)
	}
	var dead referral.Notice
	worker.get("/api/v1/webhooks/" + hook.ID + "/deliveries/" + list.Items[0].ID).want(http.StatusOK).into(&dead)
	if len(dead.Tries) != 1 || dead.Tries[0].Status != http.StatusGone || dead.Problem != "deleted" || !bytes.Equal(dead.Body, mine.messages()[0].body) {
		t.Errorf("the dead delivery is %+v", dead)
	}
	worker.say("/api/v1/webhooks/"+hook.ID+"/deliveries/"+dead.ID+"/replay", "").want(http.StatusAccepted)
	worker.say("/api/v1/webhooks/"+hook.ID+"/resume", "").want(http.StatusOK)
	got := mine.first(t, 4)
	for i, m := range got[1:] {
		if h := m.happening(t); h.Number != int64(i)+1 {
			t.Errorf("number %d where %d is next", h.Number, i+1)
		}
	}
	if got[0].header.Get("webhook-id") != got[1].header.Get("webhook-id") {
		t.Error("the replay has another webhook-id")
	}
	// a receiver that fails until the time is over is paused too
	bad := newSubscriber(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	second := worker.hook(bad.URL)
	worked(a, 1)
	worker.hookIs(second.ID, "paused", "undeliverable")
	if n := len(bad.messages()); n != 1 {
		t.Errorf("%d messages", n)
	}
	worker.say("/api/v1/webhooks/"+second.ID+"/deliveries/"+dead.ID+"/replay", "").want(http.StatusNotFound)
}

// An address that leads inwards is refused when it is written down, and again when it is
// connected to.
func TestWebhooksLeadNowhereInside(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	worker := a.as(auth.RoleOwner, service1)
	for _, url := range []string{"http://subscriber.example/hook", "http://127.0.0.1:9/", "https://127.0.0.1/", "https://10.1.2.3/", "https://[::1]/", "https://[::ffff:10.0.0.1]/",
		"https://169.254.169.254/latest", "https://[fd00::1]/", "https://localhost/", "https://user:secret@subscriber.example/", "ftp://subscriber.example", "/hook", "", "https://[64:ff9b::a00:1]/",
		"https://127.1/", "https://2130706433/", "https://0x7f.1/", "https://subscriber.example:0/", "https://foo.internal/", "https://server/"} {
		got := worker.say("/api/v1/webhooks", fmt.Sprintf(`{"url":%q}`, url))
		if got.status != http.StatusBadRequest && got.status != http.StatusForbidden {
			t.Errorf("%s: %d %s", url, got.status, got.body)
		}
	}
	worker.say("/api/v1/webhooks", `{}`).want(http.StatusBadRequest)
	worker.say("/api/v1/webhooks", `{"url":"https://subscriber.example","secret":"x"}`).want(http.StatusBadRequest)
}

// Nothing about a person is in an event, in what is stored of it, or in what subscribers
// with ids alone are sent.
func TestNothingOfAPatientReachesFollowers(t *testing.T) {
	w := newWorld(t, "")
	w.config.SubscriberNetworks = loopback
	log := &buffer{}
	a := w.run(slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	worker := a.as(auth.RoleOwner, service1)
	mine, fhirs := newSubscriber(t), newSubscriber(t)
	hook := worker.hook(mine.URL + "/a-secret-path")
	worker.subscribe(fhirs.URL, "id-only", "", `"header":["Authorization: Bearer a-secret-header"]`)
	fhirs.first(t, 1)
	person := someone(practiceA)
	message := person.message()
	hidden := append(secrets(message), "a-secret-path", "a-secret-header", hook.Secret, "Ashgrove")
	task := a.as(auth.RoleRequester, practiceA).refer(message)
	v := worker.act(worker.look(task), "accept", referral.Input{Note: "Gwendoline Ashgrove owes her money"}).view()
	in := referral.Input{Note: "Gwendoline Ashgrove", Outcome: fullOutcome()}
	in.Outcome.Summary = "Ashgrove"
	worker.act(v, "complete", in).want(http.StatusOK)
	everything := string(worker.get("/api/v1/events").want(http.StatusOK).body)
	worker.told(4)
	for _, m := range append(mine.first(t, 4), fhirs.first(t, 5)...) {
		everything += string(m.body)
	}
	everything += string(worker.get("/api/v1/events").want(http.StatusOK).body) + string(worker.get("/api/v1/webhooks/"+hook.ID+"/deliveries").body)
	a.stop()
	for _, secret := range hidden {
		if slices.Contains(public, secret) || secret == practiceA {
			continue
		}
		if strings.Contains(everything, secret) {
			t.Errorf("%q is in what followers are told", secret)
		}
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
	if len(hidden) < 20 || strings.Count(everything, `"move"`) < 8 || !strings.Contains(log.String(), "delivery_attempt") {
		t.Fatalf("%d values are looked for in %s", len(hidden), everything)
	}
}
