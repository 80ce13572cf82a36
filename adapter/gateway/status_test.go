package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// TestStatusOfEveryError sends every kind of error through both surfaces.
func TestStatusOfEveryError(t *testing.T) {
	cases := []struct {
		err    error
		status int
	}{
		{issue.New(issue.Invalid, "", ""), 400},
		{issue.New(issue.Structure, "json", ""), 400},
		{issue.New(issue.Required, "sr-subject", ""), 400},
		{issue.New(issue.Value, "", ""), 400},
		{issue.New(issue.Invariant, "bdl-7", ""), 400},
		{issue.New(issue.Login, "", ""), 401},
		{issue.New(issue.Expired, "", ""), 401},
		{issue.New(issue.Unknown, "", ""), 401},
		{issue.New(issue.Security, "", ""), 403},
		{issue.New(issue.Forbidden, "", ""), 403},
		{issue.New(issue.Suppressed, "", ""), 403},
		{issue.New(issue.NotFound, "", ""), 404},
		{issue.New(issue.NotSupported, "method-not-allowed", ""), 405},
		{issue.New(issue.NotSupported, "not-acceptable", ""), 406},
		{issue.New(issue.Conflict, "repeat-differs", ""), 409},
		{issue.New(issue.Duplicate, "", ""), 409},
		{issue.New(issue.Deleted, "", ""), 410},
		{issue.New(issue.Conflict, "version-conflict", ""), 412},
		{issue.New(issue.MultipleMatches, "", ""), 412},
		{issue.New(issue.TooLong, "body-limit", ""), 413},
		{issue.New(issue.NotSupported, "media-type", ""), 415},
		{issue.New(issue.Processing, "", ""), 422},
		{issue.New(issue.NotSupported, "", ""), 422},
		{issue.New(issue.TooLong, "", ""), 422},
		{issue.New(issue.CodeInvalid, "", ""), 422},
		{issue.New(issue.Extension, "", ""), 422},
		{issue.New(issue.TooCostly, "", ""), 422},
		{issue.New(issue.BusinessRule, "T06", ""), 422},
		{issue.New(issue.Transient, "too-early", ""), 425},
		{issue.New(issue.Conflict, "if-match-missing", ""), 428},
		{issue.New(issue.Throttled, "", ""), 429},
		{issue.New(issue.Exception, "", ""), 500},
		{io.ErrUnexpectedEOF, 500},
		{issue.New(issue.Informational, "", ""), 500},
		{issue.New(issue.Required, "", "").Graded(issue.SeverityWarning), 500}, // a handler may not refuse with a warning alone
		{issue.New(issue.Transient, "", ""), 503},
		{issue.New(issue.LockError, "", ""), 503},
		{issue.New(issue.NoStore, "", ""), 503},
		{issue.New(issue.Timeout, "", ""), 503},
		{issue.New(issue.Incomplete, "", ""), 503},
		// with several, the lowest layer wins, whatever their order
		{errors.Join(issue.New(issue.BusinessRule, "", ""), issue.New(issue.Required, "", "")), 400},
		{errors.Join(issue.New(issue.Required, "", ""), issue.New(issue.Forbidden, "", "")), 403},
		{errors.Join(issue.New(issue.Forbidden, "", ""), issue.New(issue.Expired, "", "")), 401},
		{errors.Join(issue.New(issue.Conflict, "", ""), issue.New(issue.CodeInvalid, "", "")), 409},
		{errors.Join(io.EOF, issue.New(issue.CodeInvalid, "", "")), 422},
		{errors.Join(issue.New(issue.Required, "", "").Graded(issue.SeverityWarning), issue.New(issue.BusinessRule, "", "")), 422},
	}
	for _, c := range cases {
		w := newWorld(t, func(o *Operations) {
			o.Read = func(context.Context, referral.Call, string, string) (*referral.Version, error) { return nil, c.err }
			o.View = func(context.Context, referral.Call, string) (*referral.View, error) { return nil, c.err }
		})
		for _, target := range []string{"/fhir/R4/Patient/1", "/api/v1/referrals/1"} {
			rec := w.undescribed("GET", target, "", "as op")
			if rec.Code != c.status {
				t.Errorf("%s: %v gives %d, want %d", target, c.err, rec.Code, c.status)
			}
			header := rec.Header()
			if _, ok := header["Retry-After"]; ok != (c.status == 425 || c.status == 429 || c.status == 503) {
				t.Errorf("%d: Retry-After is %q", c.status, header.Get("Retry-After"))
			}
			if got := header.Get("WWW-Authenticate"); (got != "") != (c.status == 401) {
				t.Errorf("%d: WWW-Authenticate is %q", c.status, got)
			}
			if got := header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("%d: Cache-Control is %q", c.status, got)
			}
		}
		if len(w.refused) != 2 || w.refused[0].err != c.err || w.refused[0].interaction != "read" || w.refused[0].entity != "Patient/1" || w.refused[1].interaction != "read" {
			t.Errorf("%v was recorded as %+v", c.err, w.refused)
		}
	}
}

func TestStatusTablesAreClosed(t *testing.T) {
	for _, status := range ruleStatus {
		if http.StatusText(status) == "" {
			t.Errorf("%d is no status", status)
		}
		if statusOfAll([]*issue.Error{{Type: issue.Processing, Rule: ruleOf(status)}}) != status {
			t.Errorf("%d is on no layer", status)
		}
	}
	for kind, status := range typeStatus {
		if !kind.Valid() {
			t.Errorf("%s is no issue type", kind)
		}
		if statusOfAll([]*issue.Error{{Type: kind}}) != status {
			t.Errorf("%d of %s is on no layer", status, kind)
		}
	}
}

func ruleOf(status int) string {
	for rule, s := range ruleStatus {
		if s == status {
			return rule
		}
	}
	return ""
}
