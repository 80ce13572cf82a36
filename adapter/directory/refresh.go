package directory

import (
	"context"
	"time"

	"spadapter/adapter/issue"
)

// Options shape one refresh.
type Options struct {
	Force    bool         // also when the feed is not due
	Full     bool         // read the details of every service, also of those that the list says are as they were
	Shrink   bool         // also when more than half of the services are gone
	Progress func(Report) // told after each page, nil for nobody
}

// The bounds of a refresh: a feed that exceeds one is at fault.
const (
	lease       = 2 * time.Minute // how long a process that died keeps others from a feed
	maxPages    = 20_000
	maxRaw      = 1 << 20 // bytes of one service
	stageSize   = 256     // entries in one transaction: some 100 ms that a referral may wait
	minToShrink = 10      // a feed with fewer services may lose most of them
)

// retryAfter is how long after a failure a feed is tried again: 5 minutes, doubled each
// time up to its interval.
func (d *Directory) retryAfter(failures int) time.Duration {
	wait := 5 * time.Minute
	for range min(failures, 12) {
		wait *= 2
	}
	return min(wait, d.Every)
}

// Refresh takes a feed over: as a whole, or not at all. nil without error when the feed
// is not due or another process is at it. Errors, after which all is as it was: those of
// the Source; structure, too-costly and incomplete (rules feed-…) for a feed that cannot
// be right; conflict (rule feed-claim) when another process took over; transient.
func (d *Directory) Refresh(ctx context.Context, name string, src Source, o Options) (*Report, error) {
	now := d.now()
	claim, err := d.Store.Claim(ctx, name, now, now.Add(lease), o.Force)
	if err != nil || claim == nil {
		return nil, err
	}
	r := &refresh{d: d, o: o, src: src, claim: claim, now: now, renewed: now, staged: map[string]bool{}, seen: map[string]bool{}, left: map[string]bool{},
		report: Report{Feed: name, Total: -1}}
	feed, err := r.run(ctx)
	if err == nil && r.report.Unchanged {
		err = d.Store.Release(ctx, claim, feed)
	} else if err == nil {
		err = d.Store.Publish(ctx, claim, feed)
	}
	if err == nil {
		return &r.report, nil
	}
	// others may be at the feed at once
	stopped := ctx.Err() == context.Canceled
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	feed = claim.Feed
	if !stopped { // that this program ends is no fault of the feed
		feed.Failures++
		feed.Problem = problem(err)
		feed.Due = d.now().Add(d.retryAfter(feed.Failures - 1))
	}
	if lost := d.Store.Release(ctx, claim, feed); lost != nil && issue.All(err)[0].Rule != "feed-claim" {
		err = issue.Join(append(issue.All(err), issue.All(lost)...))
	}
	return &r.report, err
}

// problem is the first thing that went wrong, in our words.
func problem(err error) string {
	all := issue.All(err)
	if all[0].Details == "" {
		return "the refresh failed"
	}
	return all[0].Details
}

// refresh is one refresh under way.
type refresh struct {
	d       *Directory
	o       Options
	src     Source
	claim   *Claim
	now     time.Time
	renewed time.Time
	report  Report
	staged  map[string]bool // ids of entries
	seen    map[string]bool // ids in the feed
	left    map[string]bool // ids of services that could not be used
	batch   []*Entry
}

// run reads the feed and stages what it has; it gives the feed as it is afterwards.
func (r *refresh) run(ctx context.Context) (Feed, error) {
	feed := r.claim.Feed
	feed.Failures, feed.Problem = 0, ""
	if !r.o.Full && r.claim.Seen != 0 {
		same, err := r.src.Unchanged(ctx)
		if err != nil {
			return feed, err
		}
		if r.report.Unchanged = same; same {
			feed.Refreshed, feed.Due = r.now, r.now.Add(r.d.Every)
			return feed, nil
		}
	}
	if err := r.pages(ctx); err != nil {
		return feed, err
	}
	if err := r.plausible(); err != nil {
		return feed, err
	}
	feed.Services = r.report.Taken
	kept, err := r.vanished(ctx)
	if err == nil {
		err = r.flush(ctx, true)
	}
	for m := (Mark{}); err == nil && !m.Done; {
		if m, err = r.d.Store.Index(ctx, r.claim, m, stageSize); err == nil {
			err = r.renew(ctx)
		}
	}
	feed.Services += kept
	feed.Refreshed, feed.Due = r.now, r.d.now().Add(r.d.Every)
	feed.State = r.src.State()
	return feed, err
}

