package gateway

import "spadapter/adapter/issue"

// keysPath is where our public keys are, below the base URL. keysCache is how long others
// keep them: a new key is there long before it signs.
const (
	keysPath  = "/jwks.json"
	keysCache = "public, max-age=300"
)

const contentKeys = "application/jwk-set+json"

// jwks is GET /jwks.json. Source: https://www.rfc-editor.org/rfc/rfc7517#section-5.
func jwks(x *exchange) error {
	body, err := x.Authority.Keys()
	if err != nil {
		return issue.New(issue.Exception, "jwks", "the public keys cannot be written").Because(err)
	}
	x.sendUnchanging(contentKeys, keysCache, newDocument(body))
	return nil
}
