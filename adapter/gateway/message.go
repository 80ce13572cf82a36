package gateway

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// barsMessage is a message of BaRS, with what decides about it.
type barsMessage struct {
	root    *fhir.Node
	header  *fhir.Node // its MessageHeader, which stands first
	request *fhir.Node // the ServiceRequest that it is about, nil when none
	entry   *fhir.Node // of the request
	event   string
	reason  string
	faults  []*issue.Error
}

// readMessage reads what decides about a message. Errors, joined: structure for what is no
// message at all, required for what decides and is not there.
func readMessage(root *fhir.Node) (*barsMessage, error) {
	m := &barsMessage{root: root}
	if root.ResourceType() != "Bundle" || root.Text("type") != "message" {
		return nil, issue.New(issue.Structure, "message-expected", "the body must be a Bundle of type message").At(root.Path()).On(root.Position())
	}
	entries := root.All("entry")
	if len(entries) > 0 {
		m.header = entries[0].Child("resource")
	}
	if m.header.ResourceType() != "MessageHeader" {
		return nil, issue.New(issue.Invariant, "message-header", "the first entry of a message is its MessageHeader").At("Bundle.entry").On(root.Position())
	}
	event := m.header.Child("event")
	m.event = event.Text("code")
	if event == nil || event.Text("system") != systemEvent {
		m.fault(m.header, issue.Required, "message-event", "the event must be a coding of "+systemEvent)
	}
	for _, c := range m.header.Child("reason").All("coding") {
		if c.Text("system") == systemReason {
			m.reason = c.Text("code")
		}
	}
	if m.reason == "" {
		m.fault(m.header, issue.Required, "message-reason", "the reason must have a coding of "+systemReason)
	}
	focus := map[string]bool{}
	for _, f := range m.header.All("focus") {
		focus[f.Text("reference")] = true
	}
	for _, e := range entries {
		if r := e.Child("resource"); r.ResourceType() == "ServiceRequest" && (focus[e.Text("fullUrl")] || m.request == nil) {
			m.request, m.entry = r, e
		}
	}
	return m, nil
}

func (m *barsMessage) fault(n *fhir.Node, t issue.Type, rule, text string) {
	m.faults = append(m.faults, issue.New(t, rule, text).At(n.Path()).On(n.Position()))
}

// toUs checks that the message is for one of the services that are offered here.
func (m *barsMessage) toUs(b *BaRS) {
	for _, d := range m.header.All("destination") {
		if b.serves(d.Text("endpoint")) {
			return
		}
	}
	at := m.header
	if d := m.header.Child("destination"); d != nil {
		at = d
	}
	m.fault(at, issue.Value, "message-destination", "destination.endpoint must be "+systemDoS+"|, and the id of a service that is offered here")
}

// versioned checks the version of the Application. Source: BaRS Core, Bundle.meta.versionId.
func (m *barsMessage) versioned(b *BaRS) {
	switch version := m.root.Text("meta", "versionId"); {
	case version == "":
		m.fault(m.root, issue.Invariant, "message-version", "meta.versionId must say the version of the Application that the message is of")
	case !b.takes(version):
		m.fault(m.root.Descend("meta", "versionId"), issue.NotSupported, "message-version", "messages of this version are not taken; those of "+strings.Join(b.Versions, ", ")+" are")
	}
}

// categorised checks what a new referral is for. A message that takes one back is known by
// its referral: the guide's examples of it have the category of another workflow.
func (m *barsMessage) categorised(b *BaRS) {
	var cases []string
	for _, category := range m.request.All("category") {
		for _, c := range category.All("coding") {
			switch c.Text("system") {
			case systemCategory:
				if c.Text("code") != "referral" {
					m.fault(c, issue.NotSupported, "message-category", "only the category referral is offered here")
				}
			case systemUseCase:
				cases = append(cases, c.Text("code"))
				if !slices.ContainsFunc(b.UseCases, func(known string) bool { return strings.EqualFold(known, c.Text("code")) }) {
					m.fault(c, issue.NotSupported, "message-use-case", "this use case is not offered here; offered are "+strings.Join(b.UseCases, ", "))
				}
			}
		}
	}
	if len(cases) == 0 && len(m.faults) == 0 {
		m.fault(m.request, issue.Required, "message-use-case", "the category must have a coding of "+systemUseCase+" that says the use case")
	}
}

