package store_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"spadapter/adapter/directory"
	"spadapter/adapter/issue"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// script is a Source that does as it is told.
type script struct {
	page      func(n int) (*directory.Page, error)
	details   func(id string) ([]byte, error)
	unchanged bool
}

func (s script) Unchanged(context.Context) (bool, error) { return s.unchanged, nil }
func (s script) State() string                           { return "state" }
func (s script) Page(_ context.Context, n int) (*directory.Page, error) {
	return s.page(n)
}
func (s script) Details(_ context.Context, id string) ([]byte, error) {
	if s.details == nil {
		return nil, issue.New(issue.NotFound, "test", "no details")
	}
	return s.details(id)
}

// pageOf makes a page; totals below zero are not said.
func pageOf(items, pages int, list ...map[string]any) *directory.Page {
	p := &directory.Page{TotalItems: items, TotalPages: pages}
	for _, s := range list {
		raw, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		p.Contents = append(p.Contents, raw)
	}
	return p
}

// paged gives pages in turn, and empty ones behind them.
func paged(pages ...*directory.Page) script {
	return script{page: func(n int) (*directory.Page, error) {
		if n > len(pages) {
			return &directory.Page{TotalItems: pages[0].TotalItems, TotalPages: pages[0].TotalPages}, nil
		}
		return pages[n-1], nil
	}}
}

func (w *town) take(t *testing.T, src directory.Source, o directory.Options) (*directory.Report, error) {
	t.Helper()
	o.Force = true
	r, err := w.Refresh(t.Context(), "f", src, o)
	if r == nil {
		t.Fatalf("no refresh: %v", explain(err))
	}
	return r, err
}

// versions gives the version of each service by name, negative where it is withdrawn.
func (w *town) versions(t *testing.T) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, v := range w.search(t, directory.Search{Statuses: []string{"active", "inactive", "withdrawn"}, Count: 200}).Services {
		if out[v.Name] = v.Version; v.Withdrawn != nil {
			out[v.Name] = -v.Version
		}
	}
	return out
}

func (w *town) wantVersions(t *testing.T, what string, want map[string]int) {
	t.Helper()
	if got := w.versions(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// A refresh counts versions on where something changed, withdraws what vanished, takes it
// back when it returns, and keeps what it was told in a form that cannot be used.
func TestRefreshStory(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newTown(t, s)
		a, b, c := service("a", "A", nil), service("b", "B", map[string]any{"service_at_locations": at("hall", 53, -1, "ZZ1 4AA")}), service("c", "C", nil)
		w.refresh(t, "f", a, b, c)
		w.wantVersions(t, "first", map[string]int{"A": 1, "B": 1, "C": 1})
		first := w.search(t, directory.Search{}).Services

		w.now = w.now.Add(time.Hour)
		r := w.refresh(t, "f", service("a", "A", map[string]any{"alert": "closed on Monday"}), c)
		w.wantVersions(t, "one changed, one gone", map[string]int{"A": 2, "B": -2, "C": 1})
		if r.Withdrawn != 1 || r.Taken != 2 {
			t.Errorf("%+v", r)
		}
		e, err := w.store.Entry(t.Context(), directory.TypeService, first[1].ID)
		if err != nil || !e.Withdrawn.Equal(w.now) || !e.Updated.Equal(w.now) {
			t.Errorf("%+v, %v", e, err)
		}
		place := first[1].Locations[0].ID
		if e, err := w.store.Entry(t.Context(), directory.TypeLocation, place); err != nil || e.Withdrawn.IsZero() {
			t.Errorf("%+v, %v", e, err)
		}

		w.now = w.now.Add(time.Hour)
		w.refresh(t, "f", service("a", "A", map[string]any{"alert": "closed on Monday"}), c)
		w.wantVersions(t, "nothing new", map[string]int{"A": 2, "B": -2, "C": 1})

		r = w.refresh(t, "f", service("a", "A", map[string]any{"status": "unheard of"}), b, c)
		w.wantVersions(t, "one back, one broken", map[string]int{"A": 2, "B": 3, "C": 1})
		if r.LeftOut != 1 || len(r.Faults) != 1 || !r.Faults[0].Left || r.Faults[0].Service != "a" || r.Faults[0].Path != "status" {
			t.Errorf("%+v", r)
		}
		feeds, err := w.store.Feeds(t.Context())
		if err != nil || len(feeds) != 1 || feeds[0].Services != 3 || feeds[0].Problem != "" || !feeds[0].Refreshed.Equal(w.now) || !feeds[0].Due.Equal(w.now.Add(24*time.Hour)) {
			t.Errorf("%+v, %v", feeds, err)
		}
		w.refresh(t, "another", service("a", "A of another", nil))
		w.wantVersions(t, "two feeds", map[string]int{"A": 2, "B": 3, "C": 1, "A of another": 1})
	})
}

