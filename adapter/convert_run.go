package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

// conversion is one run of the convert command.
type conversion struct {
	command *convertCmd
	library *mapping.Library
	against *mapping.Library // to compare with; nil for no comparison
	inputs  []convertInput
	began   time.Time
}

// converted is what came of one message.
type converted struct {
	convertMessage
	body        []byte // what is to be written
	report      string // what is to be told
	err         error
	unread      int
	differences int
}

// errNotConverted is said when some messages failed; each was told by itself.
type errNotConverted struct{ failed, total int }

func (e errNotConverted) Error() string {
	return fmt.Sprintf("%d of %s could not be converted", e.failed, counted(e.total))
}

func (v *conversion) run(ctx context.Context) error {
	results, err := newConvertResults(v)
	if err != nil {
		return err
	}
	var done atomic.Int64
	summary := newConvertSummary(v)
	clear, redraw := progress("converting", v.inputs, v.command.Quiet, &done)
	err = eachMessage(ctx, v.inputs, v.command.Jobs, func(d convertMessage) converted {
		defer done.Add(int64(len(d.body)))
		return v.convert(ctx, d)
	}, func(c converted) error {
		summary.add(c)
		if told := summary.tell(c); told != "" {
			clear()
			fmt.Fprint(os.Stderr, told)
			redraw()
		}
		return results.write(c)
	})
	clear()
	switch {
	case err != nil:
		results.abandon()
		return err
	case ctx.Err() != nil:
		results.abandon()
		return fmt.Errorf("interrupted after %s", counted(summary.total.messages))
	}
	if err := results.close(); err != nil {
		return err
	}
	if !v.command.Quiet {
		summary.print(os.Stderr)
	}
	if summary.total.failed > 0 {
		return errNotConverted{summary.total.failed, summary.total.messages}
	}
	return nil
}

// convert does one message.
func (v *conversion) convert(ctx context.Context, d convertMessage) converted {
	out := converted{convertMessage: d, err: d.err}
	if out.err != nil {
		return out
	}
	c := v.command
	steps, told, err := v.apply(ctx, v.library, d.body, c.Trace || c.As == "parameters")
	if err != nil {
		out.err = err
	} else {
		if c.Loss && len(told) > 0 {
			var b strings.Builder
			writeIssues(&b, issue.Join(told))
			out.report = b.String()
		}
		for _, step := range steps {
			out.unread += len(step.Unread)
		}
		result := steps[len(steps)-1]
		switch c.As {
		case "resource":
			out.body = v.encode(d, result.Target)
		case "parameters":
			out.body = v.encode(d, result.Parameters())
		}
		for _, step := range steps {
			out.report += v.report(step)
		}
	}
	if v.against != nil {
		text, n := v.compare(ctx, d, steps, err)
		out.report += text
		out.differences = n
	}
	return out
}

// apply runs on the bytes of a message the dialect that was named, or all those that a message
// of its dialect goes through; one result for each. What was mended and left out before is told,
// and is among the issues of the last.
func (v *conversion) apply(ctx context.Context, library *mapping.Library, body []byte, trace bool) ([]*mapping.Result, []*issue.Error, error) {
	way, source, told, err := v.way(library, body)
	if err != nil {
		return nil, nil, err
	}
	var steps []*mapping.Result
	for _, dialect := range way {
		result, err := dialect.Convert(ctx, mapping.Input{Source: source, Now: v.began, Trace: trace})
		if err == nil {
			err = issue.Failures(issue.Join(result.Issues))
		}
		if err != nil {
			return nil, nil, err
		}
		steps, source = append(steps, result), result.Target
	}
	last := steps[len(steps)-1]
	last.Issues = append(slices.Clip(told), last.Issues...)
	return steps, told, nil
}

// way reads a message as the inlet of its dialect does, and finds what it goes through.
func (v *conversion) way(library *mapping.Library, body []byte) ([]*mapping.Dialect, *fhir.Node, []*issue.Error, error) {
	limits := fhir.Limits{Bytes: maxDocument}
	if d := library.Dialect(v.command.Organisation, v.command.Dialect); d != nil {
		source, err := fhir.Read(d.Map.Sources()[0].System(), body, limits)
		return []*mapping.Dialect{d}, source, nil, err
	}
	root, err := fhir.Read(fhir.Types(fhir.R4), body, limits)
	if err != nil {
		return nil, nil, nil, err
	}
	d, source, told, err := library.RecogniseDocument(v.command.Organisation, root, v.command.Identifier)
	if err != nil {
		return nil, nil, nil, err
	}
	return library.Way(v.command.Organisation, d), source, told, nil
}

// encode writes a result for reading where it is a document of its own, and as one line
// of NDJSON otherwise.
func (v *conversion) encode(d convertMessage, n *fhir.Node) []byte {
	if d.line == 0 && (v.command.Out != "" || len(v.inputs) == 1) {
		return append(fhir.EncodeIndent(n), '\n')
	}
	return append(fhir.Encode(n), '\n')
}

// report is the trace and the loss of one message, as far as they were asked for.
func (v *conversion) report(result *mapping.Result) string {
	var b strings.Builder
	if v.command.Trace {
		_ = result.Report(&b, v.command.Values) // a Builder takes everything
	}
	if v.command.Loss {
		for _, n := range result.Unread {
			line, column := n.Position()
			fmt.Fprintf(&b, "  unread  %d:%d  %s\n", line, column, n.Path())
		}
		if len(result.Unread) == 0 {
			b.WriteString("  nothing was lost: every element was read by a rule\n")
		}
	}
	return b.String()
}

// compare converts a message with the other maps too, and says what differs.
func (v *conversion) compare(ctx context.Context, d convertMessage, steps []*mapping.Result, refused error) (string, int) {
	others, _, err := v.apply(ctx, v.against, d.body, true)
	var b strings.Builder
	switch {
	case err != nil && refused != nil:
		return "", 0
	case err != nil:
		b.WriteString("  the compared maps refuse it:\n")
		writeIssues(&b, err)
		return b.String(), 1
	case refused != nil:
		return "  the compared maps take it\n", 1
	}
	result, other := steps[len(steps)-1], others[len(others)-1]
	differences := mapping.Differences(result.Target, other.Target)
	for _, difference := range differences {
		fmt.Fprintf(&b, "  %s\n", difference)
		if step, ok := other.Origin(difference.After); ok && difference.After != nil {
			fmt.Fprintf(&b, "      by %s/%s %s:%d\n", step.Group, step.Rule, step.File, step.Line)
		}
	}
	return b.String(), len(differences)
}
