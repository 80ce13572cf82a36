package internet

import (
	"net/netip"
	"strings"
	"testing"
)

func TestKindOf(t *testing.T) {
	for kind, hosts := range map[Kind][]string{
		Name:    {"tool.example.nhs.uk", "Tool.Example.", "example.org", "a-b.example", "xn--tl-0ja.example.org", "my_bucket.example.org", "contest.example", "athome.example"},
		Inside:  {"localhost", "LOCALHOST.", "server", "printer.local", "foo.internal", "nas.home.arpa", "ci.test", "x.invalid", "a.localdomain", "b.corp"},
		Literal: {"10.0.0.1", "::1", "8.8.8.8", "2001:db8::1"},
		Odd: {"127.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "10.0.0.1.", "999.999.999.999", "99999999999999999999", "", ".", "a..example", ".example.org", "example.org..", "-a.example", "a-.example",
			strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 130) + "example", "a%25.example", "tööl.example"},
	} {
		for _, host := range hosts {
			if got := KindOf(host); got != kind {
				t.Errorf("%q: kind %d, want %d", host, got, kind)
			}
		}
	}
}

func TestPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "2a00:1450:4009::1": true, "::ffff:8.8.8.8": true,
		"100.64.0.1": false, "198.18.0.1": false, "192.0.2.1": false, "::ffff:10.0.0.1": false, "::10.0.0.1": false, "64:ff9b::a00:1": false, "2002:a00:1::": false, "fe80::1%eth0": false,
	} {
		if got := Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: public %t", text, got)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}
