package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"spadapter/adapter/store"
)

// auditCmd is what an operator does with the audit.
type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Walk through the whole audit and show where it is not as it was written; the exit code is 1 then."`
}

// auditVerifyCmd checks the chains of the audit.
type auditVerifyCmd struct {
	databaseFlags
	Key     []string `help:"Files of other keys that sealed checkpoints, public ones too; with commas between." name:"key"`
	Against string   `help:"File of checkpoints that were kept elsewhere: log lines audit_checkpoint of the server, others are passed over." type:"existingfile"`
	JSON    bool     `help:"The whole report in JSON." name:"json"`
}

func (c *auditVerifyCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	var keys []*store.AuditKey
	for i, file := range append([]string{c.AuditKey}, c.Key...) {
		setting := "ADAPTER_AUDIT_KEY_FILE"
		if i > 0 {
			setting = "-key " + file
		}
		k, err := auditKey(setting, file)
		if err != nil {
			return err
		}
		if k != nil {
			keys = append(keys, k)
		}
	}
	var outside []store.Checkpoint
	if c.Against != "" {
		body, err := os.ReadFile(c.Against)
		if err != nil {
			return err
		}
		if outside = loggedCheckpoints(body); len(outside) == 0 {
			return fmt.Errorf("%s holds no line audit_checkpoint of a server", c.Against)
		}
	}
	s, err := c.look(ctx)
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	progress, end := verifyProgress(os.Stderr)
	report, err := s.VerifyAudit(ctx, keys, outside, progress)
	end()
	if err != nil {
		return err
	}
	if c.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		err = out.Encode(report)
	} else {
		err = printAudit(os.Stdout, report)
	}
	return errors.Join(err, report.NotVerified())
}

// auditKey reads a key of the audit, and names the setting that it is from where it cannot;
// nil for no file.
func auditKey(setting, file string) (*store.AuditKey, error) {
	if file == "" {
		return nil, nil
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	k, err := store.ParseAuditKey(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return k, nil
}

// sealingKey is the key that a server seals with.
func sealingKey(file string) (*store.AuditKey, error) {
	k, err := auditKey("ADAPTER_AUDIT_KEY_FILE", file)
	if err == nil && k != nil && !k.Seals() {
		err = errors.New("ADAPTER_AUDIT_KEY_FILE: this is a public key, which cannot seal")
	}
	return k, err
}

const checkpointLine = "audit_checkpoint"

// logCheckpoint says where the audit stands, in a place that whoever can change the
// database cannot change.
func logCheckpoint(log *slog.Logger) func(store.Checkpoint) {
	return func(c store.Checkpoint) { log.Info(checkpointLine, "checkpoint", c) }
}

// loggedCheckpoints finds checkpoints in a log.
func loggedCheckpoints(body []byte) (list []store.Checkpoint) {
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Msg        string
			Checkpoint store.Checkpoint
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == checkpointLine && line.Checkpoint.Stream != "" {
			list = append(list, line.Checkpoint)
		}
	}
	return list
}

// verifyProgress shows on a terminal how far a look has come, once a second.
func verifyProgress(to *os.File) (progress func(done, of int64), end func()) {
	if info, err := to.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil, func() {}
	}
	var last time.Time
	return func(done, of int64) {
			if now := time.Now(); now.Sub(last) >= time.Second {
				last = now
				fmt.Fprintf(to, "\r%d of %d records, %d %%", done, of, done*100/max(of, 1))
			}
		}, func() {
			if !last.IsZero() {
				fmt.Fprintln(to)
			}
		}
}

func printAudit(out io.Writer, r *store.AuditReport) error {
	tab := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "STREAM\tBEGAN\tRECORDS\tREMOVED BEFORE\tCHECKPOINT AT\tSEALED UP TO")
	unproven := 0
	for _, s := range r.Streams {
		records := "none"
		if s.Last >= s.First {
			records = fmt.Sprintf("%d–%d", s.First, s.Last)
		}
		unproven += int(s.Unproven)
		fmt.Fprintf(tab, "%s\t%s\t%s\t%d\t%d\t%d\n", s.ID, s.Began.Format(time.RFC3339), records, s.Pruned, s.Covered, s.Sealed)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%d records", r.Records)
	if r.Before > 0 {
		fmt.Fprintf(out, ", %d of them from before the chain: nothing says that these are as they were written", r.Before)
	}
	fmt.Fprintln(out)
	if unproven > 0 {
		fmt.Fprintf(out, "sealed with keys that were not given, so not checked: %d of the checkpoints; -key takes their keys\n", unproven)
	}
	for _, f := range r.Faults {
		fmt.Fprintf(out, "FAULT in stream %s at %d", f.Stream, f.Sequence)
		if f.ID != "" {
			fmt.Fprintf(out, ", record %s", f.ID)
		}
		fmt.Fprintf(out, ": %s\n", f.What)
	}
	if len(r.Faults) == 0 {
		fmt.Fprintln(out, "every record is as it was written")
	}
	return nil
}
