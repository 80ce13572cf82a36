package gateway

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// refuse answers with an error. Every error of every route ends here.
func (x *exchange) refuse(err error) {
	issues := issue.All(err)
	status := statusOfAll(issues)
	switch {
	case status >= 500 && errors.Is(x.Request.Context().Err(), context.Canceled):
		// what failed is most likely the hanging up itself: no fault of ours to alarm anyone
		err = issue.New(issue.Timeout, "client-gone", "the request ended before its answer was ready")
		issues, status = issue.All(err), http.StatusServiceUnavailable
	case x.late(err, status):
		err = issue.New(issue.Timeout, "request-timeout", "the request took longer than it may and was given up: send it again with the same request id").Because(err)
		issues, status = issue.All(err), http.StatusServiceUnavailable
	}
	if len(issues) > maxIssues {
		issues = capped(issues)
		err = issue.Join(issues)
	}
	x.refusal = err
	x.record(err)
	x.unread()

	if x.route.bars {
		status = statusAsBaRS(status)
	}
	header := x.Writer.Header()
	if after := retryAfter[status]; after != "" {
		header.Set("Retry-After", after)
	}
	if x.again > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(x.again.Seconds()))))
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
	case x.route.bars:
		x.sendResource(status, outcomeAsBaRS(status, issues))
		return
	case x.route.surface == surfaceFHIR:
		x.sendResource(status, outcome(issues))
		return
	case x.route.surface == surfaceSTU3:
		x.sendResource(status, spineOutcome(issues))
		return
	case x.route.surface == surfaceToken:
		x.sendToken(status, tokenError(status, issues[0]))
		return
	}
	x.send(status, contentProblem, problem(status, x.call.RequestID, issues))
}

// record keeps the refusal for audit; those of callers that nobody knows, and those of one that
// asks too much, are only counted when there are many, so that they cannot fill the disk. What
// goes wrong with that is logged: the caller's answer stays the refusal, and does not wait for
// a database that is silent.
func (x *exchange) record(err error) {
	if x.route.surface == surfacePlain || x.Operations.Refused == nil {
		return
	}
	var recorded bool
	switch p := x.call.Principal; {
	case p == nil && errors.Is(err, issue.Throttled) && !x.addresses.recorded(x.sender(), x.Now()):
	case p == nil:
		recorded = x.anonymous.AllowN(x.Now(), 1)
	case errors.Is(err, issue.Throttled):
		recorded = x.rates.recorded(p.Client, x.Now())
	default:
		recorded = true
	}
	if !recorded {
		x.metrics.unrecorded.Inc()
		return
	}
	// a client that hung up is audited all the same
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.context()), x.recording())
	done := make(chan error, 1)
	c := x.call
	c.Recorded = nil // who asks for it may have gone
	go func(g *gateway, interaction, entity string) {
		defer cancel()
		done <- g.recordNow(ctx, c, interaction, entity, err)
	}(x.gateway, x.invoked(), x.entity)
	select {
	case x.unrecorded = <-done:
	case <-ctx.Done():
		select {
		case x.unrecorded = <-done: // the end of its own time
		default:
			x.unrecorded = ctx.Err()
		}
	}
}

func (g *gateway) recordNow(ctx context.Context, c referral.Call, interaction, entity string, refused error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return g.Operations.Refused(ctx, c, interaction, entity, refused)
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
