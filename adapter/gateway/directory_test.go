package gateway_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/directory"
	"spadapter/adapter/fhir"
	"spadapter/adapter/gateway"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
	"spadapter/adapter/terminology"
	"spadapter/conformance"
	"spadapter/mappings"
)

// library is a gateway before the directory of Millbrook, with one stored resource of
// each of its types, which belongs to a practice.
type library struct {
	t        *testing.T
	handler  http.Handler
	recorded []string
	refused  []string
}

var afternoon = time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)

const storedID = "0190d9a0-0000-7000-8000-000000000001"

func newLibrary(t *testing.T) *library {
	t.Helper()
	codes, err := terminology.LoadFS(conformance.FS)
	if err != nil {
		t.Fatal(err)
	}
	resources, err := terminology.Resources(mappings.FS, func(name string) bool { return strings.HasPrefix(name, "base/") })
	if err != nil {
		t.Fatal(err)
	}
	if codes, err = codes.With(resources...); err != nil {
		t.Fatal(err)
	}
	v, err := directory.NewVocabulary(codes)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return afternoon }
	d := directory.New(directory.Config{Store: storetest.Open(t, storetest.SQLite(t)).Directory(), Vocabulary: v, Now: now})
	file, err := os.Open("../../testdata/directory/millbrook.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := d.Refresh(t.Context(), "millbrook", directory.NewFile(file), directory.Options{}); err != nil {
		t.Fatal(err)
	}
	l := &library{t: t}
	stored := func(kind string) referral.Version {
		return referral.Version{Type: kind, ID: storedID, Number: 1, Updated: afternoon, Body: []byte(`{"resourceType":"` + kind + `","id":"` + storedID + `","name":"Stored"}`)}
	}
	ops := gateway.Operations{
		Read: func(_ context.Context, _ referral.Call, kind, id string) (*referral.Version, error) {
			if v := stored(kind); id == v.ID {
				return &v, nil
			}
			return nil, issue.New(issue.NotFound, "unknown-id", "there is no resource with this id")
		},
		Search: func(_ context.Context, _ referral.Call, q referral.Query) (referral.Found, error) {
			l.recorded = append(l.recorded, "stored search "+q.Type)
			if q.Page.Count == 0 {
				return referral.Found{Total: 1}, nil
			}
			return referral.Found{Versions: []referral.Version{stored(q.Type)}, Total: 1}, nil
		},
		Refused: func(_ context.Context, c referral.Call, interaction, entity string, err error) error {
			l.refused = append(l.refused, interaction+" "+c.Query)
			return nil
		},
		ResourceTypes: referral.ResourceTypes, CreateTypes: referral.CreateTypes, UpdateTypes: referral.UpdateTypes, SearchParams: referral.SearchParams,
	}
	l.handler = gateway.New(gateway.Config{
		Operations: ops, BaseURL: "https://adapter.test", Now: now, Logger: slog.New(slog.DiscardHandler),
		Verify: func(_ context.Context, token string) (*auth.Principal, error) {
			if !auth.Role(token).Valid() {
				return nil, issue.New(issue.Login, "token", "no such token")
			}
			return &auth.Principal{Client: token, Role: auth.Role(token), Scopes: []string{"system/*.rs"}}, nil
		},
		Directory: &gateway.Directory{Directory: d, Record: func(_ context.Context, c referral.Call, interaction, action, entity string) error {
			l.recorded = append(l.recorded, interaction+" "+action+" "+entity+" "+c.Query)
			return nil
		}},
	})
	return l
}

func (l *library) get(path string, headers ...string) *httptest.ResponseRecorder {
	l.t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer owner")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	l.handler.ServeHTTP(rec, r)
	return rec
}

// page is the body of a list.
type page struct {
	Items []directory.View
	Next  *string
	Near  *directory.Near
	Feeds []directory.FeedView
}

func (l *library) services(query string) page {
	l.t.Helper()
	rec := l.get("/api/v1/services?" + query)
	var p page
	if rec.Code != 200 || json.Unmarshal(rec.Body.Bytes(), &p) != nil {
		l.t.Fatalf("%s: %d %s", query, rec.Code, rec.Body)
	}
	return p
}

