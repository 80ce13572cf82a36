package internet

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"syscall"
)

// ErrInward is the cause of a connection that Guard stopped.
var ErrInward = errors.New("internet: the address is in a network that is not permitted")

// Permitted reports whether a connection may go to an address: to the public internet, and
// into networks.
func Permitted(address netip.Addr, networks []netip.Prefix) bool {
	plain := address.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(plain) }) || Public(address)
}

// Guard checks the address of each connection of a net.Dialer, as its ControlContext: after
// the name was looked up and before anything is sent, so that a name that leads elsewhere a
// moment later does not help. Errors: ErrInward.
func Guard(networks []netip.Prefix) func(ctx context.Context, network, address string, c syscall.RawConn) error {
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !Permitted(to.Addr(), networks) {
			return ErrInward
		}
		return nil
	}
}
