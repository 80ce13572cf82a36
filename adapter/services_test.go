package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/directory"
	"spadapter/adapter/store/storetest"
)

// council is an Open Referral UK feed of so many services, whose details are to be asked
// for one by one.
type council struct {
	*httptest.Server
	services  atomic.Int32
	pages     atomic.Int32 // asked for
	details   atomic.Int32
	slow      atomic.Bool // details take their time
	failing   atomic.Bool
	unchanged atomic.Int32
}

func newCouncil(t *testing.T, services int) *council {
	c := &council{}
	c.services.Store(int32(services))
	c.Server = httptest.NewServer(http.HandlerFunc(c.answer))
	t.Cleanup(c.Close)
	return c
}

func (c *council) answer(w http.ResponseWriter, r *http.Request) {
	const size = 20
	n := int(c.services.Load())
	if id, ok := strings.CutPrefix(r.URL.Path, "/services/"); ok {
		c.details.Add(1)
		if c.slow.Load() {
			time.Sleep(20 * time.Millisecond)
		}
		fmt.Fprintf(w, `{"id":%q,"name":"Lunch %s","status":"active","url":"https://example.org","assured_date":"2026-11-01","attributes":[{"id":"a","taxonomy_term":{"id":"t","name":"Lunch clubs"}}]}`, id, id)
		return
	}
	c.pages.Add(1)
	if c.failing.Load() {
		http.Error(w, "out of order", http.StatusNotFound)
		return
	}
	tag := fmt.Sprintf(`"%d"`, n)
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		c.unchanged.Add(1)
		w.WriteHeader(http.StatusNotModified)
		return
	}
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	var list []string
	for i := (page - 1) * size; i < min(page*size, n); i++ {
		list = append(list, fmt.Sprintf(`{"id":"%03d","name":"Lunch %03d","status":"active","url":"https://example.org"}`, i, i))
	}
	fmt.Fprintf(w, `{"total_items":%d,"total_pages":%d,"page_number":%d,"contents":[%s]}`, n, (n+size-1)/size, page, strings.Join(list, ","))
}

