package gateway

import (
	"context"

	"spadapter/adapter/referral"
)

// amend makes a change of a referral or an activity and answers with it as it is then, with
// its new ETag. If-Match names the version that the caller has seen.
func amend[In, Out any](x *exchange, do func(context.Context, referral.Call, string, int, In) (Out, error), send func(Out) error) error {
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
	out, err := do(x.context(), x.call, id, version, in)
	if err != nil {
		return err
	}
	return send(out)
}