// A feed that lies, breaks off or goes round in a circle changes nothing, or only what
// is certain; and what it is at fault with is said.
func TestRefreshOfLyingFeeds(t *testing.T) {
	a, b, c, d := service("a", "A", nil), service("b", "B", nil), service("c", "C", nil), service("d", "D", nil)
	var dozen []map[string]any
	for i := range 12 {
		dozen = append(dozen, service(fmt.Sprint(i), fmt.Sprint("N", i), nil))
	}
	before := map[string]int{"A": 1, "B": 1}
	broken := issue.New(issue.Timeout, "feed-network", "the feed did not answer in time")
	for name, c := range map[string]struct {
		src     script
		options directory.Options
		rule    string // of the error, "" when it goes well
		want    map[string]int
		check   func(r *directory.Report) bool
	}{
		"breaks off": {src: script{page: func(n int) (*directory.Page, error) {
			if n == 2 {
				return nil, broken
			}
			return pageOf(4, 2, c, d), nil
		}}, rule: "feed-network", want: before},
		"the same page for ever": {src: script{page: func(int) (*directory.Page, error) { return pageOf(-1, -1, c, d), nil }}, rule: "feed-loop", want: before},
		"its last page for ever": {src: script{page: func(n int) (*directory.Page, error) { return pageOf(9, 1, a, b), nil }}, want: before,
			check: func(r *directory.Report) bool { return !r.Complete }},
		"fewer pages than there are": {src: paged(pageOf(3, 1, a, b), pageOf(3, 1, c)), want: map[string]int{"A": 1, "B": 1, "C": 1}, check: func(r *directory.Report) bool { return r.Complete && r.Pages == 2 }},
		"more pages than there are":  {src: paged(pageOf(2, 50, a, b)), want: before, check: func(r *directory.Report) bool { return r.Complete }},
		"more items than there are":  {src: paged(pageOf(500, 1, c)), want: map[string]int{"A": 1, "B": 1, "C": 1}, check: func(r *directory.Report) bool { return !r.Complete && r.Withdrawn == 0 }},
		"no totals":                  {src: paged(pageOf(-1, -1, a), pageOf(-1, -1, b, c)), want: map[string]int{"A": 1, "B": 1, "C": 1}, check: func(r *directory.Report) bool { return r.Complete && r.Pages == 2 }},
		"last page first":            {src: paged(&directory.Page{TotalItems: -1, TotalPages: 2, Last: true, Contents: pageOf(0, 0, a).Contents}, pageOf(-1, 2, b)), want: before, check: func(r *directory.Report) bool { return r.Pages == 2 }},
		"the same id twice":          {src: paged(pageOf(3, 1, a, service("a", "Another A", nil), b)), want: before, check: func(r *directory.Report) bool { return len(r.Faults) == 1 && r.Read == 2 }},
		"nothing usable":             {src: paged(pageOf(2, 1, service("", "A", nil), service("b", "", nil))), rule: "feed-unusable", want: before},
		"empty":                      {src: paged(pageOf(0, 0)), rule: "feed-shrunk", want: before},
		"empty, and that is right":   {src: paged(pageOf(0, 0)), options: directory.Options{Shrink: true}, want: map[string]int{"A": -2, "B": -2}},
		"no JSON in it": {src: paged(&directory.Page{TotalItems: 3, TotalPages: 1, Contents: []json.RawMessage{json.RawMessage(`{"id":"x","name":"\ud800","status":"active"}`), json.RawMessage("{\"id\":\"y\",\"name\":\"\xff\",\"status\":\"active\"}"), json.RawMessage(`7`)}}),
			rule: "feed-unusable", want: before},
		"too much of it": {src: paged(pageOf(13, 1, dozen...), pageOf(13, 1, service("z", "Z", nil))), rule: "feed-services", want: before},
		"details of another": {src: script{page: paged(pageOf(1, 1, bare("a"))).page, details: func(string) ([]byte, error) {
			return json.Marshal(service("b", "A", nil))
		}}, rule: "feed-unusable", want: before},
		"details not to be had": {src: script{page: paged(pageOf(2, 1, bare("a"), bare("b"))).page, details: func(string) ([]byte, error) { return nil, broken }}, rule: "feed-network", want: before},
		"details that are gone": {src: paged(pageOf(2, 1, bare("a"), bare("b"))), want: map[string]int{"a": 2, "b": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				w := newTown(t, s)
				w.MaxService = 12
				w.refresh(t, "f", a, b)
				r, err := w.take(t, c.src, c.options)
				if c.rule == "" && err != nil || c.rule != "" && (err == nil || issue.All(err)[0].Rule != c.rule) {
					t.Fatalf("%v, want %q; %+v", explain(err), c.rule, r)
				}
				w.wantVersions(t, "after", c.want)
				if c.check != nil && !c.check(r) {
					t.Errorf("%+v", r)
				}
				feeds, err := w.store.Feeds(t.Context())
				if err != nil || (feeds[0].Problem != "") != (c.rule != "") || (feeds[0].Failures == 1) != (c.rule != "") {
					t.Errorf("%+v, %v", feeds, err)
				}
				if c.rule != "" && !feeds[0].Due.Equal(w.now.Add(5*time.Minute)) {
					t.Errorf("tried again %v after", feeds[0].Due.Sub(w.now))
				}
			})
		})
	}
}

