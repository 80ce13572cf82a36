package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// recordTimeout bounds how long a refusal may wait to be recorded: longer than any
// commit that goes well, shorter than a client's patience.
const recordTimeout = 2 * time.Second

// recording is how long a refusal waits to be recorded: a part of the time of the request.
func (g *gateway) recording() time.Duration {
	if g.Protection.Timeout > 0 {
		return min(recordTimeout, g.Protection.Timeout/5)
	}
	return recordTimeout
}

// allow gives what follows its time, times as long as one request has, less what recording a
// refusal may take. What was allowed before no longer holds.
func (x *exchange) allow(times int) {
	if x.Protection.Timeout <= 0 {
		return
	}
	x.stop()
	d := time.Duration(times)*x.Protection.Timeout - x.recording()
	x.work, x.cancel = context.WithTimeout(x.Request.Context(), d)
}

// stop ends the time of the work.
func (x *exchange) stop() {
	if x.cancel != nil {
		x.cancel()
		x.work, x.cancel = nil, nil
	}
}

// late reports whether the end of its time is what went wrong with a request, and nobody on
// the way had words for it.
func (x *exchange) late(err error, status int) bool {
	return status == http.StatusInternalServerError && x.work != nil && errors.Is(x.work.Err(), context.DeadlineExceeded) && errors.Is(err, context.DeadlineExceeded)
}
