package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/gateway/apitest"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/terminology"
)

const base = "https://adapter.test"

var noon = time.Date(2026, 2, 17, 12, 0, 0, 0, time.UTC)

// world is a gateway before a domain that answers everything with something small.
type world struct {
	t       *testing.T
	config  Config
	handler http.Handler
	log     *bytes.Buffer
	calls   []referral.Call // of every operation but Refused
	refused []refusal
}

type refusal struct {
	call                referral.Call
	interaction, entity string
	err                 error
}

// tokens are the callers of the tests.
var tokens = map[string]*auth.Principal{
	"gp":       {Client: "gp-system", Role: auth.RoleRequester, Organisations: []string{"A81001"}, Scopes: []string{"system/*.cruds"}},
	"lw":       {Client: "lw-tool", Role: auth.RoleOwner, Organisations: []string{"LW001"}, Scopes: []string{"system/*.cruds"}},
	"both":     {Client: "two-practices", Role: auth.RoleRequester, Organisations: []string{"A81001", "A81002"}, Scopes: []string{"system/*.cruds"}},
	"bare":     {Client: "no-scope", Role: auth.RoleRequester, Organisations: []string{"A81002"}},
	"op":       {Client: "operator", Role: auth.RoleOperator, Scopes: []string{"system/*.cruds"}},
	"reader":   {Client: "gp-reader", Role: auth.RoleRequester, Organisations: []string{"A81001"}, Scopes: []string{"system/Patient.rs"}},
	"patients": {Client: "gp-patients", Role: auth.RoleRequester, Organisations: []string{"A81001"}, Scopes: []string{"system/Patient.c"}},
}

// someReferral is a referral with nothing in it but what each has.
func someReferral(id string, version int) referral.View {
	return referral.View{
		ID: id, Version: version, Status: referral.StatusReceived, BusinessStatus: "awaiting-triage", Created: noon, Updated: noon,
		Requester: referral.Party{ODS: "A81001"}, Sharing: referral.SharingFull, RiskStatement: "None is recorded.",
		Needs: []referral.Need{}, Scores: []referral.Score{}, Findings: []referral.Finding{}, Risks: []referral.Finding{}, Notes: []referral.Note{},
		AllowedActions: []referral.Action{}, Attachments: []referral.Attached{}, Person: somePerson(), Headings: someHeadings(),
	}
}

func somePerson() referral.Person {
	return referral.Person{
		Identifiers: []referral.Identity{}, Names: []referral.HumanName{}, Addresses: []referral.Address{}, Points: []referral.ContactPoint{}, Times: []string{},
		Immigration: []referral.Finding{}, Withheld: []referral.Withheld{}, Labels: []referral.Coded{}, More: []referral.Detail{},
	}
}

// someHeadings are the headings of a referral in which nothing is recorded.
func someHeadings() referral.Headings {
	none, page := []referral.Finding{}, []referral.Statement{}
	return referral.Headings{
		Practices: []referral.Practice{}, Referrer: referral.Referrer{Points: []referral.ContactPoint{}}, AboutMe: page, Contacts: []referral.Relation{},
		Requirements: referral.Requirements{Adjustments: none, Impairments: none, Mobility: none, Other: none},
		Communicate:  referral.Communicate{Languages: []referral.Language{}, Interpreters: none, Needs: none},
		Carer:        referral.Carer{Recorded: none}, RiskState: referral.StateNotRecorded,
		Safeguarding: referral.Safeguarding{State: referral.StateNotRecorded, Concerns: none, Recorded: none},
		Consent:      referral.Consents{State: referral.StateNotRecorded, LegalBasis: "direct care", Entries: []referral.ConsentView{}},
		Social:       none, Presenting: none, Problems: none, Assessments: page, Documents: page, Labels: []referral.Coded{}, Other: []referral.Other{}, Withdrawn: []referral.Withdrawn{},
	}
}