// bare is what a list says of a service whose parts are in its details.
func bare(id string) map[string]any {
	return map[string]any{"id": id, "name": id, "status": "active", "url": "https://example.org", "last_modified": "2026-01-01T00:00:00Z"}
}

// A feed with half of its services gone is not believed without a person's word.
func TestRefreshDoesNotEmptyTheDirectory(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newTown(t, s)
		var list []map[string]any
		for i := range 20 {
			list = append(list, service(fmt.Sprint(i), fmt.Sprint("N", i), nil))
		}
		w.refresh(t, "f", list...)
		_, err := w.take(t, source(t, list[:9]...), directory.Options{})
		wantIssue(t, err, issue.Processing, "feed-shrunk")
		if n := len(w.search(t, directory.Search{}).Services); n != 20 {
			t.Errorf("%d services", n)
		}
		if r, err := w.take(t, source(t, list[:9]...), directory.Options{Shrink: true}); err != nil || r.Withdrawn != 11 {
			t.Errorf("%+v, %v", r, err)
		}
		if n := len(w.search(t, directory.Search{}).Services); n != 9 {
			t.Errorf("%d services", n)
		}
	})
}

// The details of a service are read again when the list says something new of it.
func TestRefreshReadsDetailsOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newTown(t, s)
		var mu sync.Mutex
		var asked []string
		src := func(list ...map[string]any) script {
			asked = nil
			return script{page: paged(pageOf(len(list), 1, list...)).page, details: func(id string) ([]byte, error) {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, id)
				return json.Marshal(service(id, "Details of "+id, map[string]any{"attributes": term("Gardening")}))
			}}
		}
		for _, step := range []struct {
			options directory.Options
			list    []map[string]any
			asked   string
			reused  int
		}{
			{directory.Options{}, []map[string]any{bare("a"), bare("b")}, "a b", 0},
			{directory.Options{}, []map[string]any{bare("a"), bare("b")}, "", 2},
			{directory.Options{}, []map[string]any{bare("a"), merged(bare("b"), "last_modified", "2026-02-01T00:00:00Z")}, "b", 1},
			{directory.Options{}, []map[string]any{bare("a"), merged(bare("b"), "last_modified", "")}, "b", 1},
			{directory.Options{}, []map[string]any{bare("a"), merged(bare("b"), "last_modified", "")}, "b", 1},
			{directory.Options{Full: true}, []map[string]any{bare("a"), bare("b")}, "a b", 0},
		} {
			r, err := w.take(t, src(step.list...), step.options)
			slices.Sort(asked)
			if err != nil || strings.Join(asked, " ") != step.asked || r.Reused != step.reused {
				t.Errorf("%v: asked for %v, %+v, %v", step.list, asked, r, err)
			}
			same(t, "found", w.names(t, directory.Search{Kinds: []string{"gardening"}}), "Details of a", "Details of b")
		}
		w.wantVersions(t, "no version without a change", map[string]int{"Details of a": 1, "Details of b": 1})
		r, err := w.take(t, script{unchanged: true}, directory.Options{})
		if err != nil || !r.Unchanged {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func merged(m map[string]any, name string, value any) map[string]any { m[name] = value; return m }

// While a feed is taken over everybody sees what was there before, nobody else is at it,
// and whoever lost his claim publishes nothing.
func TestRefreshIsOneStep(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newTown(t, s)
		w.refresh(t, "f", service("a", "A", nil))
		var many []map[string]any
		for i := range 600 {
			many = append(many, service(fmt.Sprint(i), fmt.Sprint("N", i), nil))
		}
		look := func() {
			same(t, "during", w.names(t, directory.Search{}), "A")
			if r, err := w.Refresh(t.Context(), "f", script{}, directory.Options{Force: true}); r != nil || err != nil {
				t.Errorf("two at one feed: %+v, %v", r, err)
			}
		}
		src := script{page: func(n int) (*directory.Page, error) {
			look()
			if n > 3 {
				return pageOf(600, 3), nil
			}
			return pageOf(600, 3, many[200*(n-1):200*n]...), nil
		}}
		if _, err := w.take(t, src, directory.Options{}); err != nil {
			t.Fatal(explain(err))
		}
		if n := len(w.search(t, directory.Search{Count: 200}).Services); n != 200 {
			t.Errorf("%d", n)
		}

		// a process that hangs loses its feed to another, and then gets nowhere
		w2 := newTown(t, s)
		w2.now = w.now.Add(time.Hour)
		old, err := w2.store.Claim(t.Context(), "g", w2.now, w2.now.Add(time.Minute), true)
		if err != nil || old == nil {
			t.Fatal(old, err)
		}
		later := w2.now.Add(2 * time.Minute)
		fresh, err := w2.store.Claim(t.Context(), "g", later, later.Add(time.Minute), true)
		if err != nil || fresh == nil {
			t.Fatal(fresh, err)
		}
		for what, err := range map[string]error{
			"renew": w2.store.Renew(t.Context(), old, later), "publish": w2.store.Publish(t.Context(), old, old.Feed), "release": w2.store.Release(t.Context(), old, old.Feed),
			"stage": w2.store.Stage(t.Context(), old, later, nil),
		} {
			if len(issue.All(err)) != 1 || issue.All(err)[0].Rule != "feed-claim" {
				t.Errorf("%s with a lost claim: %v", what, err)
			}
		}
		if err := w2.store.Publish(t.Context(), fresh, fresh.Feed); err != nil {
			t.Error(err)
		}
	})
}

