package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"spadapter/adapter/mapping"
)

// convertCmd converts messages as the adapter would, and shows where every value came
// from and what no rule read. It stores and sends nothing.
type convertCmd struct {
	Paths []string `arg:"" optional:"" name:"path" help:"Files in JSON or XML, folders, NDJSON files (.ndjson, .jsonl), or - for standard input; with -check folders of a dialect."`

	Dialect      string `short:"d" help:"Dialect to convert with; -list names them. Without it each message is recognised, and goes through all that it goes through when it is taken in: one of FHIR STU3 is mended, and of a record one referral is taken."`
	Identifier   string `help:"Which referral of a record is meant, system|value or a value, where it has several."`
	Organisation string `help:"ODS code of the sender, for maps of its own."`
	Maps         string `help:"Folder of dialects that lie over the shipped ones." env:"ADAPTER_MAPS_DIR"`
	Terminology  string `help:"Folder of terminology over the shipped one." env:"ADAPTER_TERMINOLOGY_DIR"`
	Against      string `help:"Folder of dialects to compare with: shows what they would change."`

	Trace  bool   `help:"Show for every element of the result where it came from, on standard error."`
	Values bool   `help:"With -trace: show the values too."`
	Loss   bool   `help:"Show the elements that no rule read, and what was mended and left out before, on standard error."`
	As     string `help:"What to write: the converted resource; parameters with resource, trace, loss and issues; or none." enum:"resource,parameters,none" default:"resource"`
	Out    string `short:"o" help:"Folder for the results, one file for each input; default is standard output."`
	Jobs   int    `short:"j" help:"Messages converted at once; default one for each core."`
	Quiet  bool   `short:"q" help:"No progress and no summary."`

	List   bool `help:"List the dialects, and stop."`
	Check  bool `help:"For authors: compile the dialects in these folders, run their cases and show what differs."`
	Update bool `help:"With -check: write what the maps make into the cases."`
	Watch  bool `help:"With -check: run again whenever a file is saved."`
}

// Help is shown by adapter convert -help.
func (c *convertCmd) Help() string {
	return `Examples:
  adapter convert referral.json                        the converted resource
  adapter convert -trace -loss -as none referral.json  where every value came from, and what was not read
  adapter convert -o results messages/ more.ndjson     many at once; exit status 1 when one fails
  adapter convert -against new-maps -as none *.json    what new maps would change
  adapter convert -check -watch mappings/my-dialect    for authors: cases run on every save`
}

func (c *convertCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	codes, err := loadTerminology(c.Terminology, commandLog())
	if err != nil {
		return err
	}
	if c.Check && (c.Maps != "" || c.Organisation != "") {
		return errors.New("-check reads the folders it is given, over what ships: leave -maps and -organisation out")
	}
	if c.Check {
		return c.check(ctx, codes)
	}
	if c.Update || c.Watch {
		return errors.New("-update and -watch go with -check")
	}
	library, err := loadLibrary(codes, c.Maps)
	if err != nil {
		return err
	}
	if c.Terminology != "" {
		tellMissing(library.Codes(c.Organisation), commandLog())
	}
	if known := library.Organisations(); c.Organisation != "" && !slices.Contains(known, c.Organisation) {
		return fmt.Errorf("%s has no maps of its own (%s): leave -organisation out for everybody's", c.Organisation, cmp.Or(strings.Join(known, ", "), "nobody has"))
	}
	if c.List {
		return listDialects(library, c.Organisation)
	}
	if len(c.Paths) == 0 {
		return errors.New("name the files or folders to convert, or - for standard input")
	}
	if c.Dialect != "" && library.Dialect(c.Organisation, c.Dialect) == nil {
		return unknownDialect(library, c.Organisation, c.Dialect)
	}
	run := &conversion{command: c, library: library, began: time.Now()}
	if c.Against != "" {
		if run.against, err = loadLibrary(codes, c.Maps, c.Against); err != nil {
			return fmt.Errorf("-against: %w", err)
		}
		if c.Dialect != "" && run.against.Dialect(c.Organisation, c.Dialect) == nil {
			return fmt.Errorf("-against: %w", unknownDialect(run.against, c.Organisation, c.Dialect))
		}
	}
	if c.Jobs < 1 {
		c.Jobs = runtime.GOMAXPROCS(0)
	}
	if run.inputs, err = convertInputs(c.Paths, c.Out); err != nil {
		return err
	}
	return run.run(ctx)
}

func unknownDialect(library *mapping.Library, organisation, name string) error {
	var names []string
	for _, d := range library.Dialects(organisation) {
		names = append(names, d.Name)
	}
	return fmt.Errorf("no dialect is called %s; there are %s", name, strings.Join(names, ", "))
}

// listDialects prints what can be converted.
func listDialects(library *mapping.Library, organisation string) error {
	types := func(list []string) string { return strings.Join(list, ", ") }
	tab := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "DIALECT\tFROM\tTO\tMAP")
	for _, d := range library.Dialects(organisation) {
		var from, to []string
		for _, t := range d.Map.Sources() {
			from = append(from, t.Name+" "+string(t.System().Version))
		}
		for _, t := range d.Map.Targets() {
			to = append(to, t.Name+" "+string(t.System().Version))
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\n", d.Name, types(from), types(to), d.Map.URL)
	}
	return tab.Flush()
}
