package issue

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestTypeClimbsTheTree(t *testing.T) {
	err := fmt.Errorf("reading: %w", New(Deleted, "read", "gone"))
	for _, branch := range []Type{Deleted, NotFound, Processing} {
		if !errors.Is(err, branch) {
			t.Errorf("a deleted issue is not within %s", branch)
		}
	}
	if errors.Is(err, Transient) || errors.Is(err, TooLong) {
		t.Error("a deleted issue lies on a branch that is not its own")
	}
}

func TestTreeIsClosed(t *testing.T) {
	for code, parent := range parents {
		if parent != "" && !parent.Valid() {
			t.Errorf("%s has the parent %s, which is no code", code, parent)
		}
	}
	if len(parents) != 31 {
		t.Errorf("issue-type has 31 codes in R4, here are %d", len(parents))
	}
}

func TestAllTakesJoinedIssuesApart(t *testing.T) {
	a, b := New(Required, "a", "first"), New(Value, "b", "second")
	got := All(fmt.Errorf("checking: %w", errors.Join(a, fmt.Errorf("deeper: %w", b))))
	if len(got) != 2 || got[0] != a || got[1] != b {
		t.Fatalf("got %v", got)
	}
	if got := All(errors.Join(a, errors.Join(b, nil))); len(got) != 2 || got[1] != b {
		t.Fatalf("got %v", got)
	}
}

func TestUnknownErrorHasNoText(t *testing.T) {
	got := All(io.ErrUnexpectedEOF)
	if len(got) != 1 || got[0].Type != Exception || got[0].Details != "" || !errors.Is(got[0], io.ErrUnexpectedEOF) {
		t.Fatalf("got %+v", got)
	}
}

func TestErrorKeepsDiagnosticsOut(t *testing.T) {
	e := New(Value, "nhs-number", "the check digit is wrong").At("Patient.identifier[0].value").On(3, 7).With("got %q", "9990000000")
	if s := e.Error(); strings.Contains(s, "9990000000") || !strings.Contains(s, "Patient.identifier[0].value") {
		t.Error(s)
	}
}

func TestFailuresAndRetryable(t *testing.T) {
	warn := New(CodeInvalid, "w", "only a warning").Graded(SeverityWarning)
	if err := Failures(errors.Join(warn)); err != nil {
		t.Errorf("a warning refused the message: %v", err)
	}
	if err := Failures(errors.Join(warn, New(Required, "r", "no"))); err == nil {
		t.Error("an error did not refuse the message")
	}
	if Retryable(New(Exception, "", "")) || !Retryable(New(Timeout, "", "")) {
		t.Error("retryable is lock-error, no-store, timeout, incomplete, throttled")
	}
}
