package referral

import (
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/mapping"
)

// nih names bytes by their SHA-256, as sha256sum prints it.
// Source: RFC 6920 section 7, where the check digit may be left out.
const nih = "nih:sha-256;"

// origin makes the Provenance of what an intake stored: that the adapter made it of a
// message of the sender, which is named by its identifier and by the hash of its bytes as
// received, with the maps of the dialect, each of which is named by its canonical and by the hash of
// its text and its codes.
// Source: http://hl7.org/fhir/R4/provenance.html.
func (in *intake) origin(made []Version, message *Message) Version {
	n := fhir.Types(fhir.R4).New("Provenance")
	for i := range made {
		if made[i].Type != "Task" { // which is the adapter's own, and says nothing of the message
			n.Add("target").Set("reference", location(made[i].Type+"/"+made[i].ID, made[i].Number))
		}
	}
	at := in.at.Format(instant)
	n.Set("recorded", at)
	spoken := in.spoken()
	with := []*mapping.Dialect{spoken.Intake}
	if in.from != nil {
		with = []*mapping.Dialect{in.from.dialect, spoken.Intake}
	}
	policy, _ := n.Type.Member("policy")
	for _, d := range with {
		n.Append("policy", fhir.NewPrimitive(policy.Type, d.Canonical))
	}
	activity := n.Add("activity").Add("coding")
	setCode(activity, "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "transform")
	agent := n.Add("agent")
	setCode(agent.Add("type").Add("coding"), "http://terminology.hl7.org/CodeSystem/provenance-participant-type", "assembler")
	in.s.server(agent.Add("who"))
	sender := agent.Add("onBehalfOf")
	sender.Set("type", "Organization")
	setIdentifier(sender, SystemODS, in.sender)
	source := func(kind, system, value, display string) {
		entity := n.Add("entity")
		entity.Set("role", "source")
		what := entity.Add("what")
		what.Set("type", kind)
		setIdentifier(what, system, value)
		what.Set("display", display)
	}
	source(in.root.ResourceType(), IDSystem+"message", message.ID, "the message")
	source(in.root.ResourceType(), "urn:ietf:rfc:3986", nih+message.SHA256, "the bytes of the message as received")
	for _, d := range with {
		source("StructureMap", "urn:ietf:rfc:3986", nih+d.Hash, strings.TrimSpace("the map "+d.Name+" with its code maps "+d.Organisation))
	}
	id := in.s.Store.NewID()
	stamp(n, id, 1, in.at)
	v := Version{Type: "Provenance", ID: id, Number: 1, Updated: in.at, Referral: in.referral, Patient: in.patient, Body: fhir.Encode(n)}
	v.Terms, v.From, v.To = terms(n)
	return v
}
