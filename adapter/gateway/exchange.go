package gateway

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// exchange is one request and its response, and what is known of it so far. It
// belongs to one goroutine.
type exchange struct {
	*gin.Context
	*gateway
	route  *route
	door   *Door // the way the request came in
	began  time.Time
	call   referral.Call
	query  []parameter // of the URL, in order
	prefer preference
	format format // of the response
	pretty bool
	entity string // "Patient/0190…", once the id has the form of one

	interaction string          // for the audit: the first of the route unless it is set
	recorded    atomic.Bool     // the access has its record; items of a bulk action set it side by side
	wished      string          // the value of _format
	unwanted    error           // what is wrong with the query or the format that is asked for
	reply       *reply          // of an entry of a batch, which is counted and logged with the batch; nil outside
	place       place           // of the body among those in work
	turn        string          // whose turn it has, "" when none
	received    bool            // the body is here, to its end
	work        context.Context // with the time that the request has; nil before
	cancel      context.CancelFunc
	again       time.Duration // when to come again, where that is known
	refusal     error         // what the response says went wrong, for the log line
	unrecorded  error         // why the refusal could not be recorded
}

// serve is the way every request takes through the gateway.
func (g *gateway) serve(r *route) gin.HandlerFunc {
	return func(c *gin.Context) {
		x := &exchange{Context: c, gateway: g, route: r, door: g.doorOf(c.Request), began: g.Now()}
		defer x.observe()
		defer x.place.release()
		defer x.yield()
		defer x.stop()
		if err := x.guarded(); err != nil {
			x.refuse(err)
		}
	}
}

// serveMissing serves what no route takes, in the language of the path it was sent to.
func (g *gateway) serveMissing(handle func(*exchange) error) gin.HandlerFunc {
	row := func(s surface) gin.HandlerFunc {
		return g.serve(&route{surface: s, interactions: []string{""}, open: true, handle: handle})
	}
	fhirHandler, stu3Handler, apiHandler, plainHandler := row(surfaceFHIR), row(surfaceSTU3), row(surfaceAPI), row(surfacePlain)
	barsHandler := g.serve(&route{surface: surfaceFHIR, interactions: []string{""}, open: true, bars: true, handle: handle})
	return func(c *gin.Context) {
		switch path := c.Request.URL.Path; {
		case path == barsPath && g.BaRS != nil:
			barsHandler(c)
		case path == stu3Base || strings.HasPrefix(path, stu3Base+"/"):
			stu3Handler(c)
		case path == "/fhir" || strings.HasPrefix(path, "/fhir/"):
			fhirHandler(c)
		case path == "/api" || strings.HasPrefix(path, "/api/"):
			apiHandler(c)
		default:
			plainHandler(c)
		}
	}
}

// guarded is steps, with a panic as an error of type exception.
func (x *exchange) guarded() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return x.steps()
}

// steps does what comes before every interaction, in the order in which its faults
// are told: who is calling comes before what was sent.
func (x *exchange) steps() error {
	header := x.Writer.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if x.overTLS {
		header.Set("Strict-Transport-Security", transportYear)
	}
	known := x.adopt()
	x.call.Recorded = &x.recorded
	if !known {
		x.call.Address = x.address()
		x.foreign()
	}
	if x.route.surface == surfaceFHIR || x.route.surface == surfaceSTU3 || x.route.surface == surfaceAPI {
		x.negotiate()
	}
	if !known {
		if err := x.identify(); err != nil {
			return err
		}
		if err := x.arrive(); err != nil {
			return err
		}
	}
	if x.beyond() {
		return unknownPath(x)
	}
	if !x.route.open {
		if !known {
			if err := x.findEndUser(); err != nil {
				return err
			}
		}
		// what somebody unknown asks for is not kept
		x.call.Query = audited(x.Request.URL.RawQuery)
		if err := x.authorize(); err != nil {
			return err
		}
	}
	if x.unwanted != nil {
		return x.unwanted
	}
	if x.route.body != mediaNone {
		if err := x.receive(); err != nil {
			return err
		}
	}
	if err := x.await(); err != nil {
		return err
	}
	x.allow(max(1, x.route.times))
	return x.route.handle(x)
}

// context is the request's, which ends when the client goes away and when its time is over.
func (x *exchange) context() context.Context {
	if x.work != nil {
		return x.work
	}
	return x.Request.Context()
}

// send writes the whole response, compressed where the client takes it. No access is
// answered before it has its record.
func (x *exchange) send(status int, contentType string, body []byte) {
	if status < 400 {
		if err := x.access(); err != nil {
			for _, name := range []string{"ETag", "Location", "Last-Modified"} {
				x.Writer.Header().Del(name)
			}
			x.refuse(err)
			return
		}
	}
	// a client that takes its answer slowly holds no room for the bodies of others
	x.call.Body = nil
	x.place.release()
	x.yield()
	header := x.Writer.Header()
	if len(body) > 0 {
		header.Set("Content-Type", contentType)
		body = x.compressed(body)
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	x.Status(status)
	if len(body) == 0 || x.Request.Method == http.MethodHead {
		x.Writer.WriteHeaderNow()
		return
	}
	x.answerTime(len(body))
	// the client that does not take its answer can ask again: nothing to do here
	_, _ = x.Writer.Write(body)
}

func unknownPath(x *exchange) error {
	details := "there is nothing at this address"
	switch x.route.surface {
	case surfaceSTU3:
		details = "there is nothing at this address; " + stu3Base + " takes a Bundle, and " + stu3Base + "/ReferralRequest one referral"
	case surfaceFHIR:
		details = "there is nothing at this address; " + fhirBase + "/metadata lists the resource types, and their names are case-sensitive"
	}
	return issue.New(issue.NotFound, "unknown-path", details)
}

// unknownMethod answers 405; the router has set Allow, which an entry of a batch has not.
func unknownMethod(x *exchange) error {
	if asked, err := x.preflight(); asked {
		return err
	}
	return issue.New(issue.NotSupported, "method-not-allowed", "this address does not take that method; it takes "+x.Writer.Header().Get("Allow"))
}
