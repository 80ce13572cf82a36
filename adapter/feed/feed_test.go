package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"spadapter/adapter/directory"
	"spadapter/adapter/issue"
)

// open opens a feed at a test server; waits are counted, not waited for.
func open(t *testing.T, address, state string, waited *time.Duration) *Feed {
	t.Helper()
	f, err := Open(address, state, Config{PageBytes: 4096, Sleep: func(_ context.Context, d time.Duration) error {
		if waited != nil {
			*waited += d
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestAddresses(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://directory.example.gov.uk/api": true, "https://directory.example.gov.uk/api/services?area=1": true, "http://127.0.0.1:8080": true, "http://[::1]/": true, "http://localhost/x": true,
		"http://directory.example.gov.uk": false, "ftp://directory.example.gov.uk": false, "file:///etc/passwd": false, "https://user:secret@directory.example.gov.uk": false,
		"https://": false, "directory.example.gov.uk": false, "https://a.example/#x": false, "http://127.0.0.1.example.org": false, "http://localhost.example.org": false,
	} {
		_, err := Open(address, "", Config{})
		if (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	}
	if _, err := Open("http://directory.example.gov.uk", "", Config{PlainHTTP: true}); err != nil {
		t.Error(err)
	}
}

// Where no feed can be, nothing is asked, whatever name leads there.
func TestPermitted(t *testing.T) {
	for address, ok := range map[string]bool{
		"93.184.216.34:443": true, "10.1.2.3:443": true, "192.168.1.1:443": true, "[2a00:1450::1]:443": true,
		"127.0.0.1:443": false, "127.1.2.3:80": false, "[::1]:443": false, "[::ffff:127.0.0.1]:443": false, "169.254.169.254:80": false, "[fe80::1]:443": false,
		"0.0.0.0:80": false, "[::]:80": false, "224.0.0.1:80": false, "255.255.255.255:80": false, "[::ffff:169.254.169.254]:80": false, "nonsense": false,
	} {
		if err := permitted(address, false); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
	if permitted("127.0.0.1:80", true) != nil || permitted("169.254.169.254:80", true) == nil {
		t.Error("a feed on this machine may be on this machine, and nowhere else")
	}
}

func TestPagesAndDetails(t *testing.T) {
	var asked []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.RequestURI)
		if strings.HasPrefix(r.URL.Path, "/api/services/") {
			fmt.Fprintf(w, `{"id":%q}`, strings.TrimPrefix(r.URL.Path, "/api/services/"))
			return
		}
		fmt.Fprintf(w, `{"total_items":2,"total_pages":2,"page_number":%s,"contents":[{"id":"1"}]}`, r.URL.Query().Get("page"))
	})
	f := open(t, s.URL+"/api/services/?area=leeds", "", nil)
	p, err := f.Page(t.Context(), 2)
	if err != nil || p.Number != 2 || p.TotalPages != 2 || len(p.Contents) != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	for id, want := range map[string]string{"a b": "/api/services/a%20b", "../../x": "/api/services/..%2F..%2Fx", "a?b#c": "/api/services/a%3Fb%23c"} {
		body, err := f.Details(t.Context(), id)
		var m struct{ ID string }
		if err != nil || json.Unmarshal(body, &m) != nil || m.ID != id || asked[len(asked)-1] != "GET "+want+"?area=leeds" {
			t.Errorf("%s: %s, %v, %s", id, body, err, asked[len(asked)-1])
		}
	}
	if _, err := f.Details(t.Context(), ".."); err == nil {
		t.Error("an id that is a path was asked for")
	}
	if asked[0] != "GET /api/services?area=leeds&page=2&per_page=100" {
		t.Error(asked[0])
	}
}

// What does not change is not sent again; what changed is read from its first page on.
func TestConditional(t *testing.T) {
	tag := `"1"`
	var full, none atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		page := r.URL.Query().Get("page")
		w.Header().Set("ETag", tag)
		if page == "2" {
			w.Header().Del("ETag")
			w.Header().Set("Last-Modified", "Mon, 23 Nov 2026 12:00:00 GMT")
			if r.Header.Get("If-Modified-Since") != "" {
				none.Add(1)
				w.WriteHeader(http.StatusNotModified)
				return
			}
		} else if r.Header.Get("If-None-Match") == tag {
			none.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		full.Add(1)
		fmt.Fprintf(w, `{"total_items":2,"total_pages":2,"contents":[{"id":%q}]}`, page)
	})
	read := func(f *Feed) string {
		for n := 1; n <= 2; n++ {
			if _, err := f.Page(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		return f.State()
	}
	f := open(t, s.URL, "", nil)
	if same, err := f.Unchanged(t.Context()); same || err != nil {
		t.Fatal("nothing is known, and it is the same")
	}
	state := read(f)
	f = open(t, s.URL, state, nil)
	if same, err := f.Unchanged(t.Context()); !same || err != nil || full.Load() != 2 || none.Load() != 2 || f.State() != state {
		t.Fatalf("%v %v, %d in full, %s", same, err, full.Load(), f.State())
	}
	tag = `"2"`
	f = open(t, s.URL, state, nil)
	if same, err := f.Unchanged(t.Context()); same || err != nil {
		t.Fatal("a new first page is the same")
	}
	if again := read(f); again == state || full.Load() != 4 {
		t.Errorf("%d pages in full, state %s", full.Load(), again)
	}
	for _, bad := range []string{"{", "null", `{"other":{}}`, "[]"} {
		if same, err := open(t, s.URL, bad, nil).Unchanged(t.Context()); same || err != nil {
			t.Errorf("%s: %v, %v", bad, same, err)
		}
	}
}

// A feed that is out of order is asked again, as slowly as it likes but not for ever.
func TestRetries(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header string
		fails  int32
		ok     bool
		tries  int32
		wait   time.Duration
		rule   string
	}{
		"passes":             {503, "", 2, true, 3, 5 * time.Second, ""},
		"stays":              {502, "", 99, false, 4, 20 * time.Second, "feed-status"},
		"says how long":      {429, "7", 1, true, 2, 7 * time.Second, ""},
		"says when":          {503, time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat), 1, true, 2, -1, ""},
		"says far too long":  {429, "86400", 99, false, 1, 0, "feed-status"},
		"says nonsense":      {503, "-5", 1, true, 2, time.Second, ""},
		"is not for us":      {403, "", 99, false, 1, 0, "feed-status"},
		"is gone":            {404, "", 99, false, 1, 0, "feed-status"},
		"refuses":            {400, "", 99, false, 1, 0, "feed-status"},
		"not modified, ever": {304, "", 99, false, 1, 0, "feed-status"},
	} {
		t.Run(name, func(t *testing.T) {
			var tries atomic.Int32
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if tries.Add(1) <= c.fails {
					w.Header().Set("Retry-After", c.header)
					w.WriteHeader(c.status)
					return
				}
				fmt.Fprint(w, `{"contents":[]}`)
			})
			var waited time.Duration
			_, err := open(t, s.URL, "", &waited).Page(t.Context(), 1)
			if (err == nil) != c.ok || tries.Load() != c.tries || c.wait >= 0 && waited != c.wait || c.wait < 0 && (waited < 20*time.Second || waited > 31*time.Second) {
				t.Errorf("%v after %d tries and %v", err, tries.Load(), waited)
			}
			if err != nil && issue.All(err)[0].Rule != c.rule {
				t.Error(err)
			}
		})
	}
}

