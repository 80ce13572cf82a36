package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

const backport = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"

// subscriptionFor is a Subscription as a client writes it; more are further members of
// its channel.
func subscriptionFor(url, content, filter string, more ...string) string {
	criteria := ""
	if filter != "" {
		criteria = fmt.Sprintf(`,"_criteria":{"extension":[{"url":"%sbackport-filter-criteria","valueString":%q}]}`, backport, filter)
	}
	channel := ""
	for _, m := range more {
		channel += "," + m
	}
	return fmt.Sprintf(`{"resourceType":"Subscription","status":"requested","reason":"to know how referrals go","criteria":%q%s,"channel":{"type":"rest-hook","endpoint":%q,
		"payload":"application/fhir+json","_payload":{"extension":[{"url":"%sbackport-payload-content","valueCode":%q}]}%s}}`,
		referral.TopicReferral, criteria, url, backport, content, channel)
}

// subscribe makes a Subscription and gives it.
func (c caller) subscribe(url, content, filter string, more ...string) *fhir.Node {
	c.t.Helper()
	return c.say("/fhir/R4/Subscription", subscriptionFor(url, content, filter, more...), "Content-Type", "application/fhir+json").want(http.StatusCreated).node()
}

// subscriptionIs waits until a Subscription has a status.
func (c caller) subscriptionIs(id, status string) *fhir.Node {
	c.t.Helper()
	var n *fhir.Node
	eventually(c.t, "the Subscription is "+status, func() bool {
		n = c.get("/fhir/R4/Subscription/" + id).want(http.StatusOK).node()
		return n.Text("status") == status
	})
	return n
}

// notified is a notification Bundle taken apart.
type notified struct {
	kind, status, since, topic string
	numbers, focus             []string
	resources                  []*fhir.Node
}

func notifications(t *testing.T, body []byte) (n notified) {
	t.Helper()
	b := checked(t, body)
	entries := b.All("entry")
	if b.Text("type") != "history" || len(entries) == 0 || entries[0].Child("resource").ResourceType() != "Parameters" || !strings.HasSuffix(entries[0].Text("request", "url"), "/$status") {
		t.Fatalf("no notification: %s", body)
	}
	for _, p := range entries[0].Child("resource").All("parameter") {
		switch p.Text("name") {
		case "type":
			n.kind = p.Text("value")
		case "status":
			n.status = p.Text("value")
		case "topic":
			n.topic = p.Text("value")
		case "events-since-subscription-start":
			n.since = p.Text("value")
		case "notification-event":
			for _, part := range p.All("part") {
				switch part.Text("name") {
				case "event-number":
					n.numbers = append(n.numbers, part.Text("value"))
				case "focus":
					n.focus = append(n.focus, strings.TrimPrefix(part.Text("value", "reference"), publicURL+"/fhir/R4/"))
				}
			}
		}
	}
	for _, e := range entries[1:] {
		n.resources = append(n.resources, e.Child("resource"))
	}
	return n
}

