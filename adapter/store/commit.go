package store

import (
	"context"
	"errors"
	"sync/atomic"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// pending is a write that waits for its turn: a change, or the end of a try to send.
type pending struct {
	change *prepared
	finish *finished
	state  atomic.Int32
	answer chan error // one value, after the write is durable or refused
}

const (
	pendingWaiting int32 = iota
	pendingTaken         // by a committer: its outcome is worth waiting for
	pendingLeft          // by the caller: it must not be written
)

func (p *pending) size() int {
	if p.change == nil {
		return 0
	}
	return p.change.size
}

// Commit makes a change durable as a whole, or not at all, and shares the transaction
// with the other changes that wait at that moment.
//
// Errors: *referral.Repeat when a key is known, with the response of the first of the
// keys that has one; conflict with the rule "version-conflict" when a version, or with
// the rule "delivery-conflict" when a delivery, that it builds on is no longer the
// current one; timeout when ctx ends before a committer has taken the change, which is
// then not stored; lock-error and no-store, not stored either; no-store or timeout with
// the rule "commit-unknown" when the database did not say whether it is stored. Once
// the change is taken, Commit waits for its outcome, until the deadline of ctx passes or
// the Patience of the store ends; a ctx that is cancelled ends the wait no sooner.
func (s *Store) Commit(ctx context.Context, c *referral.Change) error {
	p, err := prepare(c, s.db.keys)
	if err != nil {
		return err
	}
	if err := s.submit(ctx, &pending{change: p, answer: make(chan error, 1)}); err != nil {
		return err
	}
	if p.sends {
		s.rouse()
	}
	if p.tells {
		s.followers.stir()
	}
	return nil
}

func (s *Store) submit(ctx context.Context, p *pending) error {
	if err := s.enqueue(ctx, p); err != nil {
		return err
	}
	select {
	case err := <-p.answer:
		return err
	case <-ctx.Done():
		if p.state.CompareAndSwap(pendingWaiting, pendingLeft) {
			return notStored(ctx)
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) && p.change != nil {
			select {
			case err := <-p.answer:
				return err
			default:
				return unknown(ctx.Err())
			}
		}
		return <-p.answer
	}
}

func (s *Store) enqueue(ctx context.Context, p *pending) error {
	if ctx.Err() != nil {
		return notStored(ctx)
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return issue.New(issue.NoStore, "store-closed", "the adapter is stopping: the change is not stored, send it again")
	}
	select {
	case s.queue <- p:
		return nil
	case <-ctx.Done():
		return notStored(ctx)
	}
}

func notStored(ctx context.Context) error {
	return issue.New(issue.Timeout, "commit-timeout", "the time for this request ended before the change was stored: nothing is stored, send it again").
		Because(context.Cause(ctx))
}

// committer writes what waits, group after group, until the queue is closed and empty. Its
// audit records are one stream.
func (s *Store) committer() {
	c := s.newChain()
	for first := range s.queue {
		if group := s.collect(first); len(group) > 0 {
			s.commitGroup(c, group)
		}
	}
	s.end(c)
}

func (s *Store) newChain() *chain { return &chain{key: s.options.auditKey, tell: s.options.tell} }

// end seals where a stream ends. Where that fails the stream has one checkpoint less.
func (s *Store) end(c *chain) {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.patience)
	defer cancel()
	_ = c.close(ctx, s.db)
}

// collect takes what waits now, without waiting for more: while one group is flushed
// to disk the next one gathers by itself.
func (s *Store) collect(first *pending) []*pending {
	var group []*pending
	size := 0
	take := func(p *pending) {
		if p.state.CompareAndSwap(pendingWaiting, pendingTaken) {
			group = append(group, p)
			size += p.size()
		}
	}
	take(first)
	for len(group) < s.options.group && size < s.options.bytes {
		select {
		case p, ok := <-s.queue:
			if !ok {
				return group
			}
			take(p)
		default:
			return group
		}
	}
	return group
}
