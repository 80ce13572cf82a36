package directory

import (
	"fmt"
	"time"
)

// Stale reports whether the information about a service is too old to send somebody
// there without asking, and says why: assured_date counts, else last_modified.
func (s *Service) Stale(now time.Time, after time.Duration) (bool, string) {
	date, verb := s.Assured, "last checked"
	if t, err := time.Parse(time.DateOnly, date); err != nil || t.After(now.Add(48*time.Hour)) {
		// a check that has not taken place yet is none
		date, verb = s.Modified, "never said to be checked, and last changed"
	}
	t, err := time.Parse(time.DateOnly, date)
	if err != nil || t.After(now.Add(48*time.Hour)) {
		return true, "The feed does not say when this was last checked: ask before you refer."
	}
	days := int(now.Sub(t).Hours() / 24)
	if now.Sub(t) <= after {
		return false, ""
	}
	return true, fmt.Sprintf("This was %s on %s, %d days ago: ask before you refer.", verb, date, days)
}
