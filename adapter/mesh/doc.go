// Package mesh is a client of MESH, the message exchange of the NHS: a mailbox that
// messages are put in for others and collected from.
//
//	c := &mesh.Client{URL: "https://mesh.example", Mailbox: "X26ABC1", Password: p, SharedKey: k, Transport: t}
//	err := c.Handshake(ctx, mesh.Software{Client: "spadapter"})
//	sent, err := c.Send(ctx, mesh.Message{To: "X26ABC2", Workflow: "GPCONNECT_SEND_DOCUMENT", Body: body})
//	ids, err := c.Inbox(ctx)
//	m, err := c.Receive(ctx, ids[0])
//	err = c.Acknowledge(ctx, m.ID) // only once m is kept
//
// That MESH accepted a message says nothing about its recipient: what becomes of it comes
// later, as messages and reports in the sender's own inbox.
//
// Source: https://digital.nhs.uk/developer/api-catalogue/message-exchange-for-social-care-and-health-api.
//
// It knows nothing of FHIR, and keeps nothing: whoever sends decides what to send again.
package mesh
