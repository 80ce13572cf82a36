package auth

import (
	"encoding/base64"
	"encoding/json"
)

// thumbprintOf reads which client certificate a token is bound to, by its claim cnf; ""
// for one that is bound to none. A token that is bound to something else is refused: the
// binding could not be checked here. Errors: login.
// Source: https://www.rfc-editor.org/rfc/rfc8705#section-3.1, RFC 7800 section 3.1.
func thumbprintOf(cnf json.RawMessage) (string, error) {
	if cnf == nil {
		return "", nil
	}
	var members map[string]json.RawMessage
	var sum string
	if err := json.Unmarshal(cnf, &members); err != nil || len(members) != 1 || json.Unmarshal(members["x5t#S256"], &sum) != nil {
		return "", login("token-confirmation", "the token is bound (cnf) to something else than a client certificate (x5t#S256); such a binding cannot be checked here")
	}
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(sum); err != nil || len(raw) != 32 {
		return "", login("token-confirmation", "x5t#S256 in cnf of the token is no SHA-256 thumbprint in base64url")
	}
	return sum, nil
}
