package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"spadapter/adapter/store"
)

// verdictCmd says of messages what would become of them: in which dialect they are read,
// and whether they are converted, with which losses, or refused, and why. It stores and
// sends nothing.
type verdictCmd struct {
	Paths []string `arg:"" name:"path" help:"Files in JSON or XML, NDJSON files, or folders; each folder is a group of the table."`

	Maps        string `help:"Folder of dialects that lie over the shipped ones." env:"ADAPTER_MAPS_DIR"`
	Terminology string `help:"Folder of terminology over the shipped one." env:"ADAPTER_TERMINOLOGY_DIR"`

	Format string `short:"f" help:"text, json or markdown." enum:"text,json,markdown" default:"text"`
	Supply bool   `help:"Judge each referral also with what a fragment, or an example of another field, lacks of a social prescribing referral."`
	All    bool   `help:"List the files that hold no referral too; they are only counted otherwise."`
	Jobs   int    `short:"j" help:"Messages judged at once; default one for each core."`
	Quiet  bool   `short:"q" help:"No progress."`
}

// Help is shown by adapter verdict -help.
func (c *verdictCmd) Help() string {
	return `Each message is taken in as the adapter would, by a database that is empty: its dialect is recognised as it would be when it comes by the way of that dialect, with the headers that belong to it, from a caller who speaks for the organisations that it names, and those are partners. A message of BaRS is first asked what $process-message asks of it, for services that are those it is sent to.

The verdicts: converted, every element was read and kept; losses, some were not, and which; refused, with the first rule and element; kept, it was taken and makes no referral.

Examples:
  adapter verdict messages/                    a table, grouped and counted by folder
  adapter verdict -f markdown bars-api gravity for a document
  adapter verdict -f json -all messages/       one object for each file
  adapter verdict -supply fragments/           also as social prescribing referrals

With -supply each referral, every one of a record by itself, is judged once more with what it lacks, and the row says what was put in: status active, intent order, the national code, a subject, an NHS number of the range 999 (also where the one there can be none), a requester, a BaRS use case; people and organisations that references lead to and that are not there; an address of the sender's for anything else. A resource alone is put in a Bundle with them. Nothing else is changed, so that what is refused then is refused for what it says.

Exit status 1 when a referral was refused.`
}

func (c *verdictCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	inputs, groups, err := verdictInputs(c.Paths)
	if err != nil {
		return misuse{err}
	}
	compiled, err := compile(Config{Maps: c.Maps, Terminology: c.Terminology}, nil, commandLog())
	if err != nil {
		return err
	}
	table, err := c.judge(ctx, compiled, inputs, groups)
	if err != nil {
		return err
	}
	if err := table.write(os.Stdout, c.Format); err != nil {
		return err
	}
	if table.refused() > 0 {
		return statusFaults
	}
	return nil
}

// verdictInputs lists the files, and the group of each: the folder that was named, or the
// one that a named file lies in.
func verdictInputs(paths []string) (inputs []convertInput, groups []string, err error) {
	var errs []error
	for _, path := range paths {
		found, err := convertInputs([]string{path}, "")
		errs = append(errs, err)
		path = filepath.Clean(path)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			path = filepath.Dir(path)
		}
		for _, in := range found {
			inputs, groups = append(inputs, in), append(groups, filepath.Base(path))
		}
	}
	return inputs, groups, errors.Join(errs...)
}

// judge judges every message of the inputs.
//
// Errors: those of the database, and that of ctx.
func (c *verdictCmd) judge(ctx context.Context, compiled *artefacts, inputs []convertInput, groups []string) (*verdictTable, error) {
	empty, err := store.Open(ctx, "sqlite::memory:")
	if err != nil {
		return nil, err
	}
	defer empty.Close(context.WithoutCancel(ctx))
	j, err := newJudge(compiled, empty)
	if err != nil {
		return nil, err
	}
	jobs := c.Jobs
	if jobs < 1 {
		jobs = runtime.GOMAXPROCS(0)
	}
	var done atomic.Int64
	clear, redraw := progress("judging", inputs, c.Quiet, &done)
	defer clear()
	table := &verdictTable{all: c.All}
	err = eachMessage(ctx, inputs, jobs, func(d convertMessage) verdict {
		defer done.Add(int64(len(d.body)))
		return j.judge(ctx, d, c.Supply)
	}, func(v verdict) error {
		redraw()
		v.Folder, v.File = groups[v.input], filepath.ToSlash(inputs[v.input].name)
		table.rows = append(table.rows, v)
		return nil
	})
	if err == nil {
		err = ctx.Err()
	}
	return table, err
}
