package gateway

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"spadapter/adapter/issue"
)

// recordTimeout bounds how long a refusal may wait to be recorded: longer than any
// commit that goes well, shorter than a client's patience.
const recordTimeout = 2 * time.Second

// refuse answers with an error. Every error of every route ends here.
func (x *exchange) refuse(err error) {
	issues := issue.All(err)
	status := statusOfAll(issues)
	if status >= 500 && x.context().Err() != nil {
		// what failed is most likely the hanging up itself: no fault of ours to alarm anyone
		err = issue.New(issue.Timeout, "client-gone", "the request ended before its answer was ready")
		issues, status = issue.All(err), http.StatusServiceUnavailable
	}
	if len(issues) > maxIssues {
		issues = capped(issues)
		err = issue.Join(issues)
	}
	x.refusal = err
	x.record(err)

	header := x.Writer.Header()
	if after := retryAfter[status]; after != "" {
		header.Set("Retry-After", after)
	}
	switch {
	case status == http.StatusUnauthorized:
		header.Set("WWW-Authenticate", x.challenge())
	case status == http.StatusForbidden && issues[0].Rule == "scope":
		// Source: RFC 6750 section 3.1
		header.Set("WWW-Authenticate", `Bearer realm="spadapter", error="insufficient_scope"`)
	}
	switch {
	case x.reply != nil:
		x.reply.refusal = outcome(unplaced(issues))
		x.send(status, "", nil)
		return
	case x.route.surface == surfaceFHIR:
		x.sendResource(status, outcome(issues))
		return
	}
	x.send(status, contentProblem, problem(status, x.call.RequestID, issues))
}

// record keeps the refusal for audit; those of callers that nobody knows are only
// counted when there are many, so that they cannot fill the disk. What goes wrong with that is logged: the
// caller's answer stays the refusal.
func (x *exchange) record(err error) {
	if x.route.surface == surfacePlain || x.Operations.Refused == nil {
		return
	}
	if x.call.Principal == nil && !x.anonymous.take(x.Now()) {
		x.metrics.unrecorded.Inc()
		return
	}
	// a client that hung up is audited all the same
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.context()), recordTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			x.unrecorded = panicked(p)
		}
	}()
	x.unrecorded = x.Operations.Refused(ctx, x.call, x.invoked(), x.entity, err)
}

// panicError is a panic in a handler. Its text is what the runtime said; a value
// that someone panicked with is named by its type only, because it may quote a message.
type panicError struct {
	text  string
	stack []byte
}

func (p *panicError) Error() string { return "panic: " + p.text }

func panicked(value any) error {
	if value == http.ErrAbortHandler {
		panic(value) // net/http's own way to cut a connection
	}
	p := &panicError{text: fmt.Sprintf("value of type %T", value), stack: debug.Stack()}
	if e, ok := value.(runtime.Error); ok {
		p.text = e.Error()
	}
	return p
}
