package delivery

import (
	"context"
	"errors"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// Route is one way to reach a recipient.
type Route interface {
	// Send tries once to deliver d, and must return soon after ctx ends. A nil error
	// means that the recipient said it has the message, or with Receipt.Awaits that whoever
	// carries it there has it; anything short of that is an error, even after an HTTP status
	// of 200. The Receipt holds in both cases.
	//
	// Errors: one *issue.Error whose Details are our own words; see FHIR for its types.
	// It is called by many goroutines at once.
	Send(ctx context.Context, d referral.Delivery) (Receipt, error)
}

// Receipt is what is known of a try besides its error.
type Receipt struct {
	Status     int           // HTTP status, 0 when there was no answer
	RetryAfter time.Duration // the least wait the recipient asked for, 0 when it asked for none
	Refused    bool          // the message itself was refused: sending the same bytes again cannot help
	Awaits     time.Time     // until when the recipient must have acknowledged it; zero when it has already
	Message    string        // id that the message has on its way, "" where it has none
}

// failure makes one issue of whatever a Route returned: the first that is not a warning.
func failure(err error) *issue.Error {
	var own *issue.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &own):
		return issue.New(issue.Timeout, "delivery-timeout", "the recipient did not answer in time").Because(err)
	case errors.Is(err, context.Canceled) && !errors.As(err, &own):
		return issue.New(issue.Incomplete, "delivery-stopped", "the adapter stopped while the message was being sent").Because(err)
	}
	list := issue.All(err)
	for _, e := range list {
		if e.Failure() {
			return e
		}
	}
	return list[0]
}
