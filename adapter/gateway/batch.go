package gateway

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// maxEntries bounds a batch: each entry may be a commit of its own.
const maxEntries = 200

// batch answers each entry of a batch Bundle as if it had come alone, through the same
// routes and checks, in the order of the entries. An entry that is refused does not
// touch the others. There is no timestamp in the answer, so that a repeat whose
// entries are repeats gets the same bytes.
//
// Source: http://hl7.org/fhir/R4/http.html#transaction.
func (x *exchange) batch(root *fhir.Node) error {
	entries := root.All("entry")
	if len(entries) > maxEntries {
		return issue.Newf(issue.TooCostly, "batch-limit", "a batch may have at most %d entries", maxEntries).At("Bundle.entry")
	}
	b := &bundle{head: fhir.Types(fhir.R4).New("Bundle")}
	b.head.Set("type", "batch-response")
	for i, entry := range entries {
		request, fault := x.entryRequest(entry, i)
		var r *reply
		if fault != nil {
			x.record(fault)
			r = &reply{status: statusOf(fault), refusal: outcome([]*issue.Error{fault})}
		} else {
			r = &reply{header: http.Header{}}
			x.engine.ServeHTTP(r, request)
		}
		n := fhir.New(fhir.Types(fhir.R4).Type("Bundle.entry"))
		resource, err := r.describe(n.Add("response"), x.base)
		if err != nil {
			return err
		}
		b.add(n, resource)
	}
	x.send(http.StatusOK, contentFHIR, x.indented(b.bytes()))
	return nil
}

// entryRequest makes the request that an entry stands for.
func (x *exchange) entryRequest(entry *fhir.Node, i int) (*http.Request, *issue.Error) {
	fault := func(t issue.Type, details string) *issue.Error {
		return issue.New(t, "batch-request", details).At(entry.Path() + ".request").On(entry.Position())
	}
	asked := entry.Child("request")
	method, url := asked.Text("method"), asked.Text("url")
	if method == "" || url == "" {
		return nil, fault(issue.Required, "every entry needs request.method and request.url")
	}
	path, _, _ := strings.Cut(url, "?") // a value in the query may be a URL
	if strings.HasPrefix(url, "/") || strings.HasPrefix(url, "?") || strings.Contains(path, "//") {
		return nil, fault(issue.Value, "request.url is relative to the FHIR base and begins with a resource type")
	}
	var body []byte
	if resource := entry.Child("resource"); resource != nil {
		body = fhir.Encode(resource)
	}
	call := x.call // who is calling stays
	call.IfNoneExist, call.Body = "", nil
	// each entry is a message of its own, and the same one when the batch is repeated
	if number := "." + strconv.Itoa(i); call.RequestID != "" {
		call.RequestID += number
		if call.IdempotencyKey != "" {
			call.IdempotencyKey += number
		}
	}
	ctx := context.WithValue(x.context(), entryKey{}, &call)
	request, err := http.NewRequestWithContext(ctx, method, fhirBase+"/"+url, bytes.NewReader(body))
	if err != nil {
		return nil, fault(issue.Value, "request.method or request.url cannot be read")
	}
	call.Query = request.URL.RawQuery
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

// entryKey is where the context of an entry's request holds its *referral.Call.
type entryKey struct{}

// adopt takes over the caller of the batch that this request is an entry of, and
// reports whether it is one.
func (x *exchange) adopt() bool {
	call, ok := x.context().Value(entryKey{}).(*referral.Call)
	if ok {
		x.call, x.inBatch = *call, true
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

// reply keeps the response to an entry. It is an http.ResponseWriter.
type reply struct {
	header  http.Header
	status  int
	body    bytes.Buffer
	refusal *fhir.Node // when the entry never became a request
}

func (r *reply) Header() http.Header         { return r.header }
func (r *reply) WriteHeader(status int)      { r.status = status }
func (r *reply) Write(b []byte) (int, error) { return r.body.Write(b) }

// describe fills Bundle.entry.response and gives the resource for the entry, nil when
// there is none.
func (r *reply) describe(response *fhir.Node, base string) ([]byte, error) {
	response.Set("status", strconv.Itoa(r.status)+" "+http.StatusText(r.status))
	response.Set("location", strings.TrimPrefix(r.header.Get("Location"), base))
	response.Set("etag", r.header.Get("ETag"))
	if t, err := http.ParseTime(r.header.Get("Last-Modified")); err == nil {
		response.Set("lastModified", instant(t))
	}
	if r.status < 400 {
		if r.body.Len() == 0 {
			return nil, nil
		}
		return r.body.Bytes(), nil
	}
	if r.refusal == nil {
		var err error
		if r.refusal, err = fhir.Parse(fhir.Types(fhir.R4), r.body.Bytes(), fhir.Limits{}); err != nil {
			return nil, err // we wrote it ourselves a moment ago
		}
	}
	response.Append("outcome", r.refusal)
	return nil, nil
}
