package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
)

// TokenPath is where clients get their access tokens, below the base URL.
const TokenPath = "/oauth2/token"

// Authority hands out access tokens by SMART Backend Services.
type Authority struct {
	// Grant answers a token request. Errors: as auth.Endpoint.Grant, whose rules are the
	// error codes of RFC 6749.
	Grant func(ctx context.Context, form url.Values) (*auth.Grant, error)

	// Keys gives the public halves of the keys that sign here, as a JSON Web Key Set.
	Keys func() ([]byte, error)
}

// maxTokenForm holds an assertion of 16 KiB, and a scope for every type there is.
const maxTokenForm = 64 << 10

// authorityRoutes lists what a client needs to get a token, and others to check one.
func (g *gateway) authorityRoutes() []*route {
	return []*route{
		{method: http.MethodGet, path: fhirBase + smartPath, surface: surfacePlain, open: true, handle: smart},
		{method: http.MethodGet, path: keysPath, surface: surfacePlain, open: true, handle: jwks},
		{method: http.MethodPost, path: TokenPath, surface: surfaceToken, interactions: []string{""}, open: true, body: mediaForm, most: maxTokenForm, handle: token},
	}
}

// token is POST /oauth2/token.
// Source: https://hl7.org/fhir/smart-app-launch/backend-services.html#obtain-access-token,
// https://www.rfc-editor.org/rfc/rfc6749#section-4.4.
func token(x *exchange) error {
	if x.Request.Header.Get("Authorization") != "" {
		return issue.New(issue.Login, "token-authorization", "send no Authorization header; authenticate with client_assertion")
	}
	form, err := url.ParseQuery(string(x.call.Body))
	if err != nil {
		return issue.New(issue.Invalid, "invalid_request", "the body is no form: a percent sign that no two hexadecimal digits follow, or a semicolon")
	}
	grant, err := x.Authority.Grant(x.context(), form)
	if err != nil {
		return err
	}
	x.call.Principal = &auth.Principal{Client: grant.Client} // for the log line
	x.sendToken(http.StatusOK, grant)
	return nil
}

// sendToken answers with JSON that nobody keeps. Source: RFC 6749 section 5.1.
func (x *exchange) sendToken(status int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		panic(err) // strings and numbers only: cannot fail
	}
	x.Writer.Header().Set("Pragma", "no-cache")
	x.send(status, contentJSON, body)
}

// refusedToken is the error of the token endpoint.
// Source: https://www.rfc-editor.org/rfc/rfc6749#section-5.2.
type refusedToken struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// tokenError writes an issue in the words of the token endpoint. Of what went wrong on
// our side the code says that it did: RFC 6749 has such codes for another endpoint alone.
func tokenError(status int, e *issue.Error) refusedToken {
	code := e.Rule
	switch {
	case status == http.StatusUnauthorized:
		code = "invalid_client"
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		code = "temporarily_unavailable"
	case status >= 500:
		code = "server_error"
	case code != "invalid_client" && code != "invalid_scope" && code != "unsupported_grant_type":
		code = "invalid_request"
	}
	details := e.Details
	if details == "" {
		details = http.StatusText(status)
	}
	return refusedToken{code, strings.Map(speakable, details)}
}

// speakable leaves the characters that error_description may have.
func speakable(c rune) rune {
	switch {
	case c == '"':
		return '\''
	case c < ' ' || c > '~' || c == '\\':
		return -1
	}
	return c
}
