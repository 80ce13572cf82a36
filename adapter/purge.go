package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"spadapter/adapter/referral"
	"spadapter/adapter/store"
)

// purgeCmd removes closed referrals at the end of their retention, or one person's.
type purgeCmd struct {
	databaseFlags
	RetainFor      time.Duration `help:"How long a closed referral is kept after its last change; 0 for ever." env:"ADAPTER_RETAIN_FOR" name:"retain-for" default:"0"`
	RetainAuditFor time.Duration `help:"How long audit records are kept; 0 for ever." env:"ADAPTER_RETAIN_AUDIT_FOR" name:"retain-audit-for" default:"0"`
	RetainFile     string        `help:"JSON file with other times for single organisations." env:"ADAPTER_RETAIN_FILE" name:"retain-file"`

	Apply        bool     `help:"Remove. Without it is only said what would be."`
	Organisation []string `help:"ODS codes of the sending organisations; default all." short:"o"`
	Patient      string   `help:"Erase one person of one organisation: all closed referrals, whatever their age. Id of the Patient."`
	Force        bool     `help:"Also referrals with an outcome that is not in a record."`
}

func (c *purgeCmd) Run() error {
	return withStore(&c.databaseFlags, func(ctx context.Context, s *store.Store) error {
		return c.run(ctx, s, time.Now().UTC(), os.Stdout, os.Stderr)
	})
}

// run is Run at a time.
func (c *purgeCmd) run(ctx context.Context, s *store.Store, now time.Time, out, progress io.Writer) error {
	retention, err := readRetention(c.RetainFor, c.RetainAuditFor, c.RetainFile)
	if err != nil {
		return err
	}
	if c.Patient != "" && len(c.Organisation) != 1 {
		return errors.New("-patient needs one -organisation: people of different organisations are different data")
	}
	organisations := c.Organisation
	if len(organisations) == 0 {
		if organisations, err = s.Retained(ctx); err != nil {
			return err
		}
	}
	tab := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "PRACTICE\tWHAT\tROWS")
	var all referral.Removed
	for _, ods := range organisations {
		r := referral.Removal{Organisation: ods, Patient: idOf(c.Patient), Force: c.Force}
		if keep := retention.Closed(ods); keep > 0 {
			r.Before = now.Add(-keep)
		} else if c.Patient == "" {
			fmt.Fprintf(tab, "%s\tkept for ever\t\n", ods)
			continue
		}
		removed, err := c.one(ctx, s, r, progress)
		all.Add(removed)
		printRemoved(tab, ods, removed)
		if err != nil {
			return errors.Join(err, tab.Flush())
		}
	}
	if len(c.Organisation) == 0 && c.Patient == "" {
		if err := c.records(ctx, s, tab, now, retention.EveryAudit()); err != nil {
			return errors.Join(err, tab.Flush())
		}
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	if c.Patient != "" && all.Requests == 0 && all.People == 0 && len(all.Kept) == 0 {
		fmt.Fprintf(out, "\nnothing is stored about the patient %s of %s: a wrong id, or erased already\n", idOf(c.Patient), c.Organisation[0])
		return nil
	}
	if c.Apply {
		fmt.Fprintf(out, "\n%d requests and %d people were removed\n", all.Requests, all.People)
	} else {
		fmt.Fprintf(out, "\n%d requests and %d people would be removed; nothing was changed: give -apply to remove them\n", all.Requests, all.People)
	}
	return nil
}

// records removes the records of the audit that no organisation keeps any more. They are one
// chain for all organisations, so the longest time holds for all of them; and while
// there is a hold on anything none goes, since records say who saw it.
func (c *purgeCmd) records(ctx context.Context, s *store.Store, tab io.Writer, now time.Time, keep time.Duration) error {
	holds, err := s.Holds(ctx, false)
	switch before := now.Add(-keep); {
	case err != nil:
		return err
	case keep == 0:
		fmt.Fprintln(tab, "all\taudit, kept for ever\t")
	case len(holds) > 0:
		fmt.Fprintln(tab, "all\taudit, kept while there is a hold\t")
	case !c.Apply:
		fmt.Fprintf(tab, "all\taudit, records before %s\t\n", before.Format(time.DateOnly))
	default:
		n, err := s.PruneAudit(ctx, before)
		fmt.Fprintf(tab, "all\taudit\t%d\n", n)
		return err
	}
	return nil
}

// one removes what is of one organisation.
func (c *purgeCmd) one(ctx context.Context, s *store.Store, r referral.Removal, progress io.Writer) (all referral.Removed, err error) {
	p := s.Purge(r, c.Apply)
	last := time.Now()
	for more := true; more; {
		if ctx.Err() != nil {
			return all, errors.New("stopped: what was removed so far was removed whole; run it again to go on")
		}
		var done referral.Removed
		if done, more, err = p.Next(ctx, operatorAudit(s, "adapter purge", "purge", "D", "")); err != nil {
			return all, err
		}
		all.Add(done)
		if time.Since(last) > time.Second {
			last = time.Now()
			fmt.Fprintf(progress, "%s: %d requests, %d people\n", r.Organisation, all.Requests, all.People)
		}
	}
	return all, nil
}

func printRemoved(out io.Writer, ods string, r referral.Removed) {
	fmt.Fprintf(out, "%s\trequests\t%d\n%s\tpeople\t%d\n", ods, r.Requests, ods, r.People)
	for _, kind := range slices.Sorted(maps.Keys(r.Rows)) {
		if r.Rows[kind] > 0 {
			fmt.Fprintf(out, "%s\t%s\t%d\n", ods, kind, r.Rows[kind])
		}
	}
	for _, why := range slices.Sorted(maps.Keys(r.Kept)) {
		fmt.Fprintf(out, "%s\tkept, %s\t%d\n", ods, why, r.Kept[why])
	}
}

// readRetention reads the times, with those of single organisations from a file.
func readRetention(closed, audit time.Duration, file string) (*referral.Retention, error) {
	var text []byte
	if file != "" {
		var err error
		if text, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("ADAPTER_RETAIN_FILE: %w", err)
		}
	}
	return referral.NewRetention(closed, audit, text)
}
