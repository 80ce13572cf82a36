package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
)

// holdCmd keeps what 'adapter purge' would else remove.
type holdCmd struct {
	Add    holdAddCmd    `cmd:"" help:"Keep a referral, a patient or an organisation, whatever its age."`
	Remove holdRemoveCmd `cmd:"" help:"Lift a hold."`
	List   holdListCmd   `cmd:"" help:"List the holds."`
}

// who is the account that runs a command, where the deployment does not say better.
func who(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", errors.New("say who you are with -by")
	}
	return u.Username, nil
}

// idOf takes a reference such as Task/0190… for the id in it.
func idOf(reference string) string { return reference[strings.LastIndexByte(reference, '/')+1:] }

type holdAddCmd struct {
	databaseFlags
	Kind   string `arg:"" help:"referral, patient or organisation." enum:"referral,patient,organisation"`
	Target string `arg:"" help:"Id of the Task or Patient, or ODS code."`
	Reason string `help:"Why, for those who find the hold years later." required:""`
	By     string `help:"Who places it; default the account that runs this."`
}

func (c *holdAddCmd) Run() error {
	return withStore(&c.databaseFlags, func(ctx context.Context, s *store.Store) error {
		by, err := who(c.By)
		if err != nil {
			return err
		}
		h := &referral.Hold{Kind: referral.HoldKind(c.Kind), Target: idOf(c.Target), Reason: c.Reason, Placed: time.Now().UTC(), PlacedBy: by}
		if err := s.Hold(ctx, h, operatorAudit(s, "adapter hold", "hold", "C", "by="+by+"&reason="+c.Reason)); err != nil {
			return err
		}
		fmt.Printf("%s  holds %s %s\n", h.ID, h.Kind, h.Target)
		return nil
	})
}

type holdRemoveCmd struct {
	databaseFlags
	ID     string `arg:"" help:"Hold, as 'adapter hold list' names it."`
	Reason string `help:"Why." required:""`
	By     string `help:"Who lifts it; default the account that runs this."`
}

func (c *holdRemoveCmd) Run() error {
	return withStore(&c.databaseFlags, func(ctx context.Context, s *store.Store) error {
		by, err := who(c.By)
		if err != nil {
			return err
		}
		h := &referral.Hold{ID: c.ID, Lifted: time.Now().UTC(), LiftedBy: by, LiftedWhy: c.Reason}
		if err := s.Lift(ctx, h, operatorAudit(s, "adapter hold", "hold", "D", "by="+by+"&reason="+c.Reason)); err != nil {
			return err
		}
		fmt.Printf("%s  is lifted\n", c.ID)
		return nil
	})
}

type holdListCmd struct {
	databaseFlags
	All bool `help:"Also those that were lifted."`
}

func (c *holdListCmd) Run() error {
	return withStore(&c.databaseFlags, func(ctx context.Context, s *store.Store) error {
		list, err := s.Holds(ctx, c.All)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			fmt.Println("nothing is held")
			return nil
		}
		tab := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tab, "HOLD\tOF\tSINCE\tBY\tWHY\tLIFTED")
		for _, h := range list {
			lifted := "-"
			if !h.Lifted.IsZero() {
				lifted = fmt.Sprintf("%s by %s: %s", h.Lifted.Format(time.RFC3339), h.LiftedBy, h.LiftedWhy)
			}
			fmt.Fprintf(tab, "%s\t%s %s\t%s\t%s\t%s\t%s\n", h.ID, h.Kind, h.Target, h.Placed.Format(time.RFC3339), h.PlacedBy, h.Reason, lifted)
		}
		return tab.Flush()
	})
}

// withStore opens the database for one piece of work.
func withStore(f *databaseFlags, do func(context.Context, *store.Store) error) error {
	ctx, stop := interruptible()
	defer stop()
	s, err := f.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, s), s.Close(context.WithoutCancel(ctx)))
}

// operatorAudit is the record of a command.
func operatorAudit(s *store.Store, client, interaction, action, query string) referral.Audit {
	return referral.Audit{ID: s.NewID(), At: time.Now().UTC(), Client: client, Role: auth.RoleOperator, Action: action, Interaction: interaction, Outcome: "0", Query: query}
}
