package gateway

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestHealthAndReadiness(t *testing.T) {
	w := newWorld(t, nil)
	w.config.Ready = func(context.Context) error { return errors.New("database secret") }
	w.handler = New(w.config)
	rec := w.do("GET", "/readyz", "", "Accept: text/html")
	wants(t, rec, 503, "not-ready")
	if rec.Header().Get("Retry-After") == "" || strings.Contains(rec.Body.String(), "secret") || !strings.Contains(w.log.String(), "database secret") {
		t.Errorf("%v %s %s", rec.Header(), rec.Body, w.log)
	}
	if len(w.refused) != 0 {
		t.Error("a probe is no access to audit")
	}
	wants(t, w.do("GET", "/healthz", ""), 200, "")
	w.config.Ready = func(context.Context) error { return nil }
	w.handler = New(w.config)
	wants(t, w.do("GET", "/readyz", ""), 200, "")
}
