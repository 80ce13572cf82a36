package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

const (
	sentBundle = `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"PUT","url":"Task?identifier=a|1"}},{"request":{"method":"POST","url":"Observation"}}]}`
	goodAnswer = `{"resourceType":"Bundle","type":"transaction-response","entry":[{"response":{"status":"200 OK"}},{"response":{"status":"201"}}]}`
)

func outcome(severity, code string) string {
	return fmt.Sprintf(`{"resourceType":"OperationOutcome","issue":[{"severity":%q,"code":%q,"diagnostics":"Betty Secret","expression":["Bundle.entry[1].resource.code"]}]}`, severity, code)
}

// partner is a route to an httptest server that answers with f.
func partner(t *testing.T, f http.HandlerFunc) *FHIR {
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return &FHIR{Endpoint: func(ods string) (Endpoint, bool) {
		return Endpoint{ODS: ods, Address: s.URL + "/fhir", TokenURL: s.URL + "/token", ClientID: "spadapter"}, ods == "A12345"
	}}
}

func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

var row = referral.Delivery{ID: "0190-d", Referral: "0190-r", Recipient: "A12345", Body: []byte(sentBundle)}

func TestFHIRSendsTheStoredBytes(t *testing.T) {
	var got *http.Request
	var body []byte
	f := partner(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		answer(200, goodAnswer)(w, r)
	})
	r, err := f.Send(t.Context(), row)
	if err != nil || r.Status != 200 {
		t.Fatal(r, err)
	}
	if !bytes.Equal(body, row.Body) || got.URL.Path != "/fhir" || got.Method != "POST" {
		t.Errorf("%s %s %s", got.Method, got.URL, body)
	}
	for name, want := range map[string]string{
		"X-Request-Id": "0190-d", "X-Correlation-Id": "0190-r", "Content-Type": "application/fhir+json",
		"Accept": "application/fhir+json", "Authorization": "",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
		}
	}
}

// Every way a partner can answer, the true ones and the lies.
func TestFHIRJudgesTheAnswer(t *testing.T) {
	entry := func(second string) string {
		return `{"resourceType":"Bundle","type":"transaction-response","entry":[{"response":{"status":"200"}},{"response":` + second + `}]}`
	}
	const delivered, retry, dead = "delivered", "retry", "dead"
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string
		issue  issue.Type
	}{
		{"transaction response", 200, goodAnswer, delivered, ""},
		{"201 with a transaction response", 201, goodAnswer, delivered, ""},
		{"duplicate: an earlier try arrived", 409, outcome("error", "duplicate"), delivered, ""},
		{"entry says duplicate", 200, entry(`{"status":"409","outcome":` + outcome("error", "duplicate") + `}`), delivered, ""},
		{"entry with 412 duplicate", 200, entry(`{"status":"412","outcome":` + outcome("error", "duplicate") + `}`), delivered, ""},

		{"lie: 200 with an error outcome", 200, outcome("error", "code-invalid"), dead, issue.CodeInvalid},
		{"lie: 200 with a passing error", 200, outcome("fatal", "lock-error"), retry, issue.LockError},
		{"lie: 200 with a friendly outcome", 200, outcome("information", "informational"), retry, issue.Exception},
		{"lie: login page", 200, "<html><body>Please log in</body></html>", retry, issue.Exception},
		{"lie: nothing", 200, "", retry, issue.Exception},
		{"lie: 202", 202, "", retry, issue.Exception},
		{"lie: 204", 204, "", retry, issue.Exception},
		{"lie: half a body", 200, goodAnswer[:len(goodAnswer)/2], retry, issue.Exception},
		{"lie: wrong type of Bundle", 200, strings.Replace(goodAnswer, "transaction-response", "searchset", 1), retry, issue.Exception},
		{"lie: the request comes back", 200, sentBundle, retry, issue.Exception},
		{"lie: fewer entries", 200, `{"resourceType":"Bundle","type":"transaction-response","entry":[{"response":{"status":"200"}}]}`, retry, issue.Incomplete},
		{"lie: no entries", 200, `{"resourceType":"Bundle","type":"transaction-response"}`, retry, issue.Incomplete},
		{"lie: entry without status", 200, entry(`{"etag":"W/\"1\""}`), retry, issue.Incomplete},
		{"lie: status of words", 200, entry(`{"status":"OK"}`), retry, issue.Incomplete},
		{"lie: endless body", 200, strings.Repeat(" ", answerLimit+1), retry, issue.TooLong},
		{"entry refused", 200, entry(`{"status":"422 No","outcome":` + outcome("error", "business-rule") + `}`), dead, issue.BusinessRule},
		{"entry failed", 200, entry(`{"status":"500"}`), retry, issue.Exception},

		{"400", 400, outcome("error", "structure"), dead, issue.Structure},
		{"400 that says try later", 400, outcome("error", "timeout"), retry, issue.Timeout},
		{"400 in HTML", 400, "<html>", dead, issue.Invalid},
		{"400 with an unknown code", 400, outcome("error", "boom"), dead, issue.Invalid},
		{"401", 401, "", retry, issue.Login},
		{"403", 403, outcome("error", "forbidden"), retry, issue.Forbidden},
		{"404 of a FHIR server", 404, outcome("error", "not-found"), dead, issue.NotFound},
		{"404 of something else", 404, "<html>", retry, issue.NotFound},
		{"405 of something else", 405, "", retry, issue.NotFound},
		{"408", 408, "", retry, issue.Timeout},
		{"409 that meets another write", 409, outcome("error", "conflict"), retry, issue.Conflict},
		{"409 without words", 409, "", retry, issue.Conflict},
		{"410", 410, "", dead, issue.Deleted},
		{"412 several matches", 412, outcome("error", "multiple-matches"), dead, issue.MultipleMatches},
		{"413", 413, "", dead, issue.TooLong},
		{"418", 418, "", dead, issue.Processing},
		{"422", 422, outcome("error", "business-rule"), dead, issue.BusinessRule},
		{"422 with a warning only", 422, outcome("warning", "business-rule"), dead, issue.Processing},
		{"425", 425, "", retry, issue.LockError},
		{"429", 429, "", retry, issue.Throttled},
		{"500 with an outcome", 500, outcome("error", "invalid"), retry, issue.Invalid},
		{"501", 501, "", retry, issue.Exception},
		{"503", 503, "", retry, issue.Transient},
		{"redirect", 307, "", retry, issue.NotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := partner(t, answer(c.status, c.body, "Location", "http://127.0.0.1:1/evil")).Send(t.Context(), row)
			got := retry
			switch {
			case err == nil:
				got = delivered
			case r.Refused:
				got = dead
			}
			if got != c.want || r.Status != c.status {
				t.Fatalf("%s with status %d (%v), want %s", got, r.Status, err, c.want)
			}
			if err == nil {
				return
			}
			e := failure(err)
			if e.Type != c.issue || e.Details == "" {
				t.Errorf("issue %s %q, want %s", e.Type, e.Details, c.issue)
			}
			if strings.Contains(e.Error(), "Betty") {
				t.Errorf("the loggable text quotes the partner: %s", e.Error())
			}
		})
	}
}

