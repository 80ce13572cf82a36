package gateway

import (
	"context"

	"spadapter/adapter/referral"
)

// act is POST /api/v1/referrals/{id}/actions/{action}: a move of the life cycle. The answer
// is the referral after the move. A move that needs no input may be sent without body.
func act(x *exchange) error { return amend(x, named(x, x.Operations.Act), x.sendView) }

// actActivity is POST /api/v1/activities/{id}/actions/{action}: a move of a sub-Task, by
// its provider or by the service that referred.
func actActivity(x *exchange) error {
	return amend(x, named(x, x.Operations.ActActivity), x.sendActivity)
}

// named is an operation with the action that the address names.
func named[Out any](x *exchange, do func(context.Context, referral.Call, string, string, int, referral.Input) (Out, error)) func(context.Context, referral.Call, string, int, referral.Input) (Out, error) {
	return func(ctx context.Context, c referral.Call, id string, version int, in referral.Input) (Out, error) {
		return do(ctx, c, id, x.Param("action"), version, in)
	}
}
