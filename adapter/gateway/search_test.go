package gateway

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spadapter/adapter/referral"
)

func day(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }

// searchTestParams has one parameter of each kind.
var searchTestParams = []referral.SearchParam{
	{Name: "code", Kind: referral.ParamToken, Type: "token", Modifiers: []string{referral.ModifierNot, referral.ModifierMissing}},
	{Name: "date", Kind: referral.ParamDate, Type: "date"},
	{Name: "family", Kind: referral.ParamString, Type: "string"},
	{Name: "focus", Kind: referral.ParamRef, Type: "reference", Targets: []string{"Patient", "ServiceRequest"}},
	{Name: "owner", Kind: referral.ParamOwner, Type: "reference", Modifiers: []string{referral.ModifierIdentifier}},
	{Name: "patient", Kind: referral.ParamPatient, Type: "reference", Targets: []string{"Patient"}, Modifiers: []string{referral.ModifierIdentifier}},
}

// searchTestTypes are what the types of these tests are searched by.
func searchTestTypes(resourceType string) []referral.SearchParam {
	switch resourceType {
	case "Observation":
		return searchTestParams
	case "Patient", "ServiceRequest":
		return []referral.SearchParam{
			{Name: "birthdate", Kind: referral.ParamDate, Type: "date"},
			{Name: "identifier", Kind: referral.ParamToken, Type: "token", Modifiers: []string{referral.ModifierNot}},
		}
	case "Task":
		return []referral.SearchParam{
			{Name: "patient", Kind: referral.ParamPatient, Type: "reference", Targets: []string{"Patient"}},
			{Name: "part", Kind: referral.ParamRef, Type: "reference", Targets: []string{"Observation", "Task"}},
			{Name: "status", Kind: referral.ParamToken, Type: "token", Modifiers: []string{referral.ModifierNot}},
		}
	}
	return nil
}

