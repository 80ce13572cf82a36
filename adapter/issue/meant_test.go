package issue

import (
	"strings"
	"testing"
)

// TestNearest: slips of the keyboard find what was meant, and what is like nothing finds
// nothing.
func TestNearest(t *testing.T) {
	names := []string{"id", "name", "gender", "birthDate", "managingOrganization"}
	for slip, want := range map[string]string{
		"nmae": "name", "GENDER": "gender", "birthdate": "birthDate", "gendre": "gender", "managingOrganisation": "managingOrganization",
		"widget": "", "": "", "x": "", strings.Repeat("name", 100): "",
	} {
		if got := Nearest(names, slip); got != want {
			t.Errorf("%.20q: %q, want %q", slip, got, want)
		}
	}
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"a", ""}: 1, {"abcd", "acbd"}: 1, {"kitten", "sitting"}: 3, {"ab", "AB"}: 0, {strings.Repeat("a", 65), "a"}: 64,
	} {
		if got := Edits(pair[0], pair[1]); got != want || got != Edits(pair[1], pair[0]) {
			t.Errorf("%.10q: %d, want %d", pair, got, want)
		}
	}
}
