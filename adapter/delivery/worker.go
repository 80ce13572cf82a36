package delivery

import (
	"context"
	"sync"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// Worker empties the outbox. Any number of them, in any number of processes, may work
// on one Queue.
type Worker struct {
	config Config
}

// New makes a Worker. Errors: required when the Config lacks a Queue or Routes.
func New(c Config) (*Worker, error) {
	c, err := c.check()
	if err != nil {
		return nil, err
	}
	return &Worker{config: c}, nil
}

// desk is what one Run holds in hand; it belongs to the goroutine of Run.
type desk struct {
	waiting map[string][]claimed // by recipient, in the order claimed
	sending map[string]int       // by recipient
	active  int                  // sends under way
	held    int                  // waiting rows
	done    chan string          // the recipient of each send that ended
}

// claimed is a row with the end of our hold on it.
type claimed struct {
	referral.Delivery
	until time.Time
}

// Run claims and sends until ctx ends. Then it claims no more, gives what is being
// sent the time of Config.Drain, and returns nil. Rows it had claimed and not begun
// return to the queue when their lease runs out. A Queue that cannot answer is asked
// again, at growing intervals up to half a minute, for as long as ctx lasts.
func (w *Worker) Run(ctx context.Context) error {
	// sends outlive ctx, by Drain at most
	sendCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	d := &desk{
		waiting: map[string][]claimed{}, sending: map[string]int{},
		done: make(chan string, w.config.Concurrency),
	}
	var group sync.WaitGroup
	failures := 0
	for ctx.Err() == nil {
		d.settle()
		more, err := w.claim(ctx, d)
		pause := w.config.Poll
		switch {
		case ctx.Err() != nil: // told to stop in the middle of a claim; not the queue's fault
		case err != nil:
			failures++
			pause = min(time.Second<<min(failures-1, 5), 30*time.Second)
			w.config.Log.Warn("delivery_queue_away", "issue", string(failure(err).Type), "failures", failures, "retry_ms", pause.Milliseconds())
		case failures > 0:
			w.config.Log.Info("delivery_queue_back", "failures", failures)
			failures = 0
		}
		w.begin(ctx, sendCtx, d, &group)
		if !more {
			w.wait(ctx, d, pause, failures > 0)
		}
	}
	timer := time.AfterFunc(w.config.Drain, stop)
	defer timer.Stop()
	group.Wait()
	return nil
}

// claim takes as many rows as there are free places. Rows whose recipient is busy wait
// in hand and take no place, so that the rows behind them in the queue come forward.
// more says that the queue probably holds further rows that are due.
func (w *Worker) claim(ctx context.Context, d *desk) (more bool, err error) {
	n := w.config.Concurrency - d.active
	if n <= 0 {
		return false, nil
	}
	// so that a database that hangs is noticed and said
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	now := w.config.Now()
	rows, err := w.config.Queue.Claim(ctx, now, w.config.Lease, n)
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		d.waiting[row.Recipient] = append(d.waiting[row.Recipient], claimed{row, now.Add(w.config.Lease)})
		d.held++
	}
	for d.held > w.config.Hold {
		d.letGo()
	}
	return len(rows) == n, nil
}

// letGo drops the later half of what waits for the recipient with the most. The rows
// return to the queue when their lease ends; until then they are out of the way of the
// others, which is the point.
func (d *desk) letGo() {
	most := ""
	for recipient, rows := range d.waiting {
		if len(rows) > len(d.waiting[most]) {
			most = recipient
		}
	}
	rows := d.waiting[most]
	kept := len(rows) / 2
	clear(rows[kept:]) // the bodies
	d.waiting[most] = rows[:kept]
	d.held -= len(rows) - kept
}

// begin starts what may start: Concurrency in all, PerRecipient to each, and none when
// the Worker is to stop.
func (w *Worker) begin(ctx, sendCtx context.Context, d *desk, group *sync.WaitGroup) {
	for recipient, rows := range d.waiting {
		for len(rows) > 0 && ctx.Err() == nil && d.active < w.config.Concurrency && d.sending[recipient] < w.config.PerRecipient {
			row := rows[0]
			rows = rows[1:]
			d.held--
			if row.until.Before(w.config.Now().Add(w.config.Timeout + time.Second)) {
				continue // our hold would end before the try does: leave it to a new claim
			}
			d.active++
			d.sending[recipient]++
			group.Go(func() {
				w.attempt(sendCtx, row)
				d.done <- recipient
			})
		}
		if len(rows) == 0 {
			delete(d.waiting, recipient)
		} else {
			d.waiting[recipient] = rows
		}
	}
}

// wait returns when there may be something to do: a send ended, so that its
// recipient or its referral has room; new rows; or the pause is over. While the queue
// is away only the pause counts.
func (w *Worker) wait(ctx context.Context, d *desk, pause time.Duration, away bool) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	wake := w.config.Wake
	if away {
		wake = nil
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case _, open := <-wake:
			if !open {
				wake = nil // a closed channel would turn the wait into a spin
				continue
			}
			return
		case recipient := <-d.done:
			d.ended(recipient)
			if !away {
				return
			}
		}
	}
}

// settle takes note of the sends that have ended.
func (d *desk) settle() {
	for range len(d.done) {
		d.ended(<-d.done)
	}
}

func (d *desk) ended(recipient string) {
	d.active--
	if d.sending[recipient]--; d.sending[recipient] == 0 {
		delete(d.sending, recipient)
	}
}

// finish records an attempt. It tries until the claim ends, because a send that is not
// recorded is repeated; at the end of the drain once more.
func (w *Worker) finish(ctx context.Context, row claimed, a referral.Attempt) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		// recording outlives the drain by a moment: it is what the drain is for
		one, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		err := w.config.Queue.Finish(one, row.Claim, a)
		cancel()
		if err == nil {
			return nil
		}
		t := failure(err).Type
		if !t.Within(issue.Transient) || ctx.Err() != nil || !w.config.Now().Add(pause).Before(row.until) {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}
