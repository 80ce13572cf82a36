package auth

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"spadapter/adapter/issue"
)

// TokenConfig says where and as whom a TokenSource asks.
type TokenConfig struct {
	URL      string // the partner's token endpoint, and the aud of the assertion
	ClientID string
	Scope    string // "" where the partner wants none, as the NHS England API platform
	Signer   *Signer
	HTTP     *http.Client // its timeouts apply; redirects are not followed
	Now      func() time.Time
}

const (
	tokenTimeout   = 30 * time.Second // for the whole exchange, when the client has no shorter one
	tokenAnswer    = 64 << 10         // a token answer is 1 to 4 KiB
	defaultExpiry  = time.Minute      // for an answer without expires_in, which RFC 6749 section 5.1 only recommends
	longestExpiry  = time.Hour        // a revoked client must notice in the end
	earlyRefresh   = 30 * time.Second // a token must outlive the request it is sent with
	clientAssert   = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	clientCredents = "client_credentials"
)

// TokenSource keeps an access token for one partner: client_credentials with
// private_key_jwt. Safe for concurrent use; however many ask, one request is under way.
type TokenSource struct {
	config TokenConfig
	client *http.Client

	mu     sync.Mutex
	token  string
	until  time.Time // when to fetch the next one
	flight *flight
}

// flight is a request under way; done closes when token and err are set.
type flight struct {
	done  chan struct{}
	token string
	err   error
}

// NewTokenSource makes a TokenSource. Errors: value for a configuration that lacks something.
func NewTokenSource(c TokenConfig) (*TokenSource, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || c.ClientID == "" || c.Signer == nil || c.HTTP == nil || c.Now == nil {
		return nil, issue.New(issue.Value, "auth-config", "a token source needs an absolute URL, a client id, a signer, an HTTP client and a clock")
	}
	client := *c.HTTP
	// the assertion is for this URL and must not travel to another
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &TokenSource{config: c, client: &client}, nil
}

// Token gives an access token that is good for a request now. A fetch that others
// wait for goes on when ctx ends.
//
// Errors, none with what the partner wrote: login when it refuses us; throttled (429),
// timeout, incomplete when it cannot be reached or fails (5xx), which are all
// retryable; exception for an answer that is no token.
//
// Source: https://hl7.org/fhir/smart-app-launch/backend-services.html#obtain-access-token,
// RFC 7523 section 2.2.
func (s *TokenSource) Token(ctx context.Context) (string, error) {
	s.mu.Lock()
	if s.token != "" && s.config.Now().Before(s.until) {
		defer s.mu.Unlock()
		return s.token, nil
	}
	f := s.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		s.flight = f
		go s.fly(context.WithoutCancel(ctx), f)
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return "", issue.New(issue.Timeout, "token-timeout", "there was no access token in time").Because(ctx.Err())
	}
}

// Forget drops a token that the partner refused, so that the next call fetches one.
// A token that was replaced meanwhile stays.
func (s *TokenSource) Forget(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == token {
		s.token = ""
	}
}

func (s *TokenSource) fly(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	asked := s.config.Now()
	token, lifetime, err := s.fetch(ctx, asked)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flight = nil
	if err == nil {
		s.token, s.until = token, asked.Add(lifetime-min(earlyRefresh, lifetime/2))
	}
	f.token, f.err = token, err
	close(f.done)
}

func (s *TokenSource) fetch(ctx context.Context, now time.Time) (string, time.Duration, error) {
	assertion, err := s.config.Signer.Assertion(s.config.ClientID, s.config.URL, now)
	if err != nil {
		return "", 0, err
	}
	form := url.Values{"grant_type": {clientCredents}, "client_assertion_type": {clientAssert}, "client_assertion": {assertion}}
	if s.config.Scope != "" {
		form.Set("scope", s.config.Scope)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.config.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, issue.New(issue.Value, "auth-config", "the token endpoint has no usable URL")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return "", 0, unreachable(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, tokenAnswer+1))
	switch status := response.StatusCode; {
	case status == http.StatusTooManyRequests:
		return "", 0, issue.New(issue.Throttled, "token-throttled", "the token endpoint asks us to slow down")
	case status >= 500:
		return "", 0, issue.Newf(issue.Incomplete, "token-partner", "the token endpoint failed with status %d", status)
	case status >= 400:
		return "", 0, issue.Newf(issue.Login, "token-refused", "the token endpoint refused us with status %d: check client id, key and scope", status)
	case err != nil:
		return "", 0, unreachable(err)
	case status != http.StatusOK || len(body) > tokenAnswer:
		return "", 0, issue.Newf(issue.Exception, "token-answer", "the token endpoint answered with status %d and %d bytes: that is no token", status, len(body))
	}
	return parseAnswer(body)
}

// unreachable keeps no cause: a *url.Error quotes the URL, which may hold a secret.
func unreachable(err error) error {
	var network net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout() {
		return issue.New(issue.Timeout, "token-timeout", "the token endpoint did not answer in time")
	}
	return issue.New(issue.Incomplete, "token-unreachable", "the token endpoint cannot be reached")
}

// parseAnswer reads a token answer. expires_in is a number, and a string on the NHS
// England API platform.
func parseAnswer(body []byte) (string, time.Duration, error) {
	var answer struct {
		Token   string          `json:"access_token"`
		Type    string          `json:"token_type"`
		Expires json.RawMessage `json:"expires_in"`
	}
	bad := issue.New(issue.Exception, "token-answer", "the answer of the token endpoint is no bearer token")
	if json.Unmarshal(body, &answer) != nil || answer.Token == "" || !strings.EqualFold(answer.Type, "bearer") {
		return "", 0, bad
	}
	for _, r := range answer.Token { // RFC 6750 section 2.1; a line break would forge headers
		if r <= ' ' || r > '~' {
			return "", 0, bad
		}
	}
	lifetime := defaultExpiry
	if text := strings.Trim(string(answer.Expires), `"`); text != "" && text != "null" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || seconds != seconds {
			return "", 0, bad
		}
		lifetime = time.Duration(max(0, min(seconds, longestExpiry.Seconds())) * float64(time.Second))
	}
	return answer.Token, lifetime, nil
}
