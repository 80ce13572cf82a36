package gateway

import (
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// answers makes the synchronous answer to a message: a message again, with the ids and
// versions that its resources have here, each under the fullUrl that it was sent with, and with
// what it came to in words. Beside them stands the Encounter of this service. What travels within
// the ServiceRequest has the id that it has there; what took a request back is not stored
// again, and its ServiceRequest alone has an id.
//
// It says that a referral is received, never that it is accepted.
// Source: BaRS Core: ids are assigned by the receiver and returned in the response.
func (m *barsMessage) answers(seed string) func(referral.Receipt) *referral.Response {
	return func(r referral.Receipt) *referral.Response {
		r4, at := fhir.Types(fhir.R4), instant(r.At)
		id := func(of string) string {
			return uuid.NewSHA1(uuid.NameSpaceOID, []byte(r.Referral+"|"+seed+"|"+of)).String()
		}
		b := r4.New("Bundle")
		b.Set("id", id("answer"))
		meta := b.Add("meta")
		meta.Set("versionId", m.root.Text("meta", "versionId"))
		meta.Set("lastUpdated", at)
		addText(meta, "profile", profileMessage)
		b.Set("type", "message")
		b.Set("timestamp", at)
		add := func(url string, n *fhir.Node) {
			e := b.Add("entry")
			e.Set("fullUrl", url)
			e.Append("resource", n)
		}

		header, words := copyWith(m.header, id("header"), "", r.At), id("outcome")
		header.Remove("response")
		response := header.Add("response")
		response.Set("identifier", m.root.Text("id"))
		response.Set("code", "ok")
		response.Add("details").Set("reference", "urn:uuid:"+words)
		add(m.root.All("entry")[0].Text("fullUrl"), header)

		stored := map[string]referral.Stored{}
		for _, s := range r.Stored {
			stored[s.FullURL] = s
		}
		var theirs *fhir.Node
		for _, e := range m.root.All("entry") {
			url, n := e.Text("fullUrl"), e.Child("resource")
			if n.ResourceType() == "Encounter" && theirs == nil {
				theirs = n
			}
			s, ok := stored[url]
			switch carried, isUUID := strings.CutPrefix(url, "urn:uuid:"); {
			case n == m.header:
			case ok:
				add(url, copyWith(n, s.ID, strconv.Itoa(s.Number), r.At))
			case r.Move == nil && isUUID:
				add(url, copyWith(n, carried, "", r.At)) // its id within the ServiceRequest
			default:
				add(url, n.Clone())
			}
		}
		if theirs != nil && r.Move == nil {
			add("urn:uuid:"+id("encounter"), planned(theirs, r))
		}
		add("urn:uuid:"+words, outcomeOf(r))
		return &referral.Response{Status: 200, ContentType: contentFHIR, Body: fhir.Encode(b)}
	}
}

// copyWith copies a resource with the id, version and time that it has here.
func copyWith(n *fhir.Node, id, version string, at time.Time) *fhir.Node {
	out := n.Clone()
	out.Set("id", id)
	meta := out.Child("meta")
	if meta == nil {
		meta = out.Add("meta")
	}
	if version == "" {
		meta.Remove("versionId")
	} else {
		meta.Set("versionId", version)
	}
	meta.Set("lastUpdated", instant(at))
	return out
}

// planned is the Encounter of this service: it has begun nothing yet. Its class and its
// journey are those of the sender's.
// Source: BaRS guide 1.8.2, Encounter of the receiver.
func planned(theirs *fhir.Node, r referral.Receipt) *fhir.Node {
	n := fhir.Types(fhir.R4).New("Encounter")
	n.Add("meta").Set("lastUpdated", instant(r.At))
	identifier := n.Add("identifier")
	identifier.Set("system", referral.IDSystem+"task")
	identifier.Set("value", r.Referral)
	n.Set("status", "planned")
	for _, name := range []string{"class", "subject", "episodeOfCare"} {
		for _, c := range theirs.All(name) {
			n.Append(name, c.Clone())
		}
	}
	return n
}

// outcomeOf says in words what a message came to, and what was noticed on the way in.
func outcomeOf(r referral.Receipt) *fhir.Node {
	root := fhir.Types(fhir.R4).New("OperationOutcome")
	text := "The referral is received; it is not accepted yet."
	switch {
	case r.Move == nil:
	case r.Move.Keeps:
		text = "Cancellation requested, awaiting confirmation: the service had accepted the referral."
	case r.Move.Restores:
		text = "The request to cancel is withdrawn."
	default:
		text = "The referral is " + r.Move.To + "."
	}
	first := root.Add("issue")
	first.Set("severity", "information")
	first.Set("code", "informational")
	first.Add("details").Set("text", text)
	first.Set("diagnostics", "Task/"+r.Referral)
	for _, e := range r.Notices {
		n := root.Add("issue")
		n.Set("severity", string(severityOf(e)))
		n.Set("code", string(e.Type))
		n.Add("details").Set("text", e.Details)
		if e.Expression != "" {
			addText(n, "expression", e.Expression)
		}
	}
	return root
}
