package mesh

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"spadapter/adapter/issue"
)

// Refusal is an answer of MESH that is no success.
type Refusal struct {
	Status     int           // HTTP status
	Event      string        // "SEND", "RECEIVE", "COLLECT" or "TRANSFER", "" when it gave none
	Code       string        // of MESH, such as "12"; "" when it gave none
	RetryAfter time.Duration // 0 when it asked for none
	Final      bool          // the same message is refused again, whenever it is sent
	Issue      *issue.Error
}

// Error is that of the issue.
func (r *Refusal) Error() string { return r.Issue.Error() }

// Unwrap gives the issue.
func (r *Refusal) Unwrap() error { return r.Issue }

// meaning is what a status or a code stands for.
type meaning struct {
	issue issue.Type
	final bool
	words string
}

// codes are what MESH says with 400 and 417, and in reports.
// Source: the error codes of the MESH API; EPL codes from its routing to the registered practice.
var codes = map[string]meaning{
	"02":      {issue.Required, true, "MESH found no data in the message"},
	"06":      {issue.Invalid, true, "MESH could not read the headers of the message"},
	"07":      {issue.Value, true, "MESH did not accept the address of the sender"},
	"08":      {issue.Required, true, "the message had no address"},
	"11":      {issue.Value, true, "MESH did not accept the message type"},
	"12":      {issue.NotFound, true, "the recipient has no mailbox that takes this kind of message"},
	"14":      {issue.Expired, true, "the recipient did not collect the message within five days"},
	"17":      {issue.BusinessRule, true, "the mailbox is not registered for this workflow"},
	"19":      {issue.Value, true, "MESH did not accept the time that the message expires"},
	"20":      {issue.NotFound, true, "MESH does not know the message"},
	"EPL-150": {issue.MultipleMatches, true, "several mailboxes answer for the registered practice"},
	"EPL-151": {issue.NotFound, true, "the registered practice has no mailbox for this kind of message"},
	"EPL-152": {issue.Value, true, "the NHS number of the address is not valid"},
	"EPL-153": {issue.NotFound, true, "the NHS number of the address is not known"},
	"EPL-154": {issue.BusinessRule, true, "the NHS number, birth date and surname of the address do not belong to one person"},

	"InvalidHeaderChunks": {issue.Invalid, true, "MESH did not accept the numbers of the chunks"},
}

// statuses are what a status stands for when there is no code.
var statuses = map[int]meaning{
	400: {issue.Invalid, true, "MESH did not accept the message"},
	401: {issue.Login, false, "MESH did not accept our certificate"},
	403: {issue.Login, false, "MESH did not accept our mailbox, password, shared key or certificate, or our clock is wrong"},
	404: {issue.NotFound, true, "MESH does not know the message"},
	406: {issue.Invalid, true, "MESH expected no such chunk"},
	408: {issue.Timeout, false, "MESH did not read the message in time"},
	410: {issue.Deleted, true, "the message was acknowledged before, or has expired"},
	413: {issue.TooLong, true, "the message is too long for MESH"},
	415: {issue.NotSupported, true, "MESH does not take this kind of message"},
	417: {issue.Processing, true, "MESH refused the message"},
	423: {issue.Conflict, true, "MESH takes no more chunks of the message"},
	425: {issue.LockError, false, "MESH is still at work on the request"},
	429: {issue.Throttled, false, "MESH asks us to slow down"},
	503: {issue.Transient, false, "MESH is not available"},
	504: {issue.Timeout, false, "MESH did not answer in time"},
}

// Words says in our own words what a code of MESH means; ok is false for one that is not
// documented.
func Words(code string) (words string, ok bool) {
	m, ok := codes[code]
	return m.words, ok
}

// refusal reads an answer that is no success.
func refusal(resp *http.Response, now func() time.Time) *Refusal {
	r := &Refusal{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header, now)}
	body, _ := unpacked(resp, answerBytes) // an error without words is told by its status
	var said struct {
		// version 1
		Event       string `json:"errorEvent"`
		Code        string `json:"errorCode"`
		Description string `json:"errorDescription"`
		// version 2; of invalid headers it is a list of another shape
		Detail []struct {
			Event string `json:"event"`
			Code  string `json:"code"`
			Msg   any    `json:"msg"`
		} `json:"detail"`
	}
	_ = json.Unmarshal(body, &said) // what cannot be read says nothing more
	r.Event, r.Code = said.Event, said.Code
	words := said.Description
	if len(said.Detail) > 0 {
		r.Event, r.Code = said.Detail[0].Event, said.Detail[0].Code
		words, _ = said.Detail[0].Msg.(string)
	}
	m, known := codes[r.Code]
	if !known {
		if m, known = statuses[r.Status]; !known {
			switch r.Status / 100 {
			case 3:
				m = meaning{issue.NotFound, false, "MESH points to another address, which is not followed; correct its URL"}
			case 4:
				m = meaning{issue.Processing, true, "MESH refused the request"}
			default:
				m = meaning{issue.Exception, false, "MESH failed"}
			}
		}
	}
	if r.Status/100 == 5 {
		m.final = false
	}
	rule := "mesh-" + strconv.Itoa(r.Status)
	if _, listed := codes[r.Code]; listed {
		rule += "-" + strings.ToLower(r.Code)
	}
	r.Final = m.final
	r.Issue = issue.New(m.issue, rule, m.words).With("%s %s %s", r.Event, r.Code, words)
	return r
}

// retryAfter reads seconds or a date; 0 when there is neither.
// Source: RFC 9110 section 10.2.3.
func retryAfter(h http.Header, now func() time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(0, date.Sub(now()))
}

// network says in our own words why no full answer came.
func network(ctx context.Context, err error) *issue.Error {
	t, rule, words := issue.Transient, "mesh-unreachable", "MESH could not be reached"
	var timeout net.Error
	var certificate *tls.CertificateVerificationError
	var alert tls.AlertError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		t, rule, words = issue.Incomplete, "mesh-stopped", "the adapter stopped in the middle of a call to MESH"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		t, rule, words = issue.Timeout, "mesh-timeout", "MESH did not answer in time"
	case errors.As(err, &certificate):
		t, rule, words = issue.Security, "mesh-certificate", "the certificate of MESH is not trusted"
	case errors.As(err, &alert):
		t, rule, words = issue.Security, "mesh-certificate", "MESH did not accept our certificate"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		t, rule, words = issue.Incomplete, "mesh-cut", "MESH closed the connection before the end of its answer"
	}
	return issue.New(t, rule, words).Because(err)
}
