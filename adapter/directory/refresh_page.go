package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"spadapter/adapter/issue"
)

// listed is one service of a list, before it is read.
type listed struct {
	raw    []byte
	id     string // "" when it has none
	digest string // of raw, when the list says when the service last changed and holds no parts
	full   bool   // it has its parts with it
	old    *Entry // what is here of it, when it need not be read again
	read   []byte // its details
	err    error
}

// wholeParts are the members that only a whole service has.
var wholeParts = []string{"schedules", "service_at_locations", "attributes", "cost_options", "languages", "contacts", "phones", "service_areas", "funding", "program"}

// page stages the services of one page.
func (r *refresh) page(ctx context.Context, p *Page) error {
	var list []*listed
	for _, raw := range p.Contents {
		l := r.listed(raw)
		if l == nil {
			continue
		}
		if r.report.Read++; r.report.Read > r.d.MaxService {
			return issue.Newf(issue.TooCostly, "feed-services", "the feed has more than %d services, which is the most that one feed may have", r.d.MaxService)
		}
		list = append(list, l)
	}
	if !r.o.Full {
		if err := r.recall(ctx, list); err != nil {
			return err
		}
	}
	r.fetch(ctx, list)
	for _, l := range list {
		if l.err != nil && !errors.Is(l.err, issue.NotFound) {
			return l.err
		}
		if err := r.take(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// listed looks at one element of a list; nil when it was on the list before.
func (r *refresh) listed(raw json.RawMessage) *listed {
	l := &listed{raw: raw}
	if len(raw) > maxRaw {
		return l
	}
	members, ok := decodeObject(raw)
	if !ok {
		return l
	}
	l.id = object{members, "", &reading{}}.text("id", maxID+1)
	if l.id != "" {
		if r.seen[l.id] {
			r.report.add([]Fault{{Service: l.id, Path: "id", Words: "the list has this id more than once; the first counts"}})
			return nil
		}
		r.seen[l.id] = true
	}
	for _, part := range wholeParts {
		if members[part] != nil {
			l.full = true
		}
	}
	if modified, _ := members["last_modified"].(string); modified != "" && !l.full {
		sum := sha256.Sum256(raw)
		l.digest = hex.EncodeToString(sum[:])
	}
	return l
}

// recall finds the services that the list says are as they were.
func (r *refresh) recall(ctx context.Context, list []*listed) error {
	var ids []string
	by := map[string]*listed{}
	for _, l := range list {
		if l.digest != "" {
			id := logicalID(r.claim.Feed.Name, TypeService, l.id)
			by[id] = l
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 || r.claim.Seen == 0 {
		return nil
	}
	found, err := r.d.Store.Visible(ctx, r.claim, TypeService, ids)
	for _, e := range found {
		if l := by[e.ID]; e.Listed == l.digest && e.Withdrawn.IsZero() {
			l.old = e
		}
	}
	return err
}

// atOnce is how many details are asked for at the same time.
const atOnce = 4

// fetch gets the details of the services that came without their parts.
func (r *refresh) fetch(ctx context.Context, list []*listed) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, l := range list {
		if l.full || l.old != nil || l.id == "" || len(l.raw) > maxRaw {
			continue
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			if l.read, l.err = r.src.Details(ctx, l.id); l.err != nil && !errors.Is(l.err, issue.NotFound) {
				cancel() // the others have no use any more
			}
		})
	}
	group.Wait()
	// of several errors the first that is not our own cancelling counts
	for _, l := range list {
		if l.err != nil && !errors.Is(l.err, issue.NotFound) && !errors.Is(l.err, context.Canceled) {
			list[0].err = l.err
			return
		}
	}
}

// take stages one service, or notes why it is left out.
func (r *refresh) take(ctx context.Context, l *listed) error {
	if err := r.renew(ctx); err != nil {
		return err
	}
	s, faults, err := r.service(l)
	if err != nil {
		return err
	}
	r.report.add(faults)
	if s == nil {
		r.report.LeftOut++
		if l.id != "" {
			r.left[logicalID(r.claim.Feed.Name, TypeService, l.id)] = true
		}
		return nil
	}
	r.report.Taken++
	list := r.d.Vocabulary.entries(s, time.Time{}, r.now)
	list[0].Listed = l.digest
	return r.stage(ctx, list)
}

// service reads one service from wherever it is.
func (r *refresh) service(l *listed) (*Service, []Fault, error) {
	feed := r.claim.Feed.Name
	switch {
	case len(l.raw) > maxRaw || len(l.read) > maxRaw:
		return nil, []Fault{{Service: l.id, Words: "the service is larger than a megabyte", Left: true}}, nil
	case l.old != nil:
		s, err := l.old.Service()
		if err != nil {
			return nil, nil, err
		}
		r.report.Reused++
		r.d.Vocabulary.classify(s) // the vocabulary may be another one now
		return s, nil, nil
	case l.read == nil:
		// also where there are no details to be had: what the list says is all there is
		s, faults := r.d.Vocabulary.Read(feed, l.raw, r.now)
		return s, faults, nil
	}
	s, faults := r.d.Vocabulary.Read(feed, l.read, r.now)
	if s != nil && s.Source != l.id {
		return nil, []Fault{{Service: l.id, Path: "id", Words: "the details are those of another service", Left: true}}, nil
	}
	for i := range faults {
		faults[i].Service = l.id
	}
	return s, faults, nil
}

// Service gives the service of an entry. Errors: exception.
func (e *Entry) Service() (*Service, error) {
	var s Service
	if err := json.Unmarshal(e.Body, &s); err != nil {
		return nil, stored(err)
	}
	return &s, nil
}