func someActivity(id string, version int) referral.ActivityView {
	return referral.ActivityView{
		ID: id, Version: version, Name: "Lunch club", Status: referral.StatusRequested, Created: noon, Updated: noon, AllowedActions: []referral.Action{}, Task: "Task/" + id,
	}
}

func newWorld(t *testing.T, change func(*Operations)) *world {
	w := &world{t: t, log: &bytes.Buffer{}}
	saw := func(c referral.Call) { w.calls = append(w.calls, c) }
	version := func(resourceType, id string, number int) *referral.Version {
		return &referral.Version{Type: resourceType, ID: id, Number: number, Updated: noon, Body: []byte(`{"resourceType":"` + resourceType + `","id":"` + id + `"}`)}
	}
	ops := Operations{
		Submit: func(_ context.Context, c referral.Call, root *fhir.Node) (*referral.Response, error) {
			saw(c)
			return &referral.Response{Status: 201, ContentType: contentFHIR, Location: root.ResourceType() + "/1/_history/1", ETag: `W/"1"`, Body: []byte(`{"resourceType":"` + root.ResourceType() + `","id":"1"}`)}, nil
		},
		Read: func(_ context.Context, c referral.Call, resourceType, id string) (*referral.Version, error) {
			saw(c)
			return version(resourceType, id, 3), nil
		},
		ReadVersion: func(_ context.Context, c referral.Call, resourceType, id string, number int) (*referral.Version, error) {
			saw(c)
			return version(resourceType, id, number), nil
		},
		History: func(_ context.Context, c referral.Call, resourceType, id string, p referral.Page) (referral.Found, error) {
			saw(c)
			return referral.Found{Versions: []referral.Version{*version(resourceType, "1", 1)}, Total: 1}, nil
		},
		Search: func(_ context.Context, c referral.Call, q referral.Query) (referral.Found, error) {
			saw(c)
			return referral.Found{Versions: []referral.Version{*version(q.Type, "1", 1)}, Total: 1}, nil
		},
		Worklist: func(_ context.Context, c referral.Call, f referral.Filter) ([]referral.View, string, error) {
			saw(c)
			return []referral.View{someReferral("1", 2)}, "", nil
		},
		View: func(_ context.Context, c referral.Call, id string) (*referral.View, error) {
			saw(c)
			v := someReferral(id, 2)
			return &v, nil
		},
		Act: func(_ context.Context, c referral.Call, id, action string, number int, in referral.Input) (*referral.View, error) {
			saw(c)
			v := someReferral(id, number+1)
			return &v, nil
		},
		Activities: func(_ context.Context, c referral.Call, open referral.Wanted, p referral.Page) ([]referral.ActivityView, string, error) {
			saw(c)
			return []referral.ActivityView{someActivity("1", 2)}, "next", nil
		},
		Activity: func(_ context.Context, c referral.Call, id string) (*referral.ActivityView, error) {
			saw(c)
			v := someActivity(id, 2)
			return &v, nil
		},
		ActActivity: func(_ context.Context, c referral.Call, id, action string, number int, in referral.Input) (*referral.ActivityView, error) {
			saw(c)
			v := someActivity(id, number+1)
			return &v, nil
		},
		Update: func(_ context.Context, c referral.Call, resourceType, id string, number int, root *fhir.Node) (*referral.Updated, error) {
			saw(c)
			return &referral.Updated{Version: &referral.Version{Type: resourceType, ID: id, Number: number + 1, Updated: noon, Body: fhir.Encode(root)}, Move: &referral.Table[0]}, nil
		},
		Refused: func(_ context.Context, c referral.Call, interaction, entity string, err error) error {
			w.refused = append(w.refused, refusal{c, interaction, entity, err})
			return nil
		},
		ResourceTypes: referral.ResourceTypes, CreateTypes: referral.CreateTypes, UpdateTypes: referral.UpdateTypes, SearchParams: referral.SearchParams,
	}
	if change != nil {
		change(&ops)
	}
	w.config = Config{
		Operations: ops, BaseURL: base + "/", TokenURL: base + "/oauth2/token",
		Verify: func(_ context.Context, token string) (*auth.Principal, error) {
			if p := tokens[token]; p != nil {
				return p, nil
			}
			return nil, issue.New(issue.Login, "token-signature", "the token was not signed by a known key")
		},
		Conversions: testDialects(), Terminology: func(string) *terminology.Registry { return testTerminology() }, Definitions: []*fhir.Node{definition()},
		Validator: testValidator(),
		// where httptest says that its requests come from
		Protection: Protection{Metrics: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
		Logger:     slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		NewID:      func() string { return "made-id" },
		Now:        func() time.Time { return noon },
	}
	w.handler = New(w.config)
	return w
}

// do sends a request; headers are "Name: value" and "as gp" is short for a token.
func (w *world) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r, rec := w.serve(method, target, body, headers...)
	holds(w.t, r, []byte(body), rec)
	return rec
}

