package gateway

import (
	"fmt"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// fits checks the resources of a message against the MessageDefinition that it names: which
// types, and how many of each. It is a check of the message as a whole; what a resource must
// say is checked with its contents. A message that takes a request back may name the
// definition of a new one, and needs no more than one that takes back.
//
// Source: BaRS Core: a receiver refuses a payload that is not of its definition.
func (m *barsMessage) fits(b *BaRS, act messageAct) {
	named := m.header.Child("definition")
	if named == nil {
		m.fault(m.header, issue.Required, "message-definition", "MessageHeader.definition must name the MessageDefinition that the message is of")
		return
	}
	d := b.definition(m.header.Text("definition"))
	if d == nil {
		m.fault(named, issue.NotSupported, "message-definition", "messages of this MessageDefinition are not offered here; GET MessageDefinition lists those that are")
		return
	}
	if d.Text("event", "code") != m.event {
		m.fault(named, issue.Invariant, "message-definition", "this MessageDefinition is of another event than the message")
		return
	}
	count := map[string]int{}
	for _, e := range m.root.All("entry") {
		count[e.Child("resource").ResourceType()]++
	}
	known := map[string]bool{}
	for _, f := range d.All("focus") {
		kind := f.Text("code")
		known[kind] = true
		if act != actRefer && !forRevocation[kind] {
			continue
		}
		least, _ := strconv.Atoi(f.Text("min"))
		most, err := strconv.Atoi(f.Text("max"))
		if n := count[kind]; n < least || err == nil && n > most {
			m.fault(m.root, issue.Invariant, "message-payload", fmt.Sprintf("the message has %d %s, and its MessageDefinition asks for %s", n, kind, times(least, f.Text("max"))))
		}
	}
	for _, e := range m.root.All("entry") {
		switch r := e.Child("resource"); {
		case r == nil:
			m.fault(e, issue.Invariant, "message-payload", "every entry of a message has a resource")
		case r.Type != nil && !known[r.ResourceType()]:
			m.fault(r, issue.Invariant, "message-payload", "a "+r.ResourceType()+" has no place in the MessageDefinition of the message")
		}
		if e.Text("fullUrl") == "" {
			m.fault(e, issue.Required, "message-full-url", "every entry of a message has a fullUrl, urn:uuid: and a UUID")
		}
	}
}

// forRevocation are the types that a message needs that takes a request back.
var forRevocation = map[string]bool{"MessageHeader": true, "ServiceRequest": true, "Patient": true, "Organization": true}

func times(least int, most string) string {
	switch {
	case most == "*":
		return fmt.Sprintf("%d or more", least)
	case most == strconv.Itoa(least):
		return fmt.Sprintf("exactly %s", most)
	}
	return fmt.Sprintf("%d to %s", least, most)
}

// definition finds one by its own canonical or that of the national one it is based on, with
// or without a version; nil when it is not offered.
func (b *BaRS) definition(canonical string) *fhir.Node {
	canonical, _, _ = strings.Cut(canonical, "|")
	for _, d := range b.Definitions {
		if d.Text("url") == canonical || d.Text("base") == canonical {
			return d
		}
	}
	return nil
}

// hasContext reports whether an artefact is meant for a context: system|code, or a code.
// Source: http://hl7.org/fhir/R4/messagedefinition.html#search, parameter context.
func hasContext(n *fhir.Node, want string) bool {
	system, code, both := strings.Cut(want, "|")
	if !both {
		code = want
	}
	for _, c := range n.All("useContext") {
		for _, coding := range c.Child("value").All("coding") {
			if strings.EqualFold(coding.Text("code"), code) && (!both || coding.Text("system") == system || isDoS(system) && isDoS(coding.Text("system"))) {
				return true
			}
		}
	}
	return false
}
