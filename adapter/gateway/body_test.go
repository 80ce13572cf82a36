package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

func withContext(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r.WithContext(ctx)) })
}

func zipped(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return out.String()
}

func TestBodyLimit(t *testing.T) {
	w := newWorld(t, nil)
	w.config.Limits = fhir.Limits{Bytes: 1000}
	w.handler = New(w.config)
	patient := `{"resourceType":"Patient"}`
	fits := patient + strings.Repeat(" ", 1000-len(patient))
	wants(t, w.post("/fhir/R4/Patient", fits, "as gp"), 201, "")
	wants(t, w.post("/fhir/R4/Patient", fits+" ", "as gp"), 413, "body-limit")
	wants(t, w.post("/fhir/R4/Patient", zipped(fits), "as gp", "Content-Encoding: gzip"), 201, "")
	wants(t, w.post("/fhir/R4/Patient", zipped(fits+" "), "as gp", "Content-Encoding: gzip"), 413, "body-limit")
	wants(t, w.post("/fhir/R4/Patient", zipped(strings.Repeat(" ", 10<<20)), "as gp", "Content-Encoding: gzip"), 413, "body-limit")

	for _, body := range []string{fits, fits + " "} { // length not announced
		r := httptest.NewRequest("POST", "/fhir/R4/Patient", io.MultiReader(strings.NewReader(body)))
		r.ContentLength = -1
		r.Header.Set("Authorization", "Bearer gp")
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		wants(t, rec, map[bool]int{true: 201, false: 413}[body == fits], "")
	}
	if got := w.calls[1]; string(got.Body) != fits {
		t.Error("the body did not come out as it went in")
	}
}

func TestBodyEncodings(t *testing.T) {
	w := newWorld(t, nil)
	patient := `{"resourceType":"Patient"}`
	packed := zipped(patient)
	for _, c := range []struct {
		encoding, body string
		status         int
		rule           string
	}{
		{"gzip", packed, 201, ""},
		{"GZIP", packed, 201, ""},
		{"identity", patient, 201, ""},
		{"br", patient, 415, "media-type"},
		{"gzip, gzip", zipped(packed), 415, "media-type"},
		{"gzip", patient, 400, "body-gzip"},
		{"gzip", packed[:len(packed)-5], 400, "body-incomplete"},
		{"gzip", packed[:len(packed)-5] + "xxxxx", 400, "body-gzip"},
		{"gzip", "", 400, "body-incomplete"},
	} {
		wants(t, w.post("/fhir/R4/Patient", c.body, "as gp", "Content-Encoding: "+c.encoding), c.status, c.rule)
	}
}

func TestGzipOfResponses(t *testing.T) {
	w := newWorld(t, nil)
	plain := w.do("GET", "/fhir/R4/metadata", "")
	for value, want := range map[string]bool{"gzip": true, "deflate, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0": false, "br": false, "": false} {
		rec := w.do("GET", "/fhir/R4/metadata", "", "Accept-Encoding: "+value)
		body := rec.Body.Bytes()
		if got := rec.Header().Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("%q: gzip is %v", value, got)
		} else if got {
			r, err := gzip.NewReader(rec.Body)
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(body, plain.Body.Bytes()) || rec.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: another body, or Vary is %q", value, rec.Header().Get("Vary"))
		}
	}
	if got := w.do("GET", "/healthz", "", "Accept-Encoding: gzip").Header().Get("Content-Encoding"); got != "" {
		t.Error("a tiny body is compressed")
	}
}

// TestOverTheWire runs a real server: what net/http itself adds must fit.
func TestOverTheWire(t *testing.T) {
	w := newWorld(t, nil)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	do := func(method, path, body string) *http.Response {
		r, _ := http.NewRequest(method, server.URL+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer gp")
		r.Header.Set("Content-Type", "application/fhir+json")
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		return response
	}
	if r := do("HEAD", "/fhir/R4/Patient/1", ""); r.StatusCode != 200 || r.ContentLength != 35 {
		t.Errorf("%d, length %d", r.StatusCode, r.ContentLength)
	}
	if r := do("POST", "/fhir/R4/Patient", `{"resourceType":"Patient"}`); r.StatusCode != 201 {
		t.Error(r.Status)
	}
	if r := do("GET", "/metrics", ""); r.StatusCode != 200 {
		t.Error(r.Status)
	}
	if r := do("POST", "/fhir/R4/Patient", strings.Repeat(" ", 6<<20)); r.StatusCode != 413 {
		t.Error(r.Status)
	}
}

// BenchmarkTransaction is the gateway's own share of an intake.
func BenchmarkTransaction(b *testing.B) {
	response := &referral.Response{Status: 201, ContentType: contentFHIR, Location: "ServiceRequest/1/_history/1", ETag: `W/"1"`, Body: []byte(`{"resourceType":"Bundle"}`)}
	w := newWorld(&testing.T{}, func(o *Operations) {
		o.Submit = func(context.Context, referral.Call, *fhir.Node) (*referral.Response, error) { return response, nil }
	})
	body := []byte(`{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"POST","url":"ServiceRequest"}}]}`)
	b.ReportAllocs()
	for b.Loop() {
		w.log.Reset()
		r := httptest.NewRequest("POST", "/fhir/R4", bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer gp")
		r.Header.Set("Content-Type", "application/fhir+json")
		w.handler.ServeHTTP(httptest.NewRecorder(), r)
	}
}
