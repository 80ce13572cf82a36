package store

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"spadapter/adapter/issue"
)

// channel is where PostgreSQL tells the other processes that events were numbered.
const channel = "spadapter_events"

const (
	pace    = 20 * time.Millisecond // between two passes: what comes meanwhile shares one sync of the disk
	lookout = time.Second           // between looks for what nobody told us of
)

// followers wakes those who wait for events: one for a process, however many wait.
type followers struct {
	stirred chan struct{} // a commit here brought events
	heard   chan struct{} // another process numbered some

	mu    sync.Mutex
	seen  int64            // the last of the operators that lasts is about
	lasts map[string]int64 // by audience
	waits map[string]*wait
}

// wait is the place where the followers of one audience wait.
type wait struct {
	changed chan struct{} // closed when there is something new
	count   int           // who waits
}

func newFollowers() *followers {
	return &followers{stirred: make(chan struct{}, 1), heard: make(chan struct{}, 1), seen: -1, lasts: map[string]int64{}, waits: map[string]*wait{}}
}

func (f *followers) stir() { poke(f.stirred) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is waiting already
	}
}

// Await returns when an audience has an event with a number above after, or when ctx
// ends, and gives the number of the newest as far as it is known here. Those who wait cost no question to the database. It needs RunSequencer.
func (s *Store) Await(ctx context.Context, audience string, after int64) int64 {
	f := s.followers
	for {
		f.mu.Lock()
		if last := f.lasts[audience]; last > after || ctx.Err() != nil {
			f.mu.Unlock()
			return last
		}
		w := f.waits[audience]
		if w == nil {
			w = &wait{changed: make(chan struct{})}
			f.waits[audience] = w
		}
		w.count++
		f.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-w.changed:
		}
		f.mu.Lock()
		if w.count--; w.count == 0 && f.waits[audience] == w {
			delete(f.waits, audience)
		}
		f.mu.Unlock()
	}
}

// refresh learns how far the audiences have come, and wakes those who wait.
func (s *Store) refresh(ctx context.Context) error {
	f := s.followers
	f.mu.Lock()
	seen := f.seen
	f.mu.Unlock()
	type row struct {
		name       string
		last, head int64
	}
	rows, err := s.db.query(ctx, "SELECT name, last, head FROM audience WHERE head > ?", seen)
	if err != nil {
		return fault(err)
	}
	list, err := all(rows, func(rows *sql.Rows) (r row, err error) { return r, rows.Scan(&r.name, &r.last, &r.head) })
	if err != nil {
		return fault(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range list {
		f.seen = max(f.seen, r.head)
		if r.last <= f.lasts[r.name] {
			continue
		}
		f.lasts[r.name] = r.last
		if w := f.waits[r.name]; w != nil {
			close(w.changed)
			delete(f.waits, r.name)
		}
	}
	return nil
}

// RunSequencer numbers events and wakes followers until ctx ends. Every process runs
// one; on PostgreSQL they take turns and tell each other, and where that fails a look
// each second finds what is new.
func (s *Store) RunSequencer(ctx context.Context, log *slog.Logger) {
	var group sync.WaitGroup
	if s.db.postgres {
		group.Go(func() { s.listen(ctx) })
	}
	defer group.Wait()
	failures := 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.followers.stirred:
		case <-s.followers.heard:
		case <-timer.C:
		}
		p, err := s.pass(ctx)
		if e := s.refresh(ctx); err == nil {
			err = e
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failures++
			log.Warn("events_not_numbered", "issue", string(issueType(err)), "failures", failures)
		case failures > 0:
			log.Info("events_numbered_again", "failures", failures)
			failures = 0
		}
		next := lookout
		if p.taken || p.events == maxPass {
			next = 0 // what the other did not see yet, or what did not fit
		}
		// whatever stirs within the pace is taken together
		if !sleep(ctx, pace) {
			return
		}
		timer.Reset(next)
	}
}

// issueType is the type of the first issue of an error.
func issueType(err error) issue.Type { return issue.All(err)[0].Type }

// sleep waits, and reports whether ctx still lasts.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// listen hears what other processes number. While it cannot, the look each second does.
func (s *Store) listen(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := pgx.ConnectConfig(ctx, s.db.listening.Copy())
		if err == nil {
			_, err = conn.Exec(ctx, "LISTEN "+channel)
			for err == nil {
				poke(s.followers.heard) // also at first, for what was told before
				_, err = conn.WaitForNotification(ctx)
			}
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			_ = conn.Close(closing) // it is broken, or we are stopping
			cancel()
		}
		sleep(ctx, 5*lookout)
	}
}