func TestFHIRSaysWhereTheRefusalIs(t *testing.T) {
	_, err := partner(t, answer(422, outcome("error", "code-invalid"))).Send(t.Context(), row)
	if d := failure(err).Details; !strings.Contains(d, "Bundle.entry[1].resource.code") {
		t.Error(d)
	}
	for _, path := range []string{"Patient.where(name = 'Betty')", "Betty Secret", "9990000000", strings.Repeat("a.", 90)} {
		o := strings.Replace(outcome("error", "value"), "Bundle.entry[1].resource.code", path, 1)
		_, err := partner(t, answer(422, o)).Send(t.Context(), row)
		if d := failure(err).Details; strings.Contains(d, path) {
			t.Errorf("a path that can hold a value is told: %s", d)
		}
	}
}

func TestFHIRNetworkFailures(t *testing.T) {
	hijack := func(f func(c io.WriteCloser)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			f(c)
			c.Close()
		}
	}
	hang := func(r *http.Request) { // until the client gives up
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		status int
		issue  issue.Type
	}{
		{"connection dropped", hijack(func(io.WriteCloser) {}), 0, issue.Incomplete},
		{"garbage", hijack(func(c io.WriteCloser) { _, _ = io.WriteString(c, "Betty Secret\r\n\r\n") }), 0, issue.Transient},
		{"closed after half the body", hijack(func(c io.WriteCloser) {
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(goodAnswer), goodAnswer[:40])
		}), 200, issue.Incomplete},
		{"slow header", func(_ http.ResponseWriter, r *http.Request) { hang(r) }, 0, issue.Timeout},
		{"body that never ends", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			hang(r)
		}, 200, issue.Timeout},
		{"huge header", hijack(func(c io.WriteCloser) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")
		}), 0, issue.Transient},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := partner(t, c.answer)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			r, err := f.Send(ctx, row)
			if !errors.Is(err, c.issue) || r.Refused || r.Status != c.status {
				t.Fatalf("%+v, %v; want %s to be tried again", r, err, c.issue)
			}
			if strings.Contains(failure(err).Details, "Betty") || failure(err).Type != c.issue {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		f := &FHIR{Endpoint: func(string) (Endpoint, bool) { return Endpoint{Address: "http://127.0.0.1:1/fhir"}, true }}
		if r, err := f.Send(t.Context(), row); !errors.Is(err, issue.Transient) || r.Refused {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("the adapter stops", func(t *testing.T) {
		f := partner(t, func(_ http.ResponseWriter, r *http.Request) { hang(r) })
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		if r, err := f.Send(ctx, row); !errors.Is(err, issue.Incomplete) || r.Refused {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("untrusted certificate", func(t *testing.T) {
		s := httptest.NewUnstartedServer(answer(200, goodAnswer))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		f := &FHIR{Endpoint: func(string) (Endpoint, bool) { return Endpoint{Address: s.URL}, true }}
		if r, err := f.Send(t.Context(), row); !errors.Is(err, issue.Security) || r.Refused {
			t.Errorf("%+v, %v", r, err)
		}
		f.Transport = s.Client().Transport
		if _, err := f.Send(t.Context(), row); err != nil {
			t.Errorf("with the certificate trusted: %v", err)
		}
	})
}

func TestFHIRNeverFollowsARedirect(t *testing.T) {
	var leaked []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked = append(leaked, r.Header.Get("Authorization"))
	}))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		f := partner(t, answer(status, "", "Location", other.URL))
		f.Token = func(context.Context, Endpoint, string) (string, error) { return "secret", nil }
		if r, err := f.Send(t.Context(), row); err == nil || r.Refused || r.Status != status {
			t.Errorf("%d: %+v, %v", status, r, err)
		}
	}
	if leaked != nil {
		t.Errorf("the redirect was followed with the tokens %q", leaked)
	}
}

