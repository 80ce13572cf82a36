package delivery

import "time"

// Lifetime is how long a delivery is tried when its row names no end.
// Retries last 72 hours, then the row is dead, never silent: the retry span is ours.
const Lifetime = 72 * time.Hour

// LongestWait bounds what a partner may ask for with Retry-After. It leaves a
// dozen tries within the Lifetime, whatever the partner says.
const LongestWait = 6 * time.Hour

// waits is the table of Backoff.
var waits = [...]time.Duration{
	5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour,
}

// Backoff is how long to wait after a failed attempt, before jitter.
//
//	attempt that failed   1    2     3      4      5       6           7 and later
//	wait                  5 s  15 s  1 min  5 min  15 min  1 h         2 h
//	since the first try   5 s  20 s  80 s   6 min  21 min  1 h 21 min  3 h 21 min …
//
// The short waits bridge a restart, the middle ones a deployment, two hours an
// outage over a weekend: 43 tries in 72 hours, of them 12 on a later day. An attempt below 1 counts as 1.
func Backoff(attempt int) time.Duration {
	if attempt < 1 {
		attempt = 1
	}
	if attempt > len(waits) {
		return 2 * time.Hour
	}
	return waits[attempt-1]
}

// next is when a row that failed at now is tried again; false when its time is over.
// The last try falls on the end of the row's life, so that none dies without one.
// spread is in [0, 1) and moves the wait by up to a tenth either way, so that rows
// that failed together do not return together.
func next(now, expires time.Time, attempt int, asked time.Duration, spread float64) (time.Time, bool) {
	if !now.Before(expires) {
		return time.Time{}, false
	}
	wait := Backoff(attempt)
	wait += time.Duration((spread*2 - 1) * float64(wait) / 10)
	if asked = min(asked, LongestWait); asked > wait {
		wait = asked
	}
	if due := now.Add(wait); due.Before(expires) {
		return due, true
	}
	return expires, true
}
