package delivery

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/mesh"
	"spadapter/adapter/referral"
)

// Desk is where acknowledgements are kept and deliveries settled by them; store implements it.
type Desk interface {
	// Alone runs f unless another process is running its own; false when one is.
	Alone(ctx context.Context, f func(ctx context.Context) error) (bool, error)
	// Acknowledge keeps an acknowledgement and settles its delivery, in one commit. until is
	// how long what is still awaited then may take. The same one again changes nothing.
	Acknowledge(ctx context.Context, a referral.Acknowledgement, until time.Time) (referral.Settled, error)
	// Overdue makes deliveries dead whose time is over, at most n, and gives them.
	Overdue(ctx context.Context, now time.Time, n int) ([]referral.Settled, error)
}

// Inbox collects what MESH has for us and settles deliveries by it. Client and Desk are
// demanded; the zero value of every other field means its default. Any number of processes
// may run one: the Desk lets one of them at the mailbox.
type Inbox struct {
	Client *mesh.Client
	Desk   Desk

	Workflows []string // that are ours; messages of others stay where they are. Default those of GP Connect
	Software  string   // name and version that a handshake tells

	// Instead is asked when a recipient refuses a message of this kind for good (20009, or
	// 20010: it is switched off there). It may put another message in its place, in a commit
	// of its own, and must do so once however often it is asked. nil leaves the delivery dead.
	Instead func(ctx context.Context, d referral.Delivery, code string) error

	// Observe is told of each acknowledgement that was kept, for metrics.
	Observe func(a referral.Acknowledgement, s referral.Settled)

	Poll     time.Duration // between looks, default 1 min
	Business time.Duration // for the business acknowledgement, from the infrastructure one, default 5 days
	Now      func() time.Time
	Log      *slog.Logger

	left map[string]bool // messages that cannot be read and stay where they are
}

// Workflows are those of GP Connect messages and of what answers them.
func Workflows() []string {
	var list []string
	for _, w := range []string{WorkflowDocument, WorkflowOldDocument, WorkflowRecord} {
		list = append(list, w, w+"_ACK")
	}
	return list
}

// handshakeEvery is how often MESH asks for one: daily, and one that failed is tried again
// with each look.
const handshakeEvery = 24 * time.Hour

// grace is how much longer acknowledgements may take while the inbox cannot be read.
const grace = 24 * time.Hour

// overdueStep is how many deliveries one commit gives up.
const overdueStep = 100

// Run looks until ctx ends.
func (b *Inbox) Run(ctx context.Context) error {
	c := *b
	c.left = map[string]bool{}
	if c.Client == nil || c.Desk == nil {
		return issue.New(issue.Required, "delivery-config", "an inbox needs a Client and a Desk")
	}
	positive(&c.Poll, time.Minute)
	positive(&c.Business, 5*24*time.Hour)
	if c.Workflows == nil {
		c.Workflows = Workflows()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	var shaken time.Time
	for ctx.Err() == nil {
		_, err := c.Desk.Alone(ctx, func(ctx context.Context) error {
			err := c.look(ctx, &shaken)
			at := c.Now()
			if err != nil {
				at = at.Add(-grace) // what is missing may be there, where we cannot see it
			}
			return errors.Join(err, c.overdue(ctx, at))
		})
		if err != nil && ctx.Err() == nil {
			c.Log.Warn("mesh_inbox_away", "issue", string(failure(err).Type), "rule", failure(err).Rule, "details", failure(err).Details)
		}
		timer := time.NewTimer(c.Poll)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
	return nil
}

// look reads the inbox once.
func (b *Inbox) look(ctx context.Context, shaken *time.Time) error {
	if now := b.Now(); shaken.IsZero() || now.Sub(*shaken) >= handshakeEvery {
		if err := b.Client.Handshake(ctx, mesh.Software{Client: b.Software}); err != nil {
			return err
		}
		*shaken = now
		b.Log.Info("mesh_handshake", "mailbox", b.Client.Mailbox)
	}
	ids, err := b.Client.Inbox(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if ctx.Err() != nil {
			return nil
		}
		if b.left[id] {
			continue
		}
		if err := b.collect(ctx, id); err != nil {
			// one message that cannot be had does not keep the others away
			f := failure(err)
			b.Log.Warn("mesh_message_left", "message", id, "issue", string(f.Type), "rule", f.Rule, "details", f.Details)
		}
	}
	return nil
}

// collect takes one message: it is acknowledged at MESH only when it is kept. One that cannot
// be read is an incident, told once, and stays in the mailbox.
func (b *Inbox) collect(ctx context.Context, id string) error {
	head, err := b.Client.Head(ctx, id)
	if errors.Is(err, issue.Deleted) {
		return nil // it was acknowledged meanwhile
	}
	if err != nil || !slices.Contains(b.Workflows, head.Workflow) {
		return err
	}
	m, err := b.Client.Receive(ctx, id)
	a := referral.Acknowledgement{ID: id, Workflow: head.Workflow, Kind: referral.AcknowledgesUnknown}
	switch {
	case errors.Is(err, issue.Deleted):
		return nil
	case errors.Is(err, issue.TooLong), err != nil && head != nil && failure(err).Rule == "mesh-gzip":
		b.left[id] = true // nothing of it is kept here: who sent it must learn of it, from a person or from MESH
		a.Problem = "the message cannot be read: " + failure(err).Details
	case err != nil:
		return err
	default:
		a = acknowledgementOf(m)
		a.ID = id // that it was asked for by
	}
	a.At = b.Now()
	s, err := b.Desk.Acknowledge(ctx, a, a.At.Add(b.Business))
	if err != nil {
		return err
	}
	d := s.Delivery
	if s.Changed {
		b.log(a, s)
		if b.Observe != nil {
			b.Observe(a, s)
		}
	}
	// asked again until the message is acknowledged: a process may be killed in between
	if d.State == referral.DeliveryDead && b.Instead != nil && (s.Code == "20009" || s.Code == "20010") {
		if err := b.Instead(ctx, d, s.Code); err != nil {
			return err
		}
	}
	if b.left[id] {
		return nil
	}
	return b.Client.Acknowledge(ctx, id)
}

// overdue gives up what has waited until now, once what is in the inbox has counted.
func (b *Inbox) overdue(ctx context.Context, now time.Time) error {
	for {
		list, err := b.Desk.Overdue(ctx, now, overdueStep)
		for _, s := range list {
			d := s.Delivery
			b.Log.Error("delivery_unacknowledged", "delivery", d.ID, "referral", d.Referral, "recipient", d.Recipient, "route", d.Route,
				"state", string(d.State), "issue", d.Problem, "details", d.Said)
		}
		if err != nil || len(list) < overdueStep {
			return err
		}
	}
}

// log writes one line for an acknowledgement: codes and our own words, never the message or
// whom it is about.
func (b *Inbox) log(a referral.Acknowledgement, s referral.Settled) {
	d, level := s.Delivery, slog.LevelInfo
	switch {
	case d.ID == "" || a.Kind == referral.AcknowledgesUnknown:
		level = slog.LevelError // nobody else will see to it
	case d.State == referral.DeliveryDead:
		level = slog.LevelError
	}
	b.Log.LogAttrs(context.Background(), level, "delivery_acknowledged",
		slog.String("message", a.ID), slog.String("kind", string(a.Kind)), slog.String("code", a.Code), slog.String("workflow", a.Workflow),
		slog.String("delivery", d.ID), slog.String("referral", d.Referral), slog.String("recipient", d.Recipient),
		slog.String("state", string(d.State)), slog.String("problem", a.Problem))
}
