package directory

import (
	"regexp"
	"strings"

	"spadapter/adapter/issue"
)

var (
	postcodeForm = regexp.MustCompile(`^([A-Z]{1,2}[0-9][A-Z0-9]?) ?([0-9])([A-Z]{2})$`)
	sectorForm   = regexp.MustCompile(`^([A-Z]{1,2}[0-9][A-Z0-9]?) ([0-9])$`)
	districtForm = regexp.MustCompile(`^[A-Z]{1,2}[0-9][A-Z0-9]?$`)
)

// Postcode brings a postcode into its usual form and gives its sector and district:
// "ls14ab" is "LS1 4AB", "LS1 4", "LS1". All are "" for what has no such form.
// Source: https://www.ons.gov.uk/methodology/geography/ukgeographies/postalgeography.
func Postcode(text string) (postcode, sector, district string) {
	m := postcodeForm.FindStringSubmatch(tidy(text))
	if m == nil {
		return "", "", ""
	}
	return m[1] + " " + m[2] + m[3], m[1] + " " + m[2], m[1]
}

func tidy(text string) string {
	if len(text) > 32 {
		return ""
	}
	return strings.ToUpper(strings.Join(strings.Fields(text), " "))
}

// Sector reads what a search is near to: a postcode sector (LS1 4) or district (LS1,
// with sector ""). A whole postcode says more about a person than a search needs, so it
// is refused. Errors: value.
func Sector(text string) (sector, district string, err error) {
	text = tidy(text)
	if m := sectorForm.FindStringSubmatch(text); m != nil {
		return text, m[1], nil
	}
	if districtForm.MatchString(text) {
		return "", text, nil
	}
	if _, sector, _ := Postcode(text); sector != "" {
		return "", "", issue.New(issue.Value, "near-postcode", "near takes a postcode sector, such as LS1 4: a whole postcode says more about a person than a search needs").
			At("http.near").With("write %s", sector)
	}
	return "", "", issue.New(issue.Value, "near", "near must be a postcode sector or district, such as LS1 4 or LS1; the blank tells them apart").
		At("http.near").With("near is %.100q", text)
}
