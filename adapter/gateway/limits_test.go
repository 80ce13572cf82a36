package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// TestBatchStaysBelowItsTypes: no entry reaches the system, above all no other batch.
func TestBatchStaysBelowItsTypes(t *testing.T) {
	w := newWorld(t, nil)
	targets := []string{
		"#", "#x", "Patient#x", "Patient/1#", "?", "?x=1", " ", ".", "./", "../R4", "/", "/Patient", "//h/Patient", "%2f", "%2FPatient", "Patient//1", "http://h/fhir/R4/Patient", "urn:uuid:1",
		"metadata", "metadata?x", "%6detadata", "_history", "_search", "$process-message", "/fhir/R4", "%zz",
	}
	var entries []string
	for _, target := range targets {
		entries = append(entries, fmt.Sprintf(`{"resource":{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/1"}}]},"request":{"method":"POST","url":%q}}`, target))
	}
	rec := w.post("/fhir/R4", batchOf(entries...), "as gp")
	wants(t, rec, 200, "batch-request")
	for i, e := range parsed(t, rec).All("entry") {
		if status := e.Text("response", "status"); status != "400 Bad Request" && targets[i] != " " {
			t.Errorf("%q: %s", targets[i], status)
		}
	}
	if len(w.calls) != 0 {
		t.Errorf("%d calls were made", len(w.calls))
	}

	// and the handler holds, should a target get there after all
	r := httptest.NewRequest("POST", "/fhir/R4", strings.NewReader(batchOf()))
	r.Header.Set("Content-Type", "application/fhir+json")
	answer := &reply{call: referral.Call{Principal: tokens["gp"]}, header: http.Header{}}
	w.handler.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), entryKey{}, answer)))
	if answer.status != 422 || answer.refusal == nil {
		t.Errorf("%d %s", answer.status, &answer.body)
	}
}

func TestBatchBoundsItsAnswers(t *testing.T) {
	asked := 0
	w := newWorld(t, func(o *Operations) {
		o.Read = func(_ context.Context, _ referral.Call, resourceType, id string) (*referral.Version, error) {
			asked++
			return &referral.Version{Type: resourceType, ID: id, Number: 1, Body: []byte(`{"resourceType":"Patient","id":"` + strings.Repeat("1", 3<<20) + `"}`)}, nil
		}
	})
	rec := w.post("/fhir/R4", batchOf(strings.Repeat(`{"request":{"method":"GET","url":"Patient/1"}},`, 19)+`{"request":{"method":"GET","url":"Patient/1"}}`), "as gp")
	wants(t, rec, 200, "batch-size")
	if asked != 6 || rec.Body.Len() > maxAnswers+4<<20 || strings.Count(rec.Body.String(), `"batch-size"`) != 14 {
		t.Errorf("%d entries were run, %d bytes answered", asked, rec.Body.Len())
	}
}

