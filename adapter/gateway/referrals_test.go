package gateway

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

func TestWorklist(t *testing.T) {
	var asked referral.Filter
	next := "c&2"
	w := newWorld(t, func(o *Operations) {
		o.Worklist = func(_ context.Context, _ referral.Call, f referral.Filter) ([]referral.View, string, error) {
			asked = f
			if f.Page.After != "" {
				return nil, "", nil
			}
			return []referral.View{someReferral("1", 2)}, next, nil
		}
	})
	rec := w.do("GET", "/api/v1/referrals?status=received,accepted&owner=LW001&since=2026-02-17&patient=Patient/p&open=true&count=5", "", "as lw")
	wants(t, rec, 200, "")
	want := referral.Filter{Status: []string{"received", "accepted"}, Owner: "LW001", Patient: "p", Open: referral.Yes, Since: day(2026, 2, 17), Page: referral.Page{Count: 5}}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
	page := object(t, rec)
	if items := page["items"].([]any); len(items) != 1 || page["next"] != next {
		t.Error(rec.Body)
	}
	link, _, _ := strings.Cut(strings.TrimPrefix(rec.Header().Get("Link"), "<"), ">")
	rec = w.do("GET", strings.TrimPrefix(link, base), "", "as lw")
	if want.Page.After = next; cmp.Diff(want, asked) != "" {
		t.Errorf("the Link %s asks %+v", link, asked)
	}
	if rec.Body.String() != `{"items":[],"next":null}` || rec.Header().Get("Link") != "" {
		t.Error(rec.Body)
	}
	w.do("GET", "/api/v1/referrals?count=1000", "", "as lw")
	if asked.Page.Count != pageMax {
		t.Errorf("count is %d", asked.Page.Count)
	}
}

func TestWorklistRefuses(t *testing.T) {
	w := newWorld(t, nil)
	for query, rule := range map[string]string{
		"status=lost": "filter", "status=": "filter", "open=1": "filter", "count=0": "filter", "count=x": "filter", "count=1&count=2": "filter",
		"since=noon": "search-date", "patients=1": "filter-unknown", "status:not=draft": "filter-unknown",
	} {
		wants(t, w.do("GET", "/api/v1/referrals?"+query, "", "as lw"), 400, rule)
	}
	rec := w.do("GET", "/api/v1/referrals?open=1&count=0&patients=1", "", "as lw")
	if errs := object(t, rec)["errors"].([]any); len(errs) != 3 {
		t.Errorf("not every fault is told: %s", rec.Body)
	}
}

