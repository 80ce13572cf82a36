package mesh

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"spadapter/adapter/fhir"
)

// The systems of an ITK3 response.
const (
	eventSystem    = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2"
	responseSystem = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-ResponseCodes-1"
	odsSystem      = "https://fhir.nhs.uk/Id/ods-organization-code"
)

// Practice collects what comes to its mailbox, at once, and answers it. The zero choices
// are those of a practice that takes everything: 20013, then 30001.
type Practice struct {
	x   *Exchange
	box string
	ods string

	mu       sync.Mutex
	codes    func(m Message) []string
	hold     bool
	held     []func()
	reversed bool
	times    int
	xml      bool
	seen     []string
	got      []Message
}

// Practice registers a mailbox whose messages are answered.
func (x *Exchange) Practice(m Mailbox) *Practice {
	p := &Practice{x: x, box: m.ID, ods: m.ODS, times: 1}
	x.Register(m)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.boxes[m.ID].taken = p.take
	return p
}

// Answers has the practice answer with these codes, in their order; with none it says
// nothing at all.
func (p *Practice) Answers(codes ...string) {
	p.Decides(func(Message) []string { return codes })
}

// Decides has a function choose the codes.
func (p *Practice) Decides(f func(m Message) []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes = f
}

// Order has the practice answer the last code first, each so many times, and in XML.
func (p *Practice) Order(reversed bool, times int, xml bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reversed, p.times, p.xml = reversed, times, xml
}

// Hold has the practice keep its answers until Release.
func (p *Practice) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = true
}

// Release sends what was held, and holds no more.
func (p *Practice) Release() {
	p.mu.Lock()
	held := p.held
	p.hold, p.held = false, nil
	p.mu.Unlock()
	for _, f := range held {
		f()
	}
}

// Got gives the messages that came, in order.
func (p *Practice) Got() []Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

func (p *Practice) take(m Message) {
	p.x.mu.Lock()
	p.x.messages[m.ID].State = "acknowledged" // it collects what comes
	p.x.mu.Unlock()
	p.mu.Lock()
	p.got = append(p.got, m)
	codes := []string{"20013", "30001"}
	id := identityOf(m.Body())
	switch {
	case id == "":
		codes = []string{"10009"}
	case slices.Contains(p.seen, id):
		codes = []string{"20007"}
	case p.codes != nil:
		codes = slices.Clone(p.codes(m))
	}
	p.seen = append(p.seen, id)
	if p.reversed {
		slices.Reverse(codes)
	}
	send := func() {
		for _, code := range codes {
			for range p.times {
				p.Answer(m, id, code)
			}
		}
	}
	hold := p.hold
	if hold {
		p.held = append(p.held, send)
	}
	p.mu.Unlock()
	if !hold {
		send()
	}
}

// Answer sends one response to the message with an identity, as an answer to what m brought.
func (p *Practice) Answer(m Message, identity, code string) {
	body := Response(identity, code, p.ods)
	if p.xml {
		if root, err := fhir.Parse(fhir.Types(fhir.STU3), body, fhir.Limits{}); err == nil {
			body = fhir.EncodeXML(root)
		}
	}
	p.x.Put(Message{From: p.box, To: m.From, Workflow: m.Workflow + "_ACK", LocalID: p.ods}, body)
}

// identityOf is what a response names an ITK3 message by: the id of its MessageHeader. It
// is "" for what is no ITK3 message.
func identityOf(body []byte) string {
	root, err := fhir.Read(fhir.Types(fhir.STU3), body, fhir.Limits{Bytes: 64 << 20})
	if err != nil || root.ResourceType() != "Bundle" || root.Text("type") != "message" || len(root.All("entry")) == 0 {
		return ""
	}
	return root.All("entry")[0].Text("resource", "id")
}

// Response is an ITK008M message: identity is the message that it answers.
// Source: ITK3 Message Distribution 2.9.0, ITK-Response-OperationOutcome-1.
func Response(identity, code, ods string) []byte {
	id := map[string]string{}
	for _, name := range []string{"bundle", "header", "outcome", "organization"} {
		id[name] = uuid.NewString()
	}
	type object = map[string]any
	said, severity := "ok", "information"
	if !positive(code) {
		said, severity = "fatal-error", "fatal"
	}
	entry := func(name string, resource object) object {
		resource["id"] = id[name]
		return object{"fullUrl": "urn:uuid:" + id[name], "resource": resource}
	}
	ref := func(name string) object { return object{"reference": "urn:uuid:" + id[name]} }
	profile := func(name string) object {
		return object{"profile": []string{"https://fhir.nhs.uk/STU3/StructureDefinition/" + name}}
	}
	body, _ := json.Marshal(object{ // maps of texts
		"resourceType": "Bundle", "id": id["bundle"], "meta": profile("ITK-Message-Bundle-1"), "type": "message",
		"identifier": object{"system": "https://tools.ietf.org/html/rfc4122", "value": id["bundle"]},
		"entry": []object{
			entry("header", object{
				"resourceType": "MessageHeader", "meta": profile("ITK-Response-MessageHeader-2"),
				"event":     object{"system": eventSystem, "code": "ITK008M", "display": "ITK Response"},
				"timestamp": "2026-11-23T12:00:00+00:00", "source": object{"endpoint": "urn:nhs-uk:addressing:ods:" + ods}, "sender": ref("organization"),
				"response": object{"identifier": identity, "code": said, "details": ref("outcome")},
			}),
			entry("organization", object{"resourceType": "Organization", "meta": profile("CareConnect-ITK-Header-Organization-1"),
				"identifier": []object{{"system": odsSystem, "value": ods}}, "name": "Synthetic practice"}),
			entry("outcome", object{"resourceType": "OperationOutcome", "meta": profile("ITK-Response-OperationOutcome-1"),
				"issue": []object{{"severity": severity, "code": "informational", "details": object{"coding": []object{{"system": responseSystem, "code": code, "display": "synthetic"}}},
					"diagnostics": "synthetic"}}}),
		},
	})
	return body
}

// positive reports whether a code says that all is well.
func positive(code string) bool {
	return code == "20013" || code == "30001" || strings.HasPrefix(code, "3") && code > "30004"
}
