package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

const (
	contentStream = "text/event-stream"
	// streamPage is how many events a stream reads at a time: what one follower holds in
	// memory, however far behind it is and however slowly it reads.
	streamPage  = 500
	streamBeat  = 15 * time.Second // below the minute after which proxies cut a silent connection
	streamWrite = 30 * time.Second // to take one page; who does not is cut off, and comes back with Last-Event-ID
	streamRetry = 3000             // milliseconds a client should wait before it comes back
)

// wantsStream reports whether a client asks for server-sent events.
func wantsStream(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(name), contentStream) {
				return true
			}
		}
	}
	return false
}

// stream writes events as they come, first those of the feed that was read already. It
// ends when the client goes away or does not read, when its token expires, and when the
// server stops; the last two are said as an event of their own.
func (x *exchange) stream(f *referral.Follower, feed referral.Feed) error {
	leave, err := x.followers.enter(x.call.Principal.Client)
	if err != nil {
		return err
	}
	defer leave()
	if err := x.access(); err != nil {
		return err
	}
	x.yield()
	const forever = 365 * 24 * time.Hour
	ctx, cancel := x.patience(forever)
	defer cancel()
	header := x.Writer.Header()
	header.Set("Content-Type", contentStream)
	header.Set("X-Accel-Buffering", "no") // a proxy that gathers would hold the events back
	x.Status(http.StatusOK)
	if x.Request.Method == http.MethodHead {
		x.Writer.WriteHeaderNow()
		return nil
	}
	control := http.NewResponseController(x.Writer)
	write := func(text []byte) bool {
		_ = control.SetWriteDeadline(time.Now().Add(streamWrite)) // a writer without deadlines has no limits either
		if _, err := x.Writer.Write(text); err != nil {
			return false
		}
		x.Writer.Flush()
		return true
	}
	if !write(fmt.Appendf(nil, "retry: %d\n\n", streamRetry)) {
		return nil
	}
	for {
		if len(feed.Events) > 0 && !write(streamed(feed.Events, x.BaseURL)) {
			return nil
		}
		if ctx.Err() != nil {
			write(fmt.Appendf(nil, "event: end\ndata: %s\n\n", x.ending()))
			return nil
		}
		if len(feed.Events) == 0 {
			beat, stop := context.WithTimeout(ctx, streamBeat)
			f.Wait(beat)
			silent := beat.Err() != nil && ctx.Err() == nil
			stop()
			if silent && !write([]byte(": \n\n")) {
				return nil
			}
		}
		if feed, err = f.Next(ctx, streamPage); err != nil && ctx.Err() == nil {
			// the status is sent: what went wrong is an event
			write(fmt.Appendf(nil, "event: end\ndata: %s\n\n", jsonString(issue.All(err)[0].Details)))
			x.refusal = err
			return nil
		}
	}
}

// streamed writes events with their numbers as ids.
func streamed(list []referral.Numbered, source string) []byte {
	quoted := jsonString(source)
	var out []byte
	for _, e := range list {
		out = append(out, "id: "...)
		out = strconv.AppendInt(out, e.Number, 10)
		out = append(out, "\ndata: "...)
		out = e.AppendJSON(out, quoted)
		out = append(out, "\n\n"...)
	}
	return out
}

// ending says why a stream ends from this side.
func (x *exchange) ending() []byte {
	if p := x.call.Principal; !p.Expires.IsZero() && !x.Now().Before(p.Expires) {
		return jsonString("the token has expired: come back with a new one")
	}
	return jsonString("the server stops: come back in a moment")
}

func jsonString(text string) []byte {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string cannot fail
	}
	return b
}
