package gateway

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// The limits of one answer with events, and of waiting for one.
const (
	eventsDefault = 1000
	eventsMax     = 10_000
	waitMax       = time.Minute
)

// eventsQuery is what GET /api/v1/events was asked for.
type eventsQuery struct {
	organisation string
	since        int64
	count        int
	wait         time.Duration
}

// events is GET /api/v1/events: what happened to the referrals that an organisation may
// see, after the event with the number since, in order and without gaps. With wait it
// answers as soon as there is something; a client that asks for text/event-stream gets a
// stream. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html.
func events(x *exchange) error {
	q, err := parseEvents(x.query)
	if err != nil {
		return err
	}
	streaming := wantsStream(x.Request)
	if last := x.Request.Header.Get("Last-Event-ID"); streaming && last != "" {
		if q.since, err = strconv.ParseInt(last, 10, 64); err != nil || q.since < 0 {
			return issue.New(issue.Value, "events-query", "Last-Event-ID must be the id of an event of this stream").At("http.Last-Event-ID")
		}
	}
	follower, err := x.Operations.Follow(x.call, q.organisation, q.since)
	if err != nil {
		return err
	}
	feed, err := follower.Next(x.context(), min(q.count, eventsMax))
	if err != nil {
		return err
	}
	if streaming {
		return x.stream(follower, feed)
	}
	if len(feed.Events) == 0 && q.wait > 0 {
		leave, err := x.followers.enter(x.call.Principal.Client)
		if err != nil {
			return err
		}
		x.yield() // who waits is in nobody's way
		ctx, cancel := x.patience(q.wait)
		follower.Wait(ctx)
		cancel()
		leave()
		_ = http.NewResponseController(x.Writer).SetWriteDeadline(time.Now().Add(streamWrite)) // a writer without deadlines has no limits either
		x.allow(1)
		if feed, err = follower.Next(x.context(), q.count); err != nil {
			return err
		}
	}
	x.send(http.StatusOK, contentJSON, x.indented(eventsPage(follower, feed, x.BaseURL)))
	return nil
}

// patience is the request's context, which ends after a while, when the caller's token
// expires and when the server stops.
func (x *exchange) patience(d time.Duration) (context.Context, context.CancelFunc) {
	// the connection is read and written again when the wait is over: until then no limit holds
	control := http.NewResponseController(x.Writer)
	_ = control.SetReadDeadline(time.Time{}) // a writer without deadlines has no limits either
	_ = control.SetWriteDeadline(time.Time{})
	if p := x.call.Principal; !p.Expires.IsZero() {
		d = min(d, p.Expires.Sub(x.Now()))
	}
	ctx, cancel := context.WithTimeout(x.Request.Context(), d)
	if x.Stopping != nil {
		go func() {
			select {
			case <-x.Stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, cancel
}

// eventsPage writes the answer. The events go into it as they are stored.
func eventsPage(f *referral.Follower, feed referral.Feed, source string) []byte {
	quoted := jsonString(source)
	size := 256
	for _, e := range feed.Events {
		size += len(e.Body) + len(source) + 48
	}
	out := append(make([]byte, 0, size), `{"organisation":`...)
	out = append(out, jsonString(f.Organisation)...)
	out = append(out, `,"role":`...)
	out = append(out, jsonString(string(f.Role))...)
	for _, member := range []struct {
		name  string
		value int64
	}{{"oldest", feed.Oldest}, {"last", feed.Last}, {"next", f.After}} {
		out = append(out, `,"`+member.name+`":`...)
		out = strconv.AppendInt(out, member.value, 10)
	}
	out = append(out, `,"events":[`...)
	for i, e := range feed.Events {
		if i > 0 {
			out = append(out, ',')
		}
		out = e.AppendJSON(out, quoted)
	}
	return append(out, "]}"...)
}

// parseEvents reads the query; one parameter that is not known is refused.
func parseEvents(params []parameter) (eventsQuery, error) {
	q := eventsQuery{count: eventsDefault}
	var faults []*issue.Error
	seen := map[string]bool{}
	wrong := func(p parameter, details string) {
		faults = append(faults, issue.New(issue.Value, "events-query", details).At("http."+p.name).With("%s is %.200q", p.name, p.value))
	}
	for _, p := range params {
		if p.formal() {
			continue
		}
		if seen[p.name] {
			wrong(p, "a parameter may be given once")
			continue
		}
		seen[p.name] = true
		var err error
		switch p.key() {
		case "since":
			if q.since, err = strconv.ParseInt(p.value, 10, 64); err != nil || q.since < 0 {
				wrong(p, "since must be the number of an event, or 0 for all that are kept")
			}
		case "count":
			if q.count, err = strconv.Atoi(p.value); err != nil || q.count < 1 {
				wrong(p, "count must be a whole number from 1")
			}
			q.count = min(q.count, eventsMax)
		case "wait":
			text := p.value
			if _, err := strconv.Atoi(text); err == nil {
				text += "s"
			}
			if q.wait, err = time.ParseDuration(text); err != nil || q.wait < 0 {
				wrong(p, "wait must be a time such as 30s")
			}
			q.wait = min(q.wait, waitMax)
		case "organisation":
			q.organisation = strings.ToUpper(p.value)
		default:
			faults = append(faults, issue.New(issue.Invalid, "events-query", "events are asked for with since, count, wait and organisation").With("the parameter is %.200q", p.key()))
		}
	}
	return q, issue.Join(faults)
}

// followers bounds how many wait at the same time, in all and of one client.
type followers struct {
	most int

	mu      sync.Mutex
	count   int
	clients map[string]int
}

func newFollowers(most int) *followers { return &followers{most: most, clients: map[string]int{}} }

// enter takes a place until leave is called. Errors: throttled when there is none.
func (f *followers) enter(client string) (leave func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count >= f.most || f.clients[client] >= max(1, f.most/10) {
		return nil, issue.New(issue.Throttled, "followers", "too many requests wait for events at the same time; wait with fewer, or ask without wait")
	}
	f.count++
	f.clients[client]++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.count--
		if f.clients[client]--; f.clients[client] == 0 {
			delete(f.clients, client)
		}
	}, nil
}
