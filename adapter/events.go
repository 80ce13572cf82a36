package main

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"spadapter/adapter/delivery"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
)

// pruneEvery is how often events that are old enough are forgotten.
const pruneEvery = time.Hour

// events is what runs beside the server so that those who follow referrals are told:
// the numbering, the outbox of subscribers, and what sends it; and the timers.
type events struct {
	store   *store.Store
	service *referral.Service
	worker  *delivery.Worker
	keep    time.Duration
	every   time.Duration // between looks for times that are over
	log     *slog.Logger
}

// newEvents makes it. Subscribers have a queue and a worker of their own, so that slow
// ones do not hold up what goes to the records of patients.
func newEvents(s *store.Store, service *referral.Service, c Config, observe func(referral.Delivery, referral.Attempt), log *slog.Logger) (*events, error) {
	networks, err := c.networks()
	if err != nil {
		return nil, err
	}
	hook := delivery.NewHook(delivery.Hook{Post: service.Post, Posted: service.Posted, Networks: networks})
	queue := s.Notices()
	worker, err := delivery.New(delivery.Config{
		Queue: queue, Routes: map[string]delivery.Route{referral.KindWebhook: hook, referral.KindSubscription: hook}, Wake: queue.Wake(),
		Log: log, Observe: observe, Drain: c.DrainFor,
		// a place for each subscriber that hangs, and still some for the others; a send is small
		Concurrency: 128, PerRecipient: 1, Timeout: 65 * time.Second,
	})
	return &events{s, service, worker, c.EventsFor, c.TimersEvery, log}, err
}

// run works until ctx ends.
func (e *events) run(ctx context.Context) error {
	var group sync.WaitGroup
	group.Go(func() { e.store.RunSequencer(ctx, e.log) })
	group.Go(func() { e.service.Publish(ctx, e.log) })
	group.Go(func() { e.service.RunTimers(ctx, e.log, e.every) })
	group.Go(func() { e.prune(ctx) })
	err := e.worker.Run(ctx)
	group.Wait()
	return err
}

func (e *events) prune(ctx context.Context) {
	for {
		n, err := e.store.Prune(ctx, time.Now().Add(-e.keep))
		switch {
		case ctx.Err() != nil:
		case err != nil:
			e.log.Warn("events_not_pruned", "issue", string(issue.All(err)[0].Type))
		case n > 0:
			e.log.Info("events_pruned", "events", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pruneEvery):
		}
	}
}

// networks reads the networks in which subscribers may be told besides the internet.
func (c *Config) networks() ([]netip.Prefix, error) { return prefixes(c.SubscriberNetworks) }

func prefixes(networks []string) (list []netip.Prefix, err error) {
	for _, text := range networks {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

// reachable says why subscribers may not be told at an address.
func (c *Config) reachable() func(string) *issue.Error {
	networks, _ := c.networks() // complete has checked them
	return func(url string) *issue.Error { return delivery.Reachable(url, networks) }
}
