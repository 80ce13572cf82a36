package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/delivery"
)

// tokens keeps one token source for each partner endpoint that demands a token.
type tokens struct {
	signer  *auth.Signer
	mu      sync.Mutex
	sources map[delivery.Endpoint]*auth.TokenSource
}

func newTokens(signer *auth.Signer) *tokens {
	return &tokens{signer: signer, sources: map[delivery.Endpoint]*auth.TokenSource{}}
}

// get gives a token for an endpoint; refused is one that the partner turned away.
func (t *tokens) get(ctx context.Context, e delivery.Endpoint, refused string) (string, error) {
	t.mu.Lock()
	source := t.sources[e]
	if source == nil {
		var err error
		source, err = auth.NewTokenSource(auth.TokenConfig{
			URL: e.TokenURL, ClientID: e.ClientID, Scope: e.Scope, Signer: t.signer, HTTP: http.DefaultClient, Now: time.Now,
		})
		if err != nil {
			t.mu.Unlock()
			return "", err
		}
		t.sources[e] = source
	}
	t.mu.Unlock()
	if refused != "" {
		source.Forget(refused)
	}
	return source.Token(ctx)
}
