package referral

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestNHSNumber(t *testing.T) {
	for _, good := range []string{"9990000018", "9990000026", "9990000034"} {
		if !NHSNumber(good) {
			t.Errorf("%s is an NHS number", good)
		}
	}
	for _, bad := range []string{"", "999000001", "99900000180", "9990000019", "999000001x", "999 000 0018"} {
		if NHSNumber(bad) {
			t.Errorf("%q is no NHS number", bad)
		}
	}
	// any nine digits have at most one check digit, and changing one digit is noticed
	rapid.Check(t, func(t *rapid.T) {
		stem := fmt.Sprintf("%09d", rapid.IntRange(0, 999_999_999).Draw(t, "stem"))
		var found []string
		for d := range 10 {
			if s := fmt.Sprintf("%s%d", stem, d); NHSNumber(s) {
				found = append(found, s)
			}
		}
		if len(found) > 1 {
			t.Fatalf("several check digits: %v", found)
		}
		if len(found) == 1 {
			b := []byte(found[0])
			i := rapid.IntRange(0, 8).Draw(t, "place")
			b[i] = '0' + (b[i]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "change")))%10
			if NHSNumber(string(b)) {
				t.Fatalf("%s passes for %s", b, found[0])
			}
		}
	})
}

func TestRefusedCode(t *testing.T) {
	for code, refused := range map[string]bool{
		"1230392000": false, "710911006": false, "1084431000000106": false,
		CodeReferral: true, "185336008": true, "160702009": true, "224165006": true, "470231000124107": true, "123": true,
	} {
		if why := refusedCode(code); (why != "") != refused {
			t.Errorf("%s: %q", code, why)
		}
	}
}