// TestFilter: every parameter, in the words of the items it filters by.
func TestFilter(t *testing.T) {
	codes := func(system string) []string {
		return map[string][]string{referral.SystemNeed: {"loneliness", "housing"}, referral.SystemBusinessStatus: {"allocated", "waiting-list"}}[system]
	}
	page := referral.Page{Count: pageDefault}
	for query, want := range map[string]referral.Filter{
		"":                           {},
		"need=loneliness,housing":    {Needs: []string{"loneliness", "housing"}},
		"business_status=allocated":  {Business: []string{"allocated"}},
		"priority=urgent,stat":       {Priority: []string{"urgent", "stat"}},
		"practice=y99001,Y99002":     {Practices: []string{"Y99001", "Y99002"}},
		"risk=true&overdue=false":    {Risk: referral.Yes, Overdue: referral.No},
		"cancellation_asked=true":    {Asked: referral.Yes},
		"open=false":                 {Open: referral.No},
		"open=true&owner=y99201":     {Open: referral.Yes, Owner: "Y99201"},
		"due_before=2026-02-17":      {DueBefore: day(2026, 2, 17)},
		"sort=due&owner=-":           {Sort: referral.SortDue, Owner: "-"},
		"sort=updated&_format=json":  {Sort: referral.SortUpdated},
		"since=2026-02&sort=created": {Since: day(2026, 2, 1), Sort: referral.SortCreated},
	} {
		params, err := splitQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		want.Page = page
		got, err := parseFilter(params, codes)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", query, err, diff)
		}
	}
	for query, want := range map[string]string{ // what the sender is told, and where
		"need=lonelyness":                  "http.need need must be codes of need with commas between: loneliness, housing; did you mean loneliness?",
		"need=":                            "http.need need must be codes of need with commas between: loneliness, housing",
		"need=housing,,loneliness":         "http.need need must be codes of need with commas between: loneliness, housing",
		"business_status=waiting_list":     "http.business_status business_status must be codes of business-status with commas between: allocated, waiting-list; did you mean waiting-list?",
		"priority=urgnet":                  "http.priority priority must be codes of ServiceRequest.priority with commas between: asap, routine, stat, urgent; did you mean urgent?",
		"owner=Y99201,Y99202":              "http.owner owner must be the ODS code of one organisation, or - for what nobody owns; leave the parameter out for all",
		"cursor=":                          "http.cursor cursor must be next of the page before; leave the parameter out for the first page",
		"patient=9990000000":               "http.patient patient is the id of a Patient, as links.patient of an item has it; an NHS number is never taken in an address, since addresses are kept in logs",
		"patient=Patient/999-000-0000":     "http.patient patient is the id of a Patient, as links.patient of an item has it; an NHS number is never taken in an address, since addresses are kept in logs",
		"open=no":                          "http.open open must be true or false",
		"risk=yes":                         "http.risk risk must be true or false",
		"overdue=1":                        "http.overdue overdue must be true or false",
		"cancellation_asked=":              "http.cancellation_asked cancellation_asked must be true or false",
		"sort=update":                      "http.sort sort must be one of created, due, updated; did you mean updated?",
		"practice=,Y99001":                 "http.practice practice must be ODS codes of practices with commas between; leave the parameter out for all",
		"due_before=soon":                  "http.due_before due_before must be a date or dateTime such as 2026-02, 2026-02-17 or 2026-02-17T09:30:00Z; write the + of an offset as %2B",
		"needs=housing":                    " the worklist takes NAMES; did you mean need?",
		"due-before=2026":                  " the worklist takes NAMES; did you mean due_before?",
		"need:not=housing":                 " the worklist takes NAMES",
		"nhs_number=9990000000":            " the worklist takes NAMES",
		"risk=true&risk=true":              "http.risk a parameter may be given once",
		"need=" + strings.Repeat(",", 200): "http.need need names too many codes",
	} {
		params, err := splitQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		_, err = parseFilter(params, codes)
		names := "status, business_status, owner, practice, patient, need, priority, risk, open, overdue, cancellation_asked, due_before, since, sort, count, cursor"
		for _, e := range issue.All(err) {
			if got := e.Expression + " " + strings.ReplaceAll(e.Details, names, "NAMES"); got != want || !e.Type.Within(issue.Invalid) {
				t.Errorf("%s: got %q, want %q", query, got, want)
			}
			if strings.Contains(e.Details, "9990000000") || strings.Contains(query, "patient") && e.Diagnostics != "" {
				t.Errorf("%s: the value is in the answer: %s %s", query, e.Details, e.Diagnostics)
			}
		}
		if len(issue.All(err)) != 1 {
			t.Errorf("%s: %v", query, err)
		}
	}
	params, _ := splitQuery("need=anything")
	if _, err := parseFilter(params, func(string) []string { return nil }); err != nil {
		t.Errorf("a code system that nobody loaded refuses: %v", err)
	}
}

func TestViewHasItsVersion(t *testing.T) {
	rec := newWorld(t, nil).do("GET", "/api/v1/referrals/abc", "", "as lw")
	wants(t, rec, 200, "")
	if rec.Header().Get("ETag") != `W/"2"` || rec.Header().Get("Content-Type") != contentJSON || object(t, rec)["id"] != "abc" {
		t.Errorf("%v %s", rec.Header(), rec.Body)
	}
	wants(t, newWorld(t, nil).do("GET", "/api/v1/referrals/no_id", "", "as lw"), 404, "unknown-id")
}

