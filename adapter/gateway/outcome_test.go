package gateway

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// several are the faults of one message, as a check finds them.
var several = errors.Join(
	issue.New(issue.Required, "sr-subject", `name the "patient"`).At("ServiceRequest.subject").On(3, 7),
	issue.New(issue.CodeInvalid, "sr-code", "the code is not known").At("ServiceRequest.code").With("code <1>"),
	issue.New(issue.Value, "", "").Graded(issue.SeverityWarning),
)

func refusing(err error) func(*Operations) {
	return func(o *Operations) {
		o.Read = func(context.Context, referral.Call, string, string) (*referral.Version, error) { return nil, err }
		o.View = func(context.Context, referral.Call, string) (*referral.View, error) { return nil, err }
	}
}

func TestOutcomeTellsEveryIssue(t *testing.T) {
	rec := newWorld(t, refusing(several)).do("GET", "/fhir/R4/Patient/1?_pretty=true", "", "as gp")
	want := `{
  "resourceType": "OperationOutcome",
  "issue": [
    {
      "extension": [
        {
          "url": "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line",
          "valueInteger": 3
        },
        {
          "url": "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col",
          "valueInteger": 7
        }
      ],
      "severity": "error",
      "code": "required",
      "details": {
        "coding": [
          {
            "system": "https://spadapter.example/fhir/CodeSystem/rule",
            "code": "sr-subject"
          }
        ],
        "text": "name the \"patient\""
      },
      "expression": [
        "ServiceRequest.subject"
      ]
    },
    {
      "severity": "error",
      "code": "code-invalid",
      "details": {
        "coding": [
          {
            "system": "https://spadapter.example/fhir/CodeSystem/rule",
            "code": "sr-code"
          }
        ],
        "text": "the code is not known"
      },
      "diagnostics": "code <1>",
      "expression": [
        "ServiceRequest.code"
      ]
    },
    {
      "severity": "warning",
      "code": "value"
    }
  ]
}`
	if diff := cmp.Diff(want, rec.Body.String()); diff != "" {
		t.Error(diff)
	}
	parsed(t, rec)
}

func TestProblemTellsEveryIssue(t *testing.T) {
	rec := newWorld(t, refusing(several)).do("GET", "/api/v1/referrals/1?_pretty=true", "", "as lw", "X-Request-ID: r1")
	if got := rec.Header().Get("Content-Type"); got != contentProblem {
		t.Errorf("Content-Type %q", got)
	}
	want := map[string]any{
		"type": "https://spadapter.example/problem/required", "title": "Bad Request", "status": 400.0, "detail": `name the "patient"`, "request_id": "r1",
		"errors": []any{
			map[string]any{"type": "required", "rule": "sr-subject", "element": "ServiceRequest.subject", "line": 3.0, "column": 7.0, "detail": `name the "patient"`},
			map[string]any{"type": "code-invalid", "rule": "sr-code", "element": "ServiceRequest.code", "detail": "the code is not known", "diagnostics": "code <1>"},
			map[string]any{"type": "value", "severity": "warning"},
		},
	}
	if diff := cmp.Diff(want, object(t, rec)); diff != "" {
		t.Error(diff)
	}
}

// TestUnknownErrorHasNoText keeps the words of libraries and databases inside.
func TestUnknownErrorHasNoText(t *testing.T) {
	w := newWorld(t, refusing(errors.Join(errors.New("pq: secret detail"), io.EOF)))
	for _, target := range []string{"/fhir/R4/Patient/1", "/api/v1/referrals/1"} {
		rec := w.do("GET", target, "", "as op")
		wants(t, rec, 500, "exception")
		if strings.Contains(rec.Body.String(), "secret") || strings.Contains(rec.Body.String(), "EOF") {
			t.Error(rec.Body)
		}
	}
	if !strings.Contains(w.log.String(), "secret detail; EOF") {
		t.Errorf("the cause is not logged: %s", w.log)
	}
}

func TestHeaderAndParameterGoToLocation(t *testing.T) {
	rec := newWorld(t, nil).do("GET", "/fhir/R4/Patient?_count=x", "", "as gp")
	wants(t, rec, 400, "search-count")
	if got := parsed(t, rec).Text("issue", "location"); got != "http._count" {
		t.Errorf("location %q", got)
	}
}
