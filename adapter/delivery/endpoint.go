package delivery

import (
	"net"
	"net/url"

	"spadapter/adapter/issue"
)

// Endpoint is where a recipient takes messages, and how we prove who we are there.
// It is looked up for each try, so that a corrected entry takes effect on rows that wait.
type Endpoint struct {
	ODS      string // ODS code of the recipient
	Address  string // FHIR base, such as "https://gp.example/fhir"
	TokenURL string // token endpoint for private_key_jwt, "" when no token is demanded
	ClientID string // our client id there
	Scope    string // scopes to ask for, separated by a blank; "" for what the server gives
	Version  string // of BaRS, that the endpoint answers in; "" for the usual one
}

// target checks the address of e. plain allows http to any host; otherwise http is for
// this machine only, because the message is a health record and the token is a password.
func (e Endpoint) target(plain bool) (string, *issue.Error) {
	u, err := url.Parse(e.Address)
	if err != nil || u.Host == "" || u.User != nil {
		return "", issue.New(issue.NotSupported, "endpoint-address",
			"the address of the recipient's endpoint is not an absolute URL without a password; correct it among the partners")
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && (plain || loopback(u.Hostname())):
	default:
		return "", issue.New(issue.NotSupported, "endpoint-https",
			"the address of the recipient's endpoint must start with https; correct it among the partners")
	}
	return e.Address, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
