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

// backupCmd copies a SQLite database while the server runs.
type backupCmd struct {
	databaseFlags
	File string `arg:"" help:"File for the copy; never overwritten." type:"path"`
}

func (c *backupCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	keys, err := readDataKeys(ctx, c.DataKeys, c.DataKeysCommand)
	if err != nil {
		return err
	}
	started := time.Now()
	if err := store.Backup(ctx, c.Database, c.File, store.Sealed(keys)); err != nil {
		return err
	}
	info, err := os.Stat(c.File)
	if err != nil {
		return err
	}
	fmt.Printf("%s  %d bytes, checked, in %v\n", c.File, info.Size(), time.Since(started).Round(time.Millisecond))
	return nil
}

// restoredCmd is run once on a database that was put back, before a server is started.
type restoredCmd struct {
	databaseFlags
	Skip int64 `help:"How many event numbers to leave out: more than were given since the backup." default:"10000000"`
}

func (c *restoredCmd) Run() error {
	ctx := context.Background()
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	n, err := s.Restored(ctx, c.Skip, referral.Audit{ID: s.NewID(), At: time.Now().UTC(), Client: "adapter restored", Role: auth.RoleOperator,
		Action: "U", Interaction: "restored", Outcome: "0", Query: fmt.Sprintf("skip=%d", c.Skip)})
	if err != nil {
		return err
	}
	fmt.Printf("the events of %d audiences go on %d numbers further; whoever follows them is told to read the referrals afresh\n", n, c.Skip)
	return nil
}