// program runs the program with arguments, and gives what it printed.
func (w *world) program(args ...string) (string, error) {
	w.t.Helper()
	path, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(plainEnvironment(), asProgram+"=1", "ADAPTER_DATABASE="+w.database)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

type servicesAnswer struct {
	Items []directory.View
	Next  *string
	Feeds []directory.FeedView
}

func (a answer) services() (s servicesAnswer) {
	a.t.Helper()
	a.want(http.StatusOK).into(&s)
	return s
}

// A server takes its feeds over when it starts, shows them to every role in plain JSON and
// as FHIR, records who looked, and goes on with what it has when a feed fails.
func TestServeRefreshesFeeds(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCouncil(t, 45)
		w := newWorld(t, url)
		w.config.Feeds, w.config.FeedEvery = []string{"council=" + c.URL}, time.Hour
		a := w.run(quiet())
		gp, lw := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
		eventually(t, "the feed is taken over", func() bool { return len(lw.get("/api/v1/services").services().Items) == 45 })
		for who, caller := range map[string]caller{"a practice": gp, "a link worker": lw, "an operator": a.as(auth.RoleOperator)} {
			s := caller.get("/api/v1/services?kind=lunch-club&count=20").services()
			if len(s.Items) != 20 || s.Next == nil || len(s.Feeds) != 1 || s.Feeds[0].Problem != "" {
				t.Errorf("%s: %d, %+v", who, len(s.Items), s.Feeds)
			}
			one := caller.get("/fhir/R4/HealthcareService/" + s.Items[0].ID).want(http.StatusOK).node()
			if one.Text("type", "coding", "code") != "lunch-club" {
				t.Errorf("%s: %s", who, one.Text("name"))
			}
			if n := len(caller.get("/fhir/R4/HealthcareService?service-type=lunch-club&_count=50").want(http.StatusOK).node().All("entry")); n != 45 {
				t.Errorf("%s: %d entries", who, n)
			}
		}
		if n := w.number("SELECT count(*) FROM audit WHERE interaction = 'search-type' AND entity = 'HealthcareService' AND query LIKE '%kind=lunch-club%'"); n != 3 {
			t.Errorf("%d searches are in the audit", n)
		}
		caller{t, a.url, ""}.get("/api/v1/services").want(http.StatusUnauthorized)
		// what the practice sends of the same types lives beside it
		gp.refer(withEveryType(someone(practiceA)))
		all := gp.get("/fhir/R4/HealthcareService?_count=100").want(http.StatusOK).node()
		if n := len(all.All("entry")); n != 46 || all.Text("total") != "46" {
			t.Errorf("%d entries, total %s", n, all.Text("total"))
		}
		a.stop()

		// the next start finds the feed unchanged, and then out of order
		if _, err := w.db().Exec("UPDATE directory_feed SET due = 0"); err != nil {
			t.Fatal(err)
		}
		details := c.details.Load()
		a = w.run(quiet())
		eventually(t, "the feed says that nothing is new", func() bool { return c.unchanged.Load() >= 3 })
		eventually(t, "it is not due any more", func() bool { return w.number("SELECT count(*) FROM directory_feed WHERE due = 0") == 0 })
		a.stop()
		if c.details.Load() != details {
			t.Error("an unchanged feed was read again")
		}
		if _, err := w.db().Exec("UPDATE directory_feed SET due = 0"); err != nil {
			t.Fatal(err)
		}
		c.failing.Store(true)
		a = w.run(quiet())
		lw = a.as(auth.RoleOwner, service1)
		eventually(t, "the failure is told", func() bool {
			s := lw.get("/api/v1/services").services()
			return len(s.Items) == 45 && s.Feeds[0].Problem != ""
		})
		out, err := w.program("services", "feeds")
		if err != nil || !strings.Contains(out, "council") || !strings.Contains(out, "HTTP status 404") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// A process that is killed in the middle of an import leaves what was there, and the next
// one goes on; the rows it wrote go away.
func TestKilledImportChangesNothing(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCouncil(t, 5)
		w := newWorld(t, url)
		w.config.Feeds = []string{"council=" + c.URL}
		first := w.start()
		lw := first.as(auth.RoleOwner, service1)
		count := func(l caller) int { return len(l.get("/api/v1/services?count=200").services().Items) }
		eventually(t, "the first five are there", func() bool { return count(lw) == 5 })
		first.kill()

		c.services.Store(400)
		c.slow.Store(true)
		if _, err := w.db().Exec("UPDATE directory_feed SET due = 0"); err != nil {
			t.Fatal(err)
		}
		before := c.details.Load()
		second := w.start()
		eventually(t, "rows are staged", func() bool {
			return c.details.Load()-before > 300 && w.number("SELECT count(*) FROM directory_entry") > 5
		})
		lw = second.as(auth.RoleOwner, service1)
		if n := count(lw); n != 5 {
			t.Fatalf("%d services are visible in the middle of an import", n)
		}
		second.kill()

		// until the lease of the dead one runs out nobody may; then somebody does
		out, err := w.program("services", "import", "-feed", "council", c.URL)
		if err == nil || !strings.Contains(out, "another process refreshes council") {
			t.Errorf("%v\n%s", err, out)
		}
		if _, err := w.db().Exec("UPDATE directory_feed SET until = 1"); err != nil {
			t.Fatal(err)
		}
		c.slow.Store(false)
		out, err = w.program("services", "import", "-feed", "council", c.URL)
		if err != nil || !strings.Contains(out, "council: 400 services read, 400 taken over, 0 left out, 0 withdrawn") {
			t.Fatalf("%v\n%s", err, out)
		}
		third := w.start()
		if n := count(third.as(auth.RoleOwner, service1)); n != 200 {
			t.Errorf("%d", n)
		}
		if n := w.number("SELECT count(*) FROM directory_load"); n != 2 { // the visible one, and the one before it, for some minutes
			t.Errorf("%d loads", n)
		}
	})
}

