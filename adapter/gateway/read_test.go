package gateway

import (
	"context"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

func TestRead(t *testing.T) {
	w := newWorld(t, nil)
	rec := w.do("GET", "/fhir/R4/Patient/a-1.b", "", "as gp")
	wants(t, rec, 200, "")
	if got := rec.Header(); got.Get("ETag") != `W/"3"` || got.Get("Last-Modified") != "Tue, 17 Feb 2026 12:00:00 GMT" || got.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", got)
	}
	if rec.Body.String() != `{"resourceType":"Patient","id":"a-1.b"}` {
		t.Error(rec.Body)
	}
	rec = w.do("GET", "/fhir/R4/Patient/1/_history/7?_pretty=true", "", "as gp")
	if rec.Header().Get("ETag") != `W/"7"` || !strings.Contains(rec.Body.String(), "\n  \"id\"") {
		t.Errorf("%v %s", rec.Header(), rec.Body)
	}
}

func TestIfNoneMatch(t *testing.T) {
	w := newWorld(t, nil)
	for value, status := range map[string]int{`W/"3"`: 304, `"3"`: 304, `W/"1", W/"3"`: 304, `*`: 304, `W/"2"`: 200, `3`: 200, ``: 200} {
		rec := w.do("GET", "/fhir/R4/Patient/1", "", "as gp", "If-None-Match: "+value)
		wants(t, rec, status, "")
		if rec.Header().Get("ETag") != `W/"3"` || (status == 304) != (rec.Body.Len() == 0) {
			t.Errorf("%s: %v %s", value, rec.Header(), rec.Body)
		}
	}
}

// What is composed of several resources changes without a new version of the one whose
// version is its ETag: whoever asks gets it.
func TestComposedIsAlwaysSent(t *testing.T) {
	w := newWorld(t, func(o *Operations) {
		o.Summary = func(context.Context, referral.Call, string, string) ([]byte, int, error) {
			return []byte("So far."), 2, nil
		}
	})
	for _, target := range []string{"/api/v1/referrals/1", "/api/v1/referrals/1/summary", "/api/v1/activities/1"} {
		for _, tag := range []string{`W/"2"`, `*`} {
			rec := w.do("GET", target, "", "as lw", "If-None-Match: "+tag)
			wants(t, rec, 200, "")
			if rec.Header().Get("ETag") == "" || rec.Header().Get("Cache-Control") != "no-store" || rec.Body.Len() == 0 {
				t.Errorf("%s: %v", target, rec.Header())
			}
		}
	}
}

func TestReadOfWhatIsGone(t *testing.T) {
	w := newWorld(t, func(o *Operations) {
		o.Read = func(_ context.Context, _ referral.Call, _, id string) (*referral.Version, error) {
			if id == "deleted" {
				return nil, issue.New(issue.Deleted, "deleted", "it was deleted")
			}
			return nil, issue.New(issue.NotFound, "unknown-id", "there is no resource with this id")
		}
		o.ReadVersion = func(context.Context, referral.Call, string, string, int) (*referral.Version, error) {
			return &referral.Version{Deleted: true}, nil
		}
	})
	wants(t, w.do("GET", "/fhir/R4/Patient/deleted", "", "as gp"), 410, "deleted")
	wants(t, w.do("GET", "/fhir/R4/Patient/other", "", "as gp"), 404, "unknown-id")
	wants(t, w.do("GET", "/fhir/R4/Patient/1/_history/2", "", "as gp"), 410, "deleted")
}

func TestHistory(t *testing.T) {
	var asked referral.Page
	w := newWorld(t, func(o *Operations) {
		o.History = func(_ context.Context, _ referral.Call, resourceType, id string, p referral.Page) (referral.Found, error) {
			asked = p
			return referral.Found{Total: 7, Next: "n&xt", Versions: []referral.Version{
				{Type: resourceType, ID: "1", Number: 3, Updated: noon, Deleted: true},
				{Type: resourceType, ID: "1", Number: 2, Updated: noon.Add(-time.Hour), Body: []byte(`{"resourceType":"Patient","id":"1"}`)},
				{Type: resourceType, ID: "1", Number: 1, Updated: noon.Add(-2 * time.Hour), Body: []byte(`{"resourceType":"Patient","id":"1"}`)},
			}}, nil
		}
	})
	rec := w.do("GET", "/fhir/R4/Patient/1/_history?_count=3&_cursor=here", "", "as gp")
	wants(t, rec, 200, "")
	root := parsed(t, rec)
	var rows []string
	for _, e := range root.All("entry") {
		rows = append(rows, strings.Join([]string{e.Text("request", "method"), e.Text("request", "url"), e.Text("response", "status"), e.Text("response", "etag"), e.Text("resource", "id")}, " "))
	}
	if got := strings.Join(rows, ", "); got != `DELETE Patient/1 204 W/"3" , PUT Patient/1 200 W/"2" 1, POST Patient 201 W/"1" 1` {
		t.Error(got)
	}
	links := root.All("link")
	if root.Text("type") != "history" || root.Text("total") != "7" || len(links) != 2 ||
		links[0].Text("url") != base+"/fhir/R4/Patient/1/_history?_count=3&_cursor=here" || links[1].Text("url") != base+"/fhir/R4/Patient/1/_history?_count=3&_cursor=n%26xt" {
		t.Error(rec.Body)
	}
	if asked != (referral.Page{Count: 3, After: "here"}) {
		t.Errorf("%+v", asked)
	}
	root = parsed(t, w.do("GET", "/fhir/R4/Patient/_history?_since=2026-02-17T11:00:00Z", "", "as gp"))
	if len(root.All("entry")) != 2 || root.Child("total") != nil || len(root.All("link")) != 1 {
		t.Errorf("_since leaves %d entries", len(root.All("entry")))
	}
	wants(t, w.do("GET", "/fhir/R4/Patient/1/_history?_since=noon", "", "as gp"), 400, "search-date")
	wants(t, w.do("GET", "/fhir/R4/Patient/1/_history?_at=2026", "", "as gp"), 200, "")
	wants(t, w.do("GET", "/fhir/R4/Patient/1/_history?_at=2026", "", "as gp", "Prefer: handling=strict"), 400, "search-unknown")
	if last := w.refused[len(w.refused)-1]; last.interaction != "history-instance" || last.entity != "Patient/1" {
		t.Errorf("%+v", last)
	}
}
