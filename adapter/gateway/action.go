package gateway

import "spadapter/adapter/referral"

// act is POST /api/v1/referrals/{id}/actions/{action}: a move of the life cycle.
// If-Match names the version that the caller has seen; the answer is the referral
// after the move, with its new ETag. A move that needs no input may be sent without body.
func act(x *exchange) error {
	id, err := x.resourceID()
	if err != nil {
		return err
	}
	version, err := x.ifMatch()
	if err != nil {
		return err
	}
	var in referral.Input
	if err := decodeStrict(x.call.Body, &in); err != nil {
		return err
	}
	v, err := x.Operations.Act(x.context(), x.call, id, x.Param("action"), version, in)
	if err != nil {
		return err
	}
	return x.sendView(v)
}
