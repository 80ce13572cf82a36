package gateway

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// maxEntries bounds a batch: each entry may be a commit of its own.
const maxEntries = 200

// maxAnswers bounds the bytes of the answers that one batch collects: the entries
// after are not run, because the whole answer stands in memory.
const maxAnswers = 16 << 20

// batch answers each entry of a batch Bundle as if it had come alone, through the same
// routes and checks, in the order of the entries. An entry that is refused does not
// touch the others, and nothing fails the batch once an entry has run. There is no
// timestamp in the answer, so that a repeat whose entries are repeats gets the same bytes.
//
// Source: http://hl7.org/fhir/R4/http.html#transaction.
func (x *exchange) batch(root *fhir.Node) error {
	x.interaction = "batch"
	entries := root.All("entry")
	if len(entries) > maxEntries {
		return issue.Newf(issue.TooCostly, "batch-limit", "a batch may have at most %d entries", maxEntries).At("Bundle.entry")
	}
	hidden, err := entryFaults(root)
	if err != nil {
		return err
	}
	x.allow(manyTimes) // the entries have their own time each
	b := &bundle{head: fhir.Types(fhir.R4).New("Bundle")}
	b.head.Set("type", "batch-response")
	for i, entry := range entries {
		r := &reply{header: http.Header{}}
		var request *http.Request
		faults := hidden[i]
		switch {
		case x.context().Err() != nil:
			faults = []*issue.Error{issue.New(issue.Timeout, "request-timeout", "the entries before took all the time that a batch may take; send this entry in another batch").At(entry.Path())}
		case len(b.entries) > maxAnswers:
			faults = []*issue.Error{issue.New(issue.TooCostly, "batch-size", "the answers to the entries before fill a whole response; send this entry in another batch").At(entry.Path())}
		case faults == nil:
			var fault *issue.Error
			if request, fault = x.entryRequest(entry, i, r); fault != nil {
				faults = []*issue.Error{fault}
			}
		}
		if faults != nil {
			if x.unrecorded == nil { // else the wait for a silent database would add up
				x.record(issue.Join(faults))
			}
			r.status, r.refusal = statusOfAll(faults), outcome(faults)
		} else {
			x.engine.ServeHTTP(r, request)
		}
		n := fhir.New(fhir.Types(fhir.R4).Type("Bundle.entry"))
		b.add(n, r.describe(n.Add("response"), x.base))
	}
	return x.sendStored(http.StatusOK, b.bytes())
}

// entryFaults gives, by the number of the entry, what the parser met in it that writing
// the entry anew for its request would hide. Errors: what it met elsewhere in the Bundle,
// and everything when there may be more than was told.
func entryFaults(root *fhir.Node) (map[int][]*issue.Error, error) {
	all := issue.All(root.Faults())
	byEntry := map[int][]*issue.Error{}
	for _, e := range all {
		rest, ok := strings.CutPrefix(e.Expression, "Bundle.entry[")
		number, _, _ := strings.Cut(rest, "]")
		i, err := strconv.Atoi(number)
		if !ok || err != nil || len(all) >= maxIssues {
			return nil, issue.Join(all)
		}
		byEntry[i] = append(byEntry[i], e)
	}
	return byEntry, nil
}

