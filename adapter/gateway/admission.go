package gateway

import (
	"context"
	"slices"
	"sync"
	"time"

	"spadapter/adapter/issue"
)

// A body is read in pieces that double; the first holds the usual message when its
// length is not known. Bodies up to easy bytes pass those that wait: a few more of them
// change nothing, and the everyday message must not wait for the rare large one.
const (
	firstPiece = 16 << 10
	easy       = 64 << 10
)

// admission bounds the bytes of all bodies that are being read, parsed and answered at
// one time. The tree of a body takes ten times its bytes, so this is what bounds the
// memory of the program.
//
// A body may grow while it is read. One that could leave several half-read bodies
// waiting for each other does not grow before another one is done: there is always one
// among the growing that can still become as large as a body may be.
type admission struct {
	budget int           // bytes in work at once, at least whole
	whole  int           // bytes of the largest body
	wait   time.Duration // that one request may wait, in all

	mu      sync.Mutex
	taken   int               // by all places
	growing int               // of it, by those that may take more
	open    map[*place]bool   // the places that may take more and hold something
	queue   []*admissionClaim // those that wait, in the order in which they came
}

// place is what one body has of the budget. The zero value has none and none to get it
// from. It belongs to one request.
type place struct {
	of     *admission
	held   int
	waited time.Duration
}

// admissionClaim is a place that waits for more.
type admissionClaim struct {
	place   *place
	n       int
	last    bool
	granted chan struct{} // closed when it has what it asked for
}

func newAdmission(budget, whole int, wait time.Duration) *admission {
	return &admission{budget: max(budget, whole), whole: whole, wait: wait, open: map[*place]bool{}}
}

// take adds n bytes to the place, or waits until they are free. last says that the place
// will not ask again. Errors: throttled when they do not get free in time; timeout when
// ctx ends before.
func (p *place) take(ctx context.Context, n int, last bool) error {
	a := p.of
	a.mu.Lock()
	if now, _ := a.fits(p, n, last); now && (n <= easy || len(a.queue) == 0) {
		a.grant(p, n, last)
		a.mu.Unlock()
		return nil
	}
	c := &admissionClaim{place: p, n: n, last: last, granted: make(chan struct{})}
	a.queue = append(a.queue, c)
	a.serve() // those before it may wait for what it need not
	a.mu.Unlock()

	began := time.Now()
	timer := time.NewTimer(a.wait - p.waited)
	defer timer.Stop()
	var err error
	select {
	case <-c.granted:
		p.waited += time.Since(began)
		return nil
	case <-ctx.Done():
		err = issue.New(issue.Timeout, "client-gone", "the request ended while its body waited to be read").Because(ctx.Err())
	case <-timer.C:
		err = issue.New(issue.Throttled, "bodies-at-once", "too many large messages are being worked on; nothing of this one was kept, send it again a little later")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.queue, c); i >= 0 {
		a.queue = slices.Delete(a.queue, i, i+1)
		a.serve() // it may have been what the others waited behind
	}
	return err
}

// fits reports whether a place may take n bytes now, and, when not now, whether it can
// once the bodies that grow no more are done.
func (a *admission) fits(p *place, n int, last bool) (now, later bool) {
	if !last {
		most, all := p.held+n, a.growing+n
		for other := range a.open {
			most = max(most, other.held)
		}
		if all-most+a.whole > a.budget {
			return false, false
		}
	}
	return n <= a.budget-a.taken, n <= a.budget-a.growing
}

func (a *admission) grant(p *place, n int, last bool) {
	p.held += n
	a.taken += n
	switch {
	case !last:
		a.open[p] = true
		a.growing += n
	case a.open[p]:
		a.close(p, p.held-n)
	}
}

// close takes a place out of those that grow.
func (a *admission) close(p *place, held int) {
	if a.open[p] {
		delete(a.open, p)
		a.growing -= held
	}
}

// serve gives those that wait what is free, in the order in which they came. One that
// only needs others to be done is not passed by, so that a stream of smaller bodies
// cannot keep it waiting.
func (a *admission) serve() {
	for i := 0; i < len(a.queue); {
		c := a.queue[i]
		now, later := a.fits(c.place, c.n, c.last)
		switch {
		case now:
			a.grant(c.place, c.n, c.last)
			close(c.granted)
			a.queue = slices.Delete(a.queue, i, i+1)
			i = 0 // one that grows no more may make room for those before it
		case later:
			return
		default:
			i++
		}
	}
}

// settle says that the body is complete with n bytes, and gives back what it has beyond.
func (p *place) settle(n int) {
	a := p.of
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.close(p, p.held)
	a.taken -= p.held - n
	p.held = n
	a.serve()
}

// release gives everything back. It may be called again.
func (p *place) release() { p.settle(0) }
