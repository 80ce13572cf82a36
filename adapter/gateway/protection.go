package gateway

import (
	"net/netip"
	"time"
)

// Protection says how much may be asked, by whom and from where. What is zero or empty has no
// limit or is not allowed, so that a deployment that says nothing in particular must be given
// its defaults by the program.
type Protection struct {
	// Rate is how many requests a second one client may make in the long run, Burst how many
	// in one moment. Each entry of a transaction or a batch and each item of a bulk action
	// counts as one. AddressRate and AddressBurst are the same for who has shown no valid
	// token, by the address it comes from.
	Rate, AddressRate   float64
	Burst, AddressBurst int

	// AtOnce bounds the requests in work, ClientAtOnce those of one client; Wait is how long
	// one waits for its turn, default 2 s. Who waits for events is counted by MaxFollowers.
	AtOnce, ClientAtOnce int
	Wait                 time.Duration

	// Timeout is within how long a request is answered once its body is here. A batch has it
	// for each entry; a batch and a bulk action as a whole have manyTimes as long.
	Timeout time.Duration

	// Proxies are the networks whose word on where a request comes from is taken, in
	// X-Forwarded-For.
	Proxies []netip.Prefix

	// Metrics are the networks that /metrics is shown to, besides loopback. MetricsApart says
	// that it is served elsewhere and not here.
	Metrics      []netip.Prefix
	MetricsApart bool

	// Origins are the web origins whose pages may call, such as "https://tool.example.nhs.uk".
	Origins []string
}

// manyTimes is how much longer what does many things in one request may take: below the time
// after which the answer could not be written any more.
const manyTimes = 6

// turnWait is how long a request waits for its turn where nothing else is said: partners give
// up after 5 seconds.
const turnWait = 2 * time.Second

// A URL and the fields of a header have a bound of their own below that of all header bytes.
// The longest search is maxQuery and its address.
const (
	maxURL    = 20 << 10
	maxFields = 100
)
