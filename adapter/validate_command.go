package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"spadapter/adapter/issue"
)

// validateCmd checks files as $validate does. It needs no server, and stores and sends
// nothing.
type validateCmd struct {
	Paths []string `arg:"" optional:"" name:"path" help:"Files in JSON or XML, NDJSON files (.ndjson, .jsonl), folders, or - for standard input."`

	Profile     []string `sep:"none" placeholder:"URL" help:"Profile to hold the resources to, beside those they claim in meta.profile; several may be given, and each resource is held to those for its type."`
	Package     []string `sep:"," placeholder:"PATH" help:"FHIR package, a .tgz or a folder, with profiles and value sets; may be given several times." env:"ADAPTER_PACKAGES"`
	Terminology string   `placeholder:"DIR" help:"Folder of SNOMED CT releases, lists of reference set members and FHIR terminology over the shipped one." env:"ADAPTER_TERMINOLOGY_DIR"`
	Intake      bool     `help:"Say also what the adapter would refuse the message for when it is sent, as far as that can be known here."`
	MustSupport bool     `name:"must-support" help:"List the must-support elements that are missing."`
	FHIR        string   `name:"fhir" help:"FHIR version: R4, STU3, or detect, which tells by what most of the resources and profiles in a file are of." enum:"R4,STU3,detect" default:"detect"`

	Format   string `short:"f" help:"text; json, one object in a line for each resource; outcome, an OperationOutcome or a Bundle of them; junit or sarif for CI." enum:"text,json,outcome,junit,sarif" default:"text"`
	Out      string `short:"o" placeholder:"FILE" help:"File for the report. With another format than text, the text still goes to standard output."`
	Severity string `help:"Least that is shown: error, warning or information; default warning." enum:",error,warning,information" default:""`
	Werror   bool   `help:"Exit with 1 for warnings too."`
	Values   bool   `help:"With junit and sarif: show the senders' values and the line under each fault. They are left out by default because such reports leave the machine, and a line may hold a patient's data."`
	Max      int    `help:"Most that is shown of one resource in text and junit; 0 for everything." default:"50"`
	Jobs     int    `short:"j" help:"Resources checked at once; default one for each core."`
	Quiet    bool   `short:"q" help:"No progress, no summary, and no warnings about packages and terminology."`

	List bool `help:"List the profiles that are loaded, and stop."`
}

// Help is shown by adapter validate -help.
func (c *validateCmd) Help() string {
	return `Exit status: 0 when nothing is wrong, 1 when something is, 2 when the command was used wrongly or a file cannot be read.

-intake asks the same rules as sending does: the profiles, how a Bundle asks for its entries, the ranges of instruments. It does not know what is stored or who sends: references to what was sent before, conditional creates that are met, the sending organisation, the referral that an Observation would join, and repeats.

Examples:
  adapter validate referral.json                         every fault with its line
  adapter validate messages/ more.ndjson                 folders and NDJSON, checked in parallel
  adapter validate -intake referral.json                 also what the adapter would refuse it for
  adapter validate -package ukcore.tgz -profile https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient patient.xml
  adapter validate -format sarif -o faults.sarif messages/
  curl … | adapter validate -`
}

// exitStatus ends the program with a status of its own; what there is to say was said.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// ExitCode implements kong.ExitCoder.
func (e exitStatus) ExitCode() int { return int(e) }

// What validate ends with.
const (
	statusFaults exitStatus = 1
	statusUsage  exitStatus = 2
)

// misuse is an error that ends the program with statusUsage.
type misuse struct{ error }

// ExitCode implements kong.ExitCoder.
func (misuse) ExitCode() int { return int(statusUsage) }

func (c *validateCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	log := commandLog()
	if c.Quiet {
		log = slog.New(slog.DiscardHandler)
	}
	given, notes, err := openPackages(c.Package)
	if err != nil {
		return misuse{packageError(err)}
	}
	compiled, err := compile(Config{Terminology: c.Terminology}, given, log)
	if err != nil {
		return err
	}
	v, more, err := newValidator(compiled)
	if err != nil {
		return err
	}
	c.tell(slices.Concat(notes, compiled.notes, more))
	if c.List {
		return v.list(os.Stdout)
	}
	for _, p := range c.Profile {
		if faults := issue.All(v.known(p, "")); len(faults) > 0 {
			words := faults[0].Details + "; "
			if strings.HasSuffix(faults[0].Details, "?") {
				words = faults[0].Details + " "
			}
			return misuse{fmt.Errorf("-profile %s: %s-list names all, -package loads others", p, words)}
		}
	}
	if len(c.Paths) == 0 {
		return misuse{errors.New("name the files or folders to validate, or - for standard input")}
	}
	if c.Jobs < 1 {
		c.Jobs = runtime.GOMAXPROCS(0)
	}
	if c.Severity == "" {
		c.Severity = string(issue.SeverityWarning)
		if c.MustSupport {
			c.Severity = string(issue.SeverityInformation)
		}
	}
	inputs, err := validateInputs(c.Paths)
	if err != nil {
		return misuse{err}
	}
	run := &validation{command: c, validator: v, inputs: inputs}
	return run.run(ctx)
}

// validateInputs lists the files of the paths. What cannot be read is an input with its
// error, so that the others are checked; when nothing can be read, that is the error.
func validateInputs(paths []string) ([]convertInput, error) {
	var inputs []convertInput
	var errs []error
	readable := 0
	for _, path := range paths {
		found, err := convertInputs([]string{path}, "")
		inputs, readable = append(inputs, found...), readable+len(found)
		if err == nil {
			continue
		}
		errs = append(errs, err)
		words, _ := strings.CutPrefix(err.Error(), path+": ")
		inputs = append(inputs, convertInput{path: path, name: path, err: issue.New(issue.NotFound, "convert-input", words).Because(err)})
	}
	if readable == 0 {
		return nil, errors.Join(errs...)
	}
	return inputs, nil
}

// packageError says what is wrong with a package in one line.
func packageError(err error) error {
	var words []string
	for _, e := range issue.All(err) {
		words = append(words, e.Details)
	}
	return errors.New(strings.Join(words, "; "))
}

// tell says what of the packages cannot be used: some of it, and how much.
func (c *validateCmd) tell(notes []*issue.Error) {
	const shown = 5
	if c.Quiet {
		return
	}
	for i, e := range notes {
		if i == shown {
			fmt.Fprintf(os.Stderr, "… and %d more about the packages\n", len(notes)-shown)
			return
		}
		fmt.Fprintf(os.Stderr, "package: %s\n", printable(e.Details))
	}
}

// list prints the profiles there are, by type.
func (v *validator) list(w io.Writer) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "FOR\tFHIR\tPROFILE")
	for _, name := range v.profiles("") {
		fmt.Fprintf(tab, "%s\t%s\t%s\n", v.types[name], releaseName(v.loaded[name]), name)
	}
	return tab.Flush()
}