// pages reads page after page to the end, wherever the feed says that is.
func (r *refresh) pages(ctx context.Context) error {
	for n := 1; ; n++ {
		if n > maxPages {
			return issue.Newf(issue.TooCostly, "feed-pages", "the feed has more than %d pages", maxPages)
		}
		p, err := r.src.Page(ctx, n)
		if err != nil {
			return err
		}
		if p.TotalItems >= 0 {
			r.report.Total = p.TotalItems
		}
		if len(p.Contents) == 0 {
			break
		}
		before := len(r.seen) + r.report.LeftOut
		if err := r.page(ctx, p); err != nil {
			return err
		}
		if len(r.seen)+r.report.LeftOut == before {
			if p.TotalPages >= 0 && n > p.TotalPages {
				break // asked behind its end, the feed gives its last page again
			}
			return issue.New(issue.Processing, "feed-loop", "the feed gives the same services on every page: it does not heed the parameter page, or goes round in a circle")
		}
		r.report.Pages++
		if r.o.Progress != nil {
			r.o.Progress(r.report)
		}
		ended := p.Last && p.TotalPages <= n || p.TotalPages >= 0 && n >= p.TotalPages
		if ended && (p.Last && p.TotalPages < 0 || r.report.Total <= r.report.Read) {
			break
		}
	}
	r.report.Complete = r.report.Total <= r.report.Read
	return nil
}

// plausible refuses what would empty the directory.
func (r *refresh) plausible() error {
	had, have := r.claim.Feed.Services, r.report.Taken
	switch {
	case have == 0 && r.report.LeftOut > 0:
		return issue.New(issue.Structure, "feed-unusable", "not one service of the feed can be used: is it HSDS-UK 3.0?")
	case have == 0 && had > 0 && !r.o.Shrink:
		return issue.New(issue.Processing, "feed-shrunk", "the feed has no services any more; if that is right, import it with -shrink")
	case had >= minToShrink && 2*have < had && r.report.Complete && !r.o.Shrink:
		return issue.Newf(issue.Processing, "feed-shrunk", "the feed has %d services and had %d; if that is right, import it with -shrink", have, had)
	}
	return nil
}

// stage puts entries into the batch, each once.
func (r *refresh) stage(ctx context.Context, list []*Entry) error {
	for _, e := range list {
		if !r.staged[e.ID] {
			r.staged[e.ID] = true
			r.batch = append(r.batch, e)
		}
	}
	return r.flush(ctx, false)
}

// flush writes the batch when it is large, or all there is.
func (r *refresh) flush(ctx context.Context, all bool) error {
	for len(r.batch) >= stageSize || all && len(r.batch) > 0 {
		n := min(len(r.batch), stageSize)
		if err := r.d.Store.Stage(ctx, r.claim, r.now, r.batch[:n]); err != nil {
			return err
		}
		r.batch = r.batch[n:]
	}
	return r.renew(ctx)
}

// renew keeps the claim while the refresh goes on.
func (r *refresh) renew(ctx context.Context) error {
	now := r.d.now()
	if now.Sub(r.renewed) < lease/8 {
		return nil
	}
	r.renewed = now
	return r.d.Store.Renew(ctx, r.claim, now.Add(lease))
}

// vanished stages what was visible and is not in the feed any more: withdrawn, unless
// the feed was not read to its end or has the service in a form that cannot be used. It
// gives how many services stay as they were.
func (r *refresh) vanished(ctx context.Context) (kept int, err error) {
	if err := r.flush(ctx, true); err != nil { // Missing compares with what is written
		return 0, err
	}
	for _, kind := range Types {
		for after := ""; ; {
			list, err := r.d.Store.Missing(ctx, r.claim, kind, after, stageSize)
			if err != nil {
				return kept, err
			}
			if len(list) == 0 {
				break
			}
			after = list[len(list)-1].ID
			for _, e := range list {
				n, err := r.carry(ctx, e)
				if err != nil {
					return kept, err
				}
				kept += n
			}
		}
	}
	return kept, nil
}

// carry stages an old entry once more; 1 for a service that stays in force.
func (r *refresh) carry(ctx context.Context, e *Entry) (int, error) {
	since := e.Withdrawn
	stays := e.Type == TypeService && since.IsZero() && (r.left[e.ID] || !r.report.Complete)
	if since.IsZero() && !stays {
		since = r.now
		if e.Type == TypeService {
			r.report.Withdrawn++
		}
	}
	if stays { // with its places and organisation
		s, err := e.Service()
		if err != nil {
			return 0, err
		}
		return 1, r.stage(ctx, r.d.Vocabulary.entries(s, time.Time{}, r.now))
	}
	old, err := r.d.Vocabulary.revive(e, since, r.now)
	if err != nil {
		return 0, err
	}
	return 0, r.stage(ctx, []*Entry{old})
}