func TestAction(t *testing.T) {
	var got referral.Input
	var gotAction string
	w := newWorld(t, func(o *Operations) {
		o.Act = func(_ context.Context, _ referral.Call, id, action string, version int, in referral.Input) (*referral.View, error) {
			got, gotAction = in, action
			if version != 2 {
				return nil, issue.New(issue.Conflict, "version-conflict", "the referral has changed")
			}
			v := someReferral(id, 3)
			return &v, nil
		}
	})
	const target = "/api/v1/referrals/1/actions/complete"
	json := "Content-Type: application/json"
	body := `{"at":"2026-02-17T09:00:00Z","note":"n","outcome":{"status":"goals-met","findings":[{"code":"1"}],"scores":null},"plan":{"summary":"s","goals":["a"],"agreed_with_person":true}}`
	rec := w.undescribed("POST", target, body, "as lw", json, `If-Match: W/"2"`)
	wants(t, rec, 200, "")
	if rec.Header().Get("ETag") != `W/"3"` || gotAction != "complete" {
		t.Errorf("%v %s", rec.Header(), gotAction)
	}
	at := time.Date(2026, 2, 17, 9, 0, 0, 0, time.UTC)
	want := referral.Input{At: &at, Note: "n", Outcome: &referral.Outcome{Status: "goals-met", Findings: []referral.Coded{{Code: "1"}}}, Plan: &referral.Plan{Summary: "s", Goals: []string{"a"}, Agreed: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	wants(t, w.undescribed("POST", target, "", "as lw", `If-Match: "2"`), 200, "")
	wants(t, w.do("POST", target, "{}", "as lw", json), 428, "if-match-missing")
	wants(t, w.do("POST", target, "{}", "as lw", json, `If-Match: W/"1"`), 412, "version-conflict")
	for _, tag := range []string{"*", "2", `W/""`, `W/"x"`, `"2","3"`, `W/"0"`, `w/"2"`, ""} {
		wants(t, w.do("POST", target, "{}", "as lw", json, "If-Match: "+tag), 400, "if-match")
	}
	wants(t, w.do("POST", target, "{}", "as lw", json, `If-Match: W/"2"`, `If-Match: W/"3"`), 400, "if-match")
	if last := w.refused[len(w.refused)-1]; last.interaction != "update" || last.entity != "Task/1" {
		t.Errorf("%+v", last)
	}
}

func TestActionBodyIsStrict(t *testing.T) {
	w := newWorld(t, nil)
	for body, want := range map[string]string{ // every fault: type, rule, element
		`{"notes":"x"}`:                  "invalid unknown-field ",
		`{"Note":"x"}`:                   "invalid unknown-field ",
		`{"note":1}`:                     "value json-kind note",
		`{"note":["x"]}`:                 "value json-kind note",
		`{"note":"x","note":"y"}`:        "invalid repeated-field note",
		`{"at":"noon"}`:                  "value json-kind at",
		`{"at":{"a":1}}`:                 "value json-kind at",
		`{"plan":"x"}`:                   "value json-kind plan",
		`{"plan":{"goals":["a",2,{}]}}`:  "value json-kind plan.goals[1], value json-kind plan.goals[2]",
		`{"plan":{"goals":"a"}}`:         "value json-kind plan.goals",
		`{"plan":{"x":{"y":[1]},"z":1}}`: "invalid unknown-field plan, invalid unknown-field plan",
		`{"outcome":{"scores":[{"value":"1","higher_is_better":"no"}]}}`: "value json-kind outcome.scores[0].higher_is_better",
		`[]`:                  "structure json ",
		`null`:                "structure json ",
		`{} {}`:               "structure json ",
		"{\n \"note\": x":     "structure json ",
		"{\"note\":\"\xff\"}": "structure json-utf8 ",
	} {
		rec := w.do("POST", "/api/v1/referrals/1/actions/accept", body, "as lw", "Content-Type: application/json", `If-Match: W/"2"`)
		wants(t, rec, 400, "")
		var got []string
		for _, e := range object(t, rec)["errors"].([]any) {
			e := e.(map[string]any)
			element, _ := e["element"].(string)
			got = append(got, e["type"].(string)+" "+e["rule"].(string)+" "+element)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: got %s, want %s", body, strings.Join(got, ", "), want)
		}
	}
	rec := w.do("POST", "/api/v1/referrals/1/actions/accept", `{"plan":{"aims":1}}`, "as lw", "Content-Type: application/json", `If-Match: W/"2"`)
	if !strings.Contains(rec.Body.String(), `the field is \"plan.aims\"`) {
		t.Errorf("the field is not named: %s", rec.Body)
	}
	if len(w.calls) != 0 {
		t.Error("the domain was asked")
	}
}
