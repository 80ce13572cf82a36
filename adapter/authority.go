package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/gateway"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
)

const (
	maxTokenFor = 5 * time.Minute
	clockLeeway = 30 * time.Second // between our clock and a client's

	// how often the key files are looked at; the next key of a rotation is there an hour
	// before it signs
	keysEvery = 5 * time.Second
	// how often used assertions are forgotten, and how long after their end: the clocks of the
	// processes differ by less
	forgetEvery, forgetAfter = 10 * time.Minute, 10 * time.Minute
)

// authority is whom the adapter believes, and what it signs with.
type authority struct {
	verifier *auth.Verifier
	endpoint *auth.Endpoint // nil without a private key set
	signer   *auth.Signer   // nil without one
	files    []*keyFile
	store    func() *store.Store
	log      *slog.Logger
}

// newAuthority reads the key files and the keys of the registered clients. database gives
// the store once a token is asked for.
func newAuthority(c Config, partners *referral.Partners, database func() *store.Store, log *slog.Logger) (*authority, error) {
	a := &authority{store: database, log: log}
	issuers, err := a.ourIssuers(c)
	if err != nil {
		return nil, err
	}
	clients, err := registered(c, partners, log)
	if err != nil {
		return nil, err
	}
	if a.signer != nil {
		a.endpoint, err = auth.NewEndpoint(auth.EndpointConfig{
			URL: c.BaseURL + gateway.TokenPath, Clients: clients, Issuer: c.BaseURL, Audience: c.Audience[0], Lifetime: c.TokenFor, Leeway: clockLeeway,
			Signer: a.signer, Now: time.Now,
			Once: func(ctx context.Context, client, jti string, until time.Time) (bool, error) {
				return a.store().Once(ctx, client, jti, until)
			},
		})
		if err != nil {
			return nil, err
		}
	}
	if c.ClientTokens {
		issuers = append(issuers, clients...)
	}
	outside, err := outsideIssuers(c.Issuers, partners, log)
	if err != nil {
		return nil, err
	}
	issuers = append(issuers, outside...)
	if len(issuers) == 0 {
		// a key that nobody has: the adapter starts, shows its metadata, and refuses every token
		log.Warn("no key set: every token will be refused; make keys with 'adapter keys'", "jwks_file", c.JWKS, "keys_file", c.Keys)
		_, public, err := auth.GenerateKeys(auth.ES384)
		if err != nil {
			return nil, err
		}
		keys, err := auth.ParseKeys(public)
		if err != nil {
			return nil, err
		}
		issuers = append(issuers, auth.Issuer{Name: c.Issuer, Keys: keys})
	}
	a.verifier, err = auth.NewVerifier(auth.Config{Audience: c.Audience, Issuers: issuers, Leeway: clockLeeway, Now: time.Now})
	return a, err
}

// ourIssuers are the token endpoint here, whose tokens have our base URL for iss, and the
// issuer that the deployment names.
func (a *authority) ourIssuers(c Config) ([]auth.Issuer, error) {
	own, named := &auth.Keys{}, &auth.Keys{}
	if c.Issuer == c.BaseURL {
		own = named
	}
	var private, public []byte
	publish := func() error { // one set when both are of one issuer
		if private == nil {
			return named.Replace(public)
		}
		half, err := a.signer.Public(time.Now())
		if err != nil {
			return err
		}
		if own == named && public != nil {
			return own.Replace(half, public)
		}
		return own.Replace(half)
	}
	keys := &keyFile{setting: "ADAPTER_KEYS_FILE", path: c.Keys, optional: c.Keys == defaultKeys, use: func(body []byte) (err error) {
		if a.signer == nil {
			a.signer, err = auth.NewSigner(body, auth.SignerConfig{NewID: uuid.NewString})
		} else {
			err = a.signer.Replace(body)
		}
		if err != nil {
			return err
		}
		private = body
		return publish()
	}}
	jwks := &keyFile{setting: "ADAPTER_JWKS_FILE", path: c.JWKS, optional: c.JWKS == defaultJWKS, use: func(body []byte) error {
		if _, err := auth.ParseKeys(body); err != nil {
			return err
		}
		public = body
		if own == named {
			return publish()
		}
		return named.Replace(public)
	}}
	var issuers []auth.Issuer
	for _, one := range []struct {
		file   *keyFile
		issuer auth.Issuer
	}{
		{keys, auth.Issuer{Name: c.BaseURL, Keys: own}},
		{jwks, auth.Issuer{Name: c.Issuer, Keys: named, AnyType: c.AnyTokenType}},
	} {
		found, err := one.file.open()
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		a.files = append(a.files, one.file)
		if len(issuers) == 0 || issuers[0].Name != one.issuer.Name {
			issuers = append(issuers, one.issuer)
		} else {
			issuers[0].AnyType = c.AnyTokenType
		}
	}
	return issuers, nil
}