func TestSearchParameters(t *testing.T) {
	one := func(param string, kind referral.ParamKind, values ...referral.Value) []referral.Condition {
		return []referral.Condition{{Param: param, Kind: kind, Values: values}}
	}
	cases := []struct {
		raw  string
		want []referral.Condition
		self string
	}{
		{"", nil, "_count=50"},
		{"code=a", one("code", referral.ParamToken, referral.Value{AnySystem: true, Text: "a"}), "code=a&_count=50"},
		{"code=s|a", one("code", referral.ParamToken, referral.Value{System: "s", Text: "a"}), "code=s%7Ca&_count=50"},
		{"code=%7Ca", one("code", referral.ParamToken, referral.Value{Text: "a"}), "code=%7Ca&_count=50"},
		{"code=s|", one("code", referral.ParamToken, referral.Value{System: "s", AnyCode: true}), "code=s%7C&_count=50"},
		{`code=a\,b,s|c\|d,,e\$\\`, one("code", referral.ParamToken, referral.Value{AnySystem: true, Text: "a,b"}, referral.Value{System: "s", Text: "c|d"}, referral.Value{AnySystem: true, Text: `e$\`}), `code=a%5C%2Cb%2Cs%7Cc%5C%7Cd%2C%2Ce%5C%24%5C%5C&_count=50`},
		{"family=O'Neil", one("family", referral.ParamString, referral.Value{Text: "o'neil"}), "family=O%27Neil&_count=50"},
		{"focus=Task/1", one("focus", referral.ParamRef, referral.Value{Text: "Task/1"}), "focus=Task%2F1&_count=50"},
		{"focus:ServiceRequest=1", one("focus", referral.ParamRef, referral.Value{Text: "ServiceRequest/1"}), "focus%3AServiceRequest=1&_count=50"},
		{"focus=" + base + "/fhir/R4/Task/1/_history/2", one("focus", referral.ParamRef, referral.Value{Text: "Task/1"}), "focus=https%3A%2F%2Fadapter.test%2Ffhir%2FR4%2FTask%2F1%2F_history%2F2&_count=50"},
		{"owner=y99201", one("owner", referral.ParamOwner, referral.Value{Text: "Y99201"}), "owner=y99201&_count=50"},
		{"owner:identifier=" + referral.SystemODS + "|Y99201,Y99202", one("owner", referral.ParamOwner, referral.Value{Text: "Y99201"}, referral.Value{Text: "Y99202"}), "owner%3Aidentifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fods-organization-code%7CY99201%2CY99202&_count=50"},
		{"patient=1", one("patient", referral.ParamPatient, referral.Value{Text: "1"}), "patient=1&_count=50"},
		{"patient=Patient/1", one("patient", referral.ParamPatient, referral.Value{Text: "1"}), "patient=Patient%2F1&_count=50"},
		{"patient:Patient=" + base + "/fhir/R4/Patient/1", one("patient", referral.ParamPatient, referral.Value{Text: "1"}), "patient%3APatient=https%3A%2F%2Fadapter.test%2Ffhir%2FR4%2FPatient%2F1&_count=50"},
		{"_id=1,2", one("_id", referral.ParamID, referral.Value{Text: "1"}, referral.Value{Text: "2"}), "_id=1%2C2&_count=50"},
		{"date=ge2026-02", one("date", referral.ParamDate, referral.Value{Prefix: "ge", From: day(2026, 2, 1), To: day(2026, 3, 1)}), "date=ge2026-02&_count=50"},
		{"date=2025", one("date", referral.ParamDate, referral.Value{Prefix: "eq", From: day(2025, 1, 1), To: day(2026, 1, 1)}), "date=2025&_count=50"},
		{"_lastUpdated=lt2026-02-17T12:00:00%2B01:00", one("_lastUpdated", referral.ParamUpdated, referral.Value{Prefix: "lt", From: noon.Add(-time.Hour), To: noon.Add(-time.Hour + time.Second)}), "_lastUpdated=lt2026-02-17T12%3A00%3A00%2B01%3A00&_count=50"},
		{"_count=7&_format=json&_pretty=true&unknown=1&_sort=family&_sort=-_lastUpdated", nil, "_sort=-_lastUpdated&_count=7"},
		{"_count=1000&_cursor=x", nil, "_count=200&_cursor=x"},
		{"_summary=count&_count=9", nil, "_summary=count&_count=9"},
	}
	for _, c := range cases {
		params, err := splitQuery(c.raw)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseSearch("Observation", searchTestTypes, base+"/fhir/R4/", params, false)
		if err != nil {
			t.Errorf("%s: %v", c.raw, err)
			continue
		}
		if diff := cmp.Diff(c.want, got.query.Conditions); diff != "" {
			t.Errorf("%s: %s", c.raw, diff)
		}
		if self, _ := pageLinks("", got.used, ""); strings.TrimPrefix(self, "?") != c.self {
			t.Errorf("%s: self is %s, want %s", c.raw, self, c.self)
		}
	}
}

func TestSearchRefuses(t *testing.T) {
	for raw, rule := range map[string]string{
		"date:not=2026":                        "search-modifier",
		"family:missing=true":                  "search-modifier",
		"code:missing=maybe":                   "search-missing",
		"code:missing=":                        "search-missing",
		"family:exact=a":                       "search-modifier",
		"patient:Group=1":                      "search-modifier",
		"focus:Nonsense=1":                     "search-modifier",
		"focus=1":                              "search-reference",
		"owner=Organization/1":                 "search-organisation",
		"owner:identifier=urn:x|Y99201":        "search-organisation",
		"owner:Organization=1":                 "search-modifier",
		"code=a|b|c":                           "search-token",
		"code=|":                               "search-token",
		"date=yesterday":                       "search-date",
		"date=ap2026":                          "search-prefix",
		"date=2026-02-30":                      "search-date",
		"date=2026-02-17T12 01":                "search-date",
		"_count=-1":                            "search-count",
		"_count=1&_count=2":                    "search-repeated",
		"_cursor=1&_cursor=2":                  "search-repeated",
		"_total=some":                          "search-total",
		"patient.name=Smith":                   "search-chain",
		"patient.=Smith":                       "search-chain",
		"patient.subject.name=Smith":           "search-chain",
		"patient:Group.identifier=1":           "search-chain",
		"focus.identifier=1":                   "search-chain",
		"focus:Patient.birthdate=soon":         "search-date",
		"focus:identifier=1":                   "search-modifier",
		"owner.name=x":                         "search-chain",
		"code.text=x":                          "search-chain",
		"patient.identifier=":                  "search-empty",
		"patient.identifier:exact=1":           "search-modifier",
		"_has=1":                               "search-has",
		"_has:Task=1":                          "search-has",
		"_has:Task:patient:status=":            "search-has",
		"_has:Task:part:name=1":                "search-chain",
		"_has:Task:part:status=":               "search-empty",
		"_has:Nobody:part:status=1":            "search-has",
		"_include=*":                           "search-include",
		"_include=Observation:code":            "search-include",
		"_include=Task:part":                   "search-include",
		"_include:iterate=Observation:patient": "search-include",
		"_revinclude=Task:patient":             "search-include",
		"unknown=1&code=a&_sort=":              "search-unknown",
		"_elements=id":                         "search-unknown",
		"_sort=family":                         "search-unknown",
		"_id:above=1":                          "search-modifier",
		"code=":                                "search-empty",
		"_id=":                                 "search-empty",
		"code=,,":                              "search-empty",
		"Code=a":                               "search-case",
		"_ID=":                                 "search-case",
		"code=" + strings.Repeat("a,", maxAlternatives+1): "search-alternatives",
		strings.Repeat("code=a,b&", maxConditions+1):      "search-conditions",
		strings.Repeat("code=a,b,c,d,e&", 41):             "search-alternatives",
	} {
		params, err := splitQuery(raw)
		if err != nil {
			t.Fatal(err)
		}
		_, err = parseSearch("Observation", searchTestTypes, base+"/fhir/R4/", params, true)
		if err == nil || !strings.Contains(err.Error(), "["+rule+"]") {
			t.Errorf("%s: %v, want %s", raw, err, rule)
		}
		if err != nil && strings.Contains(err.Error(), "Smith") {
			t.Errorf("the loggable error quotes the sender: %v", err)
		}
	}
	w := newWorld(t, nil)
	wants(t, w.do("GET", "/fhir/R4/Patient?_id=%zz", "", "as gp"), 400, "query-escape")
	wants(t, w.do("GET", "/fhir/R4/Patient?"+strings.Repeat("a&", 101), "", "as gp"), 422, "query-limit")
	wants(t, w.do("GET", "/fhir/R4/Patient?unknown=1", "", "as gp"), 200, "")
	wants(t, w.do("GET", "/fhir/R4/Patient?unknown=1", "", "as gp", "Prefer: handling=strict"), 400, "search-unknown")
}

func TestSearchPages(t *testing.T) {
	var asked referral.Query
	w := newWorld(t, func(o *Operations) {
		o.Search = func(_ context.Context, _ referral.Call, q referral.Query) (referral.Found, error) {
			asked = q
			found := referral.Found{Total: 2, Versions: []referral.Version{{Type: q.Type, ID: "1", Body: []byte(`{"resourceType":"Patient","id":"1"}`)}, {Type: q.Type, ID: "2", Body: []byte(`{"resourceType":"Patient","id":"2"}`)}}}
			if q.Page.After == "" {
				found.Next = "b=/+"
			}
			return found, nil
		}
	})
	rec := w.do("GET", "/fhir/R4/Patient?family=x&_count=2", "", "as gp")
	root := parsed(t, rec)
	if root.Text("type") != "searchset" || root.Text("total") != "2" || root.Text("entry", "search", "mode") != "match" ||
		root.Text("entry", "fullUrl") != base+"/fhir/R4/Patient/1" || root.Text("entry", "resource", "id") != "1" || len(root.All("entry")) != 2 {
		t.Error(rec.Body)
	}
	next := root.All("link")[1]
	if next.Text("relation") != "next" {
		t.Fatal(rec.Body)
	}
	rec = w.do("GET", strings.TrimPrefix(next.Text("url"), base), "", "as gp")
	if root = parsed(t, rec); asked.Page.After != "b=/+" || len(root.All("link")) != 1 || root.Text("link", "url") != next.Text("url") {
		t.Errorf("%q %s", asked.Page.After, rec.Body)
	}

	// POST: the form and the address count both, and the links are those of a GET
	rec = w.do("POST", "/fhir/R4/Patient/_search?_count=1", "family=a%2Bb&_id=1", "as gp", "Content-Type: application/x-www-form-urlencoded")
	wants(t, rec, 200, "")
	if got := parsed(t, rec).Text("link", "url"); got != base+"/fhir/R4/Patient?family=a%2Bb&_id=1&_count=1" || len(asked.Conditions) != 2 {
		t.Error(got)
	}
	wants(t, w.do("POST", "/fhir/R4/Patient/_search", "", "as gp"), 200, "")

	root = parsed(t, w.do("GET", "/fhir/R4/Patient?_total=none", "", "as gp"))
	if asked.Total || root.Child("total") != nil {
		t.Error("_total=none gave a total")
	}
	root = parsed(t, w.do("GET", "/fhir/R4/Patient?_summary=count", "", "as gp"))
	if asked.Page.Count != 0 || !asked.Total || len(root.All("link")) != 1 {
		t.Errorf("_summary=count asks %+v", asked)
	}
}

func TestSearchAuditsItsForm(t *testing.T) {
	w := newWorld(t, nil)
	w.do("POST", "/fhir/R4/Patient/_search", "family=x", "as gp", "Content-Type: application/x-www-form-urlencoded")
	w.do("POST", "/fhir/R4/Patient/_search?_id=1", "family=x", "as gp", "Content-Type: application/x-www-form-urlencoded")
	if w.calls[0].Query != "family=x" || w.calls[1].Query != "_id=1&family=x" {
		t.Errorf("%q, %q", w.calls[0].Query, w.calls[1].Query)
	}
}

// FuzzSearchParameters: no query makes the parser fail otherwise than by its error,
// and the self link of what was understood means the same when it is followed.
func FuzzSearchParameters(f *testing.F) {
	for _, raw := range []string{"", "code=s|a,b&date=ge2026-02-17T12:00:00%2B01:00", `family=a\,b&_count=0&_cursor=%26`, "focus:Task=1&patient=Patient/1", "_total=none&_summary=count&_sort=-_lastUpdated", "patient.identifier=s|a&focus:Patient.birthdate=ge2026&_has:Task:part:status:not=a", "_include=Observation:patient&_revinclude=Task:part&code:missing=true", "a:b:c=d&&=&%=", "code=%00\xff&_lastUpdated=eq9999"} {
		f.Add(raw, false)
	}
	f.Fuzz(func(t *testing.T, raw string, strict bool) {
		params, err := splitQuery(raw)
		if err != nil {
			return
		}
		got, err := parseSearch("Observation", searchTestTypes, base+"/fhir/R4/", params, strict)
		if err != nil {
			return
		}
		self, _ := pageLinks("", got.used, "")
		again, err := splitQuery(strings.TrimPrefix(self, "?"))
		if err != nil {
			t.Fatalf("%q: the self link %q cannot be read: %v", raw, self, err)
		}
		second, err := parseSearch("Observation", searchTestTypes, base+"/fhir/R4/", again, true)
		if err != nil {
			t.Fatalf("%q: the self link %q is refused: %v", raw, self, err)
		}
		if diff := cmp.Diff(got.query, second.query); diff != "" {
			t.Fatalf("%q: the self link %q means something else: %s", raw, self, diff)
		}
	})
}

// TestLinksKeepTheFormat: who asks for XML in the address gets the next page in XML too.
func TestLinksKeepTheFormat(t *testing.T) {
	x := &exchange{wished: "xml"}
	used := []parameter{{name: "status", value: "active"}}
	self, next := x.links("https://a.test/Task", used, "c1")
	if self != "https://a.test/Task?status=active&_format=xml" || next != self+"&"+cursorParameter+"=c1" {
		t.Errorf("self %s, next %s", self, next)
	}
	if self, _ = (&exchange{}).links("https://a.test/Task", used, ""); self != "https://a.test/Task?status=active" {
		t.Errorf("self %s", self)
	}
}
