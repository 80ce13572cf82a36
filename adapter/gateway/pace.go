package gateway

import (
	"io"
	"net/http"
	"time"
)

const (
	// slowest is the bytes a second below which a body or an answer is given up: a line that
	// is slower takes more than five minutes for 5 MiB.
	slowest     = 16 << 10
	bodyGrace   = 15 * time.Second // to begin with, and to pause
	answerGrace = 30 * time.Second
	discardTime = 5 * time.Second // to read off what a refused request still sends
	paceEvery   = 64 << 10        // bytes between two looks at the clock: 4 s at the slowest
)

// paced reads what a client sends, and gives it time for as long as it keeps up the slowest
// rate. One byte now and then is cut off after the grace, however small the body; a large one
// over an honest line is not.
type paced struct {
	from        io.Reader
	control     *http.ResponseController
	began       time.Time
	read, until int
}

func (x *exchange) paced(from io.Reader) *paced {
	return &paced{from: from, control: http.NewResponseController(x.Writer), began: time.Now()}
}

func (p *paced) Read(b []byte) (int, error) {
	if p.read >= p.until {
		// a writer without deadlines has no limits either
		_ = p.control.SetReadDeadline(p.began.Add(bodyGrace + time.Duration(p.read)*time.Second/slowest))
		p.until = p.read + paceEvery
	}
	n, err := p.from.Read(b)
	p.read += n
	return n, err
}

// unwatch lets the work on a body that is here take longer than the body might have taken to
// come: the end of that time would look like a client that hung up.
func (x *exchange) unwatch() {
	if x.reply == nil {
		_ = http.NewResponseController(x.Writer).SetReadDeadline(time.Time{})
	}
}

// unread bounds how long what a refused request still sends is read off before the answer
// goes out: somebody whom nobody knows would hold a connection with it.
func (x *exchange) unread() {
	if x.reply == nil && !x.received && x.Request.ContentLength != 0 {
		_ = http.NewResponseController(x.Writer).SetReadDeadline(time.Now().Add(discardTime))
	}
}

// answerTime gives an answer of so many bytes its time from now on: the body may have taken
// long to come, and the client may be slow to take a long answer.
func (x *exchange) answerTime(bytes int) {
	if x.reply == nil {
		_ = http.NewResponseController(x.Writer).SetWriteDeadline(time.Now().Add(answerGrace + time.Duration(bytes)*time.Second/slowest))
	}
}
