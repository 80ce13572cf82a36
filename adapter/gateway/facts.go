package gateway

import "spadapter/adapter/referral"

// facts is POST /api/v1/facts: what an operator has learned about a person.
func facts(x *exchange) error {
	var in referral.FactsInput
	if err := decodeStrict(x.call.Body, &in); err != nil {
		return err
	}
	out, err := x.Operations.Inform(x.context(), x.call, in)
	if err != nil {
		return err
	}
	return x.sendJSON(out)
}
