package delivery

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// BaRS is the Route that posts a message Bundle to the recipient's $process-message.
//
// X-Request-Id is the delivery's id, the same on every try, and X-Correlation-Id that of
// the message which the delivery answers. Every other header is read from the body, so that
// a later try sends the same bytes and the same words.
//
// Source: Booking and Referral Standard, Core 1.1, "Transactional integrity" and the API's
// list of headers, https://simplifier.net/guide/nhsbookingandreferralstandard.
type BaRS struct {
	// Endpoint finds the recipient's endpoint by its ODS code and by the destination.endpoint
	// of the message, "system|value"; called for each try.
	Endpoint func(ods, destination string) (Endpoint, bool)

	// Token is as in FHIR.
	Token func(ctx context.Context, e Endpoint, refused string) (string, error)

	Software Software // this program, as NHSD-Requesting-Software says it
	Version  string   // of BaRS, to ask a recipient for whose endpoint names none, such as "1.1.0"

	Transport http.RoundTripper // nil for one with tight limits that all routes share
	PlainHTTP bool              // http to other machines: for test networks only
	Now       func() time.Time  // nil for time.Now; reads a Retry-After date where the answer has no Date
}

// Software names a program to a BaRS receiver.
type Software struct {
	System, Value string // identifier of the product
	Name          string
	Version       string
}

// Systems that the headers and the answers of BaRS are written in.
const (
	systemUseCases   = "https://fhir.nhs.uk/CodeSystem/usecases-categories-bars"
	systemCategories = "https://fhir.nhs.uk/CodeSystem/message-category-servicerequest"
)

// Send posts d once, and once more when the partner turned the token away.
//
// Errors: as FHIR.Send; structure for a body that is no BaRS message.
func (b *BaRS) Send(ctx context.Context, d referral.Delivery) (Receipt, error) {
	m, err := readMessage(d.Body)
	if err != nil {
		return Receipt{Refused: true}, err
	}
	e, ok := b.Endpoint(d.Recipient, m.system+"|"+m.value)
	if !ok {
		return Receipt{}, issue.New(issue.NotFound, "endpoint-unknown",
			"no BaRS endpoint is known for the recipient, or the one that its message names is another's; correct the partners")
	}
	address, bad := e.target(b.PlainHTTP)
	if bad != nil {
		return Receipt{}, bad
	}
	header := b.header(d, e, m)
	address = strings.TrimSuffix(address, "/") + "/$process-message"
	return authorised(ctx, b.Token, e, func(token string) (Receipt, error) {
		req, err := request(ctx, address, token, d)
		if err != nil {
			return Receipt{}, err
		}
		for _, h := range header {
			req.Header.Set(h[0], h[1])
		}
		a, err := exchange(req, b.Transport, b.Now)
		if err != nil {
			return a.Receipt, err
		}
		a.Refused, err = judgeBaRS(a, req.Header)
		return a.Receipt, err
	})
}

// message is what the headers are made of.
type message struct {
	root, head, request *fhir.Node
	system, value       string // of destination.endpoint
}

// readMessage reads a body. Errors: structure for one that is no BaRS message or says not
// where it goes.
func readMessage(body []byte) (m message, err error) {
	if m.root, err = fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{}); err != nil {
		return m, issue.New(issue.Structure, "bars-message", "the stored message cannot be read").Because(err)
	}
	for _, entry := range m.root.All("entry") {
		switch n := entry.Child("resource"); n.ResourceType() {
		case "MessageHeader":
			m.head = n
		case "ServiceRequest":
			m.request = n
		}
	}
	m.system, m.value, _ = strings.Cut(m.head.Text("destination", "endpoint"), "|")
	if m.system == "" || m.value == "" {
		return m, issue.New(issue.Structure, "bars-destination", "the message does not say its destination.endpoint as system|value, so it cannot be routed")
	}
	return m, nil
}

// header makes what a message is sent with.
func (b *BaRS) header(d referral.Delivery, e Endpoint, m message) [][2]string {
	version := e.Version
	if version == "" {
		version = b.Version
	}
	correlation := d.Facts.Correlation
	if correlation == "" {
		correlation = d.Referral // one conversation, whatever the sender called it
	}
	return [][2]string{
		{"Accept", contentFHIR + "; version=" + version},
		{"X-Request-ID", d.ID},
		{"X-Correlation-ID", correlation},
		{"NHSD-Target-Identifier", inBase64(map[string]any{"system": m.system, "value": m.value})},
		{"NHSD-End-User-Organisation", inBase64(endUser(m.root, m.head))},
		{"NHSD-Requesting-Software", inBase64(b.Software.device())},
		{"use-context", strings.Join([]string{
			categoryOf(m.request, systemUseCases), categoryOf(m.request, systemCategories), m.head.Text("event", "code"), m.head.Text("reason", "coding", "code"),
		}, "|")},
	}
}

// endUser is the organisation that sends a message: its identifiers and what it is called.
func endUser(root, head *fhir.Node) map[string]any {
	sender := fhir.NewIndex(root).Resolve(head.Text("sender", "reference"), head)
	name := head.Text("source", "name")
	if name == "" {
		name = sender.Text("name")
	}
	identifiers := []any{}
	for _, i := range sender.All("identifier") {
		identifiers = append(identifiers, map[string]any{"system": i.Text("system"), "value": i.Text("value")})
	}
	return map[string]any{"resourceType": "Organization", "identifier": identifiers, "name": name}
}

// device has deviceName as the array that FHIR R4 says it is; the specification of the
// header shows an object, which no parser of R4 takes.
func (s Software) device() map[string]any {
	return map[string]any{
		"resourceType": "Device",
		"identifier":   []any{map[string]any{"system": s.System, "value": s.Value}},
		"deviceName":   []any{map[string]any{"name": s.Name, "type": "model-name"}},
		"version":      []any{map[string]any{"value": s.Version}},
	}
}

// categoryOf is the code of a request's category in a code system, "" when it has none.
func categoryOf(request *fhir.Node, system string) string {
	for _, category := range request.All("category") {
		for _, c := range category.All("coding") {
			if c.Text("system") == system {
				return c.Text("code")
			}
		}
	}
	return ""
}

// inBase64 encodes JSON; the order of members is that of their names, on every try.
func inBase64(v map[string]any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps and strings cannot fail
	}
	return base64.StdEncoding.EncodeToString(text)
}
