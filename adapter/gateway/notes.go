package gateway

import (
	"context"

	"spadapter/adapter/referral"
)

// note is POST /api/v1/referrals/{id}/notes: a note for an audience.
func note(x *exchange) error { return amend(x, x.Operations.AddNote) }

// attach is POST /api/v1/referrals/{id}/attachments: a document by its address.
func attach(x *exchange) error { return amend(x, x.Operations.AddAttachment) }

// share is POST /api/v1/referrals/{id}/sharing: another sharing level.
func share(x *exchange) error { return amend(x, x.Operations.SetSharing) }

// amend makes a change of a referral that is no move. If-Match names the version that the
// caller has seen; the answer is the referral after the change, with its new ETag.
func amend[In any](x *exchange, do func(context.Context, referral.Call, string, int, In) (*referral.View, error)) error {
	id, err := x.resourceID()
	if err != nil {
		return err
	}
	version, err := x.ifMatch()
	if err != nil {
		return err
	}
	var in In
	if err := decodeStrict(x.call.Body, &in); err != nil {
		return err
	}
	v, err := do(x.context(), x.call, id, version, in)
	if err != nil {
		return err
	}
	return x.sendView(v)
}
