package gateway

import (
	"mime"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// processMessage is POST [base]/$process-message for the messages of BaRS about referrals.
// The headers were looked at before; then comes what the standard asks for, in its order: is
// the message known, can it be read, is its version taken, is it for us, does it fit its
// definition, what is it there for.
//
// Source: BaRS guide 1.8.2, Core, "Standard pattern" of a receiver.
func processMessage(x *exchange) error {
	b := x.BaRS
	if !b.serves(x.call.EndUser.Target) {
		return issue.New(issue.Value, "message-destination", "the header "+headerTarget+" names no service that is offered here").At("http." + headerTarget)
	}
	end, err := b.working.begin(x.call.Principal, x.call.RequestID)
	if err != nil {
		return err
	}
	defer end()
	if err := x.Operations.Processed(x.context(), x.call); err != nil {
		return err
	}
	root, err := x.parse()
	if err != nil {
		return err
	}
	m, err := readMessage(root)
	if err != nil {
		return err
	}
	x.counts(len(root.All("entry")))
	r, err := m.decide(b, x.call.EndUser.Organisation)
	if err != nil {
		return err
	}
	if err := issue.Failures(fhir.Check(root)); err != nil {
		return err
	}
	if err := x.messageScopes(m, r.act); err != nil {
		return err
	}
	if err := x.recognise(root, processMessageOperation.name); err != nil {
		return err
	}
	x.call.Once, x.call.Answers = true, m.answers(x.call.RequestID)
	if r.act == actRefer {
		response, err := x.Operations.Submit(x.context(), x.call, root)
		if err != nil {
			return err
		}
		return x.answer(response)
	}
	response, err := x.Operations.Revoke(x.context(), x.call, m.revocation())
	if err != nil {
		return err
	}
	return x.answer(response)
}

// decide goes through the checks that need nothing but the message and for whom it is sent, each
// of which refuses it by itself. Errors: those of the checks.
func (m *barsMessage) decide(b *BaRS, organisation string) (*messageRule, error) {
	r := messageRuleOf(m.event, m.reason, m.request.Text("status"))
	for _, check := range []func(){
		func() {}, // of what is there at all
		func() { m.versioned(b) },
		func() { m.toUs(b) },
		func() {
			if r.act == actRefuse && r.whatever() {
				m.fault(m.header, r.refusal, r.rule, r.text)
			}
		},
		func() { m.responds(r.act) },
		func() { m.fits(b, r.act) },
		func() {
			switch {
			case r.act == actRefuse:
				m.fault(m.header, r.refusal, r.rule, r.text)
			case r.act == actRestore && !b.UpdateActive:
				m.fault(m.header, issue.Invariant, "message-workflow", "an active referral is not updated: take it back and refer again")
			}
		},
		func() {
			if r.act != actRefer {
				return
			}
			m.sentBy(organisation)
			m.categorised(b)
			m.finished()
			if b.NumberRequired {
				m.numbered()
			}
		},
	} {
		if check(); len(m.faults) > 0 {
			return nil, issue.Join(m.faults)
		}
	}
	return r, nil
}

// responds refuses a response: nothing that can be answered was ever asked of another
// service from here.
func (m *barsMessage) responds(act messageAct) {
	if act != actResponse {
		return
	}
	response := m.header.Child("response")
	if response == nil {
		m.fault(m.header, issue.Invariant, "message-response", "a response must say in MessageHeader.response which message it answers")
		return
	}
	m.fault(response, issue.NotFound, "message-response", "no message with this identifier was sent from here")
}

// messageScopes checks the scope that a message needs.
func (x *exchange) messageScopes(m *barsMessage, act messageAct) error {
	p := x.call.Principal
	if act != actRefer {
		if !p.Allows("ServiceRequest", 'u') {
			return missingScope("ServiceRequest", 'u')
		}
		return nil
	}
	var faults []*issue.Error
	asked := map[string]bool{}
	for _, e := range m.root.All("entry") {
		kind := e.Child("resource").ResourceType()
		if asked[kind] || !x.creates(kind) {
			continue
		}
		asked[kind] = true
		if !p.Allows(kind, 'c') {
			faults = append(faults, missingScope(kind, 'c').At(e.Path()).On(e.Position()))
		}
	}
	return issue.Join(faults)
}

// creates reports whether a type is stored as a resource of its own.
func (x *exchange) creates(kind string) bool {
	for _, t := range x.Operations.CreateTypes() {
		if t == kind {
			return true
		}
	}
	return false
}

// acceptable refuses an answer in a version of BaRS that is not spoken here. A range without
// version takes any.
// Source: BaRS API 1.1.0, header Accept.
func (x *exchange) acceptable() {
	lines := x.accept()
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			_, params, err := mime.ParseMediaType(strings.TrimSpace(part))
			if version := params["version"]; err == nil && (version == "" || x.BaRS.takesMajor(version)) {
				return
			}
		}
	}
	if len(lines) > 0 {
		x.refuseFormat("Accept allows no version of BaRS that is spoken here; allow application/fhir+json; version=1.1.0", "http.Accept")
	}
}
