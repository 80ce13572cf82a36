package gateway

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"spadapter/adapter/gateway/apitest"
	"spadapter/adapter/referral"
	"spadapter/adapter/terminology"
	"spadapter/conformance"
	"spadapter/mappings"
)

// shipped are the codes that ship.
var shipped = sync.OnceValues(func() (*terminology.Registry, error) {
	codes, err := terminology.LoadFS(conformance.FS)
	if err != nil {
		return nil, err
	}
	resources, err := terminology.Resources(mappings.FS, func(name string) bool { return strings.HasPrefix(name, "base/") })
	if err != nil {
		return nil, err
	}
	return codes.With(resources...)
})

// complete is a gateway with every route there is.
func complete(t *testing.T) *gateway {
	t.Helper()
	codes, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	openapi, err := ParseOpenAPI(conformance.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *Operations) {
		o.Follow = func(referral.Call, string, int64) (*referral.Follower, error) { return nil, nil }
	})
	w.config.Directory, w.config.OpenAPI, w.config.Authority = &Directory{}, openapi, &Authority{}
	w.config.Terminology = func(string) *terminology.Registry { return codes }
	g := &gateway{Config: w.config.withDefaults()}
	g.routes = g.table()
	return g
}

// contract is the document of the complete gateway.
var (
	contractOnce sync.Once
	contractMade *apitest.Contract
)

func contract(t *testing.T) *apitest.Contract {
	t.Helper()
	contractOnce.Do(func() {
		d, err := complete(t).describe()
		if err != nil {
			t.Fatal(err)
		}
		if contractMade, err = apitest.New(d.body); err != nil {
			t.Fatal(err)
		}
	})
	return contractMade
}

