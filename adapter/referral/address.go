package referral

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"spadapter/adapter/fhir"
	"spadapter/adapter/internet"
	"spadapter/adapter/issue"
)

// telling are the names of parameters that carry a secret, and tellingEnds the ends of such
// names, both in small letters without what separates words.
var (
	telling = []string{"auth", "authorization", "key", "pass", "pwd", "sig", "code", "session", "sid", "sas", "bearer", "otp", "functionskey", "awsaccesskeyid", "googleaccessid", "phpsessid"}

	tellingEnds = []string{"token", "apikey", "accesskey", "subscriptionkey", "secretkey", "authkey", "sharedkey", "privatekey", "password", "passwd", "passphrase", "secret", "signature", "credential", "credentials", "sessionid", "jwt"}
)

// tells reports whether a parameter of that name carries a secret.
func tells(name string) bool {
	name = strings.ToLower(strings.NewReplacer("-", "", "_", "", ".", "", "$", "", "[", "", "]", "", " ", "").Replace(name))
	return slices.Contains(telling, name) || slices.ContainsFunc(tellingEnds, func(end string) bool { return strings.HasSuffix(name, end) })
}

// inURI reports whether a character may stand in a URI.
// Source: RFC 3986 section 2.
func inURI(r rune) bool {
	return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-._~:/?#[]@!$&'()*+,;=%", r))
}

// checkURL says why an address cannot be kept, nil when it can. Whoever reads it logs in
// there as themselves: an address that lets anybody in is a secret, and this is no place
// for one.
func checkURL(text, number string) *issue.Error {
	refuse := func(rule, words string) *issue.Error { return issue.New(issue.BusinessRule, rule, words) }
	malformed := func(words string) *issue.Error { return issue.New(issue.Value, "url-form", words) }
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(lower, "data:"):
		return refuse("url-data", "an attachment is kept by its address, not with its data: give an https address; a practice sends data in a DocumentReference")
	case len(text) > maxURL || !fhir.Lexical("url", text) || strings.ContainsFunc(text, func(r rune) bool { return !inURI(r) }):
		return malformed(fmt.Sprintf("url is an https address of at most %d characters that a URI may have; write others with %%", maxURL))
	case !strings.HasPrefix(lower, "https://"):
		return refuse("url-scheme", "url begins with https://; nothing else is kept")
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Opaque != "" || strings.ContainsAny(u.EscapedPath()+u.RawQuery+u.EscapedFragment(), "[]") || strings.Count(text, "#") > 1 {
		return malformed("url is an https address with a host")
	}
	if u.User != nil {
		return refuse("url-credentials", "url has a user name or a password in it: take them out; readers log in as themselves")
	}
	if port, err := strconv.Atoi(u.Port()); u.Port() != "" && (err != nil || port < 1 || port > 65535) {
		return malformed("the port of url is a number from 1 to 65535")
	}
	if slices.Contains(strings.Split(u.Path, "/"), "..") {
		return malformed("url has .. in its path: write where it leads")
	}
	plain, ok := unescaped(text)
	if !ok {
		return malformed("the escapes of url, a % and two hexadecimal digits, cannot be read")
	}
	// a path, a query and a fragment may all have parameters, and a parameter an address
	for _, part := range strings.FieldsFunc(plain[len("https://"):], func(r rune) bool { return strings.ContainsRune("?&;#/", r) }) {
		if name, _, given := strings.Cut(part, "="); given && tells(name) {
			return refuse("url-credentials", "url lets in whoever has it, by a token, key or signature in it: give the address at which readers log in as themselves")
		}
	}
	switch internet.KindOf(u.Hostname()) {
	case internet.Odd:
		if e := oddHost(u.Hostname()); e != nil {
			return e
		}
		return malformed("the host of url is neither a name nor an address")
	case internet.Inside:
		return private()
	case internet.Literal:
		if !internet.Public(netip.MustParseAddr(u.Hostname())) {
			return private()
		}
	}
	if number != "" && strings.Contains(strings.Map(bare, plain), number) {
		return refuse("url-person", "url has the NHS number of the person in it, and addresses are written down in many places; give one that says nothing of them")
	}
	return nil
}

func private() *issue.Error {
	return issue.New(issue.BusinessRule, "url-private", "url leads into a private network or to one machine, where its readers are not; give a public address")
}

// oddHost tells an address in another spelling, which leads where it does not say, from a
// name that cannot be one; nil for that.
func oddHost(host string) *issue.Error {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if _, err := strconv.ParseUint(last, 0, 64); err == nil {
		return private()
	}
	return nil
}

// unescaped takes the escapes of an address off, also those of escapes; false where the
// first are none, or where there is no end of them.
func unescaped(text string) (string, bool) {
	for round := range 5 {
		next, err := url.PathUnescape(text)
		switch {
		case err != nil:
			return text, round > 0
		case next == text:
			return text, true
		}
		text = next
	}
	return text, false
}

// bare leaves letters and digits, the digits of any script as ASCII.
func bare(r rune) rune {
	switch {
	case r <= unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
		return r
	case unicode.IsDigit(r):
		zero := r
		for unicode.IsDigit(zero-1) && r-zero < 9 {
			zero--
		}
		return '0' + (r - zero)
	case unicode.IsLetter(r):
		return r
	}
	return -1
}
