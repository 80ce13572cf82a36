// Package delivery takes what must go out of the outbox and brings it to its
// recipient: claim, send, back off, dead-letter.
//
//	route := &delivery.FHIR{Endpoint: partners.Endpoint, Token: tokens.Get}
//	w, err := delivery.New(delivery.Config{
//		Queue:  st,
//		Routes: map[string]delivery.Route{"fhir-rest": route},
//		Wake:   st.Wake(),
//	})
//	err = w.Run(ctx) // until ctx ends; then what is being sent is finished first
//
// A row goes queued → sending → delivered, back to queued until a later time, or
// dead; one that others carry waits as awaiting until its recipient has acknowledged it.
// A claim is a lease: a row that was sent and never finished, because the
// process was killed in between, is claimed again and sent again with the same
// X-Request-ID, so that the receiver can tell. Retries last 72 hours; then the row is
// dead, and says so in the log, in the row and in every attempt before.
//
// FHIR brings write-backs to the records of patients, MESH puts them into a mailbox whose
// Inbox brings back what became of them, and BaRS answers messages in their own dialect. Hook tells webhooks and FHIR
// Subscriptions of events; each has a queue and a Worker of its own.
//
// The package has no way to change a referral. A failure of transport is an attempt
// with an issue, never a clinical status.
//
// Source: http://hl7.org/fhir/R4/http.html#transaction for the answers of a partner,
// RFC 9110 section 10.2.3 for Retry-After, https://www.standardwebhooks.com for signatures.
//
// It does not convert anything and decides nothing about what is sent: the bytes were
// made in the commit that caused them.
package delivery