// registered are the clients among the partners that have keys.
func registered(c Config, partners *referral.Partners, log *slog.Logger) ([]auth.Issuer, error) {
	networks, err := prefixes(c.JWKSNetworks)
	if err != nil {
		return nil, err
	}
	var list []auth.Issuer
	for _, client := range partners.Clients() {
		var keys *auth.Keys
		var err error
		switch {
		case client.JWKS != nil:
			keys, err = auth.ParseKeys(client.JWKS)
		case client.JWKSURL != "":
			keys, err = auth.NewRemoteKeys(auth.RemoteConfig{URL: client.JWKSURL, Networks: networks, PlainHTTP: c.PlainPartners, Observe: func(err error) {
				if err != nil {
					e := issue.All(err)[0]
					log.Warn("client_keys_not_fetched", "client", client.ID, "issue", string(e.Type), "rule", e.Rule)
				}
			}})
		default:
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the keys of the client %q among the partners: %w", client.ID, err)
		}
		list = append(list, auth.Issuer{Name: client.ID, Keys: keys, Algorithms: client.Algorithms, Registration: &auth.Registration{
			Organisations: client.Organisations, Role: client.Role, Scopes: client.Scopes,
		}})
	}
	return list, nil
}

// offered is what the gateway serves of it; nil without a private key set.
func (a *authority) offered() *gateway.Authority {
	if a.endpoint == nil {
		return nil
	}
	return &gateway.Authority{Grant: a.endpoint.Grant, Keys: func() ([]byte, error) { return a.signer.Public(time.Now()) }}
}

// run reads the key files again when they change, and forgets used assertions, until ctx ends.
func (a *authority) run(ctx context.Context) {
	keys, forget := time.NewTicker(keysEvery), time.NewTicker(forgetEvery)
	defer keys.Stop()
	defer forget.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-keys.C:
			for _, f := range a.files {
				f.look(a.log)
			}
		case <-forget.C:
			if n, err := a.store().ForgetAssertions(ctx, time.Now().Add(-forgetAfter)); err != nil && ctx.Err() == nil {
				a.log.Warn("assertions_not_forgotten", "issue", string(issue.All(err)[0].Type))
			} else if n > 0 {
				a.log.Debug("assertions_forgotten", "assertions", n)
			}
		}
	}
}

// keyFile is a file with a key set, which may change while the adapter runs. It belongs
// to one goroutine.
type keyFile struct {
	setting  string
	path     string
	optional bool // it may be missing at the start
	use      func(body []byte) error
	seen     []byte // what it held when it was last looked at
	missing  bool   // it was there, and is not now
}

// open reads it for the first time; false when it is missing and may be.
func (f *keyFile) open() (bool, error) {
	body, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) && f.optional {
		return false, nil
	}
	if err == nil {
		err = f.use(body)
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", f.setting, err)
	}
	f.seen = body
	return true, nil
}

// look reads it again. A file that cannot be used leaves the keys that there are, and is
// told once.
func (f *keyFile) look(log *slog.Logger) {
	body, err := os.ReadFile(f.path)
	switch {
	case err != nil && !f.missing:
		f.missing = true
		log.Error("keys_not_read", "setting", f.setting, "rule", "file")
	case err == nil && !bytes.Equal(body, f.seen):
		f.missing, f.seen = false, body
		if err := f.use(body); err != nil {
			log.Error("keys_not_read", "setting", f.setting, "rule", issue.All(err)[0].Rule)
			return
		}
		log.Info("keys_read", "setting", f.setting)
	case err == nil:
		f.missing = false
	}
}