// A Subscription begins with a handshake, is told of what passes its filter with numbers
// of its own, as much as it asked for, and outlives a restart (RC14, RC17).
func TestSubscriptionIsToldByNumbersOfItsOwn(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		w.config.SubscriberNetworks = loopback
		a := w.start()
		gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
		ids, whole, bare := newSubscriber(t), newSubscriber(t), newSubscriber(t)
		made := gp.subscribe(ids.URL, "id-only", "Task?status=accepted,completed&owner="+service1, `"header":["X-Own: yes"]`)
		if made.Text("status") != "requested" || made.Text("meta", "versionId") != "1" || made.Text("channel", "header") != "X-Own: (not shown)" {
			t.Errorf("made as %s", fhir.Encode(made))
		}
		full := worker.subscribe(whole.URL, "full-resource", "", `"extension":[{"url":"`+backport+`backport-max-count","valuePositiveInt":10}]`)
		worker.subscribe(bare.URL, "empty", "Task?status=accepted")
		for _, s := range []*subscriber{ids, whole, bare} {
			shake := notifications(t, s.first(t, 1)[0].body)
			if shake.kind != "handshake" || shake.status != "requested" || shake.since != "0" || len(shake.numbers) != 0 {
				t.Errorf("the handshake is %+v", shake)
			}
		}
		gp.subscriptionIs(made.Text("id"), "active")
		worker.subscriptionIs(full.Text("id"), "active")
		worked(a, 2)

		got := ids.first(t, 3)
		for i, m := range got[1:] {
			n := notifications(t, m.body)
			if n.kind != "event-notification" || n.status != "active" || n.since != fmt.Sprint(i+1) || !slices.Equal(n.numbers, []string{fmt.Sprint(i + 1)}) || n.topic != referral.TopicReferral ||
				len(n.focus) != 1 || len(n.resources) != 0 || m.header.Get("X-Own") != "yes" || m.header.Get("Content-Type") != "application/fhir+json" {
				t.Errorf("notification %d is %+v, %v", i, n, m.header)
			}
			if task := gp.get("/fhir/R4/" + n.focus[0]).want(http.StatusOK).node(); task.Text("status") != "accepted" {
				t.Errorf("the focus is %s", fhir.Encode(task))
			}
		}
		if n := notifications(t, bare.first(t, 2)[1].body); len(n.numbers) != 1 || len(n.focus) != 0 || n.topic != "" {
			t.Errorf("an empty notification is %+v", n)
		}
		var numbers, statuses []string
		eventually(t, "all six events are told in full", func() bool {
			numbers, statuses = nil, nil
			for _, m := range whole.messages()[1:] {
				n := notifications(t, m.body)
				numbers = append(numbers, n.numbers...)
				for _, r := range n.resources {
					statuses = append(statuses, r.Text("status"))
				}
			}
			return len(numbers) >= 6
		})
		if !slices.Equal(numbers, []string{"1", "2", "3", "4", "5", "6"}) || !slices.Equal(statuses, []string{"received", "received", "accepted", "received", "received", "accepted"}) {
			t.Errorf("told in full: %v %v", numbers, statuses)
		}

		if code := a.terminate(); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		a = w.start()
		gp = a.as(auth.RoleRequester, practiceA)
		worked(a, 1)
		if n := notifications(t, ids.first(t, 4)[3].body); n.since != "3" || !slices.Equal(n.numbers, []string{"3"}) {
			t.Errorf("after the restart: %+v", n)
		}
		// $status and $events
		path := "/fhir/R4/Subscription/" + made.Text("id")
		status := gp.get(path + "/$status").want(http.StatusOK).node()
		if p := status.Descend("entry", "resource"); status.Text("type") != "searchset" || p.ResourceType() != "Parameters" || !strings.Contains(string(fhir.Encode(p)), "query-status") {
			t.Errorf("$status is %s", fhir.Encode(status))
		}
		n := notifications(t, gp.get(path+"/$events?eventsSinceNumber=2&content=full-resource").want(http.StatusOK).body)
		if n.kind != "query-event" || n.since != "3" || !slices.Equal(n.numbers, []string{"2", "3"}) || len(n.resources) != 2 {
			t.Errorf("$events is %+v", n)
		}
		n = notifications(t, gp.say(path+"/$events", `{"resourceType":"Parameters","parameter":[{"name":"eventsUntilNumber","valueString":"1"}]}`, "Content-Type", "application/fhir+json").want(http.StatusOK).body)
		if !slices.Equal(n.numbers, []string{"1"}) || len(n.resources) != 0 {
			t.Errorf("$events is %+v", n)
		}
		if found := gp.total("/fhir/R4/Subscription?status=active&url=" + ids.URL); found != 1 {
			t.Errorf("%d found", found)
		}
		if found := a.as(auth.RoleOwner, service1).total("/fhir/R4/Subscription?_id=" + made.Text("id")); found != 0 {
			t.Errorf("another finds %d", found)
		}
		a.as(auth.RoleOwner, service1).get(path + "/$events").want(http.StatusNotFound)
		gp.do(http.MethodDelete, path, nil).want(http.StatusNoContent)
		gp.get(path).want(http.StatusNotFound)
	})
}

