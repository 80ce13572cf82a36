package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// eventsAnswer is an answer of GET /api/v1/events.
type eventsAnswer struct {
	Organisation, Role string
	Oldest, Last, Next int64
	Events             []referral.Happening
}

// events reads the feed of a caller.
func (c caller) events(query string) (e eventsAnswer) {
	c.t.Helper()
	c.get("/api/v1/events?" + query).want(http.StatusOK).into(&e)
	return e
}

// told waits until a caller's feed has n events, and gives them all.
func (c caller) told(n int) []referral.Happening {
	c.t.Helper()
	var e eventsAnswer
	eventually(c.t, fmt.Sprintf("there are %d events", n), func() bool {
		e = c.events("since=0")
		return len(e.Events) >= n
	})
	return e.Events
}

func movesOf(list []referral.Happening) (out []string) {
	for _, h := range list {
		out = append(out, h.Data.Move)
	}
	return out
}

// Each organisation is told of the referrals it may see, and of no other, with numbers
// of its own that begin at 1 and have no gaps (RC14, R21).
func TestRC14EveryReaderHasAFeedOfItsOwnWithoutGaps(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.start()
		task := a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message())
		a.as(auth.RoleRequester, practiceB).refer(someone(practiceB).message())
		pooled := a.as(auth.RoleRequester, practiceC).refer(someone(practiceC).message()) // either service may claim it
		one, two := a.as(auth.RoleOwner, service1), a.as(auth.RoleOwner, service2)
		one.told(4)
		v := one.act(one.look(task), "accept", referral.Input{}).view()
		two.act(two.look(pooled), "accept", referral.Input{}).want(http.StatusOK)
		one.act(v, "contact", referral.Input{Channel: "telephone", Result: "reached"}).want(http.StatusOK)

		for name, reader := range map[string]struct {
			caller
			moves   []string
			subject string // of the last event
		}{
			"practice A":             {a.as(auth.RoleRequester, practiceA), []string{"T02", "T03", "T05", "T08"}, task},
			"practice C":             {a.as(auth.RoleRequester, practiceC), []string{"T02", "T03", "T05"}, pooled},
			"service 1":              {one, []string{"T02", "T03", "T02", "T03", "T05", "T08"}, task},
			"service 2":              {two, []string{"T02", "T03", "T02", "T03", "T05"}, pooled},
			"an operator":            {a.as(auth.RoleOperator), []string{"T02", "T03", "T02", "T03", "T02", "T03", "T05", "T05", "T08"}, task},
			"practice B as a worker": {a.as(auth.RoleOwner, practiceB), nil, ""},
		} {
			list := reader.told(len(reader.moves))
			if !slices.Equal(movesOf(list), reader.moves) {
				t.Errorf("%s is told of %v, want %v", name, movesOf(list), reader.moves)
			}
			for i, h := range list {
				if h.Number != int64(i)+1 || h.Source != publicURL || h.SpecVersion != "1.0" || h.ID == "" || h.Time.IsZero() || h.Type != "referral.moved" {
					t.Errorf("%s: event %d is %+v", name, i, h)
				}
			}
			if len(list) == 0 {
				continue
			}
			if last := list[len(list)-1]; last.Subject != reader.subject {
				t.Errorf("%s: the last event is about %s", name, last.Subject)
			}
			// a part is the same as the whole, and the end is empty
			part := reader.events("since=1&count=1")
			if len(part.Events) != 1 || part.Events[0] != list[1] || part.Next != 2 || part.Oldest != 1 || part.Last != int64(len(list)) {
				t.Errorf("%s: a part is %+v", name, part)
			}
			if rest := reader.events(fmt.Sprintf("since=%d", len(list))); len(rest.Events) != 0 || rest.Next != int64(len(list)) {
				t.Errorf("%s: after the end comes %+v", name, rest)
			}
		}
		accepted := one.told(6)[4]
		want := referral.HappeningData{Referral: strings.TrimPrefix(task, "Task/"), Version: 2, Move: "T05", From: "received", To: "accepted", BusinessStatus: "allocated",
			Requester: practiceA, Owner: service1, Actor: referral.ActingParty{Organisation: service1, Role: auth.RoleOwner}}
		if accepted.Data != want {
			t.Errorf("the event is %+v, want %+v", accepted.Data, want)
		}
		// what asks for too much, too early or for another's
		both := a.as(auth.RoleOwner, service1, service2)
		if e := both.events("organisation=" + service2); e.Organisation != service2 || len(e.Events) != 5 {
			t.Errorf("the events of one of two organisations are %+v", e)
		}
		both.get("/api/v1/events").want(http.StatusBadRequest)
		one.get("/api/v1/events?organisation=" + service2).want(http.StatusForbidden)
		one.get("/api/v1/events?since=7").want(http.StatusBadRequest)
		one.get("/api/v1/events?since=-1").want(http.StatusBadRequest)
		one.get("/api/v1/events?unknown=1").want(http.StatusBadRequest)
	})
}

