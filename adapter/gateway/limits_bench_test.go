package gateway

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// BenchmarkLimits is the gateway's own share of a read and of an intake of 8 entries, without
// any limit on how much is asked and with all of them.
func BenchmarkLimits(b *testing.B) {
	entry := []byte(`{"request":{"method":"POST","url":"ServiceRequest"},"resource":{"resourceType":"ServiceRequest","status":"active","intent":"order"}}`)
	body := append([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[`), bytes.TrimSuffix(bytes.Repeat(append(entry, ','), 8), []byte(","))...)
	body = append(body, "]}"...)
	response := &referral.Response{Status: 201, ContentType: contentFHIR, Body: []byte(`{"resourceType":"Bundle"}`)}
	all := Protection{Rate: 1e9, Burst: 1e9, AddressRate: 1e9, AddressBurst: 1e9, AtOnce: 256, ClientAtOnce: 64, Timeout: 10 * time.Second}
	for _, c := range []struct {
		name string
		p    Protection
	}{{"none", Protection{}}, {"all", all}} {
		w := newWorld(&testing.T{}, func(o *Operations) {
			o.Submit = func(context.Context, referral.Call, *fhir.Node) (*referral.Response, error) { return response, nil }
			o.Read = func(_ context.Context, _ referral.Call, resourceType, id string) (*referral.Version, error) {
				return &referral.Version{Type: resourceType, ID: id, Number: 1, Updated: noon, Body: []byte(`{"resourceType":"Patient"}`)}, nil
			}
		})
		w.config.Protection, w.config.Logger, w.config.Now = c.p, slog.New(slog.DiscardHandler), time.Now
		handler := New(w.config)
		ask := func(method, target string, body []byte) func(*testing.B) {
			return func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r := httptest.NewRequest(method, target, bytes.NewReader(body))
					r.Header.Set("Authorization", "Bearer gp")
					r.Header.Set("Content-Type", "application/fhir+json")
					handler.ServeHTTP(httptest.NewRecorder(), r)
				}
			}
		}
		b.Run("read/"+c.name, ask("GET", "/fhir/R4/Patient/1", nil))
		b.Run("intake/"+c.name, ask("POST", "/fhir/R4", body))
	}
}
