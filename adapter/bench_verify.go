package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"spadapter/adapter/fhir"
)

// stored asks how many referrals of the practice the adapter has.
func (l *load) stored(ctx context.Context) (int, error) { return l.tasks(ctx, "") }

// tasks counts the Tasks of the practice that meet more parameters.
func (l *load) tasks(ctx context.Context, query string) (int, error) {
	root, err := l.get(ctx, "/fhir/R4/Task?_summary=count"+query)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(root.Text("total"))
}

// verify compares what was acknowledged with what the adapter has now: how many, and
// whether a sample of the ServiceRequests are those that were sent. What differs is a
// failure of the run.
func (l *load) verify(ctx context.Context, before, acknowledged int) error {
	after, err := l.stored(ctx)
	if err != nil {
		return fmt.Errorf("asking the adapter how many referrals it has: %w", err)
	}
	// one whose answer was lost may still be stored
	if got := after - before; got < acknowledged || got > acknowledged+l.failures.count() {
		l.failures.add(fmt.Errorf("%d referrals were acknowledged, %d are stored", acknowledged, got))
	}
	for _, s := range l.samples {
		at := s.location
		if !strings.Contains(at, "://") {
			at = "/fhir/R4/" + at
		}
		root, err := l.get(ctx, at)
		switch {
		case err != nil:
			l.failures.add(fmt.Errorf("reading an acknowledged ServiceRequest: %w", err))
		case root.ResourceType() != "ServiceRequest" || root.Text("identifier", "value") != s.identifier:
			l.failures.add(errors.New("an acknowledged ServiceRequest is not the one that was sent"))
		}
	}
	return nil
}

// get reads a resource; at is a path, or an address of the same adapter.
func (l *load) get(ctx context.Context, at string) (*fhir.Node, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.server.url+strings.TrimPrefix(at, l.server.url), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+l.server.token)
	request.Header.Set("Accept", "application/fhir+json")
	response, err := l.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, refusal(response.StatusCode, body)
	}
	return fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
}

// failures counts what went wrong, by its text. It is safe for concurrent use.
type failures struct {
	mu     sync.Mutex
	total  int
	byText map[string]int
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total++
	text := err.Error()
	if f.byText == nil {
		f.byText = map[string]int{}
	}
	// texts with an address or a number in them could be as many as the referrals
	if _, known := f.byText[text]; !known && len(f.byText) >= 20 {
		text = "others"
	}
	f.byText[text]++
}

func (f *failures) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.total
}

// err lists the failures, the most frequent first; nil when there are none.
func (f *failures) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.total == 0 {
		return nil
	}
	texts := slices.SortedFunc(maps.Keys(f.byText), func(a, b string) int {
		return cmp.Or(cmp.Compare(f.byText[b], f.byText[a]), cmp.Compare(a, b))
	})
	var list strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&list, "\n%7d  %s", f.byText[text], text)
	}
	return fmt.Errorf("%d errors:%s", f.total, list.String())
}