// What nobody sees any more is removed, and nothing else.
func TestSweep(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url)
		w := newTown(t, s)
		var list []map[string]any
		for i := range 300 {
			list = append(list, service(fmt.Sprint(i), fmt.Sprint("N", i), map[string]any{"service_at_locations": at(fmt.Sprint(i), 53, -1, "ZZ1 4AA")}))
		}
		w.refresh(t, "f", list...)
		tables := []string{"directory_load", "directory_entry", "directory_rank", "directory_term", "directory_place"}
		rows := func() (out []int) {
			for _, name := range tables {
				out = append(out, count(t, url, "SELECT count(*) FROM "+name))
			}
			return out
		}
		once := rows()
		w.refresh(t, "f", list...)
		if _, err := w.take(t, paged(pageOf(-1, -1, list...), pageOf(-1, -1, list...)), directory.Options{}); err == nil {
			t.Fatal("a loop went well")
		}
		if err := w.store.Sweep(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := rows(); got[1] != 2*once[1] {
			t.Errorf("swept too soon, or not what came to nothing: %v, once %v", got, once)
		}
		if err := w.store.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(explain(err))
		}
		if got := rows(); !slices.Equal(got, once) {
			t.Errorf("%v: %v, want %v", tables, got, once)
		}
		if n := len(w.search(t, directory.Search{Count: 200}).Services); n != 200 {
			t.Errorf("%d services", n)
		}
	})
}