func TestServices(t *testing.T) {
	l := newLibrary(t)
	for query, want := range map[string]string{
		"need=bereavement":                             "Bereavement Café",
		"kind=museum,gallery":                          "Look and Draw|Museum Memories",
		"day=TU&free=true&language=bn":                 "Money and Debt Advice",
		"near=ZZ1+4&within_km=0.6&day=we":              "Benefits Checks|Wellbeing Walks",
		"accessibility=wheelchair,hearing-loop":        "Back to Work Club|Shared Reading Group|Tea and Tablets",
		"language=Urdu":                                "Shared Reading Group",
		"max_cost=3&kind=physical-activity":            "Strong and Steady|Wellbeing Walks",
		"kind=culture":                                 "Look and Draw|Museum Memories|Shared Reading Group|Theatre Tuesdays",
		"kind=money-advice":                            "Benefits Checks|Money and Debt Advice",
		"q=caf%C3%A9":                                  "Bereavement Café",
		"status=temporarily-closed":                    "Millbrook Pantry",
		"near=ZZ2+3&count=1":                           "Carers’ Breaks",
		"kind=befriending&near=ZZ1+4":                  "Friendly Calls",
		"kind=befriending&near=ZZ1+4&within_km=100":    "",
		"need=loneliness&day=SA&_pretty=true&count=50": "Wellbeing Walks",
	} {
		var names []string
		for _, v := range l.services(query).Items {
			names = append(names, v.Name)
		}
		if !strings.Contains(query, "near") {
			slices.Sort(names)
		}
		if got := strings.Join(names, "|"); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	near := l.services("near=zz1+4&count=3")
	if near.Near == nil || near.Near.Area != "ZZ1 4" || near.Near.From != directory.FromSector || near.Items[0].DistanceKM == nil || near.Items[0].Nearest != near.Items[0].Locations[0].ID || len(near.Feeds) != 1 {
		t.Errorf("%+v", near)
	}
	old := l.services("kind=digital-skills").Items[0]
	if !old.Stale || len(old.Warnings) != 1 || !strings.Contains(old.Warnings[0], "last checked on 2024-03-01") {
		t.Errorf("%+v", old)
	}
	alert := l.services("kind=carer-support").Items[0]
	if alert.Stale || len(alert.Warnings) != 1 || !strings.Contains(alert.Warnings[0], "garden room") {
		t.Errorf("%+v", alert)
	}
	rec := l.get("/api/v1/services?count=5&need=loneliness")
	link := rec.Header().Get("Link")
	next, err := url.Parse(strings.TrimPrefix(link[:strings.Index(link, ">")], "<"))
	if err != nil || next.Path != "/api/v1/services" || next.Query().Get("need") != "loneliness" {
		t.Fatal(link, err)
	}
	if rec := l.get(next.RequestURI()); rec.Code != 200 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	one := l.get("/api/v1/services/" + old.ID)
	var v directory.View
	if one.Code != 200 || json.Unmarshal(one.Body.Bytes(), &v) != nil || v.Name != "Tea and Tablets" || v.Phones[0] != "01632 960118" {
		t.Errorf("%d %s", one.Code, one.Body)
	}
	if !slices.Contains(l.recorded, "search-type E HealthcareService count=5&need=loneliness") || !slices.Contains(l.recorded, "read R HealthcareService/"+old.ID+" ") {
		t.Errorf("audited: %q", l.recorded)
	}
}

// A wrong parameter is refused with words that say what is right, and audited.
func TestServicesRefuses(t *testing.T) {
	l := newLibrary(t)
	for query, want := range map[string]struct {
		status  int
		element string
		words   string
	}{
		"need=lonelyness":                    {400, "http.need", "loneliness"},
		"kind=lunch":                         {400, "http.kind", "lunch-club"},
		"day=Tuesday":                        {400, "http.day", "MO, TU"},
		"day=":                               {400, "http.day", "no value"},
		"kind=,":                             {400, "http.kind", "no value"},
		"free=false":                         {400, "http.free", "true"},
		"max_cost=cheap":                     {400, "http.max_cost", "3.50"},
		"near=LS1+4AB":                       {400, "http.near", "more about a person"},
		"near=Leeds":                         {400, "http.near", "LS1 4"},
		"near=YY9+9":                         {422, "http.near", "adapter services postcodes"},
		"within_km=5":                        {400, "http.within_km", "from where"},
		"within_km=0&near=ZZ1":               {400, "http.within_km", "above 0"},
		"within_km=NaN&near=ZZ1":             {400, "http.within_km", "above 0"},
		"accessibility=ramp":                 {400, "http.accessibility", "step-free"},
		"q=the":                              {400, "http.q", "word"},
		"q=aa+bb+cc+dd+ee+ff+gg+hh+ii+jj+kk": {422, "http.q", "at most"},
		"status=open":                        {400, "http.status", "withdrawn"},
		"count=0":                            {400, "http.count", "from 1"},
		"cursor=x":                           {400, "", "page link"},
		"postcode=LS1":                       {400, "", "within_km"},
		"need=housing&need=caring":           {400, "http.need", "once"},
		"organisation=a%20b":                 {400, "http.organisation", "id"},
	} {
		rec := l.get("/api/v1/services?" + query)
		var p struct {
			Status int
			Errors []struct{ Element, Detail, Diagnostics string }
		}
		if rec.Code != want.status || rec.Header().Get("Content-Type") != "application/problem+json" || json.Unmarshal(rec.Body.Bytes(), &p) != nil || len(p.Errors) != 1 ||
			p.Errors[0].Element != want.element || !strings.Contains(p.Errors[0].Detail, want.words) {
			t.Errorf("%s: %d %s", query, rec.Code, rec.Body)
		}
	}
	if len(l.refused) != 22 || len(l.recorded) != 0 {
		t.Errorf("%d refusals and %v were recorded", len(l.refused), l.recorded)
	}
	if !slices.Contains(l.refused, "search-type near=(not kept)") {
		t.Errorf("a postcode is in the audit: %q", l.refused)
	}
	if rec := l.get("/api/v1/services/"+storedID, "Accept", "application/json"); rec.Code != 404 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := l.get("/api/v1/services", "Authorization", "Bearer nobody"); rec.Code != 401 {
		t.Errorf("%d", rec.Code)
	}
	for _, role := range []string{"requester", "owner", "operator"} {
		if rec := l.get("/api/v1/services", "Authorization", "Bearer "+role); rec.Code != 200 {
			t.Errorf("%s: %d", role, rec.Code)
		}
	}
}

// found gives the names of a searchset and its next link.
func (l *library) found(path string) (names []string, next, total string) {
	l.t.Helper()
	rec := l.get(path)
	root, err := fhir.Parse(fhir.Types(fhir.R4), rec.Body.Bytes(), fhir.Limits{})
	if err == nil {
		err = issue.Failures(fhir.Check(root))
	}
	if rec.Code != 200 || err != nil {
		l.t.Fatalf("%s: %d %v %s", path, rec.Code, err, rec.Body)
	}
	for _, e := range root.All("entry") {
		names = append(names, e.Text("resource", "name"))
		if e.Text("fullUrl") != "https://adapter.test/fhir/R4/"+e.Child("resource").ResourceType()+"/"+e.Text("resource", "id") && e.Text("search", "mode") == "match" {
			l.t.Errorf("fullUrl %s", e.Text("fullUrl"))
		}
	}
	for _, link := range root.All("link") {
		if link.Text("relation") == "next" {
			next = strings.TrimPrefix(link.Text("url"), "https://adapter.test")
		}
	}
	return names, next, root.Text("total")
}

func TestDirectoryAsFHIR(t *testing.T) {
	l := newLibrary(t)
	const hs = "/fhir/R4/HealthcareService"
	pantry := l.services("status=temporarily-closed").Items[0]
	for path, want := range map[string]string{
		hs + "?service-type=lunch-club": "Tuesday Lunch Club",
		hs + "?service-type=https://spadapter.example/fhir/CodeSystem/activity-kind|museum": "Museum Memories",
		hs + "?service-type=|museum":                    "",
		hs + "?service-type=museum,gallery&active=true": "Look and Draw|Museum Memories",
		hs + "?active=false":                            "Millbrook Pantry",
		hs + "?name=tu":                                 "Tuesday Lunch Club",
		hs + "?location=Location/" + pantry.Locations[0].ID + "&name=m":                           "Millbrook Pantry",
		hs + "?organization=Organization/" + pantry.Organisation.ID + "&service-type=befriending": "Friendly Calls",
		hs + "?organization:Organization=" + pantry.Organisation.ID + "&service-type=befriending": "Friendly Calls",
		hs + "?_id=" + pantry.ID:                   "Millbrook Pantry|Stored",
		hs + "?_id=" + pantry.ID + "&active=false": "Millbrook Pantry",
		hs + "?identifier=" + pantry.Source:        "Millbrook Pantry|Stored",
		hs + "?identifier=https://spadapter.example/fhir/directory/millbrook|" + pantry.Source: "Millbrook Pantry|Stored",
		hs + "?identifier=urn:other|" + pantry.Source:                                          "Stored",
		hs + "?_lastUpdated=lt2020&active=true":                                                "",
		"/fhir/R4/Location?near=54.6012|1.0021|0.7|km":                                         "Riverside Hall|Central Library|Millbrook Museum",
		"/fhir/R4/Location?near=54.6012|1.0021&_count=1":                                       "Riverside Hall",
		"/fhir/R4/Location?name=river":                                                         "Riverside Hall",
		"/fhir/R4/Organization?name=millbrook+a":                                               "Millbrook Advice Centre",
		"/fhir/R4/Organization?identifier=http://org-id.guide/list/GB-CHC|9900005":             "Millbrook Carers|Stored",
		"/fhir/R4/Organization?active=true&name=active":                                        "Active Millbrook",
	} {
		path, query, _ := strings.Cut(path, "?")
		got, _, _ := l.found(path + "?" + strings.NewReplacer("|", "%7C").Replace(query))
		if path == hs {
			slices.Sort(got)
		}
		if path == "/fhir/R4/Location" && len(got) > 3 {
			got = got[:3]
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s?%s: %q, want %q", path, query, got, want)
		}
	}
	// page after page: the directory first, then what is stored, each once
	var all []string
	pages := 0
	for next := hs + "?_count=8"; next != ""; pages++ {
		var names []string
		var total string
		if names, next, total = l.found(next); total != "21" {
			t.Errorf("total %s", total)
		}
		all = append(all, names...)
	}
	unique := slices.Clone(all)
	slices.Sort(unique)
	if len(all) != 21 || len(slices.Compact(unique)) != 21 || all[20] != "Stored" || pages != 3 {
		t.Errorf("%d pages: %q", pages, all)
	}
	if names, next, _ := l.found(hs + "?_count=20"); len(names) != 20 || next == "" {
		t.Errorf("%d, %q", len(names), next)
	} else if rest, next, _ := l.found(next); len(rest) != 1 || next != "" {
		t.Errorf("%q %q", rest, next)
	}
	if _, next, total := l.found(hs + "?_summary=count"); total != "21" || next != "" {
		t.Errorf("%s %s", total, next)
	}

	// read, with its tag, and the one version there is
	rec := l.get(hs + "/" + pantry.ID)
	tag := rec.Header().Get("ETag")
	if rec.Code != 200 || tag != `W/"1"` || !strings.Contains(rec.Body.String(), "Millbrook Pantry") {
		t.Errorf("%d %s %s", rec.Code, tag, rec.Body)
	}
	for path, want := range map[string]int{hs + "/" + pantry.ID + "/_history/1": 200, hs + "/" + pantry.ID + "/_history/2": 404, hs + "/" + pantry.ID + "/_history": 200,
		hs + "/" + storedID: 200, "/fhir/R4/Location/" + pantry.ID: 404, "/fhir/R4/Location/" + pantry.Locations[0].ID: 200, "/fhir/R4/Organization/" + pantry.Organisation.ID: 200,
		hs + "/ebaf8325-59a4-5ecd-a6b8-6165bd9d20ff": 404} {
		if rec := l.get(path); rec.Code != want {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
	if rec := l.get(hs+"/"+pantry.ID, "If-None-Match", tag); rec.Code != 304 {
		t.Errorf("%d", rec.Code)
	}
	for _, query := range []string{"near=1", "near=54%7C1%7C5%7Cleagues", "near=91%7C1", "near=54%7C1%7C-1", "near=a%7Cb", "name=a,b", "name=a&name=b", "_lastUpdated=ne2026"} {
		if rec := l.get("/fhir/R4/Location?" + query); rec.Code != 400 {
			t.Errorf("%s: %d %s", query, rec.Code, rec.Body)
		}
	}
}

// The statement says what the directory is searched by.
func TestStatementOfTheDirectory(t *testing.T) {
	l := newLibrary(t)
	root, err := fhir.Parse(fhir.Types(fhir.R4), l.get("/fhir/R4/metadata").Body.Bytes(), fhir.Limits{})
	if err == nil {
		err = issue.Failures(fhir.Check(root))
	}
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"HealthcareService": "_id _lastUpdated identifier active location name organization service-type",
		"Location":          "_id _lastUpdated identifier name near",
		"Organization":      "_id _lastUpdated identifier active name",
	}
	for _, r := range root.Child("rest").All("resource") {
		if w := want[r.Text("type")]; w != "" {
			var names []string
			for _, p := range r.All("searchParam") {
				names = append(names, p.Text("name"))
			}
			if strings.Join(names, " ") != w {
				t.Errorf("%s: %q", r.Text("type"), names)
			}
			delete(want, r.Text("type"))
		}
	}
	if len(want) > 0 {
		t.Errorf("not stated: %v", want)
	}
}