// An answer that is none is an error, with a rule for each way.
func TestBadAnswers(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"contents":[{"id":"stolen"}]}`) })
	for name, c := range map[string]struct {
		handle http.HandlerFunc
		rule   string
	}{
		"another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1), http.StatusFound)
		}, "feed-redirect"},
		"another port": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) }, "feed-redirect"},
		"another scheme": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+r.Host+"/", http.StatusFound)
		}, "feed-redirect"},
		"a file": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}, "feed-redirect"},
		"in a circle":    {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.RequestURI, http.StatusFound) }, "feed-redirect"},
		"too long":       {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, strings.Repeat(" ", 5000)) }, "feed-bytes"},
		"nothing":        {func(w http.ResponseWriter, r *http.Request) {}, "feed-page"},
		"a page of HTML": {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>Log in</html>") }, "feed-page"},
		"another object": {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"error":"no"}`) }, "feed-page"},
		"wrong kinds":    {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"total_pages":"two","contents":[]}`) }, "feed-page"},
		"cut off": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"contents":[`)
		}, "feed-cut"},
		"hung up": {func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, "feed-network"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.handle)
			p, err := open(t, s.URL, "", nil).Page(t.Context(), 1)
			if err == nil || issue.All(err)[0].Rule != c.rule {
				t.Errorf("%+v, %v; want %s", p, err, c.rule)
			}
		})
	}
	t.Run("within the host", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/services" {
				http.Redirect(w, r, "/v3/services", http.StatusMovedPermanently)
				return
			}
			fmt.Fprint(w, `[{"id":"1"}]`)
		})
		p, err := open(t, s.URL, "", nil).Page(t.Context(), 1)
		if err != nil || len(p.Contents) != 1 || !p.Last {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

// A feed may be stopped at any time.
func TestStops(t *testing.T) {
	began := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	if _, err := open(t, s.URL, "", nil).Page(ctx, 1); err == nil {
		t.Error("an answer that never came")
	}
}

var _ directory.Source = (*Feed)(nil)
