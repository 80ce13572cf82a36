package mesh

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config is what an Exchange works with.
type Config struct {
	SharedKey   string           // of the environment
	Now         func() time.Time // default time.Now
	Window      time.Duration    // that a timestamp may be off, default 2 h
	Page        int              // ids on one page of an inbox, default 500
	Chunk       int              // bytes of the largest chunk, default 100 MiB
	Keep        time.Duration    // after which what was not collected is reported, default 5 days
	Certificate bool             // refuse who shows no client certificate

	// Person finds the mailbox of the practice of a person; code is one of EPL-150 to
	// EPL-154 when there is none. birth is DDMMYYYY. nil knows nobody: EPL-153.
	Person func(number, birth, surname string) (mailbox, code string)
}

// Mailbox is one that is registered.
type Mailbox struct {
	ID, Password, ODS string
	Workflows         []string // that it takes; nil for all
}

// Message is one that was put in an outbox, or a report.
type Message struct {
	ID, From, To       string // To is a mailbox; "" while nobody was found
	Address            string // as the sender wrote it
	Workflow           string
	LocalID, Subject   string
	FileName           string
	Encoding           string // Content-Encoding of every chunk
	Report             bool
	Linked, Code, Says string // of a report

	Chunks [][]byte // as sent; nil for one that has not come
	At     time.Time
	State  string // uploading, accepted, acknowledged or error
}

// Body is what was sent, put together and unpacked; nil when it cannot be.
func (m Message) Body() []byte { return unpacked(slices.Concat(m.Chunks...), m.Encoding) }

// Exchange is a MESH. It is an http.Handler.
type Exchange struct {
	config Config

	mu       sync.Mutex
	boxes    map[string]*box
	messages map[string]*Message
	order    []string
	nonces   map[string]bool
	faults   []*Fault
	refused  []string
	calls    map[string]int
	last     int
}

type box struct {
	Mailbox
	taken      func(Message) // a practice reads; called without the lock
	handshakes int
}

// New makes an exchange without mailboxes.
func New(c Config) *Exchange {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Window == 0 {
		c.Window = 2 * time.Hour
	}
	if c.Page == 0 {
		c.Page = 500
	}
	if c.Chunk == 0 {
		c.Chunk = 100 << 20
	}
	if c.Keep == 0 {
		c.Keep = 5 * 24 * time.Hour
	}
	return &Exchange{config: c, boxes: map[string]*box{}, messages: map[string]*Message{}, nonces: map[string]bool{}, calls: map[string]int{}}
}

// Register adds a mailbox.
func (x *Exchange) Register(m Mailbox) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.boxes[m.ID] = &box{Mailbox: m}
}

// Messages gives what was sent to or by a mailbox, in order; "" for all. Reports are among
// those to it.
func (x *Exchange) Messages(mailbox string) (list []Message) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range x.order {
		if m := x.messages[id]; mailbox == "" || m.To == mailbox || m.From == mailbox {
			list = append(list, *m)
		}
	}
	return list
}

// Waiting gives the ids in an inbox, in order.
func (x *Exchange) Waiting(mailbox string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.waiting(mailbox)
}

func (x *Exchange) waiting(mailbox string) []string {
	list := []string{}
	for _, id := range x.order {
		if m := x.messages[id]; m.To == mailbox && m.State == "accepted" {
			list = append(list, id)
		}
	}
	return list
}

// Refused gives the rules that callers broke, each as "status rule".
func (x *Exchange) Refused() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.refused)
}

// Handshakes counts those of a mailbox.
func (x *Exchange) Handshakes(mailbox string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	if b := x.boxes[mailbox]; b != nil {
		return b.handshakes
	}
	return 0
}

// Put puts a message in the inbox of a mailbox, as if another had sent it, and gives its id.
func (x *Exchange) Put(m Message, body []byte) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	m.Chunks, m.State = [][]byte{body}, "accepted"
	return x.add(m)
}

// PutChunks is Put for a message of several chunks, which are as they were sent.
func (x *Exchange) PutChunks(m Message, chunks ...[]byte) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	m.Chunks, m.State = chunks, "accepted"
	return x.add(m)
}

// Report puts a report about a message in the inbox of its sender.
func (x *Exchange) Report(id, code, words string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if m := x.messages[id]; m != nil {
		x.report(m, code, words)
	}
}

func (x *Exchange) report(m *Message, code, words string) {
	m.State = "error"
	x.add(Message{From: "", To: m.From, Workflow: m.Workflow, LocalID: m.LocalID, Subject: "NDR: " + m.Subject, FileName: m.FileName,
		Report: true, Linked: m.ID, Code: code, Says: words, State: "accepted"})
}

// add gives a message an id and the time. The lock is held.
func (x *Exchange) add(m Message) string {
	x.last++
	m.At = x.config.Now()
	m.ID = fmt.Sprintf("%s%06d_%06X", m.At.UTC().Format("20060102150405"), x.last, x.last)
	x.messages[m.ID] = &m
	x.order = append(x.order, m.ID)
	return m.ID
}

// Expire reports to their senders what was not collected in time.
func (x *Exchange) Expire() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range slices.Clone(x.order) {
		m := x.messages[id]
		if m.State == "accepted" && !m.Report && m.From != "" && x.config.Now().Sub(m.At) >= x.config.Keep {
			x.report(m, "14", "Message not collected by recipient after 5 days")
		}
	}
}

// accepted routes a message that is whole. The lock is held; what it gives is called
// without it.
func (x *Exchange) accepted(m *Message) (then func()) {
	m.State = "accepted"
	if number, rest, ok := strings.Cut(strings.TrimPrefix(m.Address, "GPPROVIDER_"), "_"); strings.HasPrefix(m.Address, "GPPROVIDER_") && ok {
		birth, surname, _ := strings.Cut(rest, "_")
		code := "EPL-153"
		switch {
		case !valid(number):
			code = "EPL-152"
		case x.config.Person != nil:
			m.To, code = x.config.Person(number, birth, surname)
		}
		b := x.boxes[m.To]
		if code == "" && (b == nil || !b.takes(m.Workflow)) {
			code = "EPL-151"
		}
		if code != "" {
			m.To = ""
			x.report(m, code, epl[code])
			return nil
		}
	}
	b := x.boxes[m.To]
	if b == nil || b.taken == nil {
		return nil
	}
	copied := *m
	return func() { b.taken(copied) }
}

func (b *box) takes(workflow string) bool {
	return b.Workflows == nil || slices.Contains(b.Workflows, workflow)
}

// epl are the codes of routing to a practice, which are never in an HTTP answer.
var epl = map[string]string{
	"EPL-150": "Multiple mailboxes matches",
	"EPL-151": "No mailbox matched",
	"EPL-152": "Invalid NHS Number",
	"EPL-153": "NHS Number not found",
	"EPL-154": "NHS Number supplied does not match the demographics",
}

// valid checks the check digit of an NHS number.
// Source: https://www.datadictionary.nhs.uk/attributes/nhs_number.html.
func valid(number string) bool {
	if len(number) != 10 || strings.Trim(number, "0123456789") != "" {
		return false
	}
	sum := 0
	for i := range 9 {
		sum += int(number[i]-'0') * (10 - i)
	}
	return (11-sum%11)%11 == int(number[9]-'0')
}

var _ http.Handler = (*Exchange)(nil)
