package gateway

import (
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/mapping"
	"spadapter/adapter/terminology"
)

func TestArtefacts(t *testing.T) {
	w := newWorld(t, nil)
	for target, id := range map[string]string{
		"ConceptMap/letters": "letters", "ConceptMap/business-status-filing": "business-status-filing", "OperationDefinition/convert": "convert",
	} {
		for _, token := range []string{"gp", "lw", "op", "bare"} {
			rec := w.do("GET", "/fhir/R4/"+target, "", "as "+token)
			wants(t, rec, 200, "")
			if root := parsed(t, rec); root.Text("id") != id {
				t.Error(rec.Body)
			}
		}
	}
	wants(t, w.do("HEAD", "/fhir/R4/ConceptMap/letters", "", "as gp"), 200, "")
	wants(t, w.do("GET", "/fhir/R4/ConceptMap/letters", ""), 401, "token-missing")
	wants(t, w.do("GET", "/fhir/R4/ConceptMap/none", "", "as gp"), 404, "unknown-id")
	wants(t, w.do("GET", "/fhir/R4/ConceptMap/a_b", "", "as gp"), 404, "unknown-id")
	wants(t, w.do("GET", "/fhir/R4/ConceptMap/letters/_history/1", "", "as gp"), 404, "unknown-path")
	wants(t, w.post("/fhir/R4/ConceptMap", letters, "as gp"), 405, "method-not-allowed")
	if len(w.calls) != 0 {
		t.Errorf("the domain was asked: %v", w.calls)
	}
}

func TestSearchArtefacts(t *testing.T) {
	w := newWorld(t, nil)
	all := []string{"business-status-filing", "letters"} // by url
	for query, want := range map[string][]string{
		"":                                       all,
		"url=urn:test:letters":                   {"letters"},
		"url=urn:test:letters,urn:none":          {"letters"},
		"url=urn:none":                           nil,
		"_id=letters&version=1":                  {"letters"},
		"_id=letters&version=2":                  nil,
		"name=lett":                              {"letters"},
		"name=etters":                            nil,
		"version=1,1.0.0":                        all,
		"nonsense=1":                             append(all, "outcome"),
		"url:below=urn:test":                     append(all, "outcome"),
		"_count=1":                               all[:1],
		"_count=1&_cursor=1":                     all[1:],
		"_count=1&_cursor=7":                     nil,
		"_count=0":                               nil,
		"_format=json&_pretty=true&name=LETTERS": {"letters"},
	} {
		for _, method := range []string{"GET", "POST"} {
			target, body := "/fhir/R4/ConceptMap?"+query, ""
			if method == "POST" {
				target, body = "/fhir/R4/ConceptMap/_search?_format=json", strings.ReplaceAll(query, "_format=json&", "")
			}
			rec := w.do(method, target, body, "as bare", "Content-Type: application/x-www-form-urlencoded")
			wants(t, rec, 200, "")
			root := parsed(t, rec)
			var got []string
			for _, e := range root.All("entry") {
				if mode := e.Text("search", "mode"); mode != "match" {
					got = append(got, mode)
					continue
				}
				id := e.Text("resource", "id")
				if got = append(got, id); e.Text("fullUrl") != base+"/fhir/R4/ConceptMap/"+id {
					t.Error(e.Text("fullUrl"))
				}
			}
			if strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("%s %s: got %v, want %v", method, query, got, want)
			}
		}
	}
	page := parsed(t, w.do("GET", "/fhir/R4/ConceptMap?_count=1&version=1,1.0.0", "", "as gp"))
	if links := page.All("link"); page.Text("total") != "2" || len(links) != 2 || links[1].Text("url") != base+"/fhir/R4/ConceptMap?version=1%2C1.0.0&_count=1&_cursor=1" {
		t.Errorf("%s", fhir.Encode(page))
	}
	wants(t, w.do("GET", "/fhir/R4/ConceptMap?nonsense=1", "", "as gp", "Prefer: handling=strict"), 400, "search-unknown")
	wants(t, w.do("GET", "/fhir/R4/ConceptMap?url=", "", "as gp"), 400, "search-empty")
	wants(t, w.do("GET", "/fhir/R4/ConceptMap?_cursor=x", "", "as gp"), 400, "search-cursor")
	wants(t, w.do("GET", "/fhir/R4/ConceptMap?_cursor=-1", "", "as gp"), 400, "search-cursor")
	wants(t, w.do("POST", "/fhir/R4/ConceptMap/_search", "%zz", "as gp", "Content-Type: application/x-www-form-urlencoded"), 400, "query-escape")
}

