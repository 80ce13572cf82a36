package pds

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tokens is the token endpoint: it gives a token for an assertion signed with RS512.
type tokens struct {
	keys   map[string]*rsa.PublicKey // by kid; nil demands no token
	client string

	mu   sync.Mutex
	used map[string]bool // jti
	live map[string]bool
}

func newTokens(set []byte, client string) *tokens {
	t := &tokens{client: client, used: map[string]bool{}, live: map[string]bool{}}
	if set == nil {
		return t
	}
	t.keys = map[string]*rsa.PublicKey{}
	var parsed struct {
		Keys []struct{ Kid, N, E string }
	}
	_ = json.Unmarshal(set, &parsed) // a set that cannot be read holds no key
	for _, k := range parsed.Keys {
		n, _ := base64.RawURLEncoding.DecodeString(k.N)
		e, _ := base64.RawURLEncoding.DecodeString(k.E)
		t.keys[k.Kid] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	return t
}

func (t *tokens) good(authorization string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.keys == nil || t.live[strings.TrimPrefix(authorization, "Bearer ")]
}

func (t *tokens) revoke() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live = map[string]bool{}
}

// serve answers a token request. expires_in is a string, as on the NHS England API platform.
func (t *tokens) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	status, why := t.check(r)
	if why != "" {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_request", "error_description": why})
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	token := "token-" + strconv.Itoa(len(t.used))
	t.live[token] = true
	_ = json.NewEncoder(w).Encode(map[string]string{"access_token": token, "expires_in": "599", "token_type": "Bearer"})
}

// check says what is wrong with a token request, "" for nothing.
func (t *tokens) check(r *http.Request) (int, string) {
	if r.PostFormValue("grant_type") != "client_credentials" || r.PostFormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return http.StatusBadRequest, "grant_type or client_assertion_type is wrong"
	}
	parts := strings.Split(r.PostFormValue("client_assertion"), ".")
	if len(parts) != 3 {
		return http.StatusBadRequest, "Malformed JWT in client_assertion"
	}
	var header struct{ Alg, Kid, Typ string }
	var claims struct {
		Iss, Sub, Aud, Jti string
		Exp                int64
	}
	for i, into := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(text, into) != nil {
			return http.StatusBadRequest, "Malformed JWT in client_assertion"
		}
	}
	key := t.keys[header.Kid]
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha512.Sum512([]byte(parts[0] + "." + parts[1]))
	now := time.Now().Unix()
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case header.Alg != "RS512":
		return http.StatusBadRequest, "alg must be RS512"
	case key == nil:
		return http.StatusUnauthorized, "Invalid kid header in client_assertion JWT - no matching public key"
	case err != nil || rsa.VerifyPKCS1v15(key, crypto.SHA512, sum[:], signature) != nil:
		return http.StatusUnauthorized, "JWT signature verification failed"
	case claims.Iss != t.client || claims.Sub != t.client:
		return http.StatusBadRequest, "iss and sub must be the client id"
	case claims.Aud != "http://"+r.Host+r.URL.Path && claims.Aud != "https://"+r.Host+r.URL.Path:
		return http.StatusUnauthorized, "aud must be this address"
	case claims.Exp < now-10 || claims.Exp > now+310:
		return http.StatusBadRequest, "exp must be at most 5 minutes ahead"
	case claims.Jti == "" || t.used[claims.Jti]:
		return http.StatusBadRequest, "Non-unique jti claim in client_assertion JWT"
	}
	t.used[claims.Jti] = true
	return 0, ""
}
