package gateway

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the series of the HTTP API. Their labels have few values: the pattern
// of a route, never a path.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec

	unrecorded prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	return &metrics{
		requests: registered(registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "adapter_http_requests_total", Help: "HTTP requests answered.",
		}, []string{"method", "route", "status"})),
		duration: registered(registerer, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "adapter_http_request_duration_seconds", Help: "Time from a request's header to its response.",
			// a read takes 1 ms, an intake with its commit 5 to 50 ms; the partners' limit is 5 s
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"method", "route"})),
		unrecorded: registered[prometheus.Counter](registerer, prometheus.NewCounter(prometheus.CounterOpts{
			Name: "adapter_http_refusals_unrecorded_total", Help: "Refusals of unknown callers, and of clients that ask too much, that were counted here instead of audited, because there were too many.",
		})),
	}
}

// registered registers a collector, or gives the one that is there already, so that
// two handlers can share a registry.
func registered[C prometheus.Collector](registerer prometheus.Registerer, c C) C {
	err := registerer.Register(c)
	if err == nil {
		return c
	}
	if before, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := before.ExistingCollector.(C); ok {
			return existing
		}
	}
	panic(err) // another series has this name: a fault in the program, found at start-up
}

func (m *metrics) count(method, route string, status int, took time.Duration) {
	method = knownMethod(method)
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(method, route).Observe(took.Seconds())
}

// exposition is GET /metrics, in the format that Prometheus asks for.
func exposition(x *exchange) error {
	if err := x.scrapable(); err != nil {
		return err
	}
	x.scrape.ServeHTTP(x.Writer, x.Request)
	return nil
}

var scrapeOptions = promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}