// TestStructureMaps: the maps that run can be read as resources, which compile again; an
// organisation's own is seen by that organisation alone.
func TestStructureMaps(t *testing.T) {
	w := newWorld(t, nil)
	all := parsed(t, w.do("GET", "/fhir/R4/StructureMap?_count=50", "", "as gp"))
	urls := map[string]bool{}
	for _, d := range testDialects().Dialects("A81001") {
		for _, m := range d.Set.Maps() {
			urls[m.URL] = true
		}
	}
	if len(all.All("entry")) < 8 || len(all.All("entry")) != len(urls) {
		t.Errorf("%d maps are listed", len(all.All("entry")))
	}
	for _, e := range all.All("entry") {
		n := e.Child("resource")
		if err := fhir.Check(n); err != nil {
			t.Errorf("%s: %v", n.Text("url"), err)
		}
		rec := w.do("GET", "/fhir/R4/StructureMap/"+n.Text("id"), "", "as gp")
		wants(t, rec, 200, "")
		if parsed(t, rec).Text("url") != n.Text("url") {
			t.Errorf("%s is at another address than it says", n.Text("url"))
		}
	}
	text := w.do("GET", "/fhir/R4/StructureMap/plain", "", "as gp").Body.String()
	if _, err := mapping.Compile([]mapping.Source{{Name: "plain.json", Text: text}}, mapping.Env{Terminology: testTerminology()}); err != nil {
		t.Errorf("what was read does not compile: %v", err)
	}
	if !strings.Contains(text, "own") {
		t.Errorf("the organisation's own map is not shown: %s", text)
	}
	if text = w.do("GET", "/fhir/R4/StructureMap/plain", "", "as op").Body.String(); strings.Contains(text, `"own"`) {
		t.Error("another organisation's map is shown")
	}
	wants(t, w.do("GET", "/fhir/R4/StructureMap/private", "", "as gp"), 404, "unknown-id")
}

// TestArtefactWithoutID: a ConceptMap within a map is found by its url alone.
func TestArtefactWithoutID(t *testing.T) {
	w := newWorld(t, nil)
	inner, err := fhir.Parse(fhir.Types(fhir.R4), []byte(`{"resourceType":"ConceptMap","url":"https://test.example/StructureMap/x#inner","status":"active"}`), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	more, err := testTerminology().With(inner)
	if err != nil {
		t.Fatal(err)
	}
	w.config.Terminology = func(string) *terminology.Registry { return more }
	w.handler = New(w.config)
	root := parsed(t, w.do("GET", "/fhir/R4/ConceptMap?url=https://test.example/StructureMap/x%23inner", "", "as gp"))
	if root.Text("total") != "1" || root.Text("entry", "fullUrl") != "https://test.example/StructureMap/x#inner" {
		t.Errorf("%s", fhir.Encode(root))
	}
}

// TestWithoutArtefacts: what was not configured is neither there nor claimed.
func TestWithoutArtefacts(t *testing.T) {
	w := newWorld(t, nil)
	w.config.Conversions, w.config.Terminology, w.config.Definitions, w.config.Validator = nil, nil, nil, nil
	w.handler = New(w.config)
	for _, target := range []string{"/fhir/R4/$convert", "/fhir/R4/StructureMap/$transform", "/fhir/R4/ConceptMap/$translate", "/fhir/R4/$validate"} {
		wants(t, w.post(target, somebody, "as gp"), 404, "unknown-path")
	}
	wants(t, w.do("GET", "/fhir/R4/ConceptMap", "", "as gp"), 404, "unknown-path")
	if body := w.do("GET", "/fhir/R4/metadata", "").Body.String(); strings.Contains(body, "ConceptMap") || strings.Contains(body, "operation\"") || strings.Contains(body, "StructureMap") {
		t.Error(body)
	}
}
