// Command adapter is the social prescribing FHIR adapter: it takes referrals from GP
// systems, lets link-worker tools work them, and returns coded outcomes to the
// patient's record.
//
//	adapter demo     shows the main job from end to end
//	adapter serve    runs the service
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands is the command line.
type commands struct {
	Serve     serveCmd     `cmd:"" help:"Run the adapter."`
	Demo      demoCmd      `cmd:"" help:"Show the main job: a referral goes in, a coded outcome comes back."`
	Bench     benchCmd     `cmd:"" help:"Measure how many referrals a second an adapter takes in."`
	Convert   convertCmd   `cmd:"" help:"Convert messages, and show where every value came from and what was not read."`
	Validate  validateCmd  `cmd:"" help:"Check FHIR files: every fault with its line, in JSON, XML, NDJSON and folders."`
	Verdict   verdictCmd   `cmd:"" help:"Say what would become of messages: the dialect, and converted, with which losses, or refused and why."`
	Keys      keysCmd      `cmd:"" help:"Make a key set for tokens and for proving who we are, or rotate its keys."`
	Token     tokenCmd     `cmd:"" help:"Make a bearer token for development."`
	Assertion assertionCmd `cmd:"" help:"Make a client assertion, to get a token at the token endpoint."`
	Replay    replayCmd    `cmd:"" help:"List dead deliveries, or send some of them again."`
	Mesh      meshCmd      `cmd:"" help:"Look at the MESH mailbox: handshake, inbox, what became of a delivery."`
	Ledger    ledgerCmd    `cmd:"" help:"Show the loops that are open for too long: overdue referrals, outcomes not in a record."`
	Audit     auditCmd     `cmd:"" help:"Verify the audit: that nobody changed, removed or moved a record."`
	Services  servicesCmd  `cmd:"" help:"Import, list and locate the services that can be prescribed."`
	DataKeys  dataKeysCmd  `cmd:"" name:"data-keys" help:"Make the key set that documents in the database are sealed with, or its successor."`
	Encrypt   encryptCmd   `cmd:"" help:"Seal what is in the database with the newest key, beside a running server."`
	Purge     purgeCmd     `cmd:"" help:"Remove closed referrals at the end of their retention, or one person's; a look unless -apply is given."`
	Hold      holdCmd      `cmd:"" help:"Keep what a purge would remove."`
	Backup    backupCmd    `cmd:"" help:"Copy a SQLite database beside a running server."`
	Restored  restoredCmd  `cmd:"" help:"Run once on a database that was put back from a backup, before a server is started."`
	Config    configCmd    `cmd:"" help:"Print the effective configuration, secrets hidden."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

func main() {
	var cli commands
	parser := kong.Must(&cli, kong.Name("adapter"), kong.ShortUsageOnError(),
		kong.Description("Social prescribing FHIR adapter: GP referrals in, coded outcomes back."),
		kong.Exit(func(status int) {
			if status != 0 && status != 1 {
				status = int(statusUsage) // kong has a number of its own for wrong usage
			}
			os.Exit(status)
		}))
	ctx, err := parser.Parse(longFlags(parser.Model, os.Args[1:]))
	parser.FatalIfErrorf(err)
	err = unknownVariables(os.Environ())
	if err == nil {
		err = ctx.Run()
	}
	if err != nil {
		if said := exitStatus(0); errors.As(err, &said) {
			os.Exit(said.ExitCode())
		}
		fmt.Fprintln(os.Stderr, "adapter:", err)
		var own kong.ExitCoder
		if errors.As(err, &own) {
			os.Exit(own.ExitCode())
		}
		os.Exit(1)
	}
}

// longFlags lets a long flag be written with one dash too, as Go programs do: -once is
// --once. Only names that exist are touched, so that -n 5 stays what it is.
func longFlags(model *kong.Application, args []string) []string {
	known := map[string]bool{"help": true}
	var collect func(n *kong.Node)
	collect = func(n *kong.Node) {
		for _, f := range n.Flags {
			known[f.Name] = true
		}
		for _, child := range n.Children {
			collect(child)
		}
	}
	collect(model.Node)
	out := make([]string, len(args))
	for i, arg := range args {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if strings.HasPrefix(arg, "-") && len(name) > 1 && known[name] {
			arg = "-" + arg
		}
		out[i] = arg
	}
	return out
}

// version is what the build says of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	revision := ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			revision = s.Value[:12]
		}
	}
	if revision == "" {
		return "dev"
	}
	return revision
}

type versionCmd struct{}

func (versionCmd) Run() error {
	_, err := fmt.Println("adapter", version())
	return err
}

// interruptible gives a context that ends with the first signal to stop. The second ends
// the program, whatever it waits for.
func interruptible() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
