package delivery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"spadapter/adapter/internet"
	"spadapter/adapter/issue"
)

// Reachable says why a subscriber may not be told at an address, nil when it may as far
// as the text of the address shows: https, or http to a loopback address that is in
// networks, no password, no fragment, and no address or name of a network that is not
// permitted.
func Reachable(address string, networks []netip.Prefix) *issue.Error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return issue.New(issue.Value, "endpoint-address", "the address must be an absolute https URL without a password and without a fragment")
	}
	ip, literal := netip.ParseAddr(u.Hostname())
	local := literal == nil && ip.IsLoopback() && internet.Permitted(ip, networks)
	if u.Hostname() == "localhost" {
		local = internet.Permitted(netip.MustParseAddr("127.0.0.1"), networks)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && local) {
		return issue.New(issue.Value, "endpoint-https", "the address must start with https")
	}
	if port, err := strconv.Atoi(u.Port()); u.Port() != "" && (err != nil || port < 1 || port > 65535) {
		return issue.New(issue.Value, "endpoint-address", "the port of the address is a number from 1 to 65535")
	}
	// a name of a private network is for deployments that let subscribers be in one
	private := slices.ContainsFunc(networks, func(p netip.Prefix) bool { return !p.Addr().IsLoopback() })
	switch internet.KindOf(u.Hostname()) {
	case internet.Odd:
		return issue.New(issue.Value, "endpoint-address", "the host of the address is neither a name nor an address in its usual spelling, such as 192.0.2.1")
	case internet.Inside:
		if !local && (!private || u.Hostname() == "localhost") {
			return inwardIssue()
		}
	case internet.Literal:
		if !internet.Permitted(ip, networks) {
			return inwardIssue()
		}
	}
	return nil
}

func inwardIssue() *issue.Error {
	return issue.New(issue.Security, "endpoint-network", "the address leads into a network that subscribers may not be told in")
}

// hookNetwork is network, for connections that are guarded.
func hookNetwork(ctx context.Context, err error) *issue.Error {
	if errors.Is(err, internet.ErrInward) {
		return inwardIssue().Because(err)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return issue.New(issue.Transient, "unreachable-name", "the name of the subscriber's server is not known; it may be misspelt").Because(err)
	}
	return network(ctx, err)
}
