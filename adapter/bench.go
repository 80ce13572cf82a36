package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// benchCmd measures intake, or what link workers do, from outside, over HTTP. A referral
// or an action is counted when its answer says that it is stored, and at the end the adapter is
// asked for what it stored: a fast server that loses or invents something does not pass.
type benchCmd struct {
	Actions     bool   `help:"Measure what link workers do: each referral is accepted, contacted, planned, progressed and completed."`
	Dialect     string `help:"What the referrals are sent as: transactions in UK Core R4, or messages of BaRS at $process-message." enum:"ukcore-r4,bars" default:"ukcore-r4"`
	Referrals   int    `short:"n" help:"Number of referrals to send." default:"2000"`
	Concurrency int    `short:"c" help:"Number of connections; each sends its next referral when the last one is answered." default:"8"`
	Rate        int    `help:"Requests a second at an even pace, each measured from when it was due. Without it every connection sends as fast as it is answered."`
	Warmup      int    `help:"Number of referrals sent before the measurement begins." default:"200"`
	URL         string `help:"Base URL of a running adapter, such as http://127.0.0.1:8080. Without it one is started, and ended afterwards."`
	Token       string `help:"Bearer token of a requester for -url, or @FILE that holds it, which keeps it out of the list of processes; 'adapter token' makes one."`
	OwnerToken  string `help:"Bearer token of the link-worker service for -actions with -url, or @FILE."`
	Practice    string `help:"ODS code of the sending practice: one that the token speaks for." default:"Y99001"`
	Database    string `help:"Database of the adapter that is started: sqlite:PATH or postgres://…, best a new one, since the referrals stay in it. Default a SQLite file in the temporary directory; TMPDIR decides the disk."`
	JSON        bool   `name:"json" help:"Print one JSON object instead of a table."`
	Profile     string `type:"path" help:"Write a CPU profile of the adapter that is started to this file, for 'go tool pprof'."`

	ServeProfiled string `hidden:"" type:"path"`
}

// Help is shown by 'adapter bench -help'.
func (*benchCmd) Help() string {
	return `Each referral is a transaction of 8 entries about another synthetic person, with its own NHS number from
the test range 999 and its own identifiers, sent as POST /fhir/R4. All checks, the conversion, the audit and the
durable commit are on. With -dialect bars it is a message of BaRS with 12 entries, sent as POST /fhir/R4/$process-message; with -url the
adapter must take messages for the made-up DoS service id 2000099991. CPU and memory are those of the adapter alone: not of this command, nor of a PostgreSQL server.

With -actions the referrals are taken in first, and then every action is made on all of them over the JSON API, each with
its If-Match, before the next one begins. What it queues for the GP record is sent to one that bench plays, and its CPU counts.
Without -rate the machine is as busy as it can be, and most of a latency is waiting for the other connections. With -rate
the latency is what people see who do that much work; when the adapter cannot keep up, the waiting counts.
The exit code is 1 when any referral failed, or when the adapter does not have what it acknowledged.

Examples:
  adapter bench
  adapter bench -n 10000 -c 32 -json
  adapter bench -dialect bars -c 8
  adapter bench -actions -n 1000 -c 16
  adapter bench -actions -n 1000 -c 16 -rate 100
  adapter bench -database postgres://user@127.0.0.1/bench
  adapter bench -url https://adapter.example.nhs.uk -token @token.txt -practice A12345`
}