// The provider of an activity has events too: of its sub-Task, which stands in the place of
// the referral that it does not see. One provider learns nothing of another's.
func TestAProviderIsToldOfItsActivities(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		v := c.worker.act(c.referred("in-progress"), "refer", referral.Input{Activity: &referral.ActivityInput{Provider: service2, Name: "Choir", Consent: true}}).view()
		v = c.worker.act(v, "refer", referral.Input{Activity: &referral.ActivityInput{Name: "Walks", Consent: true}}).view()
		choir := v.Activities[0].ID
		do := func(who caller, version int, action string, in referral.Input) {
			t.Helper()
			who.do(http.MethodPost, "/api/v1/activities/"+choir+"/actions/"+action, mustJSON(in), "If-Match", fmt.Sprintf(`W/"%d"`, version)).want(http.StatusOK)
		}
		do(c.other, 1, "accept", referral.Input{})
		do(c.worker, 2, "attend", referral.Input{})
		c.worker.act(c.worker.look(v.ID), "close", referral.Input{Reason: said("disengaged")}).want(http.StatusOK)
		list := c.other.told(4)
		if moves := movesOf(list); !slices.Equal(moves, []string{"S01", "S02", "S03", "S05"}) {
			t.Errorf("the provider is told %v", moves)
		}
		for i, h := range list {
			if h.Number != int64(i)+1 || h.Type != "referral.activity" || h.Subject != "Task/"+choir || h.Data.Referral != choir || h.Data.Version != i+1 || h.Data.Requester != service1 || h.Data.Owner != service2 {
				t.Errorf("event %d is %+v", i+1, h)
			}
		}
		if text := string(mustJSON(list)); strings.Contains(text, v.ID) || strings.Contains(text, practiceA) {
			t.Errorf("the provider is told of the referral: %s", text)
		}
		// the service and the practice are told as before, of the referral and both activities
		for _, who := range []caller{c.worker, c.gp} {
			moves := movesOf(who.told(11))
			if n := strings.Count(strings.Join(moves, " "), "S"); n != 6 {
				t.Errorf("the others are told %v", moves)
			}
		}
	})
}

// A follower that was away for longer than events are kept is told so.
func TestAFollowerLearnsThatEventsAreNotKeptAnyMore(t *testing.T) {
	w := newWorld(t, "")
	w.config.EventsFor = time.Nanosecond
	a := w.run(quiet())
	a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message())
	worker := a.as(auth.RoleOwner, service1)
	worker.told(2)
	a.stop()
	a = w.run(quiet()) // prunes when it starts
	worker = a.as(auth.RoleOwner, service1)
	var got answer
	eventually(t, "events are forgotten", func() bool {
		got = worker.get("/api/v1/events?since=0")
		return got.status != http.StatusOK
	})
	if got.status != http.StatusGone || !strings.Contains(string(got.body), "events-pruned") || !strings.Contains(string(got.body), "number 3") {
		t.Errorf("%d: %s", got.status, got.body)
	}
	if e := worker.events("since=2"); e.Oldest != 3 || e.Last != 2 || len(e.Events) != 0 {
		t.Errorf("%+v", e)
	}
}

// A poll that waits is answered by what happens, by the end of its time, and by the end
// of the server.
func TestLongPollsEnd(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	worker := a.as(auth.RoleOwner, service1)
	poll := func(query string) chan answer {
		out := make(chan answer, 1)
		go func() {
			got, err := worker.try(http.MethodGet, "/api/v1/events?"+query, nil)
			if err != nil {
				t.Error(err)
			}
			out <- got
		}()
		return out
	}
	if e := worker.events("since=0&wait=20ms"); len(e.Events) != 0 || e.Last != 0 {
		t.Errorf("in vain: %+v", e)
	}
	waiting := poll("since=0&wait=60s")
	a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message())
	var e eventsAnswer
	(<-waiting).want(http.StatusOK).into(&e)
	if len(e.Events) == 0 || e.Events[0].Number != 1 {
		t.Errorf("woken with %+v", e)
	}
	waiting = poll("since=2&wait=60s")
	select {
	case got := <-waiting:
		t.Errorf("answered before anything happened: %s", got.body)
	case <-time.After(50 * time.Millisecond):
	}
	a.stop()
	(<-waiting).want(http.StatusOK).into(&e)
}

