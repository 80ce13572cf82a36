package mappings

import (
	"context"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/mapping"
)

// TestRequestAlone: a ServiceRequest that was posted by itself becomes the same referral
// as in a message, and what is said about it names it as it was sent.
func TestRequestAlone(t *testing.T) {
	var request *fhir.Node
	for _, e := range parse(t, referral(t)).All("entry") {
		if r := e.Child("resource"); r.ResourceType() == "ServiceRequest" {
			request = r.Clone()
		}
	}
	root := parse(t, fhir.EncodeIndent(request))
	result, err := dialects(t)["ukcore-r4-to-referral"].Convert(context.Background(), mapping.Input{Source: root, Trace: true})
	if err != nil {
		t.Fatal(err)
	}
	made := result.Target.All("entry")
	if len(made) != 2 || made[0].Text("resource", "intent") != "filler-order" ||
		made[0].Text("resource", "basedOn", "reference") != made[1].Text("fullUrl") || !strings.HasPrefix(made[1].Text("fullUrl"), "urn:uuid:") {
		t.Fatalf("%s", fhir.EncodeIndent(result.Target))
	}
	if len(result.Unread) > 0 {
		t.Errorf("unread %s", result.Unread[0].Path())
	}
	if found := mapping.Differences(root, made[1].Child("resource")); len(found) > 0 {
		for _, d := range found {
			if !strings.HasPrefix(d.Path, "ServiceRequest.meta") {
				t.Errorf("the original is not as it was sent: %s", d)
			}
		}
	}
	if len(result.Issues) == 0 {
		t.Error("the subject is in no message, and nobody says so")
	}
	for _, e := range result.Issues {
		if e.Rule != "map-reference" || !strings.HasPrefix(e.Expression, "ServiceRequest.") || e.Line == 0 {
			t.Errorf("%v", e)
		}
	}
	var report strings.Builder
	if err := result.Report(&report, false); err != nil || strings.Contains(report.String(), "<- Bundle") {
		t.Errorf("%v\n%s", err, &report)
	}
}
