package gateway

import (
	"spadapter/adapter/fhir"
)

// Decide asks of a message of BaRS what $process-message asks of it before it is taken in: its
// version, destination, event, reason and MessageDefinition, and of a new referral its
// category. It reports whether the message is a new referral. Offered are what b names.
//
// Errors: those of the checks; a message that fits a row that refuses has that row's.
func (b *BaRS) Decide(root *fhir.Node) (refers bool, err error) {
	m, err := readMessage(root)
	if err != nil {
		return false, err
	}
	r, err := m.decide(b, m.sender()) // which nobody else acts for
	return err == nil && r.act == actRefer, err
}
