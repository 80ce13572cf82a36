package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"spadapter/adapter/fhir"
)

// load sends referrals in a closed loop: each worker has one connection and sends the
// next referral when the last one is answered. With every it sends them at an even pace
// instead, as people do who do not wait for each other.
type load struct {
	server   *benchServer
	series   *series
	workers  int
	headers  http.Header   // of messages, nil for transactions
	every    time.Duration // from one request to the next; 0 as soon as a worker is free
	client   *http.Client
	target   *url.URL
	answered atomic.Int64
	failures failures

	gp     *benchGP     // nil for a running adapter
	queued atomic.Int64 // write-backs, by the actions that were acknowledged

	mu      sync.Mutex
	samples []sample
}

// sample is an acknowledged referral that is looked up at the end.
type sample struct{ location, identifier string }

const (
	sampleEvery = 101 // answers between two that are read as a whole; prime, so that it keeps no step with anything
	maxSamples  = 50  // referrals that are looked up
)

func newLoad(server *benchServer, series *series, workers int) *load {
	target, err := url.Parse(server.url + "/fhir/R4")
	if err != nil {
		target = &url.URL{Opaque: server.url} // refused by the first request, with the reason
	}
	return &load{server: server, series: series, workers: workers, target: target, gp: server.gp, client: &http.Client{
		Timeout: 60 * time.Second,
		Transport: &http.Transport{
			MaxIdleConnsPerHost: workers, MaxConnsPerHost: workers,
			// to unpack the answers would take time from the server
			DisableCompression: true,
			ReadBufferSize:     16 << 10, WriteBufferSize: 16 << 10, // a whole message in one write
		},
	}}
}

// run sends n referrals and gives the latency of each that was acknowledged.
func (l *load) run(ctx context.Context, n int) []time.Duration {
	results := make([][]time.Duration, l.workers)
	l.each(ctx, n, func(worker int) func(int, time.Time) error {
		results[worker] = make([]time.Duration, 0, n/l.workers+n/8+1)
		s := sender{load: l}
		return func(_ int, due time.Time) error {
			took, err := s.send(ctx, due)
			if err == nil {
				results[worker] = append(results[worker], took)
			}
			return err
		}
	})
	return slices.Concat(results...)
}

// each runs n requests: every worker makes the next one when its last one is answered, and
// not before it is due. A request that was due while all workers waited for an answer has
// waited itself: due says since when, so that a slow server cannot hide it.
func (l *load) each(ctx context.Context, n int, worker func(number int) func(i int, due time.Time) error) {
	var begun atomic.Int64
	start := time.Now()
	var group sync.WaitGroup
	for w := range l.workers {
		group.Go(func() {
			request := worker(w)
			for ctx.Err() == nil {
				i := int(begun.Add(1)) - 1
				if i >= n {
					return
				}
				due := time.Now()
				if l.every > 0 {
					due = start.Add(time.Duration(i) * l.every)
					if !sleepUntil(ctx, due) {
						return
					}
				}
				if err := request(i, due); err != nil && ctx.Err() == nil {
					l.failures.add(err)
					// a server that is gone would otherwise be asked a million times a second
					time.Sleep(time.Millisecond)
				}
				l.answered.Add(1)
			}
		})
	}
	group.Wait()
}