// streamOf opens a stream and gives its lines.
func (c caller) streamOf(last string) (*http.Response, <-chan string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.url+"/api/v1/events?since=0", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Accept", "text/event-stream")
	if last != "" {
		request.Header.Set("Last-Event-ID", last)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		defer response.Body.Close()
		for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
			if scanner.Text() != "" {
				lines <- scanner.Text()
			}
		}
	}()
	return response, lines
}

func nextLine(t *testing.T, lines <-chan string) string {
	t.Helper()
	select {
	case text := <-lines:
		return text
	case <-time.After(patience):
		t.Fatal("nothing comes")
		return ""
	}
}

// A stream tells of what was and of what comes, goes on after the last event its client
// had, and ends with the server.
func TestStreamTellsAndGoesOn(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	worker := a.as(auth.RoleOwner, service1)
	a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message())
	worker.told(2)
	response, lines := worker.streamOf("")
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	if got := nextLine(t, lines); got != "retry: 3000" {
		t.Errorf("it begins with %q", got)
	}
	event := func(lines <-chan string, number int64, move string) {
		t.Helper()
		var h referral.Happening
		id, data := nextLine(t, lines), nextLine(t, lines)
		if err := json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), &h); err != nil || id != fmt.Sprintf("id: %d", number) || h.Number != number || h.Data.Move != move {
			t.Fatalf("%s / %s, want %d %s (%v)", id, data, number, move, err)
		}
		worker.holds(response.Request, nil, response, []byte(id+"\n"+data+"\n"))
	}
	event(lines, 1, "T02")
	event(lines, 2, "T03")
	v := worker.worklist("")[0]
	worker.act(v, "accept", referral.Input{}).want(http.StatusOK)
	event(lines, 3, "T05")
	_, second := worker.streamOf("2")
	nextLine(t, second)
	event(second, 3, "T05")
	a.stop()
	for _, open := range []<-chan string{lines, second} {
		if got := nextLine(t, open); got != "event: end" {
			t.Errorf("it ends with %q", got)
		}
		for range open {
		}
	}
}

// A stream does not outlive the token that opened it.
func TestStreamEndsWithItsToken(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	now := time.Now()
	// the verifier allows clocks to differ by half a minute
	token, err := w.signer.Token(auth.Claims{Issuer: w.config.Issuer, Client: "short", Audience: []string{publicURL}, Role: auth.RoleOwner, Organisations: []string{service1},
		Scopes: []string{"system/*.cruds"}}, now.Add(-time.Minute), time.Minute+2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_, lines := caller{t, a.url, token}.streamOf("")
	nextLine(t, lines)
	if first, second := nextLine(t, lines), nextLine(t, lines); first != "event: end" || !strings.Contains(second, "token") {
		t.Errorf("it ends with %q %q", first, second)
	}
}

// What was acknowledged before the process was killed is in the feed after it starts
// again, once each and without gaps: also what had no number yet (R20).
func TestKilledBetweenCommitAndNumberLosesNoEvent(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.start()
		sent := underLoad(t, a, practiceA, 7, 40, a.kill)
		a = w.start()
		gp := a.as(auth.RoleRequester, practiceA)
		// what the database holds is what has to be told: acknowledged, or stored without an answer
		stored := w.number("SELECT count(*) FROM event")
		list := gp.told(stored)
		if len(list) != stored {
			t.Fatalf("%d events, %d stored", len(list), stored)
		}
		seen := map[string][]string{}
		for i, h := range list {
			if h.Number != int64(i)+1 {
				t.Fatalf("number %d where %d is next", h.Number, i+1)
			}
			seen[h.Subject] = append(seen[h.Subject], h.Data.Move)
		}
		for _, s := range sent {
			if s.answer.status != http.StatusOK {
				continue
			}
			s.answer.t = t
			if task := receipt(s.answer); !slices.Equal(seen[task], []string{"T02", "T03"}) {
				t.Errorf("%s was acknowledged, and is told as %v", task, seen[task])
			}
		}
		if n := w.number("SELECT count(*) FROM waiting"); n != 0 {
			t.Errorf("%d events still wait for numbers", n)
		}
	})
}
