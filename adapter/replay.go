package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
)

// replayCmd lists dead deliveries, or queues them again as new rows that name the old.
type replayCmd struct {
	databaseFlags
	State string   `help:"Which deliveries to list." enum:"dead,queued,sending,awaiting,delivered,superseded" default:"dead"`
	All   bool     `help:"Replay every dead delivery."`
	Force bool     `help:"Replay also what was delivered, and what a later delivery has overtaken."`
	ID    []string `arg:"" optional:"" help:"Deliveries to send again."`
}

func (c *replayCmd) Run() error {
	ctx := context.Background()
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	ids := c.ID
	if c.All && len(ids) > 0 {
		return errors.New("name deliveries or give -all, not both")
	}
	if len(ids) == 0 {
		dead, err := c.list(ctx, s)
		if err != nil {
			return err
		}
		if !c.All {
			return c.print(ctx, s, dead)
		}
		slices.Reverse(dead) // oldest first, as they were to arrive
		for _, d := range dead {
			ids = append(ids, d.ID)
		}
	}
	failed := 0
	for _, id := range ids {
		next, err := s.Replay(ctx, id, time.Now().UTC(), c.Force, referral.Audit{
			At: time.Now().UTC(), Client: "adapter replay", Role: auth.RoleOperator, Action: "U", Interaction: "replay", Outcome: "0",
		})
		if err != nil {
			failed++
			fmt.Fprintf(os.Stderr, "%s: %v\n", id, err)
			continue
		}
		fmt.Printf("%s is queued again as %s\n", id, next)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d deliveries were not replayed", failed, len(ids))
	}
	return nil
}

// list reads every delivery of the state, the newest first.
func (c *replayCmd) list(ctx context.Context, s *store.Store) ([]referral.Delivery, error) {
	filter := store.Outbox{State: referral.DeliveryState(c.State), Page: referral.Page{Count: 200}}
	if c.All {
		filter.State = referral.DeliveryDead
	}
	var out []referral.Delivery
	for {
		list, next, err := s.Deliveries(ctx, filter)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
		if next == "" {
			return out, nil
		}
		filter.Page.After = next
	}
}

func (c *replayCmd) print(ctx context.Context, s *store.Store, list []referral.Delivery) error {
	if len(list) == 0 {
		fmt.Printf("no delivery is %s\n", c.State)
		return nil
	}
	tab := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "DELIVERY\tREFERRAL\tMOVE\tRECIPIENT\tATTEMPTS\tCREATED\tPROBLEM")
	for _, d := range list {
		problem := d.Problem
		if d.Said != "" {
			problem = strings.TrimPrefix(problem+": "+d.Said, ": ")
		} else if _, attempts, err := s.Delivery(ctx, d.ID); err == nil && len(attempts) > 0 && attempts[len(attempts)-1].Details != "" {
			problem += ": " + attempts[len(attempts)-1].Details
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", d.ID, d.Referral, d.Move, d.Recipient, d.Attempts, d.Created.UTC().Format(time.RFC3339), problem)
	}
	return tab.Flush()
}