// Every search goes by an index: no database reads a whole table of the directory.
func TestDirectorySearchesByIndex(t *testing.T) {
	scan := map[string]*regexp.Regexp{
		"sqlite":   regexp.MustCompile(`(?m)SCAN (d|x|e|p|r|s|directory_\w+)\b|\(load=\?\)`), // all of a load is a whole table as well
		"postgres": regexp.MustCompile(`Seq Scan on directory_(entry|rank|term|place|sector)`),
	}
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := load(t, storetest.Open(t, url), 3000)
		kind := "sqlite"
		if strings.HasPrefix(url, "postgres") {
			kind = "postgres"
		}
		type asked struct {
			text string
			args []any
		}
		whole := map[string]string{"sqlite": "SELECT d.body FROM directory_entry d WHERE d.body = ?", "postgres": "SELECT count(*) FROM directory_entry WHERE body <> $1"}
		if plan := explainPlan(t, url, whole[kind], []any{"x"}); !scan[kind].MatchString(plan) {
			t.Errorf("the test sees no scan in %s", plan)
		}
		for name, q := range countrySearches {
			var list []asked
			w.store.Trace(func(text string, args []any) { list = append(list, asked{text, slices.Clone(args)}) })
			w.search(t, withCount(q, 50))
			w.store.Trace(nil)
			if len(list) < 3 {
				t.Fatalf("%s: only %d statements", name, len(list))
			}
			for _, a := range list {
				if strings.Contains(a.text, "FROM directory_feed") {
					continue // a row for each feed
				}
				plan := explainPlan(t, url, w.store.Spell(a.text), a.args)
				if strings.Contains(plan, "CO-ROUTINE d") {
					plan = strings.Replace(plan, "SCAN d", "list d", 1) // the ids that were just found, which is no table
				}
				if found := scan[kind].FindString(plan); found != "" {
					t.Errorf("%s: %s\n%s\n%s", name, found, a.text, plan)
				}
			}
		}
	})
}

// count asks a database for one number.
func count(t *testing.T, url, query string) (n int) {
	t.Helper()
	db := administrator(t, url)
	defer db.Close()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// explainPlan gives the plan of a statement, as the connections of the store have it.
func explainPlan(t *testing.T, url, text string, args []any) string {
	t.Helper()
	db := planning(t, url)
	defer db.Close()
	return planOf(t, db, url, text, args)
}

// planning opens a database for explaining, as the connections of the store have it.
func planning(t *testing.T, url string) *sql.DB {
	t.Helper()
	db := administrator(t, url)
	db.SetMaxOpenConns(1)
	if strings.HasPrefix(url, "postgres") {
		settings := "SET plan_cache_mode = force_custom_plan"
		for name, value := range store.Planned {
			settings += "; SET " + name + " = " + value
		}
		if _, err := db.Exec(settings); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func planOf(t *testing.T, db *sql.DB, url, text string, args []any) string {
	t.Helper()
	word := "EXPLAIN QUERY PLAN "
	if strings.HasPrefix(url, "postgres") {
		word = "EXPLAIN "
	}
	rows, err := db.Query(word+text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	var plan strings.Builder
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		into := make([]any, len(columns))
		for i := range into {
			into[i] = new(any)
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, *into[len(into)-1].(*any))
	}
	if plan.Len() == 0 {
		t.Fatalf("no plan of %s", text)
	}
	return plan.String()
}
