package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
	"spadapter/adapter/referral"
)

// shadow converts real traffic with a new version of the maps, beside the live one, and
// reports what would change: as metrics, and a log line for each message that differs,
// with the elements and the rules and never a value. It stores nothing, and whoever is
// served does not wait for it.
type shadow struct {
	library *mapping.Library
	log     *slog.Logger
	queue   chan referral.Conversion
	runs    *prometheus.CounterVec
	changed *prometheus.CounterVec

	mu     sync.Mutex
	totals map[string]int // by verdict, for the line at the end
}

const (
	shadowQueue = 256              // conversions that wait; more are dropped and counted, for memory's sake
	shadowLimit = 10 * time.Second // of one conversion: a new map may be a bad one
	shadowTold  = 20               // elements in one log line
)

// The verdicts on one message.
const (
	verdictSame      = "same"
	verdictDifferent = "different"
	verdictRefused   = "refused"  // the live maps take it, the new ones do not
	verdictAccepted  = "accepted" // the live maps refuse it, the new ones do not
	verdictDropped   = "dropped"  // not compared: too many waited
)

func newShadow(library *mapping.Library, r registerer, log *slog.Logger) *shadow {
	s := &shadow{
		library: library, log: log, queue: make(chan referral.Conversion, shadowQueue), totals: map[string]int{},
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "adapter_shadow_conversions_total", Help: "Messages converted by the shadow maps too, by dialect and how the result compares.",
		}, []string{"dialect", "result"}),
		changed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "adapter_shadow_differences_total", Help: "Elements that the shadow maps make otherwise than the live ones, by dialect, element and kind.",
		}, []string{"dialect", "element", "kind"}),
	}
	r.MustRegister(s.runs, s.changed)
	return s
}

// observe takes a conversion in without waiting.
func (s *shadow) observe(c referral.Conversion) {
	select {
	case s.queue <- c:
	default:
		s.count(c.Dialect, verdictDropped)
	}
}

// run compares until ctx ends, then what still waits, and says how it went.
func (s *shadow) run(ctx context.Context) {
	for {
		select {
		case c := <-s.queue:
			s.compare(c)
			continue
		case <-ctx.Done():
		}
		break
	}
	for {
		select {
		case c := <-s.queue:
			s.compare(c)
			continue
		default:
		}
		break
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.Info("shadow maps", "same", s.totals[verdictSame], "different", s.totals[verdictDifferent],
		"refused", s.totals[verdictRefused], "accepted", s.totals[verdictAccepted], "dropped", s.totals[verdictDropped])
}

func (s *shadow) count(dialect, verdict string) {
	s.runs.WithLabelValues(dialect, verdict).Inc()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.totals[verdict]++
}

// compare converts one message again.
func (s *shadow) compare(c referral.Conversion) {
	log := s.log.With("dialect", c.Dialect, "request_id", c.Request)
	defer func() {
		if p := recover(); p != nil { // the new maps must not stop the old ones
			s.count(c.Dialect, verdictRefused)
			log.Error("shadow conversion panicked")
		}
	}()
	result, err := s.convert(c)
	switch {
	case err != nil && c.Err != nil:
		s.count(c.Dialect, verdictSame)
	case err != nil:
		s.count(c.Dialect, verdictRefused)
		log.Warn("shadow conversion refuses what the live one takes", "issues", rules(err))
	case c.Err != nil:
		s.count(c.Dialect, verdictAccepted)
		log.Warn("shadow conversion takes what the live one refuses", "issues", rules(c.Err))
	case bytes.Equal(fhir.Encode(result.Target), c.Target):
		s.count(c.Dialect, verdictSame)
	default:
		s.report(log, c, result)
	}
}

func (s *shadow) convert(c referral.Conversion) (*mapping.Result, error) {
	d := s.library.Dialect(c.Organisation, c.Dialect)
	if d == nil {
		return nil, issue.New(issue.NotFound, "shadow-dialect", "the shadow maps do not have this dialect")
	}
	source, err := fhir.Parse(d.Map.Sources()[0].System(), c.Source, fhir.Limits{Bytes: len(c.Source)})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), shadowLimit)
	defer cancel()
	result, err := d.Convert(ctx, mapping.Input{Source: source, Identity: c.Identity, Now: c.Now, Trace: true})
	if err == nil {
		err = issue.Failures(issue.Join(result.Issues))
	}
	return result, err
}

// report counts and logs what differs: elements and rules, never values.
func (s *shadow) report(log *slog.Logger, c referral.Conversion, result *mapping.Result) {
	live, err := fhir.Parse(result.Target.System(), c.Target, fhir.Limits{Bytes: len(c.Target)})
	if err != nil {
		s.count(c.Dialect, verdictRefused) // such as a target of another FHIR version
		log.Warn("shadow conversion makes what the live one's result cannot be compared with")
		return
	}
	s.count(c.Dialect, verdictDifferent)
	differences := mapping.Differences(live, result.Target)
	var told []string
	for _, d := range differences {
		s.changed.WithLabelValues(c.Dialect, d.Element(), d.Kind).Inc()
		if len(told) == shadowTold {
			continue
		}
		line := fmt.Sprintf("%s %s", d.Path, d.Kind)
		if step, ok := result.Origin(d.After); ok && d.After != nil {
			line += fmt.Sprintf(" by %s/%s %s:%d", step.Group, step.Rule, step.File, step.Line)
		}
		told = append(told, line)
	}
	log.Warn("shadow conversion differs", "differences", len(differences), "elements", told)
}

// rules are the rule ids of the issues in err, for the log.
func rules(err error) []string {
	var out []string
	for _, e := range issue.All(err) {
		if len(out) < shadowTold {
			out = append(out, e.Rule+" "+e.Expression)
		}
	}
	return out
}
