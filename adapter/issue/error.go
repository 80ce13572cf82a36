package issue

import (
	"errors"
	"fmt"
	"strings"
)

// Error is one issue of an OperationOutcome.
//
// Details is written by this program and may be logged: it never holds a value
// that a sender gave. Diagnostics may quote the sender's values; it goes back to
// that sender and nowhere else.
type Error struct {
	Type        Type
	Severity    Severity // "" counts as SeverityError
	Details     string   // our own words, one or two sentences, what to do included
	Diagnostics string   // may hold the sender's values; never logged
	Expression  string   // FHIRPath of the element, such as Bundle.entry[2].resource.subject; "" when none
	Line        int      // 1-based line in the source, 0 when unknown
	Column      int      // 1-based column in the source, in bytes, 0 when unknown
	Rule        string   // id of the rule that found it, such as "bdl-7" or "nhs-number"
	Cause       error    // what lay beneath; for the log, never for the sender
}

// New makes an error of severity error. details is our own wording: pass the
// sender's values to With, not here.
func New(t Type, rule, details string) *Error {
	return &Error{Type: t, Rule: rule, Details: details}
}

// Newf is New with a format, for values that are ours (names of elements, limits).
func Newf(t Type, rule, format string, args ...any) *Error {
	return &Error{Type: t, Rule: rule, Details: fmt.Sprintf(format, args...)}
}

// At names the element and returns e.
func (e *Error) At(expression string) *Error { e.Expression = expression; return e }

// On gives the place in the source text and returns e.
func (e *Error) On(line, column int) *Error { e.Line, e.Column = line, column; return e }

// With adds words that may quote the sender and returns e.
func (e *Error) With(format string, args ...any) *Error {
	e.Diagnostics = fmt.Sprintf(format, args...)
	return e
}

// Graded sets the severity and returns e.
func (e *Error) Graded(s Severity) *Error { e.Severity = s; return e }

// Because keeps the error beneath, for the log, and returns e.
func (e *Error) Because(cause error) *Error { e.Cause = cause; return e }

// Error is the loggable form: type, rule, place and our own words, without Diagnostics.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Type))
	if e.Rule != "" {
		b.WriteString(" [" + e.Rule + "]")
	}
	if e.Expression != "" {
		b.WriteString(" at " + e.Expression)
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, " (line %d, column %d)", e.Line, e.Column)
	}
	if e.Details != "" {
		b.WriteString(": " + e.Details)
	}
	return b.String()
}

// Is matches a branch of the issue-type tree.
func (e *Error) Is(target error) bool { return e.Type.Is(target) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Failure reports whether e is an error or fatal: something that refuses the message.
func (e *Error) Failure() bool {
	return e.Severity == "" || e.Severity == SeverityError || e.Severity == SeverityFatal
}

// Join makes one error of several issues, in their order; nil of none.
func Join(list []*Error) error {
	errs := make([]error, len(list))
	for i, e := range list {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// All takes an error apart into its issues, in order, looking through errors.Join
// and fmt.Errorf("%w"). Nil for nil. An error that no one wrote for a sender becomes one issue
// of type exception without text, with the error as its cause.
func All(err error) []*Error {
	if err == nil {
		return nil
	}
	switch e := err.(type) {
	case *Error:
		return []*Error{e}
	case interface{ Unwrap() []error }:
		var out []*Error
		for _, inner := range e.Unwrap() {
			out = append(out, All(inner)...)
		}
		return out
	}
	if inner := errors.Unwrap(err); inner != nil {
		if out := All(inner); !(len(out) == 1 && out[0].Cause == inner) {
			return out
		}
	}
	return []*Error{{Type: Exception, Severity: SeverityFatal, Cause: err}}
}

// Failures keeps the issues of err that refuse the message, nil when none does.
func Failures(err error) error {
	var out []*Error
	for _, e := range All(err) {
		if e.Failure() {
			out = append(out, e)
		}
	}
	return Join(out)
}

// retryable is its own small set, not a branch of the tree: exception is
// transient in the code system and yet a fault of ours that a retry repeats.
var retryable = []Type{LockError, NoStore, Timeout, Incomplete, Throttled}

// Retryable reports whether sending the same thing again may help.
func Retryable(err error) bool {
	for _, t := range retryable {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
