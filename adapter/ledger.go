package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
)

// ledgerCmd shows the loops that are open for too long, of all organisations.
type ledgerCmd struct {
	databaseFlags
	JSON bool `help:"As the API gives it." name:"json"`
}

func (c *ledgerCmd) Run() error {
	ctx := context.Background()
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	l, err := wholeLedger(ctx, s)
	if err != nil {
		return err
	}
	if c.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(l)
	}
	return printLedger(os.Stdout, l)
}

// wholeLedger reads every page.
func wholeLedger(ctx context.Context, s *store.Store) (*referral.Ledger, error) {
	q := referral.LedgerQuery{Now: time.Now().UTC(), Count: 1000}
	whole, err := s.Ledger(ctx, referral.Scope{Role: auth.RoleOperator}, q)
	if err != nil {
		return nil, err
	}
	for next := whole.Next; next != (referral.LedgerCursors{}); {
		q.Cursor = next
		page, err := s.Ledger(ctx, referral.Scope{Role: auth.RoleOperator}, q)
		if err != nil {
			return nil, err
		}
		if next.Overdue != "" { // a list that has ended begins again without a cursor
			whole.Overdue = append(whole.Overdue, page.Overdue...)
		} else {
			page.Next.Overdue = ""
		}
		if next.Undelivered != "" {
			whole.Undelivered = append(whole.Undelivered, page.Undelivered...)
		} else {
			page.Next.Undelivered = ""
		}
		next = page.Next
	}
	whole.Next = referral.LedgerCursors{}
	whole.Explain()
	return whole, nil
}

func printLedger(out io.Writer, l *referral.Ledger) error {
	tab := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "PRACTICE\tWAITS FOR SERVICE\tFOR PRACTICE\tIN SERVICE\tCLOSED, DELIVERED\tCLOSED, NOT DELIVERED\tOVERDUE")
	for _, c := range l.Counts {
		fmt.Fprintf(tab, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", c.Practice.ODS, c.WaitingForService, c.WaitingForRequester, c.InService, c.ClosedDelivered, c.ClosedOpen, c.Overdue)
	}
	fmt.Fprintln(tab)
	fmt.Fprintln(tab, "OVERDUE\tPRACTICE\tSERVICE\tSTATUS\tWAITS FOR\tSINCE")
	for _, e := range l.Overdue {
		owner := "-"
		if e.Owner != nil {
			owner = e.Owner.ODS
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s, %s\t%s (%s)\t%s\n", e.Referral, e.Practice.ODS, owner, e.Status, e.BusinessStatus, e.Wait, e.WaitsFor, e.Since.Format(time.RFC3339))
	}
	fmt.Fprintln(tab)
	fmt.Fprintln(tab, "NOT IN A RECORD\tPRACTICE\tMOVE\tSTATE\tTRIES\tSINCE\tWHY")
	for _, o := range l.Undelivered {
		why := o.Why
		if o.Details != "" {
			why += ": " + o.Details
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", o.Referral, o.Practice.ODS, o.Move, o.State, o.Attempts, o.Since.Format(time.RFC3339), why)
	}
	return tab.Flush()
}
