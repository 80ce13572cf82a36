package internet

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// reserved are the ends of names that the public DNS does not have, or that lead to another
// machine for everybody. Names under example are documentation and lead nowhere.
// Source: https://www.iana.org/assignments/special-use-domain-names, RFC 8375 (home.arpa),
// and the names that ICANN keeps out of the root: internal, home, corp.
var reserved = []string{"localhost", "localdomain", "local", "internal", "intranet", "private", "lan", "home", "corp", "home.arpa", "test", "invalid", "onion"}

// Kind is what the text of a host is.
type Kind int

// The kinds of hosts.
const (
	Name    Kind = iota // a name of the public DNS
	Inside              // a name of a private network, or of one machine
	Literal             // an address in its usual spelling: ask Public
	Odd                 // neither: an address in another spelling, or a name that cannot be one
)

// KindOf tells the kind of a host, without brackets, in any case. Names are not looked up.
// Source: RFC 1123 section 2.1 and RFC 1035 section 2.3.4 for names; inet_aton of POSIX for
// the spellings of an address: fewer parts, octal and hexadecimal.
func KindOf(host string) Kind {
	if _, err := netip.ParseAddr(host); err == nil {
		return Literal
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	labels := strings.Split(host, ".")
	if len(host) > 253 || slices.ContainsFunc(labels, oddLabel) {
		return Odd
	}
	last := labels[len(labels)-1]
	if _, err := strconv.ParseUint(last, 0, 64); err == nil || strings.Trim(last, "0123456789") == "" {
		return Odd // no top-level name is a number
	}
	if len(labels) == 1 || slices.ContainsFunc(reserved, func(end string) bool { return host == end || strings.HasSuffix(host, "."+end) }) {
		return Inside
	}
	return Name
}

// oddLabel reports whether a part of a name is none.
func oddLabel(label string) bool {
	return label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
		strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != ""
}
