package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
)

// encryptCmd seals what is in a database with the newest key of the set.
type encryptCmd struct {
	databaseFlags
}

func (c *encryptCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close(context.WithoutCancel(ctx))
	started, last := time.Now(), ""
	done, err := s.Reseal(ctx, func(p store.Sealing) {
		if p.Table != last {
			last = p.Table
			fmt.Fprintf(os.Stderr, "at %s: so far %d rows looked at, %d sealed\n", p.Table, p.Looked, p.Sealed)
		}
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("stopped after %d rows, of which %d were sealed: run it again to go on", done.Looked, done.Sealed)
	}
	if err != nil {
		return err
	}
	err = s.Commit(ctx, &referral.Change{At: time.Now().UTC(), Audits: []referral.Audit{{
		ID: s.NewID(), At: time.Now().UTC(), Client: "adapter encrypt", Role: auth.RoleOperator, Action: "U", Interaction: "encrypt", Outcome: "0",
		Query: fmt.Sprintf("looked=%d&sealed=%d", done.Looked, done.Sealed),
	}}})
	if err != nil {
		return err
	}
	fmt.Printf("%d rows looked at, %d sealed, in %v; everything is sealed with the newest key\n", done.Looked, done.Sealed, time.Since(started).Round(time.Millisecond))
	return nil
}
