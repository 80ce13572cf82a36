package gateway

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"spadapter/conformance"
)

// documented is a world whose gateway gives out its document.
func documented(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, nil)
	w.config.OpenAPI = complete(t).OpenAPI
	w.config.Version = "1.2.3"
	w.handler = New(w.config)
	return w
}

func TestOpenAPIIsServed(t *testing.T) {
	w := documented(t)
	rec := w.do("GET", "/openapi.json", "")
	wants(t, rec, 200, "")
	var got struct {
		OpenAPI string
		Info    struct{ Version string }
		Servers []struct{ URL string }
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.OpenAPI != "3.1.0" || got.Info.Version != "1.2.3" || len(got.Servers) != 1 || got.Servers[0].URL != base {
		t.Errorf("%+v", got)
	}
	tag := rec.Header().Get("ETag")
	if tag == "" || rec.Header().Get("Cache-Control") != "no-cache" || rec.Header().Get("Content-Type") != contentJSON {
		t.Errorf("%v", rec.Header())
	}
	if again := w.do("GET", "/openapi.json", "", "If-None-Match: "+tag); again.Code != 304 || again.Body.Len() != 0 {
		t.Errorf("status %d with %d bytes for the same version", again.Code, again.Body.Len())
	}
	if head := w.do("HEAD", "/openapi.json", ""); head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("ETag") != tag {
		t.Errorf("HEAD: %d %v", head.Code, head.Header())
	}
	wants(t, w.do("POST", "/openapi.json", "{}"), 405, "method-not-allowed")
	if len(w.calls) != 0 || len(w.refused) != 0 {
		t.Error("reading the document reached the domain")
	}
}

// anywhere finds an address that is not of this server.
var anywhere = regexp.MustCompile(`(?i)(https?:|["'(\s=]//|@import)`)

func TestDocsNeedNoNetwork(t *testing.T) {
	w := documented(t)
	page := w.do("GET", "/docs", "")
	wants(t, page, 200, "")
	if got := page.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	html := page.Body.String()
	if found := anywhere.FindString(html + docsScript + docsStyle); found != "" {
		t.Errorf("the page has an address elsewhere: %s", found)
	}
	for _, want := range []string{`<noscript>`, `<a href="openapi.json">`, "synthetic"} {
		if !strings.Contains(html, want) {
			t.Errorf("%s is not in the page", want)
		}
	}
	loaded := regexp.MustCompile(`(?:src|href)="(docs/[^"]+)"`).FindAllStringSubmatch(html, -1)
	if len(loaded) != 5 {
		t.Errorf("the page loads %v", loaded)
	}
	for _, one := range loaded {
		rec := w.do("GET", "/"+one[1], "")
		wants(t, rec, 200, "")
		if rec.Body.Len() == 0 {
			t.Errorf("%s is empty", one[1])
		}
		secured(t, one[1], rec.Header())
		tag := rec.Header().Get("ETag")
		if again := w.do("GET", "/"+one[1], "", "If-None-Match: "+tag); again.Code != 304 {
			t.Errorf("%s: status %d for the same version", one[1], again.Code)
		}
		if strings.HasSuffix(one[1], ".css") {
			for _, address := range regexp.MustCompile(`(?i)url\(["']?([^"')]{0,20})|@import`).FindAllStringSubmatch(rec.Body.String(), -1) {
				if !strings.HasPrefix(address[1], "data:") {
					t.Errorf("%s loads %s", one[1], address[0])
				}
			}
		}
	}
	secured(t, "/docs", page.Header())
	if bundle := w.do("GET", "/docs/swagger-ui-bundle.js", "").Body.Bytes(); !bytes.Contains(bundle, []byte("SwaggerUIBundle")) {
		t.Error("the bundle is not Swagger UI")
	}
	wants(t, w.do("GET", "/docs/oauth2-redirect.html", ""), 404, "unknown-path")
}

// secured demands the headers that keep the page to itself.
func secured(t *testing.T, path string, header map[string][]string) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Content-Security-Policy": docsPolicy,
		"Strict-Transport-Security": transportYear, "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := strings.Join(header[name], " "); got != want {
			t.Errorf("%s has %s %q", path, name, got)
		}
	}
	for _, part := range []string{"default-src 'none'", "script-src 'self';", "connect-src 'self';", "frame-ancestors 'none'"} {
		if !strings.Contains(docsPolicy, part) {
			t.Errorf("the policy has no %s", part)
		}
	}
}

func TestNoDocumentWithoutOne(t *testing.T) {
	w := newWorld(t, nil)
	wants(t, w.do("GET", "/openapi.json", ""), 404, "unknown-path")
	wants(t, w.do("GET", "/docs", ""), 404, "unknown-path")
}

func TestParseOpenAPIRefuses(t *testing.T) {
	for _, text := range []string{"", "[]", "{", `{"openapi":"3.1.0"}`, `{} {}`} {
		if _, err := ParseOpenAPI(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	older := strings.Replace(conformance.OpenAPI, `"openapi": "3.1.0"`, `"openapi": "3.0.3"`, 1)
	if _, err := ParseOpenAPI(older); err == nil {
		t.Error("OpenAPI 3.0 is taken")
	}
}
