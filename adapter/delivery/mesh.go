package delivery

import (
	"context"
	"errors"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/mesh"
	"spadapter/adapter/referral"
)

// MESH is the Route that puts ITK3 messages in the outbox of a MESH mailbox. MESH finds the
// practice where the person is registered at that moment.
//
// That MESH has a message does not mean that its recipient has it: the row is awaiting then,
// until Inbox has brought the acknowledgements. Every try sends the same bytes under the same
// headers; the receiver tells a repeat by the id of the message. A repeat is not avoided: when
// the answer to the first try is lost, nobody knows whether MESH has the message.
type MESH struct {
	Client *mesh.Client

	// Dispatch notes the names of a message before it is sent, so that an acknowledgement
	// finds its delivery however early it comes. Demanded.
	Dispatch func(ctx context.Context, p referral.Dispatch) error

	// Mailbox gives the mailbox of a recipient where the partners name one; "" has MESH find
	// the practice. nil names none.
	Mailbox func(ods string) string

	Old  func(ods string) bool // recipients that take the old workflow of documents; nil for none
	Wait time.Duration         // for the infrastructure acknowledgement, default 24 h
	Now  func() time.Time      // default time.Now
}

// Send puts d in the outbox, in one piece or in chunks.
//
// Errors: required or structure where the message lacks what its address is made of, and what
// MESH refuses in the message itself, both Refused; login while MESH does not accept who we
// are; transient and below where no full answer came.
func (m *MESH) Send(ctx context.Context, d referral.Delivery) (Receipt, error) {
	e, bad := envelopeOf(d.Body, m.Old != nil && m.Old(d.Recipient))
	if bad != nil {
		return Receipt{Refused: true}, bad
	}
	if m.Mailbox != nil {
		if named := m.Mailbox(d.Recipient); named != "" {
			e.to = named
		}
	}
	now, wait := time.Now, 24*time.Hour
	if m.Now != nil {
		now = m.Now
	}
	if m.Wait > 0 {
		wait = m.Wait
	}
	if err := m.Dispatch(ctx, referral.Dispatch{Delivery: d.ID, Names: e.names, At: now()}); err != nil {
		return Receipt{}, err
	}
	contentType := d.ContentType
	if contentType == "" {
		contentType = "application/fhir+json"
	}
	sent, err := m.Client.Send(ctx, mesh.Message{To: e.to, Workflow: e.workflow, LocalID: e.local, Subject: e.subject, FileName: e.file + ending(contentType),
		ContentType: contentType, Body: d.Body})
	r := Receipt{Message: sent.ID}
	if refused, ok := errors.AsType[*mesh.Refusal](err); ok {
		r.Status, r.RetryAfter, r.Refused = refused.Status, refused.RetryAfter, refused.Final && sent.ID == ""
		return r, refused.Issue
	}
	if err != nil {
		own := failure(err)
		// what the client refuses is refused again; what the network did is not
		r.Refused = !own.Type.Within(issue.Transient) && !own.Type.Within(issue.Security)
		return r, own
	}
	r.Status, r.Awaits = 202, now().Add(wait)
	return r, nil
}
