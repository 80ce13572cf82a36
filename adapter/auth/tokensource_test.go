package auth

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"spadapter/adapter/issue"
)

// partnerServer is a token endpoint that answers with status and body.
func partnerServer(t *testing.T, answer http.HandlerFunc) (*httptest.Server, *TokenSource, *atomic.Int64) {
	t.Helper()
	clock := &atomic.Int64{}
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	s, err := NewTokenSource(TokenConfig{
		URL: server.URL + "/oauth2/token", ClientID: "adapter", Scope: "system/Task.cu", Signer: parties()[RS384].signer, HTTP: server.Client(),
		Now: func() time.Time { return start.Add(time.Duration(clock.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return server, s, clock
}

func TestTokenSource(t *testing.T) {
	var requests atomic.Int64
	release := make(chan struct{})
	var verifier *Verifier
	_, s, clock := partnerServer(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		n := requests.Add(1)
		p, err := verifier.Verify(r.Context(), r.FormValue("client_assertion"))
		if err != nil || p.Client != "adapter" || p.TokenID == "" || r.FormValue("grant_type") != "client_credentials" ||
			r.FormValue("client_assertion_type") != clientAssert || r.FormValue("scope") != "system/Task.cu" {
			t.Errorf("the partner got %v from %+v: %v", r.Form, p, err)
		}
		w.Write([]byte(`{"access_token":"t` + string(rune('0'+n)) + `","token_type":"Bearer","expires_in":"599"}`))
	})
	now := start
	verifier = newVerifier(t, &now, func(c *Config) {
		c.Audience = []string{s.config.URL}
		c.MaxLifetime = 5 * time.Minute
		c.Issuers[1] = Issuer{Name: "adapter", Keys: parties()[RS384].keys, Registration: &Registration{Role: RoleRequester}}
	})

	impatient, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := s.Token(impatient); !errors.Is(err, issue.Timeout) {
			t.Errorf("got %v", err)
		}
	})
	for { // until the impatient one has begun the request
		s.mu.Lock()
		begun := s.flight != nil
		s.mu.Unlock()
		if begun {
			break
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	all.Wait()
	for range 8 {
		all.Go(func() {
			if token, err := s.Token(context.Background()); token != "t1" || err != nil {
				t.Errorf("got %q, %v", token, err)
			}
		})
	}
	close(release)
	all.Wait()
	if requests.Load() != 1 {
		t.Errorf("%d requests for one token", requests.Load())
	}
	clock.Store(int64(568 * time.Second))
	if token, _ := s.Token(context.Background()); token != "t1" {
		t.Errorf("got %q before the end", token)
	}
	s.Forget("another")
	clock.Store(int64(570 * time.Second))
	now = start.Add(570 * time.Second)
	if token, _ := s.Token(context.Background()); token != "t2" {
		t.Errorf("got %q shortly before the end", token)
	}
	s.Forget("t2")
	if token, _ := s.Token(context.Background()); token != "t3" {
		t.Errorf("got %q after the partner refused the last", token)
	}
}

func TestTokenSourceErrors(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   issue.Type
	}{
		"refused":      {400, `{"error":"invalid_client","error_description":"secret"}`, issue.Login},
		"unauthorised": {401, "", issue.Login},
		"throttled":    {429, "", issue.Throttled},
		"down":         {503, "secret", issue.Incomplete},
		"redirect":     {307, "", issue.Exception},
		"no JSON":      {200, "<html>secret", issue.Exception},
		"no token":     {200, `{"token_type":"bearer"}`, issue.Exception},
		"no bearer":    {200, `{"access_token":"secret","token_type":"mac"}`, issue.Exception},
		"line break":   {200, `{"access_token":"secret\r\nX: y","token_type":"bearer"}`, issue.Exception},
		"bad expiry":   {200, `{"access_token":"secret","token_type":"bearer","expires_in":"soon"}`, issue.Exception},
		"endless":      {200, `{"access_token":"` + strings.Repeat("secret", 1<<14) + `","token_type":"bearer"}`, issue.Exception},
	} {
		var elsewhere atomic.Bool
		_, s, _ := partnerServer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/oauth2/token" {
				elsewhere.Store(true)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			w.Write([]byte(c.body))
		})
		token, err := s.Token(context.Background())
		if token != "" || !errors.Is(err, c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %q, %v", name, token, err)
		}
		if elsewhere.Load() {
			t.Errorf("%s: the assertion went elsewhere", name)
		}
	}
	server, s, _ := partnerServer(t, func(http.ResponseWriter, *http.Request) {})
	server.Close()
	if _, err := s.Token(context.Background()); !errors.Is(err, issue.Incomplete) || !issue.Retryable(err) {
		t.Errorf("a partner that is away: %v", err)
	}
	stop := make(chan struct{})
	_, s, _ = partnerServer(t, func(http.ResponseWriter, *http.Request) { <-stop })
	s.client.Timeout = 20 * time.Millisecond
	if _, err := s.Token(context.Background()); !errors.Is(err, issue.Timeout) || !issue.Retryable(err) {
		t.Errorf("a partner that sleeps: %v", err)
	}
	close(stop)
	if _, err := NewTokenSource(TokenConfig{URL: "/oauth2/token"}); !errors.Is(err, issue.Value) {
		t.Error(err)
	}
}

func TestTokenLifetimes(t *testing.T) {
	for expires, want := range map[string]time.Duration{
		`300`: 5 * time.Minute, `"599"`: 599 * time.Second, `3e9`: time.Hour, `-5`: 0, `null`: time.Minute, `""`: time.Minute, `1.5`: 1500 * time.Millisecond,
	} {
		if _, got, err := parseAnswer([]byte(`{"access_token":"a","token_type":"bearer","expires_in":` + expires + `}`)); got != want || err != nil {
			t.Errorf("%s: got %v, %v", expires, got, err)
		}
	}
}