// Validate checks what belongs together, before anything is started.
func (c *benchCmd) Validate() error {
	switch {
	case c.Referrals < 1 || c.Concurrency < 1 || c.Warmup < 0 || c.Rate < 0 || c.Rate > maxRate:
		return fmt.Errorf("-n and -c must be at least 1, -warmup at least 0, and -rate from 1 to %d", maxRate)
	case c.Referrals+c.Warmup > maxSeries:
		return fmt.Errorf("at most %d referrals in one run: the test range has no more NHS numbers", maxSeries)
	case c.Dialect == barsDialect && c.Actions:
		return errors.New("-actions are made on referrals that are sent as transactions: leave -dialect out")
	case c.URL != "" && c.Token == "":
		return errors.New("-url needs -token: the bearer token of a requester")
	case c.URL != "" && c.Actions && c.OwnerToken == "":
		return errors.New("-actions with -url needs -owner-token: the bearer token of the service that the referrals go to")
	case c.URL != "" && (c.Database != "" || c.Profile != ""):
		return errors.New("-database and -profile are for an adapter that bench starts, not for -url")
	}
	return nil
}

// barsDialect is the dialect of messages.
const barsDialect = "bars"

// maxRate is far above what one machine takes, and leaves a pause above zero.
const maxRate = 1_000_000

// pause is the time from one request to the next, 0 for none.
func (c *benchCmd) pause() time.Duration {
	if c.Rate == 0 {
		return 0
	}
	return time.Second / time.Duration(c.Rate)
}

func (c *benchCmd) Run() error {
	if c.ServeProfiled != "" {
		return serveProfiled(c.ServeProfiled)
	}
	ctx, stop := interruptible()
	defer stop()
	// a second Ctrl-C ends at once
	context.AfterFunc(ctx, stop)
	return c.run(ctx, os.Stdout)
}

func (c *benchCmd) run(ctx context.Context, out io.Writer) (err error) {
	server, err := c.server(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	series := newSeries
	if c.Dialect == barsDialect {
		series = newMessageSeries
	}
	l := newLoad(server, series(c.Practice, uint64(time.Now().UnixMicro())&0xffffffff), c.Concurrency)
	if c.Dialect == barsDialect {
		l.messages(c.Practice)
	}
	measure := c.intake
	if c.Actions {
		measure = c.actions
	}
	report, err := measure(server.watch(ctx), l)
	if err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return errors.Join(err, server.fault())
	}
	if c.JSON {
		err = json.NewEncoder(out).Encode(report)
	} else {
		err = report.writeTable(out)
	}
	return errors.Join(err, l.failures.err())
}

// measured is what a run has found: an object in JSON, or a table.
type measured interface{ writeTable(w io.Writer) error }

// intake warms up, sends, and checks what the adapter has.
func (c *benchCmd) intake(ctx context.Context, l *load) (measured, error) {
	before, err := l.stored(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the adapter how many referrals it has: %w", err)
	}
	done := c.showProgress(l, "referrals", c.Referrals+c.Warmup)
	defer done()
	warm := l.run(ctx, c.Warmup)
	l.every = c.pause()
	use := l.server.usage(ctx)
	began := time.Now()
	latencies := l.run(ctx, c.Referrals)
	took := time.Since(began)
	report := newBenchReport(c, l, latencies, took, l.server.usage(ctx).since(use))
	done()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err := l.verify(ctx, before, len(warm)+len(latencies)); err != nil {
		return nil, err
	}
	report.Errors = l.failures.count()
	return report, nil
}

// showProgress draws a progress bar while someone looks at it, until the function it
// gives is called.
func (c *benchCmd) showProgress(l *load, what string, n int) (done func()) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return func() {}
	}
	bar := progressbar.NewOptions(n, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(what), progressbar.OptionSetPredictTime(true),
		progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth(), progressbar.OptionSetRenderBlankState(true))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		// five times a second, and not for each referral: drawing takes time from the server
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = bar.Set(int(l.answered.Load())) // a bar that cannot be drawn is no loss
			case <-stop:
				_ = bar.Clear()
				return
			}
		}
	}()
	return func() {
		if stop != nil {
			close(stop)
			<-stopped
			stop = nil
		}
	}
}

// databaseKind names the kind of a database URL.
func databaseKind(url string) string {
	switch scheme, _, _ := strings.Cut(url, ":"); scheme {
	case "postgres", "postgresql":
		return "postgresql"
	default:
		return scheme
	}
}
