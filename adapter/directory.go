package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/directory"
	"spadapter/adapter/feed"
	"spadapter/adapter/gateway"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
)

// feedAddress is one feed of the deployment.
type feedAddress struct{ name, url string }

var feedName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,63}$`)

// parseFeeds reads ADAPTER_FEEDS: NAME=URL, or a URL, whose host is then the name.
func parseFeeds(list []string, plain bool) (out []feedAddress, err error) {
	for _, text := range list {
		name, address, named := strings.Cut(strings.TrimSpace(text), "=")
		if !named || strings.Contains(name, ":") {
			address = strings.TrimSpace(text)
			u, err := url.Parse(address)
			if err != nil || u.Hostname() == "" {
				return nil, errors.New("ADAPTER_FEEDS must be NAME=URL with commas between, such as leeds=https://directory.example.gov.uk/api")
			}
			name = u.Hostname()
		}
		if !feedName.MatchString(name) {
			return nil, fmt.Errorf("ADAPTER_FEEDS: the name of a feed is made of a–z, 0–9, dots and hyphens")
		}
		if slices.ContainsFunc(out, func(f feedAddress) bool { return f.name == name }) {
			return nil, fmt.Errorf("ADAPTER_FEEDS: the feed %s is there twice", name)
		}
		if _, err := feed.Open(address, "", feed.Config{PlainHTTP: plain}); err != nil {
			return nil, fmt.Errorf("ADAPTER_FEEDS: %w", err)
		}
		out = append(out, feedAddress{name, address})
	}
	return out, nil
}

// newDirectory makes the directory over a store.
func newDirectory(s *store.Store, a *artefacts, c Config) (*directory.Directory, error) {
	// a dialect has the code systems of mappings/base as well, and what a deployment lays over them
	vocabulary, err := directory.NewVocabulary(a.library.Dialect("", intakeDialect).Codes)
	if err != nil {
		return nil, err
	}
	return directory.New(directory.Config{
		Store: s.Directory(), Vocabulary: vocabulary, StaleAfter: time.Duration(c.StaleDays) * 24 * time.Hour, Every: c.FeedEvery,
	}), nil
}

// offered is the directory as the gateway offers it, with the audit of the service.
func offered(d *directory.Directory, s *referral.Service) *gateway.Directory {
	return &gateway.Directory{Directory: d, Record: s.Accessed}
}

// refresher keeps the feeds of the deployment fresh. Any number of processes may run
// one: the database lets one of them at a feed.
type refresher struct {
	directory *directory.Directory
	feeds     []feedAddress
	plain     bool
	log       *slog.Logger
}

// tick is how often a refresher looks what is due: feeds are due in hours.
const tick = time.Minute

// run refreshes what is due until ctx ends.
func (r *refresher) run(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		for _, f := range r.feeds {
			if ctx.Err() != nil {
				return
			}
			r.refresh(ctx, f)
		}
		if err := r.directory.Store.Sweep(ctx, time.Now()); err != nil && ctx.Err() == nil {
			r.log.Warn("old directory entries could not be removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (r *refresher) refresh(ctx context.Context, f feedAddress) {
	began := time.Now()
	known, err := r.directory.Store.Feeds(ctx)
	var source *feed.Feed
	if err == nil {
		state := ""
		for _, k := range known {
			if k.Name == f.name {
				state = k.State
			}
		}
		source, err = feed.Open(f.url, state, feed.Config{PlainHTTP: r.plain})
	}
	var report *directory.Report
	if err == nil {
		report, err = r.directory.Refresh(ctx, f.name, source, directory.Options{})
	}
	switch {
	case ctx.Err() != nil, err == nil && report == nil:
	case err != nil:
		r.log.Warn("a feed was not refreshed; what was there stays", "feed", f.name, "error", err, "duration_ms", time.Since(began).Milliseconds())
	default:
		r.log.Info("feed refreshed", "feed", f.name, "unchanged", report.Unchanged, "services", report.Taken, "reused", report.Reused, "left_out", report.LeftOut,
			"withdrawn", report.Withdrawn, "notes", report.Notes, "complete", report.Complete, "duration_ms", time.Since(began).Milliseconds())
	}
}

// details adds to an error what its cause was, for an operator.
func details(err error) error {
	if all := issue.All(err); len(all) > 0 && all[0].Cause != nil {
		return fmt.Errorf("%w (%w)", err, all[0].Cause)
	}
	return err
}
