package gateway

import (
	"strconv"
	"strings"

	"spadapter/adapter/issue"
)

// etag is the entity tag of a version. Source: http://hl7.org/fhir/R4/http.html#versioning.
func etag(version int) string { return `W/"` + strconv.Itoa(version) + `"` }

// unchanged reports whether If-None-Match names tag: the client has this version.
// Weak comparison, RFC 9110 section 13.1.2.
func (x *exchange) unchanged(tag string) bool {
	for _, line := range x.Request.Header.Values("If-None-Match") {
		for part := range strings.SplitSeq(line, ",") {
			part = strings.TrimSpace(part)
			if part == "*" || part != "" && strings.TrimPrefix(part, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}

// ifMatch gives the version that If-Match names. Errors: conflict (rule
// "if-match-missing") when there is none, value when it is not one version.
func (x *exchange) ifMatch() (int, error) {
	values := x.Request.Header.Values("If-Match")
	if len(values) == 0 {
		return 0, issue.New(issue.Conflict, "if-match-missing", "send If-Match with the ETag of the version that you have seen").At("http.If-Match")
	}
	text := strings.TrimPrefix(values[0], "W/")
	if len(values) == 1 && len(text) > 2 && text[0] == '"' && text[len(text)-1] == '"' {
		if version, ok := versionNumber(text[1 : len(text)-1]); ok {
			return version, nil
		}
	}
	return 0, issue.New(issue.Value, "if-match", `If-Match must be the ETag of one version, such as W/"3"`).At("http.If-Match")
}

// versionNumber reads a version id: digits that do not start with 0.
func versionNumber(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n > 0 && text[0] != '+' && text[0] != '0'
}