// sleepUntil waits, and reports false when ctx ended before.
func sleepUntil(ctx context.Context, due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// sender is one worker with the buffers that it uses again.
type sender struct {
	*load
	message message
	body    bytes.Reader
	answer  bytes.Buffer
}

// send posts one referral. The time is from when it was due, its making aside, until the
// answer is read; the error says why it is not acknowledged.
func (s *sender) send(ctx context.Context, due time.Time) (time.Duration, error) {
	making := time.Now()
	s.series.next(&s.message)
	s.body.Reset(s.message.body)
	request := (&http.Request{
		Method: http.MethodPost, URL: s.target, Host: s.target.Host, ContentLength: int64(len(s.message.body)), Body: io.NopCloser(&s.body),
		Header: http.Header{
			"Authorization": {"Bearer " + s.server.token}, "Content-Type": {"application/fhir+json"}, "Accept": {"application/fhir+json"},
			"X-Request-Id": {s.message.requestID},
		},
	}).WithContext(ctx)
	if s.headers != nil {
		maps.Copy(request.Header, s.headers)
		request.Header["X-Correlation-Id"] = []string{s.message.requestID}
	}
	s.answer.Reset()
	due = due.Add(time.Since(making))
	response, err := s.client.Do(request)
	if err == nil {
		_, err = s.answer.ReadFrom(response.Body)
		_ = response.Body.Close() // read to its end already
	}
	took := time.Since(due)
	if err != nil {
		return 0, err
	}
	if response.StatusCode != http.StatusOK {
		return 0, refusal(response.StatusCode, s.answer.Bytes())
	}
	return took, s.acknowledged()
}

// acknowledged checks that the answer is a transaction-response with a location for
// each entry. Every answer is searched for them; one in a hundred is parsed and checked.
func (s *sender) acknowledged() error {
	answer := s.answer.Bytes()
	if s.headers != nil {
		return s.processed(answer)
	}
	if !bytes.Contains(answer, []byte(`"transaction-response"`)) || bytes.Count(answer, []byte(`"location":`)) != s.message.entries {
		return fmt.Errorf("status 200, but no transaction-response with %d locations", s.message.entries)
	}
	if s.answered.Load()%sampleEvery != 0 {
		return nil
	}
	root, err := fhir.Parse(fhir.Types(fhir.R4), answer, fhir.Limits{})
	if err == nil {
		err = fhir.Check(root)
	}
	if err != nil {
		return fmt.Errorf("the answer is no FHIR: %w", err)
	}
	entries := root.All("entry")
	if root.Text("type") != "transaction-response" || len(entries) != s.message.entries {
		return fmt.Errorf("the answer is a %s of %d entries", root.Text("type"), len(entries))
	}
	for i, entry := range entries {
		status, location := entry.Text("response", "status"), entry.Text("response", "location")
		// another run against the same database may have used the same person
		if status != "201 Created" && (i != patientEntry || status != "200 OK") {
			return fmt.Errorf("entry %d was answered %q", i, status)
		}
		if location == "" {
			return fmt.Errorf("entry %d has no location", i)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.samples) < maxSamples {
		s.samples = append(s.samples, sample{entries[requestEntry].Text("response", "location"), s.message.identifier})
	}
	return nil
}

// messages lets the load send messages of BaRS.
func (l *load) messages(practice string) {
	l.target = l.target.JoinPath("$process-message")
	l.headers = http.Header{}
	for list := barsHeaders(practice); len(list) > 1; list = list[2:] {
		l.headers.Set(list[0], list[1])
	}
}

// processed checks that the answer to a message is a message that says that the referral is
// received. One in a hundred is parsed and checked.
func (s *sender) processed(answer []byte) error {
	if !bytes.Contains(answer, []byte(`"The referral is received;`)) {
		return errors.New("status 200, but no receipt of a referral")
	}
	if s.answered.Load()%sampleEvery != 0 {
		return nil
	}
	root, err := fhir.Parse(fhir.Types(fhir.R4), answer, fhir.Limits{})
	if err == nil {
		err = fhir.Check(root)
	}
	if err != nil {
		return fmt.Errorf("the answer is no FHIR: %w", err)
	}
	for _, entry := range root.All("entry") {
		if n := entry.Child("resource"); n.ResourceType() == "ServiceRequest" {
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.samples) < maxSamples {
				s.samples = append(s.samples, sample{"ServiceRequest/" + n.Text("id") + "/_history/" + n.Text("meta", "versionId"), s.message.identifier})
			}
			return nil
		}
	}
	return errors.New("the answer gives the ServiceRequest no id")
}

// refusal makes an error of an answer that is none we want, with what it says.
func refusal(status int, body []byte) error {
	if root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{}); err == nil && root.ResourceType() == "OperationOutcome" {
		i := root.Child("issue")
		return fmt.Errorf("status %d %s: %s", status, i.Text("code"), i.Text("details", "text"))
	}
	return fmt.Errorf("status %d", status)
}
