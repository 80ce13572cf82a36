package gateway

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
)

// TestEveryLimit sends what just fits and what just does not, for every limit of a request
// that the README and the CapabilityStatement name.
func TestEveryLimit(t *testing.T) {
	const bodyLimit = 64 << 10
	w := newWorld(t, nil)
	w.config.Limits = fhir.Limits{Bytes: bodyLimit, Nodes: 300}
	w.handler = New(w.config)
	const (
		form  = "Content-Type: application/x-www-form-urlencoded"
		plain = "Content-Type: application/json"
	)
	spread := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf("X-Field-%d: x", i))
		}
		return out
	}
	deep := func(n int) string { return strings.Repeat(`{"extension":[`, n/2) + strings.Repeat(`]}`, n/2) }
	items := func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"id":"r%d","version":1,"input":{}}`, i))
		}
		return `{"items":[` + strings.Join(list, ",") + `]}`
	}
	reads := func(n int) string {
		return batchOf(strings.TrimSuffix(strings.Repeat(`{"request":{"method":"GET","url":"A"}},`, n), ","))
	}
	wide := newWorld(t, actsAtOnce)
	for name, c := range map[string]struct {
		w              *world
		method, target func(n int) string
		body           func(n int) string
		headers        func(n int) []string
		most           int
		status         int
		rule           string
	}{
		"address":      {target: func(n int) string { return "/fhir/R4/Patient/" + strings.Repeat("1", n-len("/fhir/R4/Patient/")) }, most: maxURL, status: 414, rule: "url-length"},
		"fields":       {headers: spread, most: maxFields - 1, status: 431, rule: "header-fields"}, // and Authorization
		"query":        {target: func(n int) string { return "/fhir/R4/Patient?identifier=" + strings.Repeat("1", n-len("identifier=")) }, most: maxQuery, status: 422, rule: "query-length"},
		"parameters":   {target: func(n int) string { return "/fhir/R4/Patient?" + strings.Repeat("x=1&", n) }, most: maxParameters, status: 422, rule: "query-limit"},
		"conditions":   {target: func(n int) string { return "/fhir/R4/Patient?" + strings.Repeat("identifier=1&", n) }, most: maxConditions, status: 422, rule: "search-conditions"},
		"alternatives": {target: func(n int) string { return "/fhir/R4/Patient?identifier=1" + strings.Repeat(",1", n-1) }, most: maxAlternatives, status: 422, rule: "search-alternatives"},
		"form": {target: func(int) string { return "/fhir/R4/Patient/_search" }, body: func(n int) string { return "identifier=" + strings.Repeat("1", n-len("identifier=")) },
			headers: func(int) []string { return []string{form} }, most: maxQuery, status: 422, rule: "query-length"},
		"body": {target: func(int) string { return "/fhir/R4/Patient" }, body: patientOf, headers: func(int) []string { return []string{plain} }, most: bodyLimit, status: 413, rule: "body-limit"},
		"form body": {target: func(int) string { return "/fhir/R4/Patient/_search" }, body: func(n int) string { return strings.Repeat("&", n) },
			headers: func(int) []string { return []string{form} }, most: maxQuery, status: 422, rule: "query-length"},
		"compressed body": {target: func(int) string { return "/fhir/R4/Patient" }, body: func(n int) string { return zipped(patientOf(n)) },
			headers: func(int) []string { return []string{plain, "Content-Encoding: gzip"} }, most: bodyLimit, status: 413, rule: "body-limit"},
		"members": {target: func(int) string { return "/fhir/R4/Patient" }, headers: func(int) []string { return []string{plain, "Content-Encoding: gzip"} },
			body: func(n int) string { text := patientOf(n); return zipped(text[:n/2]) + zipped(text[n/2:]) }, most: bodyLimit, status: 413, rule: "body-limit"},
		"nodes": {target: func(int) string { return "/fhir/R4/Patient" }, headers: func(int) []string { return []string{plain} },
			body: func(n int) string {
				return `{"resourceType":"Patient","name":[` + strings.TrimSuffix(strings.Repeat(`{"text":"a"},`, n), ",") + `]}`
			}, most: 149, status: 422, rule: "node-limit"},
		"depth": {target: func(int) string { return "/fhir/R4/Patient" }, headers: func(int) []string { return []string{plain} },
			body: func(n int) string { return `{"resourceType":"Patient","contact":[` + deep(n) + `]}` }, most: 62, status: 422, rule: "depth-limit"},
		"batch": {w: wide, target: func(int) string { return "/fhir/R4" }, body: reads, headers: func(int) []string { return []string{plain} }, most: maxEntries, status: 422, rule: "batch-limit"},
		"bulk":  {w: wide, target: func(int) string { return "/api/v1/referrals/actions/accept" }, body: items, headers: func(int) []string { return []string{plain} }, most: maxBulk, status: 422, rule: "bulk-limit"},
	} {
		t.Run(name, func(t *testing.T) {
			on := w
			if c.w != nil {
				on = c.w
			}
			ask := func(n int) *httptest.ResponseRecorder {
				target, body, headers, method, as := "/fhir/R4/Patient/1", "", []string{}, "GET", "gp"
				if c.target != nil {
					target = c.target(n)
				}
				if c.headers != nil {
					headers = c.headers(n)
				}
				if c.body != nil {
					body, method = c.body(n), "POST"
				}
				if strings.HasPrefix(target, apiBase) {
					as = "lw"
				}
				return on.do(method, target, body, append(headers, "as "+as)...)
			}
			if rec := ask(c.most); strings.Contains(rec.Body.String(), `"`+c.rule+`"`) || rec.Code >= 500 || rec.Code == 413 || rec.Code == 414 || rec.Code == 431 {
				t.Errorf("%d is refused: %d %.300s", c.most, rec.Code, rec.Body)
			}
			step := 1
			if name == "depth" {
				step = 2
			}
			wants(t, ask(c.most+step), c.status, c.rule)
		})
	}
}

// A page is never longer than it may be, whatever is asked for.
func TestPageLength(t *testing.T) {
	w := newWorld(t, nil)
	for count, want := range map[string]int{"1": 1, "200": pageMax, "201": pageMax, "999999999": pageMax, "0": 0} {
		w.calls = nil
		rec := w.do("GET", "/fhir/R4/Patient?_count="+count, "", "as gp")
		wants(t, rec, 200, "")
		if got := parsed(t, rec).Text("link", "url"); !strings.HasSuffix(got, fmt.Sprintf("_count=%d", want)) {
			t.Errorf("%s: %s", count, got)
		}
	}
	for _, count := range []string{"-1", "1e9", "99999999999999999999"} {
		wants(t, w.do("GET", "/fhir/R4/Patient?_count="+count, "", "as gp"), 400, "search-count")
	}
}

// What is compressed more than once, or tells of more than there is, is not unpacked.
func TestBombs(t *testing.T) {
	w := newWorld(t, nil)
	zeros := strings.Repeat("\x00", 64<<20)
	once := zipped(zeros)
	const plain = "Content-Type: application/fhir+json"
	wants(t, w.do("POST", "/fhir/R4/Patient", once, "as gp", plain, "Content-Encoding: gzip"), 413, "body-limit")
	wants(t, w.do("POST", "/fhir/R4/Patient", zipped(once), "as gp", plain, "Content-Encoding: gzip, gzip"), 415, "media-type")
	wants(t, w.do("POST", "/fhir/R4/Patient", zipped(once), "as gp", plain, "Content-Encoding: gzip", "Content-Encoding: gzip"), 400, "")
	var empty bytes.Buffer
	z := gzip.NewWriter(&empty)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	wants(t, w.do("POST", "/fhir/R4/Patient", strings.Repeat(empty.String(), 200_000), "as gp", plain, "Content-Encoding: gzip"), 400, "")
	wants(t, w.do("POST", "/fhir/R4/Patient/_search", zipped(strings.Repeat("identifier=1&", 1<<20)), "as gp", "Content-Type: application/x-www-form-urlencoded", "Content-Encoding: gzip"), 413, "body-limit")
	if len(w.calls) != 0 {
		t.Errorf("%d calls were made", len(w.calls))
	}
}

// The CapabilityStatement names the limits, as they are.
func TestLimitsAreStated(t *testing.T) {
	w, _ := guarded(t, nil, Protection{Rate: 7, Burst: 77, ClientAtOnce: 3, Timeout: 10e9})
	text := parsed(t, w.do("GET", "/fhir/R4/metadata", "")).Text("rest", "documentation")
	for _, want := range []any{5 << 20, 64, 500_000, maxEntries, maxQuery, maxParameters, maxConditions, maxAlternatives, maxURL, maxFields, pageDefault, pageMax, "7 requests", 77, "3 requests", "10s"} {
		if !strings.Contains(text, fmt.Sprint(want)) {
			t.Errorf("%v is not in %s", want, text)
		}
	}
}

// FuzzHeaders: whatever stands in the header fields that are read, the answer is no fault of
// ours, and none of them is mirrored but those that are to be.
func FuzzHeaders(f *testing.F) {
	f.Add("application/fhir+json;q=0.5, */*", "return=minimal; handling=strict", `W/"1"`, "identifier=1", "gzip", "10.0.0.1, [::1]:5", "https://a.test")
	f.Add("text/*;q=x", ",;=", "*", "", "gzip, br;q=0", "unknown, ,", "null")
	w := newWorld(&testing.T{}, nil)
	w.config.Protection.Proxies = append(w.config.Protection.Proxies, w.config.Protection.Metrics...)
	w.config.Protection.AddressRate, w.config.Protection.AddressBurst = 1e9, 1e9
	handler := New(w.config)
	f.Fuzz(func(t *testing.T, accept, prefer, match, exist, encoding, forwarded, from string) {
		w.log.Reset()
		w.calls, w.refused = nil, nil
		for _, c := range [][2]string{{"GET", "/fhir/R4/Patient/1"}, {"POST", "/fhir/R4/Patient"}, {"PUT", "/fhir/R4/Task/1"}, {"GET", "/api/v1/referrals"}, {"OPTIONS", "/fhir/R4/Patient"}} {
			r := httptest.NewRequest(c[0], c[1], strings.NewReader(`{"resourceType":"Patient"}`))
			r.Header["Authorization"] = []string{"Bearer gp"}
			r.Header["Content-Type"] = []string{"application/fhir+json"}
			for name, value := range map[string]string{"Accept": accept, "Prefer": prefer, "If-Match": match, "If-None-Match": match, "If-Modified-Since": match, "If-None-Exist": exist,
				"Accept-Encoding": encoding, "X-Forwarded-For": forwarded, "Origin": from, "Access-Control-Request-Method": prefer, "X-Request-ID": exist, "X-Correlation-ID": match} {
				r.Header[name] = []string{value}
			}
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, r)
			if rec.Code >= 500 {
				t.Errorf("%v: %d %s", c, rec.Code, rec.Body)
			}
			for name, values := range rec.Header() {
				for _, v := range values {
					if strings.ContainsAny(v, "\r\n\x00") {
						t.Errorf("%s is %q", name, v)
					}
				}
			}
		}
	})
}

// The README names every limit in one table, with the numbers that hold.
func TestReadmeNamesTheLimits(t *testing.T) {
	body, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(body), "| limit | default | setting | past it |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	grouped := func(n int) string {
		text := fmt.Sprint(n)
		if len(text) > 3 && n >= 1000 {
			text = text[:len(text)-3] + "," + text[len(text)-3:]
		}
		return text
	}
	limits := Config{}.withDefaults()
	for rule, numbers := range map[string][]int{
		"rate-limit": nil, "client-at-once": {lineLength, int(turnWait.Seconds())}, "requests-at-once": {lineLength}, "followers": {limits.MaxFollowers},
		"request-timeout": nil, "body-timeout": {slowest >> 10, int(bodyGrace.Seconds()), int(answerGrace.Seconds())}, "body-limit": {limits.Limits.Bytes >> 20}, "bodies-at-once": {limits.BytesAtOnce >> 20},
		"header-fields": {maxFields}, "url-length": {maxURL}, "query-length": {maxQuery, maxParameters}, "search-conditions": {maxConditions, maxAlternatives},
		"_count": {pageDefault, pageMax}, "depth-limit": {limits.Limits.Depth, limits.Limits.Nodes}, "batch-limit": {maxEntries, maxAnswers >> 20}, "bulk-limit": {maxBulk},
		"adapter_http_refusals_unrecorded_total": {anonymousRecords},
	} {
		row := ""
		for line := range strings.Lines(table) {
			if strings.Contains(line, "`"+rule+"`") {
				row = line
			}
		}
		for _, n := range numbers {
			if !strings.Contains(row, " "+grouped(n)) {
				t.Errorf("%s: %s is not in %q", rule, grouped(n), row)
			}
		}
		if row == "" {
			t.Errorf("%s is not in the table", rule)
		}
	}
}