func TestFHIRRenewsARefusedTokenOnce(t *testing.T) {
	for _, status := range []int{401, 403} {
		var used, asked []string
		f := partner(t, func(w http.ResponseWriter, r *http.Request) {
			token := r.Header.Get("Authorization")
			if used = append(used, token); token != "Bearer good" {
				answer(status, "")(w, r)
				return
			}
			answer(200, goodAnswer)(w, r)
		})
		give := []string{"old", "good"}
		f.Token = func(_ context.Context, e Endpoint, refused string) (string, error) {
			asked = append(asked, e.ClientID+":"+refused)
			return give[len(asked)-1], nil
		}
		if _, err := f.Send(t.Context(), row); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if !slices.Equal(asked, []string{"spadapter:", "spadapter:old"}) || !slices.Equal(used, []string{"Bearer old", "Bearer good"}) {
			t.Errorf("%d: asked %q, used %q", status, asked, used)
		}
		asked, used, give = nil, nil, []string{"old", "bad", "never"}
		if r, err := f.Send(t.Context(), row); !errors.Is(err, issue.Security) || r.Refused || len(used) != 2 {
			t.Errorf("%d: %+v, %v, used %q", status, r, err, used)
		}
	}
}

func TestFHIRTokenFailureIsTriedAgain(t *testing.T) {
	f := partner(t, answer(200, goodAnswer))
	f.Token = func(context.Context, Endpoint, string) (string, error) {
		return "", issue.New(issue.Login, "token", "the token endpoint refused us")
	}
	if r, err := f.Send(t.Context(), row); !errors.Is(err, issue.Login) || r.Refused || r.Status != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestFHIRRefusesUnsafeAddresses(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://127.0.0.1:1/fhir": true, "http://localhost:1": true, "http://[::1]:1": true,
		"http://127.0.0.1.evil.example/": false, "http://gp.example/fhir": false, "ftp://gp.example": false,
		"gp.example": false, "": false, "https://user:pw@gp.example": false, "//gp.example": false, "https:///fhir": false,
	} {
		_, bad := Endpoint{Address: address}.target(false)
		if (bad == nil) != ok {
			t.Errorf("%q: %v", address, bad)
		}
	}
	if _, bad := (Endpoint{Address: "http://gp:8080/fhir"}).target(true); bad != nil {
		t.Error(bad)
	}
	f := &FHIR{Endpoint: func(string) (Endpoint, bool) { return Endpoint{}, false }}
	if r, err := f.Send(t.Context(), row); !errors.Is(err, issue.NotFound) || r.Refused {
		t.Errorf("a recipient without endpoint: %+v, %v", r, err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	for value, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, " 5 ": 5 * time.Second, "-5": 0, "soon": 0, "1.5": 0,
		"Sun, 01 Mar 2026 12:10:00 GMT": 10 * time.Minute, "Sun, 01 Mar 2026 11:00:00 GMT": 0,
		"99999999999999999999": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, clock); got != want {
			t.Errorf("%q gave %s, want %s", value, got, want)
		}
	}
	// the partner's clock is a day ahead: its own Date is what counts
	h := http.Header{"Retry-After": {"Mon, 02 Mar 2026 12:01:00 GMT"}, "Date": {"Mon, 02 Mar 2026 12:00:00 GMT"}}
	if got := retryAfter(h, clock); got != time.Minute {
		t.Errorf("got %s, want a minute", got)
	}
	r, _ := partner(t, answer(429, "", "Retry-After", "7")).Send(t.Context(), row)
	if r.RetryAfter != 7*time.Second {
		t.Errorf("%+v", r)
	}
}