// A handshake that fails, and a notification that cannot be delivered, end in error; the
// client asks anew, learns how many events there were, and is told again.
func TestSubscriptionInErrorStartsAgain(t *testing.T) {
	w := newWorld(t, "")
	w.config.SubscriberNetworks = loopback
	a := w.run(quiet())
	gp := a.as(auth.RoleRequester, practiceA)
	fail := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
	gone := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }
	good := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
	mine := newSubscriber(t, fail, good, gone)
	made := gp.subscribe(mine.URL, "id-only", "")
	id := made.Text("id")
	if n := gp.subscriptionIs(id, "error"); n.Text("error") == "" {
		t.Errorf("the error is not told: %s", fhir.Encode(n))
	}
	again := func() {
		t.Helper()
		n := gp.get("/fhir/R4/Subscription/" + id).want(http.StatusOK)
		gp.do(http.MethodPut, "/fhir/R4/Subscription/"+id, n.body, "Content-Type", "application/fhir+json", "If-Match", n.header.Get("ETag")).want(http.StatusOK)
	}
	again()
	gp.subscriptionIs(id, "active")
	a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message())
	gp.subscriptionIs(id, "error") // 410
	gp.refer(someone(practiceA).message())
	eventually(t, "events are counted in error", func() bool {
		return strings.Contains(string(gp.get("/fhir/R4/Subscription/"+id+"/$status").want(http.StatusOK).body), `"valueString":"4"`)
	})
	if n := len(mine.messages()); n != 3 {
		t.Errorf("%d messages", n)
	}
	n := notifications(t, gp.get("/fhir/R4/Subscription/"+id+"/$events").want(http.StatusOK).body)
	if !slices.Equal(n.numbers, []string{"1", "2", "3", "4"}) || n.status != "error" {
		t.Errorf("$events is %+v", n)
	}
	again()
	gp.subscriptionIs(id, "active")
	got := mine.first(t, 6)
	if n := notifications(t, got[3].body); n.kind != "handshake" || n.since != "4" {
		t.Errorf("after the error comes %+v", n)
	}
	// what was under way when the error came is told after the handshake
	for i, m := range got[4:6] {
		if n := notifications(t, m.body); !slices.Equal(n.numbers, []string{fmt.Sprint(i + 1)}) {
			t.Errorf("then %+v", n)
		}
	}
	gp.do(http.MethodPut, "/fhir/R4/Subscription/"+id, []byte(subscriptionFor(mine.URL, "id-only", "")), "Content-Type", "application/fhir+json").want(http.StatusBadRequest)
	gp.do(http.MethodPut, "/fhir/R4/Subscription/"+id, []byte(strings.Replace(subscriptionFor(mine.URL, "id-only", ""), `"status"`, `"id":"`+id+`","status"`, 1)),
		"Content-Type", "application/fhir+json", "If-Match", `W/"1"`).want(http.StatusPreconditionFailed)
}

