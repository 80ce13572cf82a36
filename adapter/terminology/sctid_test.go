package terminology

import "testing"

func TestVerhoeff(t *testing.T) {
	for _, good := range []string{"871731000000106", "422650009", "81877007", "105529008", "718466001", "1230392000"} {
		if !Verhoeff(good) {
			t.Errorf("%s is well formed", good)
		}
	}
	for _, bad := range []string{"", "871731000000107", "422650008", "12345", "0422650009", "42265000a", "1234567890123456789"} {
		if Verhoeff(bad) {
			t.Errorf("%q is not well formed", bad)
		}
	}
}
