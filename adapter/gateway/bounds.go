package gateway

import (
	"errors"

	"spadapter/adapter/issue"
)

// fits refuses a request that is too large before its body: a URL and a header that no client
// needs cost as much to look at as a message.
func (x *exchange) fits() error {
	if n := len(x.Request.RequestURI); n > maxURL {
		return issue.Newf(issue.TooLong, "url-length", "the address has more than %d characters; a long search goes to _search with POST", maxURL)
	}
	fields := 0
	for _, values := range x.Request.Header {
		fields += len(values)
	}
	if fields > maxFields {
		return issue.Newf(issue.TooCostly, "header-fields", "the header has more than %d fields", maxFields)
	}
	return nil
}

// arrive is what a request that comes from outside must pass before anything is done for it.
func (x *exchange) arrive() error {
	if x.route.always {
		return nil
	}
	if err := x.fits(); err != nil {
		return err
	}
	if x.route.open || x.beyond() {
		return x.strange(nil)
	}
	if err := x.authenticate(); err != nil {
		if errors.Is(err, issue.Transient) {
			return err
		}
		return x.strange(err)
	}
	p := &x.Protection
	if wait, ok := x.rates.take(x.call.Principal.Client, x.Now()); !ok {
		return x.tooMuch(wait, "this client", p.Rate, p.Burst)
	}
	return nil
}

// strange counts a request of who has shown no valid token, and gives the error that it has
// met, or another one when there are too many.
func (x *exchange) strange(err error) error {
	p := &x.Protection
	if wait, ok := x.addresses.take(x.sender(), x.Now()); !ok {
		return x.tooMuch(wait, "this address", p.AddressRate, p.AddressBurst)
	}
	return err
}

// counts counts what a request turned out to hold.
func (x *exchange) counts(entries int) {
	if x.reply == nil && x.call.Principal != nil {
		x.rates.charge(x.call.Principal.Client, x.Now(), entries-1)
	}
}