// undescribed is do where the domain of the test does what no domain would: the exchange
// is not held against the document of the API.
func (w *world) undescribed(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	_, rec := w.serve(method, target, body, headers...)
	return rec
}

func (w *world) serve(method, target, body string, headers ...string) (*http.Request, *httptest.ResponseRecorder) {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, h := range headers {
		if token, ok := strings.CutPrefix(h, "as "); ok {
			h = "Authorization: Bearer " + token
		}
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return r, rec
}

// holds fails when an exchange of the plain JSON API is not as its document has it.
func holds(t *testing.T, r *http.Request, sent []byte, rec *httptest.ResponseRecorder) {
	t.Helper()
	if !strings.HasPrefix(r.URL.Path, apiBase+"/") {
		return
	}
	x := apitest.Exchange{Method: r.Method, Target: r.URL.RequestURI(), Request: r.Header, Sent: sent, Status: rec.Code, Response: rec.Header(), Body: plainText(t, rec)}
	if err := contract(t).Check(x); err != nil {
		t.Error(err)
	}
}

// plainText is the body of a response, unpacked.
func plainText(t *testing.T, rec *httptest.ResponseRecorder) []byte {
	t.Helper()
	if rec.Header().Get("Content-Encoding") != "gzip" {
		return rec.Body.Bytes()
	}
	reader, err := gzip.NewReader(bytes.NewReader(rec.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// post sends FHIR JSON.
func (w *world) post(target, body string, headers ...string) *httptest.ResponseRecorder {
	return w.do("POST", target, body, append([]string{"Content-Type: application/fhir+json"}, headers...)...)
}

// wants fails unless the response has the status and, for an error, the rule.
func wants(t *testing.T, rec *httptest.ResponseRecorder, status int, rule string) {
	t.Helper()
	if rec.Code != status {
		t.Errorf("status %d, want %d: %s", rec.Code, status, rec.Body)
	}
	if rule != "" && !strings.Contains(rec.Body.String(), `"`+rule+`"`) {
		t.Errorf("the rule %s is not in %s", rule, rec.Body)
	}
}

// parsed reads a FHIR response.
func parsed(t *testing.T, rec *httptest.ResponseRecorder) *fhir.Node {
	t.Helper()
	if got := rec.Header().Get("Content-Type"); got != contentFHIR {
		t.Errorf("Content-Type %q", got)
	}
	root, err := fhir.Parse(fhir.Types(fhir.R4), rec.Body.Bytes(), fhir.Limits{})
	if err != nil {
		t.Fatalf("%v in %s", err, rec.Body)
	}
	for _, e := range issue.All(fhir.Check(root)) {
		// the resources of the tests are stubs; what the gateway wrote around them is not
		if e.Failure() && !strings.Contains(e.Expression, ".resource") && root.ResourceType() != "Patient" {
			t.Errorf("%v in %s", e, rec.Body)
		}
	}
	return root
}

// object reads a plain JSON response.
func object(t *testing.T, rec *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
		t.Fatalf("%v in %s", err, rec.Body)
	}
	return out
}
