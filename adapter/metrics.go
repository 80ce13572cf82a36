package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"spadapter/adapter/referral"
	"spadapter/adapter/store"
)

// registerer is where a part of the program registers what it counts.
type registerer = prometheus.Registerer

// newRegistry is what /metrics shows besides the requests: the process and the outbox.
func newRegistry(s *store.Store) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), outbox{s})
	return r
}

// newMetricsServer serves /metrics and nothing else.
func newMetricsServer(r *prometheus.Registry) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
}

// observeDeliveries counts attempts by the state they led to and the issue they met.
func observeDeliveries(r registerer) func(referral.Delivery, referral.Attempt) {
	attempts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "adapter_delivery_attempts_total", Help: "Attempts to deliver, by route, the state they led to, and issue type.",
	}, []string{"route", "state", "issue"})
	duration := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "adapter_delivery_attempt_duration_seconds", Help: "Time of one attempt to deliver.", Buckets: prometheus.DefBuckets,
	})
	r.MustRegister(attempts, duration)
	return func(d referral.Delivery, a referral.Attempt) {
		attempts.WithLabelValues(d.Route, string(a.State), a.Issue).Inc()
		duration.Observe(a.Duration.Seconds())
	}
}

// outbox shows what waits to be delivered, read from the database at each scrape.
type outbox struct{ store *store.Store }

var (
	outboxRows = prometheus.NewDesc("adapter_outbox_deliveries", "Deliveries in the outbox that are not done, by state.", []string{"state"}, nil)
	outboxAge  = prometheus.NewDesc("adapter_outbox_oldest_seconds", "Age of the oldest delivery that waits.", nil, nil)
)

var (
	eventsWaiting = prometheus.NewDesc("adapter_events_waiting", "Events that are committed and have no numbers yet.", nil, nil)
	eventsBehind  = prometheus.NewDesc("adapter_subscriber_behind_events", "Events that the subscriber which is furthest behind has not been sent.", nil, nil)
	subscribers   = prometheus.NewDesc("adapter_subscribers", "Webhooks and Subscriptions by status; those paused or in error are sent nothing.", []string{"kind", "status"}, nil)
)

func (o outbox) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{outboxRows, outboxAge, eventsWaiting, eventsBehind, subscribers} {
		ch <- d
	}
}

func (o outbox) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	backlog, err := o.store.Pending(ctx)
	if err != nil {
		return // a database that is away shows as missing series, and as not ready
	}
	for state, n := range map[string]int{"queued": backlog.Queued, "sending": backlog.Sending, "awaiting": backlog.Awaiting, "dead": backlog.Dead} {
		ch <- prometheus.MustNewConstMetric(outboxRows, prometheus.GaugeValue, float64(n), state)
	}
	if events, err := o.store.PendingEvents(ctx); err == nil {
		ch <- prometheus.MustNewConstMetric(eventsWaiting, prometheus.GaugeValue, float64(events.Waiting))
		ch <- prometheus.MustNewConstMetric(eventsBehind, prometheus.GaugeValue, float64(events.Behind))
		for of, n := range events.Subscribers {
			kind, status, _ := strings.Cut(of, " ")
			ch <- prometheus.MustNewConstMetric(subscribers, prometheus.GaugeValue, float64(n), kind, status)
		}
	}
	age := 0.0
	if !backlog.Oldest.IsZero() {
		age = time.Since(backlog.Oldest).Seconds()
	}
	ch <- prometheus.MustNewConstMetric(outboxAge, prometheus.GaugeValue, age)
}
