package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
)

// bound refuses a token that is bound to a client certificate which the connection does
// not have, and one that is bound to none where all must be. Errors: login.
// Source: https://www.rfc-editor.org/rfc/rfc8705#section-3.
func (x *exchange) bound(p *auth.Principal) error {
	if p.Certificate == "" {
		if x.door.Demands.Bound {
			return issue.New(issue.Login, "token-unbound", "the token must be bound to your client certificate (cnf with x5t#S256, RFC 8705)").At("http.Authorization")
		}
		return nil
	}
	if sum := x.thumbprint(); subtle.ConstantTimeCompare([]byte(sum), []byte(p.Certificate)) != 1 {
		return issue.New(issue.Login, "token-certificate", "the token is bound to another client certificate than that of this connection").At("http.Authorization")
	}
	return nil
}

// thumbprint is the SHA-256 thumbprint, in base64url, of the client certificate of the
// connection; "" without one. Behind a proxy it is the certificate that the proxy saw: the
// connection has the proxy's own.
func (x *exchange) thumbprint() string {
	if x.door.Demands.Proxy.trusts(x.Request.RemoteAddr) {
		values := x.Request.Header.Values(x.door.Demands.Proxy.Header)
		if len(values) != 1 { // a proxy that adds to what the client sent proves nothing
			return ""
		}
		return readThumbprint(values[0])
	}
	if state := x.Request.TLS; state != nil && len(state.PeerCertificates) > 0 {
		sum := sha256.Sum256(state.PeerCertificates[0].Raw)
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return ""
}

// trusts reports whether the proxy may be at an address, "host:port".
func (p Proxy) trusts(remote string) bool {
	if p.Header == "" {
		return false
	}
	at, err := netip.ParseAddrPort(remote)
	return err == nil && slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Contains(at.Addr().Unmap()) })
}

// readThumbprint brings a thumbprint into base64url without padding: from that, or from
// hexadecimal digits, as common proxies write it; "" for anything else.
func readThumbprint(text string) string {
	if raw, err := hex.DecodeString(strings.ReplaceAll(text, ":", "")); err == nil && len(raw) == sha256.Size {
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(text, "=")); err == nil && len(raw) == sha256.Size {
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	return ""
}
