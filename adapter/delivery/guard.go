package delivery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"syscall"

	"spadapter/adapter/issue"
)

// inward are the networks that no subscriber may be told in unless they are configured:
// ours, those of the machine, and those that lead into them in disguise.
// Source: https://www.iana.org/assignments/iana-ipv4-special-registry,
// https://www.iana.org/assignments/iana-ipv6-special-registry.
var inward = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/128", "::1/128", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16",
	"fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, text := range list {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// permitted reports whether a connection may go to an address.
func permitted(address netip.Addr, networks []netip.Prefix) bool {
	address = address.Unmap().WithZone("")
	for _, p := range networks {
		if p.Contains(address) {
			return true
		}
	}
	for _, p := range inward {
		if p.Contains(address) {
			return false
		}
	}
	return address.IsValid()
}

// errInward stops a connection before it is made.
var errInward = errors.New("delivery: the address is in a network that is not permitted")

// guard checks the address of each connection, after the name was looked up and before
// anything is sent, so that a name that leads elsewhere a moment later does not help.
func guard(networks []netip.Prefix) func(ctx context.Context, network, address string, c syscall.RawConn) error {
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !permitted(to.Addr(), networks) {
			return errInward
		}
		return nil
	}
}

// Reachable says why a subscriber may not be told at an address, nil when it may as far
// as the text of the address shows: https, or http to a loopback address that is in
// networks, no password, no fragment, and no address of a network that is not permitted.
func Reachable(address string, networks []netip.Prefix) *issue.Error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return issue.New(issue.Value, "endpoint-address", "the address must be an absolute https URL without a password and without a fragment")
	}
	ip, literal := netip.ParseAddr(u.Hostname())
	local := literal == nil && ip.IsLoopback() && permitted(ip, networks)
	if u.Hostname() == "localhost" {
		local = permitted(netip.MustParseAddr("127.0.0.1"), networks)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && local) {
		return issue.New(issue.Value, "endpoint-https", "the address must start with https")
	}
	if literal == nil && !permitted(ip, networks) || u.Hostname() == "localhost" && !local {
		return inwardIssue()
	}
	return nil
}

func inwardIssue() *issue.Error {
	return issue.New(issue.Security, "endpoint-network", "the address leads into a network that subscribers may not be told in")
}

// hookNetwork is network, for connections that are guarded.
func hookNetwork(ctx context.Context, err error) *issue.Error {
	if errors.Is(err, errInward) {
		return inwardIssue().Because(err)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return issue.New(issue.Transient, "unreachable-name", "the name of the subscriber's server is not known; it may be misspelt").Because(err)
	}
	return network(ctx, err)
}
