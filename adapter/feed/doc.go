// Package feed fetches Open Referral UK feeds over HTTP: page after page of services and
// the details of each, politely and within limits. It is the directory.Source of a feed.
//
//	source, err := feed.Open("https://directory.example.gov.uk/api", state, feed.Config{})
//	report, err := d.Refresh(ctx, "example", source, directory.Options{})
//
// Addresses come from the operator of this program, never from a caller of its API. Even
// so a feed cannot lead elsewhere: redirects stay on its own scheme and host, whatever
// name it gives to an address on this machine or one for a cloud's own metadata is
// refused, and what it sends is bounded in bytes and in time.
//
// Source: HSDS-UK 3.0, openapi.json, https://docs.openreferraluk.org;
// RFC 9110 sections 8.8, 10.2.3, 13.1 (validators, Retry-After, conditions).
//
// It does not read services: that is the business of package directory.
package feed