// Of two processes on one database one refreshes a feed.
func TestTwoProcessesRefreshOnce(t *testing.T) {
	url := storetest.Postgres(t)
	if url == "" {
		return
	}
	c := newCouncil(t, 60)
	c.slow.Store(true)
	w := newWorld(t, url)
	w.config.Feeds = []string{"council=" + c.URL}
	a, b := w.run(quiet()), w.run(quiet())
	for _, one := range []*adapter{a, b} {
		lw := one.as(auth.RoleOwner, service1)
		eventually(t, "both show it", func() bool { return len(lw.get("/api/v1/services?count=200").services().Items) == 60 })
	}
	a.stop()
	b.stop()
	if pages, details := c.pages.Load(), c.details.Load(); pages != 3 || details != 60 {
		t.Errorf("%d pages and %d details were asked for", pages, details)
	}
}

// The commands say what they did, and what is wrong with a feed.
func TestServicesCommands(t *testing.T) {
	w := newWorld(t, "")
	run := func(want string, args ...string) string {
		t.Helper()
		out, err := w.program(append([]string{"services"}, args...)...)
		if err != nil || !strings.Contains(out, want) {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return out
	}
	run("millbrook: 20 services read, 20 taken over, 0 left out, 0 withdrawn", "import", "../testdata/directory/millbrook.json")
	out := run("Tuesday Lunch Club", "list", "-need", "loneliness", "-near", "ZZ1 4", "-within-km", "3", "-day", "tu")
	if strings.Contains(out, "Debt") || !strings.Contains(out, "places of the directory in sector") || !strings.Contains(out, "every Tuesday, 12:00 to 14:00") {
		t.Error(out)
	}
	run("Millbrook Pantry", "list", "-all", "-text", "food")
	run("stale", "list", "-kind", "digital-skills")
	file := filepath.Join(w.dir, "sectors.csv")
	if err := os.WriteFile(file, []byte("\uFEFFpcds,oseast1m,lat,long\nZZ1 4AA,1,54.60,1.00\nZZ1 4AB,1,54.62,1.02\nZZ9 9ZZ,1,99.999999,0.0\nnowhere,1,54,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run("1 postcode sectors are known; 2 lines had no postcode or no place", "postcodes", file)
	run("from 54.6100, 1.0100, known by: postcode file", "list", "-near", "ZZ1 4")
	run("millbrook", "feeds")

	bad := filepath.Join(w.dir, "bad.json")
	if err := os.WriteFile(bad, []byte(`{"contents":[{"id":"1","name":"A","status":"active","url":"javascript:x"},{"id":"2","name":"","status":"active"},{"id":"1","name":"B","status":"active"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out = run("bad: 2 services read, 1 taken over, 1 left out, 0 withdrawn", "import", bad)
	for _, line := range []string{"left out  2  name", "note      1  url", "more than once"} {
		if !strings.Contains(out, line) {
			t.Errorf("%q is not in\n%s", line, out)
		}
	}
	for name, c := range map[string][]string{
		"no file": {"import", filepath.Join(w.dir, "none.json")}, "plain http": {"import", "http://directory.example.gov.uk"}, "a bad name": {"import", "-feed", "A B", bad},
		"a wrong need": {"list", "-need", "lonelyness"}, "a header without places": {"postcodes", bad}, "a wrong postcode": {"list", "-near", "LS1 4AB"},
	} {
		if out, err := w.program(append([]string{"services"}, c...)...); err == nil || len(out) < 20 {
			t.Errorf("%s: %s", name, out)
		}
	}
	for text, ok := range map[string]bool{"leeds=https://a.example": true, "https://a.example/x": true, "leeds=http://a.example": false, "LEEDS=https://a.example": false, "leeds": false, "=https://a.example": false,
		"a=https://a.example,a=https://b.example": false} {
		if _, err := parseFeeds(strings.Split(text, ","), false); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Any number of feeds, any order of columns: reading sectors never fails on a line.
func TestReadSectors(t *testing.T) {
	for text, want := range map[string]string{
		"sector,latitude,longitude\nLS1 4,53.8,-1.5\n": "[{LS1 4 LS1 {53.8 -1.5}}] 0",
		"long;lat\n": "error",
		"":           "error",
		"lat,long,postcode\n53.8,-1.5,ls14ab\n54,-1.7,LS1 4AC\n,,LS1 5\n": "[{LS1 4 LS1 {53.9 -1.6}}] 1",
		"lat,long,postcode\n53.8\n":                                       "[] 1",
	} {
		list, passed, err := readSectors(strings.NewReader(text))
		got := fmt.Sprint(list, passed)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
