package gateway

import (
	"context"
	"slices"
	"sync"
	"time"

	"spadapter/adapter/issue"
)

// lineLength is how many may wait for their turn for each one that is in work.
const lineLength = 4

// turns bounds the requests in work, in all and of one client. Who finds no room waits in a
// line, in which nobody waits for a client that has all it may have. A nil *turns bounds
// nothing. It is safe for concurrent use.
type turns struct {
	most, each int // 0 for no bound
	wait       time.Duration

	mu      sync.Mutex
	working int
	clients map[string]*worker
	line    []*inLine
}

// worker is what one client has in work and in the line.
type worker struct{ working, waiting int }

// inLine is a request that waits.
type inLine struct {
	client string
	turn   chan struct{} // closed when it may go
}

func newTurns(most, each int, wait time.Duration) *turns {
	if most <= 0 && each <= 0 {
		return nil
	}
	return &turns{most: most, each: each, wait: wait, clients: map[string]*worker{}}
}

// enter waits for a turn, which leave gives back. Errors: throttled when none comes, with the
// rule "client-at-once" when it is the client's own requests that are too many, else
// "requests-at-once"; timeout when ctx ends before.
func (t *turns) enter(ctx context.Context, client string) error {
	t.mu.Lock()
	w := t.clients[client]
	if w == nil {
		w = &worker{}
		t.clients[client] = w
	}
	if t.free(w) { // nobody waits for what is free: those in the line wait for their own client
		t.start(w)
		t.mu.Unlock()
		return nil
	}
	if t.each > 0 && w.waiting >= lineLength*t.each || t.most > 0 && len(t.line) >= lineLength*t.most {
		defer t.mu.Unlock()
		return t.refusal(w)
	}
	in := &inLine{client, make(chan struct{})}
	w.waiting++
	t.line = append(t.line, in)
	t.mu.Unlock()

	timer := time.NewTimer(t.wait)
	defer timer.Stop()
	var err error
	select {
	case <-in.turn:
		return nil
	case <-ctx.Done():
		err = issue.New(issue.Timeout, "client-gone", "the request ended while it waited for its turn").Because(ctx.Err())
	case <-timer.C:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.line, in)
	if i < 0 {
		return nil // its turn came at the same moment
	}
	t.line = slices.Delete(t.line, i, i+1)
	if err == nil {
		err = t.refusal(w)
	}
	w.waiting--
	t.forget(client, w)
	return err
}

func (t *turns) free(w *worker) bool {
	return (t.most <= 0 || t.working < t.most) && (t.each <= 0 || w.working < t.each)
}

func (t *turns) start(w *worker) {
	t.working++
	w.working++
}

func (t *turns) refusal(w *worker) error {
	if t.each > 0 && w.working >= t.each {
		return issue.Newf(issue.Throttled, "client-at-once", "this client has more than %d requests in work at the same time; nothing of this one was kept, send it again when others are answered", t.each)
	}
	return issue.New(issue.Throttled, "requests-at-once", "too many requests are being worked on; nothing of this one was kept, send it again a little later")
}

// leave gives a turn back, to the first in the line that may have it.
func (t *turns) leave(client string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.clients[client]
	t.working--
	w.working--
	t.forget(client, w)
	for i, in := range t.line {
		next := t.clients[in.client]
		if !t.free(next) {
			continue
		}
		t.start(next)
		next.waiting--
		t.line = slices.Delete(t.line, i, i+1)
		close(in.turn)
		return
	}
}

func (t *turns) forget(client string, w *worker) {
	if w.working == 0 && w.waiting == 0 {
		delete(t.clients, client)
	}
}

// await waits for the turn of a request.
func (x *exchange) await() error {
	if x.turns == nil || x.reply != nil || x.route.always {
		return nil
	}
	client := ""
	if p := x.call.Principal; p != nil {
		client = "client " + p.Client
	} else {
		client = "address " + x.sender().String()
	}
	if err := x.turns.enter(x.context(), client); err != nil {
		return err
	}
	x.turn = client
	return nil
}

// yield gives the turn back. It may be called again.
func (x *exchange) yield() {
	if x.turn != "" {
		x.turns.leave(x.turn)
		x.turn = ""
	}
}