// TestBatchNeverFailsAfterItsEntries: a HEAD has no body to find its refusal in, and an
// OperationOutcome may be longer than what the gateway itself would read.
func TestBatchNeverFailsAfterItsEntries(t *testing.T) {
	w := newWorld(t, func(o *Operations) {
		o.Read = func(_ context.Context, _ referral.Call, resourceType, id string) (*referral.Version, error) {
			switch id {
			case "none":
				return nil, issue.New(issue.NotFound, "unknown-id", "there is none")
			case "long":
				return nil, issue.New(issue.Value, "long", "too long").With("%s", strings.Repeat("x", 6<<20))
			}
			return &referral.Version{Type: resourceType, ID: id, Number: 1, Body: []byte(`{"resourceType":"Patient"}`)}, nil
		}
	})
	rec := w.post("/fhir/R4", batchOf(
		`{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}`,
		`{"request":{"method":"HEAD","url":"Patient/1"}}`,
		`{"request":{"method":"HEAD","url":"Patient/none"}}`,
		`{"request":{"method":"HEAD","url":"Nothing/1"}}`,
		`{"request":{"method":"GET","url":"Patient/long"}}`,
		`{"request":{"method":"DELETE","url":"Patient/1"}}`,
	), "as gp")
	wants(t, rec, 200, "")
	root, err := fhir.Parse(fhir.Types(fhir.R4), rec.Body.Bytes(), fhir.Limits{Bytes: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range root.All("entry") {
		got = append(got, e.Text("response", "status")[:3]+e.Text("response", "outcome", "issue", "details", "coding", "code"))
		if e.Child("resource") != nil {
			t.Errorf("%s has a resource", e.Path())
		}
	}
	if want := "201 200 404unknown-id 404unknown-path 400long 405method-not-allowed"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %s", got, want)
	}
	if text := root.All("entry")[5].Text("response", "outcome", "issue", "details", "text"); !strings.Contains(text, "GET") || strings.Contains(text, "header") {
		t.Errorf("an entry has no header Allow: %s", text)
	}
}

func TestAuditedQueryIsBounded(t *testing.T) {
	w := newWorld(t, nil)
	long := "identifier=" + strings.Repeat("x", 1<<13)
	w.do("GET", "/fhir/R4/Patient?"+long, "", "as gp")
	w.do("POST", "/fhir/R4/Patient/_search?"+long, long+"y", "as gp", "Content-Type: application/x-www-form-urlencoded")
	w.do("GET", "/fhir/R4/Patient?"+strings.Repeat("%C3%A9", 1<<10)+"=\xc3\xa9", "", "as gp")
	w.do("GET", "/fhir/R4/Patient?_count=x&"+long, "", "as gp")
	queries := []string{w.calls[0].Query, w.calls[1].Query, w.calls[2].Query, w.refused[0].call.Query}
	for _, query := range queries {
		if len(query) > maxAudited || len(query) < maxAudited-2 || !strings.Contains(query, "…sha256:") {
			t.Errorf("%d bytes: %.20q", len(query), query)
		}
	}
	if tail := len("…sha256:") + 64; queries[0][:tail] != queries[1][:tail] || queries[0][maxAudited-tail:] == queries[1][maxAudited-tail:] {
		t.Error("the hash does not tell two queries apart")
	}
	if got := audited("a=b"); got != "a=b" {
		t.Error(got)
	}

	// of what nobody known asked, nothing is kept
	w.refused = nil
	w.do("GET", "/fhir/R4/Patient?family=Quill", "")
	w.do("GET", "/fhir/R4/Patient?family=Quill", "", "as nobody")
	w.do("GET", "/fhir/R4/Nothing?family=Quill", "", "as gp")
	w.do("PUT", "/fhir/R4/Patient?family=Quill", "", "as gp")
	w.do("GET", "/fhir/R4/metadata?_format=ttl&family=Quill", "")
	w.do("GET", "/api/v1/nothing?family=Quill", "")
	w.post("/fhir/R4", batchOf(`{"request":{"method":"GET","url":"Nothing?family=Quill"}}`), "as gp")
	if len(w.refused) != 7 {
		t.Errorf("%d refusals", len(w.refused))
	}
	for _, r := range w.refused {
		if r.call.Query != "" {
			t.Errorf("%v kept %q", r.err, r.call.Query)
		}
	}
	// of a known caller it is, refused or not, alone or in a batch
	w.refused = nil
	w.do("GET", "/fhir/R4/Observation?code=a", "", "as reader")
	w.post("/fhir/R4", batchOf(`{"request":{"method":"GET","url":"Observation?code=a"}}`), "as reader")
	if len(w.refused) != 2 || w.refused[0].call.Query != "code=a" || w.refused[1].call.Query != "code=a" {
		t.Errorf("%+v", w.refused)
	}
}

// TestUnknownCallersCannotFillTheAudit floods it within a second, then waits one.
func TestUnknownCallersCannotFillTheAudit(t *testing.T) {
	w := newWorld(t, nil)
	now := noon
	w.config.Now = func() time.Time { return now }
	w.handler = New(w.config)
	for range 100 {
		wants(t, w.do("GET", "/fhir/R4/Patient/1", ""), 401, "token-missing")
	}
	if len(w.refused) != anonymousRecords {
		t.Errorf("%d recorded", len(w.refused))
	}
	wants(t, w.do("GET", "/fhir/R4/Observation/1", "", "as reader"), 403, "scope")
	if len(w.refused) != anonymousRecords+1 {
		t.Error("a known caller's refusal is not recorded")
	}
	now = now.Add(time.Second / 2)
	for range 100 {
		w.do("GET", "/fhir/R4/Nothing", "")
	}
	if len(w.refused) != anonymousRecords*3/2+1 {
		t.Errorf("%d recorded half a second later", len(w.refused))
	}
	if metrics := w.do("GET", "/metrics", "").Body.String(); !strings.Contains(metrics, "adapter_http_refusals_unrecorded_total 170\n") {
		t.Error(metrics)
	}
}

func TestIssuesAreBounded(t *testing.T) {
	var many strings.Builder
	for i := range 50000 {
		fmt.Fprintf(&many, `,"f%d":{}`, i)
	}
	w := newWorld(t, nil)
	rec := w.do("POST", "/api/v1/referrals/1/actions/accept", `{"note":1`+many.String()+`}`, "as lw", "Content-Type: application/json", `If-Match: W/"1"`)
	wants(t, rec, 400, "more-issues")
	list := object(t, rec)["errors"].([]any)
	if len(list) != maxIssues || list[maxIssues-1].(map[string]any)["rule"] != "more-issues" || rec.Body.Len() > 100<<10 {
		t.Errorf("%d issues in %d bytes", len(list), rec.Body.Len())
	}
	rec = w.do("POST", "/api/v1/referrals/1/actions/accept", `{"`+strings.Repeat("x", 1<<20)+`":1}`, "as lw", "Content-Type: application/json", `If-Match: W/"1"`)
	if wants(t, rec, 400, "unknown-field"); rec.Body.Len() > 2000 {
		t.Errorf("%d bytes for one name", rec.Body.Len())
	}

	// on both surfaces and in the log; what refuses stays when warnings are many
	var errs []error
	for range 50000 {
		errs = append(errs, issue.New(issue.Value, "warned", "").Graded(issue.SeverityWarning))
	}
	w = newWorld(t, refusing(errors.Join(append(errs, issue.New(issue.Required, "needed", ""))...)))
	rec = w.do("GET", "/fhir/R4/Patient/1", "", "as gp")
	wants(t, rec, 400, "needed")
	issues := parsed(t, rec).All("issue")
	if last := issues[len(issues)-1]; len(issues) != maxIssues || last.Text("severity") != "information" || last.Text("details", "coding", "code") != "more-issues" {
		t.Errorf("%d issues", len(issues))
	}
	wants(t, w.do("GET", "/api/v1/referrals/1", "", "as lw"), 400, "needed")
	if w.log.Len() > 20000 {
		t.Errorf("%d bytes of log", w.log.Len())
	}
}

func TestSearchesAreBounded(t *testing.T) {
	w := newWorld(t, nil)
	for query, rule := range map[string]string{
		strings.Repeat("identifier=a&", maxConditions+1):                     "search-conditions",
		strings.Repeat("identifier=a,b,c,d,e&", maxAlternatives/5) + "_id=1": "search-alternatives",
		"identifier=" + strings.Repeat(",", 1<<13):                           "search-alternatives",
	} {
		wants(t, w.do("GET", "/fhir/R4/Patient?"+query, "", "as gp"), 422, rule)
		wants(t, w.do("POST", "/fhir/R4/Patient/_search", query, "as gp", "Content-Type: application/x-www-form-urlencoded"), 422, rule)
	}
	// what widens a search to everybody is refused, also of a client that is not strict
	for query, rule := range map[string]string{
		"identifier=": "search-empty", "identifier=,": "search-empty", "identifier": "search-empty", "_id=,,": "search-empty", "Identifier=1": "search-case", "IDENTIFIER=": "search-case", "_ID=1": "search-case",
	} {
		wants(t, w.do("GET", "/fhir/R4/Patient?"+query, "", "as gp"), 400, rule)
	}
	for _, query := range []string{"owner=", "patient=", "patient=Patient/", "status=", "status=" + strings.Repeat("draft,", maxAlternatives) + "draft"} {
		wants(t, w.do("GET", "/api/v1/referrals?"+query, "", "as lw"), 400, "filter")
	}
	if len(w.calls) != 0 {
		t.Errorf("%+v", w.calls)
	}
	// the most there may be can be asked again by its self link
	rec := w.do("GET", "/fhir/R4/Patient?"+strings.Repeat("identifier=a,b,c,d&", maxConditions), "", "as gp")
	wants(t, rec, 200, "")
	wants(t, w.do("GET", strings.TrimPrefix(parsed(t, rec).Text("link", "url"), base), "", "as gp"), 200, "")
}

func TestSearchNamesWhatItIgnored(t *testing.T) {
	w := newWorld(t, nil)
	root := parsed(t, w.do("GET", "/fhir/R4/Patient?nonsense=1&_sort=family&unknown=", "", "as gp"))
	entries := root.All("entry")
	if len(entries) != 2 || root.Text("total") != "1" {
		t.Fatalf("%d entries, total %s", len(entries), root.Text("total"))
	}
	outcome := entries[1].Child("resource")
	issues := outcome.All("issue")
	if entries[1].Text("search", "mode") != "outcome" || outcome.ResourceType() != "OperationOutcome" || len(issues) != 2 ||
		issues[0].Text("severity") != "warning" || issues[0].Text("code") != "not-supported" || !strings.Contains(issues[0].Text("diagnostics"), "nonsense") {
		t.Errorf("%s", fhir.EncodeIndent(root))
	}
	if err := issue.Failures(fhir.Check(outcome)); err != nil {
		t.Error(err)
	}
	if root = parsed(t, w.do("GET", "/fhir/R4/Patient?nonsense=1&_summary=count", "", "as gp")); strings.Contains(string(fhir.Encode(root)), "outcome") {
		t.Error("a count has entries")
	}
}

// failing is a body that breaks off with an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestBodyThatCannotBeRead(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct {
		err    error
		status int
		rule   string
	}{
		{errors.New("malformed chunked encoding"), 400, "body-unreadable"},
		{io.ErrUnexpectedEOF, 400, "body-incomplete"},
		{os.ErrDeadlineExceeded, 408, "body-timeout"},
	} {
		r := httptest.NewRequest("POST", "/fhir/R4/Patient", failing{c.err})
		r.Header.Set("Authorization", "Bearer gp")
		r.Header.Set("Content-Type", "application/fhir+json")
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		wants(t, rec, c.status, c.rule)
	}

	server := httptest.NewServer(w.handler)
	defer server.Close()
	for _, body := range []string{"zz\r\n{}\r\n0\r\n\r\n", "2\r\n{}xx0\r\n\r\n", "fffffffffffffffff\r\n"} {
		connection, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(connection, "POST /fhir/R4/Patient HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer gp\r\nContent-Type: application/fhir+json\r\nTransfer-Encoding: chunked\r\n\r\n"+body)
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != 400 {
			t.Errorf("%q: %s", body, response.Status)
		}
		_ = response.Body.Close()
		_ = connection.Close()
	}
}

func TestArticle(t *testing.T) {
	w := newWorld(t, nil)
	wants(t, w.post("/fhir/R4/Observation", `{"resourceType":"Patient"}`, "as gp"), 400, "resource-type")
	for _, c := range [][2]string{{"Observation", "an Observation"}, {"Patient", "a Patient"}} {
		if got := withArticle(c[0]); got != c[1] {
			t.Error(got)
		}
	}
}
