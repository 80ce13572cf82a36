package feed

import (
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"spadapter/adapter/issue"
)

// transport has limits for machines that are slow or mean. local allows addresses on
// this machine.
func transport(local bool) http.RoundTripper {
	dialer := net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		return permitted(address, local)
	}}
	return &http.Transport{
		// no proxy: it would connect where Control cannot see
		DialContext: dialer.DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10, MaxConnsPerHost: 6, MaxIdleConnsPerHost: 6, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
	}
}

// permitted refuses to connect where no feed can be, whatever name led there: to this
// machine unless the feed is named so, and to the addresses of a link, where clouds
// answer with secrets. Private networks are allowed: the feed of a council may be on one.
func permitted(address string, local bool) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return issue.New(issue.Forbidden, "feed-place", "the feed is at no address of the internet").Because(err)
	}
	ip := at.Addr().Unmap()
	if ip.IsLoopback() && local {
		return nil
	}
	if ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return issue.New(issue.Forbidden, "feed-place", "the name of the feed leads to an address where no feed may be: this machine, its link, or a group")
	}
	return nil
}

// loopbackName reports whether a host is this machine by its very name.
func loopbackName(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
