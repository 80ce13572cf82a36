package gateway

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"spadapter/adapter/issue"
)

// maxHops bounds the addresses of X-Forwarded-For that are looked at.
const maxHops = 20

// origin is the address that a request comes from: that of the connection, or, when this is a
// proxy that is trusted, the nearest one of X-Forwarded-For that is none. Who writes that
// header itself gains nothing: what it wrote stands further away. The zero Addr when there is
// no address, as on a Unix socket.
func origin(r *http.Request, proxies []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	at := peer.Addr().Unmap().WithZone("")
	if len(proxies) == 0 || !within(proxies, at) {
		return at
	}
	lines := r.Header.Values("X-Forwarded-For")
	hops := 0
	for _, line := range slices.Backward(lines) {
		for line != "" {
			before, last := "", line
			if i := strings.LastIndexByte(line, ','); i >= 0 {
				before, last = line[:i], line[i+1:]
			}
			hop, ok := hopAddress(strings.TrimSpace(last))
			if hops++; !ok || hops > maxHops {
				return at
			}
			at = hop
			if !within(proxies, at) {
				return at
			}
			line = before
		}
	}
	return at
}

// hopAddress reads one address of X-Forwarded-For; some proxies write its port, too.
func hopAddress(text string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if a, err := netip.ParseAddrPort(text); err == nil {
		return a.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// neighbourhood is what counts as one sender: an address, and in IPv6 the network that one
// subscriber has to choose addresses from. Source: RFC 6177 section 2.
func neighbourhood(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// sender is who a request without a valid token is counted as.
func (x *exchange) sender() netip.Addr { return neighbourhood(origin(x.Request, x.Protection.Proxies)) }

// scrapable refuses metrics to who is not to see them. What a proxy passes on that is not
// trusted comes from anywhere, whatever the address of the proxy.
func (x *exchange) scrapable() error {
	p := &x.Protection
	from := origin(x.Request, p.Proxies)
	header := x.Request.Header
	if peer, err := netip.ParseAddrPort(x.Request.RemoteAddr); err == nil && !within(p.Proxies, peer.Addr().Unmap()) &&
		(header.Values("X-Forwarded-For") != nil || header.Values("Forwarded") != nil) {
		from = netip.Addr{}
	}
	if from.IsLoopback() || within(p.Metrics, from) {
		return nil
	}
	return issue.New(issue.Forbidden, "metrics-network", "metrics are shown to this machine and to the networks of ADAPTER_METRICS_NETWORKS; ADAPTER_METRICS_LISTEN serves them on an address of their own")
}
