package store

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// Store is a database. It is safe for concurrent use.
type Store struct {
	db      *database
	options options

	gate       sync.RWMutex  // held to enqueue; Close takes it whole
	closed     bool          // under gate
	queue      chan *pending // closed by Close
	committers sync.WaitGroup
	wake       chan struct{}
	wakeEvents chan struct{} // of the queue that Notices gives
	followers  *followers

	aside   sync.Mutex // held by a write beside the committers that brings audit records
	records *chain     // theirs
}

var _ referral.Store = (*Store)(nil)

type options struct {
	committers int           // transactions at the same time, PostgreSQL only
	group      int           // changes in one transaction
	bytes      int           // bodies in one transaction
	readers    int           // connections that read
	patience   time.Duration // how long one transaction may take
	few, many  int           // see leadOf
	keys       *DataKeys
	unopened   bool      // nobody asks for the keys
	auditKey   *AuditKey // seals the checkpoints of the audit
	tell       func(Checkpoint)
	linked     int // see maxLinked
}

// Option changes how a Store works.
type Option func(*options)

// Committers sets how many transactions may be open at the same time on PostgreSQL,
// 2 unless set. SQLite always has one.
func Committers(n int) Option { return func(o *options) { o.committers = max(n, 1) } }

// Group sets how many changes may share one transaction, 64 unless set.
func Group(n int) Option { return func(o *options) { o.group = max(n, 1) } }

// Sealed has documents about people sealed with keys; nil seals nothing.
func Sealed(keys *DataKeys) Option { return func(o *options) { o.keys = keys } }

// Unopened opens a database that may be sealed without its keys, for who looks at the
// chains of the audit and at nothing else: what is sealed is not read.
func Unopened() Option { return func(o *options) { o.unopened = true } }

// Readers sets how many connections read, 4 unless set.
func Readers(n int) Option { return func(o *options) { o.readers = max(n, 1) } }

// Patience sets how long one transaction may take before it is given up, 15 seconds
// unless set.
func Patience(d time.Duration) Option {
	return func(o *options) {
		if d > 0 {
			o.patience = d
		}
	}
}

// SealedAudit has the checkpoints of the audit sealed with a key; nil leaves them unsealed.
func SealedAudit(k *AuditKey) Option { return func(o *options) { o.auditKey = k } }

// Checkpoints has tell called with each checkpoint of the audit once it is durable, so that
// it can be kept where nobody who can change the database can change it. It must not block,
// and be safe for concurrent use.
func Checkpoints(tell func(Checkpoint)) Option { return func(o *options) { o.tell = tell } }

// Open connects to a database and brings its schema up to date. url is one of
//
//	sqlite:PATH                    a file, made when there is none
//	sqlite::memory:                a file in a directory that Close removes
//	postgres://… or postgresql://… as libpq understands it
//
// Several processes may open the same PostgreSQL database at the same moment. A
// SQLite file belongs to one process.
//
// Errors: value for a URL that is none of these, no-store when the database does not
// answer, conflict with the rule "migration-changed" when the database was made by
// other migrations than these, and with the rule "data-key-missing" when it is sealed with
// keys that were not given.
func Open(ctx context.Context, url string, opts ...Option) (*Store, error) {
	o := options{committers: 2, group: 64, bytes: 8 << 20, readers: 4, patience: 15 * time.Second, few: fewListed, many: manyListed, linked: maxLinked}
	for _, opt := range opts {
		opt(&o)
	}
	db, err := connect(ctx, url, &o)
	if err != nil {
		return nil, err
	}
	db.keys = o.keys
	if err := migrate(ctx, db); err != nil {
		db.close()
		return nil, err
	}
	if !o.unopened {
		if err := db.checkKeys(ctx); err != nil {
			db.close()
			return nil, err
		}
	}
	s := &Store{db: db, options: o, queue: make(chan *pending, 4*o.group), wake: make(chan struct{}, 1), wakeEvents: make(chan struct{}, 1), followers: newFollowers()}
	s.records = s.newChain()
	if !db.postgres {
		s.options.committers = 1
	}
	for range s.options.committers {
		s.committers.Go(s.committer)
	}
	return s, nil
}

// Close refuses further commits, waits until those under way are durable, and lets
// the database go. A second Close does nothing. Errors: timeout when ctx ends before
// that; the commits under way are then answered with timeout or no-store.
func (s *Store) Close(ctx context.Context) error {
	s.gate.Lock()
	if s.closed {
		s.gate.Unlock()
		return nil
	}
	s.closed = true
	close(s.queue)
	s.gate.Unlock()

	drained := make(chan struct{})
	go func() {
		s.committers.Wait()
		s.aside.Lock()
		s.end(s.records)
		s.aside.Unlock()
		close(drained)
	}()
	select {
	case <-drained:
		return s.db.close()
	case <-ctx.Done():
		go s.db.close() // it waits for statements under way
		return issue.New(issue.Timeout, "store-close", "the store did not finish its commits in time").Because(ctx.Err())
	}
}

// Ping reports whether the database can be written to. Errors: no-store, timeout.
func (s *Store) Ping(ctx context.Context) error {
	if s.db.postgres {
		return fault(s.db.write.PingContext(ctx))
	}
	// The pool has no other connection than the one that the writer keeps, and a file
	// always answers: that its disk is full shows in a write alone. This one changes nothing.
	return fault(s.db.inTransaction(ctx, func(tx session) error {
		_, err := tx.exec(ctx, "PRAGMA user_version = 0")
		return err
	}))
}

// NewID makes a logical id: a UUIDv7 in text. Within a process every id sorts after
// the one before.
func (s *Store) NewID() string { return newID() }

func newID() string {
	id, err := uuid.NewV7()
	if err != nil {
		panic("store: the system has no randomness: " + err.Error()) // crypto/rand never returns an error
	}
	return id.String()
}

// Wake receives a value after a commit in this process that gave the queue something
// to send, and after a try that lets the next row of its referral go. It holds at
// most one; other processes are not heard, so poll as well.
func (s *Store) Wake() <-chan struct{} { return s.wake }

func (s *Store) rouse() {
	for _, wake := range []chan struct{}{s.wake, s.wakeEvents} {
		select {
		case wake <- struct{}{}:
		default: // one is waiting already
		}
	}
}
