package referral

import (
	"time"

	"spadapter/adapter/issue"
)

// Receipt is what a message came to, for whoever answers its sender in a form of its own.
type Receipt struct {
	At       time.Time
	Referral string         // id of the Task
	Stored   []Stored       // what the message is stored as, in the order of its transaction
	Notices  []*issue.Error // what was noticed on the way in
	Move     *Move          // of a request that was taken back: what that came to; nil for a new referral
}

// Stored is one resource of a message and the version that it was stored as.
type Stored struct {
	FullURL string // as sent, "" when none
	Type    string
	ID      string
	Number  int
}

// stored is the Receipt of a message that is taken in.
func (in *intake) stored() Receipt {
	r := Receipt{At: in.at, Referral: in.referral, Notices: in.notices}
	for _, it := range in.items {
		if it.made {
			continue
		}
		number := it.number
		if number == 0 {
			number = it.current.Number
		}
		r.Stored = append(r.Stored, Stored{FullURL: it.fullURL, Type: it.node.ResourceType(), ID: it.id, Number: number})
	}
	return r
}