// documentTree is the document of the complete gateway as its readers get it.
func documentTree(t *testing.T) *ordered {
	t.Helper()
	d, err := complete(t).describe()
	if err != nil {
		t.Fatal(err)
	}
	root, err := parseOrdered(string(d.body))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestOpenAPIIsValid(t *testing.T) { contract(t) }

// pages are the routes outside the plain JSON API that the document leaves out: they are
// no JSON.
var pages = []string{"/metrics", "/docs"}

func TestOpenAPIHasEveryRoute(t *testing.T) {
	g := complete(t)
	routes, described := map[string]bool{}, map[string]bool{}
	for _, r := range g.routes {
		if r.surface != surfaceFHIR && r.surface != surfaceSTU3 && !slices.ContainsFunc(pages, func(p string) bool { return r.path == p || strings.HasPrefix(r.path, p+"/") }) {
			routes[r.method+" "+r.path] = true
		}
	}
	paths := g.OpenAPI.root.at("paths")
	for _, path := range paths.names {
		for _, name := range paths.at(path).names {
			if method := methods[name]; method != "" {
				described[method+" "+routePath(path)] = true
			}
		}
	}
	for _, r := range slices.Sorted(maps.Keys(routes)) {
		if !described[r] {
			t.Errorf("%s is not in conformance/openapi.json", r)
		}
	}
	for _, r := range slices.Sorted(maps.Keys(described)) {
		if !routes[r] {
			t.Errorf("conformance/openapi.json has %s, and there is no such route", r)
		}
	}
}

// A deployment without events and directory has a document without them.
func TestOpenAPILeavesOutWhatIsNotOffered(t *testing.T) {
	w := newWorld(t, nil)
	w.config.OpenAPI = complete(t).OpenAPI
	w.handler = New(w.config)
	rec := w.do("GET", "/openapi.json", "")
	wants(t, rec, 200, "")
	paths := object(t, rec)["paths"].(map[string]any)
	for path, want := range map[string]bool{"/api/v1/referrals": true, "/api/v1/referrals/{id}/actions/accept": true, "/api/v1/events": false, "/api/v1/services/{id}": false, "/api/v1/webhooks/{id}": false} {
		if _, got := paths[path]; got != want {
			t.Errorf("%s is there: %v", path, got)
		}
	}
}

func TestOpenAPIOfAnAction(t *testing.T) {
	root := documentTree(t)
	list := func(value any) (out []string) {
		values, _ := value.([]any)
		for _, v := range values {
			out = append(out, v.(string))
		}
		return out
	}
	for path, want := range map[string]struct {
		schema               string
		properties, required []string
		reasons              []string // some of them
	}{
		"/api/v1/referrals/{id}/actions/accept":     {"AcceptReferral", []string{"at", "note", "note_audience"}, nil, nil},
		"/api/v1/referrals/{id}/actions/contact":    {"ContactReferral", []string{"at", "note", "note_audience", "channel", "result"}, []string{"channel", "result"}, nil},
		"/api/v1/referrals/{id}/actions/hold":       {"HoldReferral", []string{"at", "reason", "note", "note_audience", "review_on"}, []string{"review_on", "reason"}, []string{"waiting-list", "patient-request", "unwell"}},
		"/api/v1/referrals/{id}/actions/reject":     {"RejectReferral", []string{"at", "reason", "note", "note_audience"}, []string{"reason"}, []string{"not-eligible", "no-capacity", "duplicate", "at-capacity", "out-of-area"}},
		"/api/v1/activities/{id}/actions/end":       {"EndActivity", []string{"at", "note", "sessions"}, []string{"sessions"}, nil},
		"/api/v1/referrals/{id}/actions/correct":    {"CorrectReferral", []string{"at", "note", "note_audience", "outcome"}, []string{"outcome", "note"}, nil},
		"/api/v1/referrals/{id}/actions/plan":       {"PlanReferral", []string{"at", "note", "note_audience", "review_on", "plan"}, []string{"plan"}, nil},
		"/api/v1/activities/{id}/actions/cancel":    {"CancelActivity", []string{"at", "reason", "note"}, []string{"reason"}, []string{"deceased"}},
		"/api/v1/referrals/{id}/actions/complete":   {"CompleteReferral", []string{"at", "note", "note_audience", "outcome"}, []string{"outcome"}, nil},
		"/api/v1/referrals/{id}/actions/transfer":   {"TransferReferral", []string{"at", "reason", "note", "note_audience", "service"}, []string{"service", "reason"}, []string{"replaced", "transferred"}},
		"/api/v1/referrals/{id}/actions/progress":   {"ProgressReferral", []string{"at", "note", "note_audience", "status"}, []string{"status"}, nil},
		"/api/v1/referrals/{id}/actions/cancel":     {"CancelReferral", []string{"at", "reason", "note"}, []string{"reason"}, []string{"moved-away", "entered-in-error"}},
		"/api/v1/referrals/{id}/actions/{action}":   {},
		"/api/v1/activities/{id}/actions/{action}":  {},
		"/api/v1/activities/{id}/actions/celebrate": {},
	} {
		op := root.at("paths", path, "post")
		if want.schema == "" {
			if op != nil {
				t.Errorf("%s is there", path)
			}
			continue
		}
		if got := op.at("requestBody", "content", contentJSON, "schema").text("$ref"); got != "#/components/schemas/"+want.schema {
			t.Errorf("%s takes %s", path, got)
			continue
		}
		schema := root.at("components", "schemas", want.schema)
		if got := schema.at("properties").names; !slices.Equal(got, want.properties) {
			t.Errorf("%s has %v", want.schema, got)
		}
		if got := list(schema.values["required"]); !slices.Equal(got, want.required) {
			t.Errorf("%s requires %v", want.schema, got)
		}
		if got := op.at("requestBody").values["required"]; got != (len(want.required) > 0) {
			t.Errorf("%s: the body is required: %v", path, got)
		}
		reasons := list(schema.at("properties", "reason", "properties", "code").orEmpty().values["enum"])
		for _, code := range want.reasons {
			if !slices.Contains(reasons, code) {
				t.Errorf("%s has the reasons %v, without %s", want.schema, reasons, code)
			}
		}
		if op.at("requestBody", "content", contentJSON, "examples") == nil || len(op.at("requestBody", "content", contentJSON, "examples").names) == 0 {
			t.Errorf("%s has no example", path)
		}
	}
	described := 0
	for _, path := range root.at("paths").names {
		if strings.Contains(path, "}/actions/") {
			described++
		}
	}
	if want := len(referral.Actions()) + len(referral.ActivityActions()); described != want {
		t.Errorf("%d actions are described, and there are %d", described, want)
	}
	for _, name := range referral.Actions() {
		one, many := root.at("paths", "/api/v1/referrals/{id}/actions/"+name, "post"), root.at("paths", "/api/v1/referrals/actions/"+name, "post")
		reference := many.at("requestBody", "content", contentJSON, "schema").text("$ref")
		item := root.at("components", "schemas", strings.TrimPrefix(reference, "#/components/schemas/"), "properties", "items", "items")
		want := one.at("requestBody", "content", contentJSON, "schema").text("$ref")
		if got := item.at("properties", "input").text("$ref"); got != want || want == "" {
			t.Errorf("an item of the bulk %s takes %q, want %q", name, got, want)
		}
		if got, want := slices.Contains(list(item.values["required"]), "input"), one.at("requestBody").values["required"]; got != want {
			t.Errorf("an item of the bulk %s requires input: %v, want %v", name, got, want)
		}
	}
}

// Every answer with JSON, and every body of a request, has an example; New has checked it.
func TestOpenAPIHasExamples(t *testing.T) {
	root := documentTree(t)
	count := 0
	for _, path := range root.at("paths").names {
		each(root.at("paths", path), func(o *ordered) {
			content := o.at("content", contentJSON)
			if content == nil || path == documentPath {
				return
			}
			count++
			examples := content.at("examples")
			if _, one := content.values["example"]; !one && (examples == nil || len(examples.names) == 0) {
				t.Errorf("%s has content without an example", path)
			}
		})
	}
	if count < 60 {
		t.Errorf("only %d bodies", count)
	}
}

// The examples of a schema are such values: kin-openapi looks at those of bodies alone.
func TestOpenAPIExamplesFitTheirSchemas(t *testing.T) {
	root := documentTree(t)
	count := 0
	each(root, func(o *ordered) {
		examples, is := o.values["examples"].([]any)
		if !is {
			return
		}
		var schema openapi3.Schema
		if err := json.Unmarshal(jsonOf(t, o), &schema); err != nil {
			t.Fatal(err)
		}
		for _, example := range examples {
			var value any
			if err := json.Unmarshal(jsonOf(t, example), &value); err != nil {
				t.Fatal(err)
			}
			if count++; schema.VisitJSON(value, openapi3.EnableJSONSchema2020()) != nil {
				t.Errorf("%v is no %v", value, o.values)
			}
		}
	})
	if count < 20 {
		t.Errorf("only %d examples", count)
	}
}

// Every schema that says where its codes are has them, from what ships.
func TestOpenAPIHasTheCodes(t *testing.T) {
	root := documentTree(t)
	filled := 0
	each(root, func(o *ordered) {
		for _, name := range []string{codesOfValueSet, codesOfCodeSystem, codesOfElement, codesOfTable} {
			if o.text(name) == "" {
				continue
			}
			if filled++; o.values["enum"] == nil {
				t.Errorf("nothing is known of %s %s", name, o.text(name))
			}
		}
		if o.values[codesOrEmpty] != nil {
			t.Errorf("%v is left", o.names)
		}
	})
	if filled < 15 {
		t.Errorf("only %d schemas have their codes from elsewhere", filled)
	}
	each(complete(t).OpenAPI.root, func(o *ordered) {
		if name := o.text(codesOfTable); name != "" && tables()[name] == nil {
			t.Errorf("there is no table %s", name)
		}
	})
}

func jsonOf(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