// What is not offered is refused with the element that asks for it.
func TestSubscriptionsThatCannotBeHonouredAreRefused(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	gp := a.as(auth.RoleRequester, practiceA)
	valid := subscriptionFor("https://subscriber.example/hook", "id-only", "Task?status=accepted")
	for name, c := range map[string]struct{ from, to, at string }{
		"another topic":    {referral.TopicReferral, "https://other.example/topic", "Subscription.criteria"},
		"another channel":  {`"rest-hook"`, `"websocket"`, "Subscription.channel.type"},
		"another format":   {"application/fhir+json", "application/fhir+xml", "Subscription.channel.payload"},
		"no such content":  {`"id-only"`, `"everything"`, "Subscription.channel.payload.extension"},
		"an unknown key":   {"Task?status=accepted", "Task?code=x", "Subscription.criteria.extension"},
		"another type":     {"Task?status=accepted", "Patient?name=x", "Subscription.criteria.extension"},
		"plain http":       {"https://subscriber", "http://subscriber", "Subscription.channel.endpoint"},
		"an inner address": {"https://subscriber.example", "https://192.168.1.1", "Subscription.channel.endpoint"},
		"a bad header":     {`"type":"rest-hook"`, `"type":"rest-hook","header":["Host: x"]`, "Subscription.channel.header"},
		"no reason":        {`"reason":"to know how referrals go",`, ``, "Subscription"},
		"an end that was":  {`"reason"`, `"end":"2020-01-01T00:00:00Z","reason"`, "Subscription.end"},
	} {
		if !strings.Contains(valid, c.from) {
			t.Fatalf("%s changes nothing", name)
		}
		got := gp.say("/fhir/R4/Subscription", strings.Replace(valid, c.from, c.to, 1), "Content-Type", "application/fhir+json")
		if got.status/100 != 4 || !strings.Contains(string(got.body), `"`+c.at) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if n := gp.total("/fhir/R4/Subscription"); n != 0 {
		t.Errorf("%d are stored", n)
	}
	narrow := caller{t, a.url, w.token(auth.Claims{Role: auth.RoleRequester, Organisations: []string{practiceA}, Scopes: []string{"system/Subscription.cruds"}}, time.Now())}
	narrow.say("/fhir/R4/Subscription", subscriptionFor("https://subscriber.example/hook", "full-resource", ""), "Content-Type", "application/fhir+json").want(http.StatusForbidden)
	statement := gp.get("/fhir/R4/metadata").want(http.StatusOK)
	statement.node()
	for _, text := range []string{backport + "backport-subscription\"", backport + "capabilitystatement-subscriptiontopic-canonical", referral.TopicReferral, "backport-subscription-status", "backport-subscription-events"} {
		if !strings.Contains(string(statement.body), text) {
			t.Errorf("the CapabilityStatement does not name %s", text)
		}
	}
}

// What a reader may not see any more is named and not shown, at the moment it is sent.
func TestFullResourceIsShownByTheRightOfTheMoment(t *testing.T) {
	w := newWorld(t, "")
	w.config.SubscriberNetworks = loopback
	a := w.run(quiet())
	one, two := a.as(auth.RoleOwner, service1), a.as(auth.RoleOwner, service2)
	mine := newSubscriber(t)
	id := two.subscribe(mine.URL, "full-resource", "").Text("id")
	two.subscriptionIs(id, "active")
	task := a.as(auth.RoleRequester, practiceC).refer(someone(practiceC).message()) // either may claim it
	for _, m := range mine.first(t, 3)[1:] {
		if n := notifications(t, m.body); len(n.resources) != 1 {
			t.Errorf("while it may be claimed: %+v", n)
		}
	}
	one.act(one.look(task), "accept", referral.Input{}).want(http.StatusOK)
	one.told(3)
	n := notifications(t, two.get("/fhir/R4/Subscription/"+id+"/$events").want(http.StatusOK).body)
	if !slices.Equal(n.numbers, []string{"1", "2"}) || !slices.Equal(n.focus, []string{task, task}) || len(n.resources) != 0 {
		t.Errorf("after another claimed it: %+v", n)
	}
}

// A Subscription ends when it says.
func TestSubscriptionEnds(t *testing.T) {
	w := newWorld(t, "")
	w.config.SubscriberNetworks = loopback
	a := w.run(quiet())
	gp := a.as(auth.RoleRequester, practiceA)
	mine := newSubscriber(t)
	end := time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339Nano)
	text := strings.Replace(subscriptionFor(mine.URL, "id-only", ""), `"reason"`, `"end":"`+end+`","reason"`, 1)
	id := gp.say("/fhir/R4/Subscription", text, "Content-Type", "application/fhir+json").want(http.StatusCreated).node().Text("id")
	gp.subscriptionIs(id, "off")
	before := len(mine.messages())
	worked(a, 1)
	gp.told(3)
	if n := len(mine.messages()); n != before {
		t.Errorf("%d messages after its end", n-before)
	}
}
