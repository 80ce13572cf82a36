package gateway

import (
	"strings"
	"sync"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
)

// inWork are the messages that this process is working on, by client and request id. It is
// safe for concurrent use.
type inWork struct {
	lock sync.Mutex
	ids  map[string]bool
}

// begin takes a message into work. Errors: transient (rule "too-early") while the same one is
// in work. The caller ends what it began.
// Source: BaRS guide 1.8.2, transactional integrity: 425 while the first is being processed.
func (w *inWork) begin(p *auth.Principal, id string) (end func(), err error) {
	key := p.Client + "|" + strings.Join(p.Organisations, ",") + "|" + id
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.ids[key] {
		return nil, issue.New(issue.Transient, "too-early", "the message with this X-Request-ID is being processed; ask again with the same one").At("http.X-Request-ID")
	}
	if w.ids == nil {
		w.ids = map[string]bool{}
	}
	w.ids[key] = true
	return func() {
		w.lock.Lock()
		delete(w.ids, key)
		w.lock.Unlock()
	}, nil
}