// finished checks that what comes before a referral is done.
// Source: BaRS guide 1.8.2: CarePlan completed, Encounter triaged or finished.
func (m *barsMessage) finished() {
	for _, e := range m.root.All("entry") {
		r := e.Child("resource")
		status := r.Child("status")
		switch {
		case r.ResourceType() == "CarePlan" && r.Text("status") != "completed":
			m.fault(either(status, r), issue.Invariant, "message-care-plan", "the CarePlan of a new referral is completed")
		case r.ResourceType() == "Encounter" && !slices.Contains([]string{"triaged", "finished"}, r.Text("status")):
			m.fault(either(status, r), issue.Invariant, "message-encounter", "the Encounter of a new referral is triaged or finished")
		}
	}
}

func either(n, otherwise *fhir.Node) *fhir.Node {
	if n == nil {
		return otherwise
	}
	return n
}

// numbered refuses a person without NHS number, where the deployment asks for one.
func (m *barsMessage) numbered() {
	if p := m.first("Patient"); p != nil && m.number() == "" {
		m.fault(p, issue.Required, "nhs-number-required", "the Patient needs an NHS number: an identifier with the system "+referral.SystemNHSNumber)
	}
}

func (m *barsMessage) first(resourceType string) *fhir.Node {
	for _, e := range m.root.All("entry") {
		if r := e.Child("resource"); r.ResourceType() == resourceType {
			return r
		}
	}
	return nil
}

// number is the NHS number of the person, "" when none was sent.
func (m *barsMessage) number() string {
	for _, i := range m.first("Patient").All("identifier") {
		if i.Text("system") == referral.SystemNHSNumber {
			return i.Text("value")
		}
	}
	return ""
}

// sender is the ODS code of the organisation that sends, "" when it has none.
func (m *barsMessage) sender() string {
	reference := m.header.Text("sender", "reference")
	for _, e := range m.root.All("entry") {
		if reference != "" && e.Text("fullUrl") == reference {
			return referral.ODSOf(e.Child("resource"))
		}
	}
	if id := m.header.Child("sender").Child("identifier"); id != nil {
		n := fhir.Types(fhir.R4).New("Organization")
		n.Append("identifier", id.Clone())
		return referral.ODSOf(n)
	}
	return ""
}

// sentBy refuses a message whose header names another sender than the one that acts. A sender
// without ODS code is who acts.
func (m *barsMessage) sentBy(organisation string) {
	if named := m.sender(); named != "" && named != organisation {
		m.fault(m.header.Child("sender"), issue.Forbidden, "sender-header", "the message names another sending organisation than the header "+headerOrganisation)
	}
}

// revocation is what the message takes back.
func (m *barsMessage) revocation() referral.Revocation {
	r := referral.Revocation{
		Sender: m.sender(), ID: m.request.Text("id"), Status: m.request.Text("status"), NHSNumber: m.number(),
		FullURL: m.entry.Text("fullUrl"), Path: m.request.Path(),
	}
	for _, i := range m.request.All("identifier") {
		if value := i.Text("value"); value != "" {
			r.Identifiers = append(r.Identifiers, referral.Identifier{System: i.Text("system"), Value: value})
		}
	}
	for _, reason := range m.request.All("reasonCode") {
		if r.Reason = reason.Text("text"); r.Reason == "" {
			r.Reason = reason.Text("coding", "display")
		}
		if r.Reason != "" {
			break // the first in words: a message that takes a request back gives one
		}
	}
	return r
}