// entryRequest makes the request that an entry stands for; r is where its answer goes.
func (x *exchange) entryRequest(entry *fhir.Node, i int, r *reply) (*http.Request, *issue.Error) {
	fault := func(t issue.Type, details string) *issue.Error {
		return issue.New(t, "batch-request", details).At(entry.Path() + ".request").On(entry.Position())
	}
	asked := entry.Child("request")
	method, target := asked.Text("method"), asked.Text("url")
	if method == "" || target == "" {
		return nil, fault(issue.Required, "every entry needs request.method and request.url")
	}
	if !withinType(target) {
		return nil, fault(issue.Value, "request.url is relative to the FHIR base, begins with a resource type and has no fragment; what concerns the whole system is not done within a batch")
	}
	var body []byte
	if resource := entry.Child("resource"); resource != nil {
		body = fhir.Encode(resource)
	}
	call := x.call // who is calling stays
	call.IfNoneExist, call.Query, call.Body = "", "", nil
	// each entry is a message of its own, and the same one when the batch is repeated
	if number := "." + strconv.Itoa(i); call.RequestID != "" {
		call.RequestID += number
		if call.IdempotencyKey != "" {
			call.IdempotencyKey += number
		}
	}
	r.call = call
	ctx := context.WithValue(x.context(), entryKey{}, r)
	request, err := http.NewRequestWithContext(ctx, method, fhirBase+"/"+target, bytes.NewReader(body))
	if err != nil {
		return nil, fault(issue.Value, "request.method or request.url cannot be read")
	}
	header := request.Header
	header.Set("Content-Type", contentFHIR)
	for name, element := range map[string]string{"If-None-Exist": "ifNoneExist", "If-None-Match": "ifNoneMatch", "If-Match": "ifMatch"} {
		if value := asked.Text(element); value != "" {
			header.Set(name, value)
		}
	}
	if method == http.MethodPost {
		header.Set("Prefer", "return=minimal") // as in a transaction, unless more is asked for
		if x.prefer.returns == "representation" {
			header.Set("Prefer", "return=representation")
		}
	}
	if x.prefer.strict {
		header.Add("Prefer", "handling=strict")
	}
	return request, nil
}

// withinType reports whether the request.url of an entry is about one resource type
// and what lies below it. The rest would not end: a batch within a batch has as many
// entries again.
func withinType(target string) bool {
	u, err := url.Parse(target)
	if err != nil || u.IsAbs() || u.Host != "" || u.Opaque != "" || strings.Contains(target, "#") {
		return false
	}
	first, _, _ := strings.Cut(u.Path, "/")
	return first != "" && first != "metadata" && strings.IndexByte("_$.", first[0]) < 0 && !strings.Contains(u.Path, "//")
}

// entryKey is where the context of an entry's request holds its *reply.
type entryKey struct{}

// adopt takes over the caller of the batch that this request is an entry of, and
// reports whether it is one.
func (x *exchange) adopt() bool {
	r, ok := x.context().Value(entryKey{}).(*reply)
	if ok {
		x.call, x.reply = r.call, r
	}
	return ok
}

// unplaced gives the issues of an entry without line and column: its body was written
// anew, and the sender never saw that text.
func unplaced(issues []*issue.Error) []*issue.Error {
	out := make([]*issue.Error, len(issues))
	for i, e := range issues {
		one := *e
		one.Line, one.Column = 0, 0
		out[i] = &one
	}
	return out
}

// reply is who asks with an entry, and keeps the response to it. It is an
// http.ResponseWriter.
type reply struct {
	call    referral.Call
	header  http.Header
	status  int
	body    bytes.Buffer
	refusal *fhir.Node // an OperationOutcome, when the entry was refused
}

func (r *reply) Header() http.Header         { return r.header }
func (r *reply) WriteHeader(status int)      { r.status = status }
func (r *reply) Write(b []byte) (int, error) { return r.body.Write(b) }

// describe fills Bundle.entry.response and gives the resource for the entry, nil when
// there is none. It cannot fail: what the entries before did is done.
func (r *reply) describe(response *fhir.Node, base string) []byte {
	response.Set("status", strconv.Itoa(r.status)+" "+http.StatusText(r.status))
	response.Set("location", strings.TrimPrefix(r.header.Get("Location"), base))
	response.Set("etag", r.header.Get("ETag"))
	if t, err := http.ParseTime(r.header.Get("Last-Modified")); err == nil {
		response.Set("lastModified", instant(t))
	}
	switch {
	case r.refusal != nil:
		response.Append("outcome", r.refusal)
	case r.status < 400 && r.body.Len() > 0:
		return r.body.Bytes()
	}
	return nil
}
