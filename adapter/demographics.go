package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
	"spadapter/adapter/pds"
	"spadapter/adapter/referral"
)

// checkPDS fills in what the PDS is asked by, and refuses half a configuration.
func (c *Config) checkPDS() error {
	if c.PDSInterval == 0 {
		c.PDSInterval = 24 * time.Hour
	}
	if c.PDSTrustFor == 0 {
		c.PDSTrustFor = 24 * time.Hour
	}
	if c.PDSRate == 0 {
		c.PDSRate = 5
	}
	all := c.PDSToken != "" && c.PDSClient != "" && c.PDSKeys != ""
	none := c.PDSToken == "" && c.PDSClient == "" && c.PDSKeys == ""
	switch {
	case c.PDS == "" && !none:
		return errors.New("ADAPTER_PDS_TOKEN_URL, _CLIENT_ID and _KEYS_FILE are of no use without ADAPTER_PDS_URL")
	case !all && !none:
		return errors.New("ADAPTER_PDS_TOKEN_URL, ADAPTER_PDS_CLIENT_ID and ADAPTER_PDS_KEYS_FILE go together")
	case c.PDSInterval < 0 || c.PDSRate < 0:
		return errors.New("ADAPTER_PDS_INTERVAL and ADAPTER_PDS_RATE are above zero")
	}
	return nil
}

// demographics looks persons up in the Personal Demographics Service, no faster than it may.
type demographics struct {
	client  *pds.Client
	every   time.Duration // between two requests
	lookups *prometheus.CounterVec

	mu   sync.Mutex
	next time.Time // when the next request may begin
}

// newDemographics is nil where no PDS is configured.
func newDemographics(c Config, r registerer) (referral.Demographics, error) {
	if c.PDS == "" {
		return nil, nil
	}
	config := pds.Config{URL: c.PDS, EndUser: c.PDSOrganisation, NewID: uuid.NewString, Plain: c.PDSPlain}
	if c.PDSToken != "" {
		token, err := pdsToken(c)
		if err != nil {
			return nil, err
		}
		config.Token = token
	}
	client, err := pds.New(config)
	if err != nil {
		return nil, fmt.Errorf("ADAPTER_PDS_URL: %w", err)
	}
	d := &demographics{client: client, every: time.Second / time.Duration(c.PDSRate), lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "adapter_pds_lookups_total", Help: "Persons looked up in the Personal Demographics Service, by outcome: changed or unchanged since the last time, or the issue type of what went wrong.",
	}, []string{"outcome"})}
	r.MustRegister(d.lookups)
	return d, nil
}

// pdsToken proves who we are with an assertion signed by RS512, which the platform demands.
func pdsToken(c Config) (func(context.Context, string) (string, error), error) {
	private, err := os.ReadFile(c.PDSKeys)
	if err != nil {
		return nil, fmt.Errorf("ADAPTER_PDS_KEYS_FILE: %w", err)
	}
	signer, err := auth.NewSigner(private, auth.SignerConfig{Algorithm: auth.RS512, NewID: uuid.NewString})
	if err != nil {
		return nil, fmt.Errorf("ADAPTER_PDS_KEYS_FILE: %w", err)
	}
	source, err := auth.NewTokenSource(auth.TokenConfig{URL: c.PDSToken, ClientID: c.PDSClient, Signer: signer, HTTP: http.DefaultClient, Now: time.Now})
	if err != nil {
		return nil, fmt.Errorf("ADAPTER_PDS_TOKEN_URL: %w", err)
	}
	return func(ctx context.Context, refused string) (string, error) {
		if refused != "" {
			source.Forget(refused)
		}
		return source.Token(ctx)
	}, nil
}

// Look is what the domain asks.
func (d *demographics) Look(ctx context.Context, number, etag string) (*referral.Demography, error) {
	if err := d.turn(ctx); err != nil {
		return nil, err
	}
	a, err := d.client.Read(ctx, number, etag)
	switch {
	case err != nil:
		d.lookups.WithLabelValues(string(issue.All(err)[0].Type)).Inc()
		return nil, err
	case a.Same:
		d.lookups.WithLabelValues("unchanged").Inc()
	default:
		d.lookups.WithLabelValues("changed").Inc()
	}
	return &referral.Demography{Number: a.Number, ETag: a.ETag, Same: a.Same, Practice: a.Practice, Deceased: a.Deceased, Restricted: a.Restricted, BirthDate: a.BirthDate, Names: a.Names}, nil
}

// turn waits until the next request may begin.
func (d *demographics) turn(ctx context.Context) error {
	d.mu.Lock()
	now := time.Now()
	if d.next.Before(now) {
		d.next = now
	}
	wait := d.next.Sub(now)
	d.next = d.next.Add(d.every)
	d.mu.Unlock()
	if wait == 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return issue.New(issue.Timeout, "pds-turn", "too many persons are to be looked up for this one to have its turn in time").Because(ctx.Err())
	case <-timer.C:
		return nil
	}
}

const (
	lookEvery   = 5 * time.Second // between looks for persons whose turn it is
	longestRest = 5 * time.Minute // while the PDS, or the database, is away
)

// lookUp keeps what is known of the persons of open referrals fresh, until ctx ends. It begins
// with those of referrals that have just come in; no intake waits for it.
func lookUp(ctx context.Context, service *referral.Service, interval time.Duration, log *slog.Logger) {
	pause, failures := min(lookEvery, interval), 0
	for ctx.Err() == nil {
		n, err := service.LookUp(ctx)
		rest := pause
		switch {
		case ctx.Err() != nil:
		case err != nil:
			rest = min(pause<<min(failures, 10), longestRest)
			if failures++; failures == 1 {
				log.Warn("pds_away", "issue", string(issue.All(err)[0].Type))
			}
		case failures > 0:
			log.Info("pds_back", "failures", failures)
			failures = 0
		}
		if n > 0 && err == nil {
			continue // there may be more
		}
		timer := time.NewTimer(rest)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}
