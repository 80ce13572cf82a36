package main

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
)

// A limit that means nothing, a network that is none and a wildcard are refused by name.
func TestLimitsThatMeanNothingAreRefused(t *testing.T) {
	all := []string{
		"ADAPTER_RATE=0", "ADAPTER_RATE_BURST=-1", "ADAPTER_ADDRESS_RATE=0", "ADAPTER_ADDRESS_RATE_BURST=0", "ADAPTER_REQUESTS_AT_ONCE=0",
		"ADAPTER_CLIENT_REQUESTS_AT_ONCE=0", "ADAPTER_CONNECTIONS=0", "ADAPTER_ADDRESS_CONNECTIONS=-5", "ADAPTER_REQUEST_TIMEOUT=1h",
	}
	out, code := program(t, all, "serve")
	for _, setting := range all {
		if name, _, _ := strings.Cut(setting, "="); code == 0 || !strings.Contains(out, name+" is ") {
			t.Errorf("%s is not refused: exit code %d: %s", name, code, out)
		}
	}
	for _, setting := range []string{
		"ADAPTER_TRUSTED_PROXIES=10.0.0.0/33", "ADAPTER_METRICS_NETWORKS=everybody", "ADAPTER_METRICS_LISTEN=9090",
		"ADAPTER_CORS_ORIGINS=*", "ADAPTER_CORS_ORIGINS=https://*.example", "ADAPTER_CORS_ORIGINS=https://tool.example/path", "ADAPTER_CORS_ORIGINS=https://good.example,tool.example",
	} {
		name, _, _ := strings.Cut(setting, "=")
		if out, code := program(t, []string{setting}, "config"); code == 0 || !strings.Contains(out, name) {
			t.Errorf("%s is not refused: exit code %d: %s", setting, code, out)
		}
	}
	out, code = program(t, []string{"ADAPTER_TRUSTED_PROXIES=10.0.0.0/8,::1", "ADAPTER_CORS_ORIGINS=https://Tool.example, http://localhost:3000", "ADAPTER_REQUEST_TIMEOUT=3s", "ADAPTER_RATE=1"}, "config")
	if code != 0 || !strings.Contains(out, "https://tool.example,http://localhost:3000") {
		t.Errorf("what means something is refused: %s", out)
	}
}

// A client that comes again when it was told to gets all its work done; another one notices
// nothing of it.
func TestAClientThatObeysIsServed(t *testing.T) {
	w := newWorld(t, "")
	w.config.Rate, w.config.RateBurst = 10, 10
	a := w.run(quiet())
	gp, other := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleRequester, practiceB)
	refused := 0
	for range 3 {
		message := someone(practiceA).message() // some eight entries
		for {
			got := gp.do(http.MethodPost, "/fhir/R4", message)
			if got.status != http.StatusTooManyRequests {
				got.want(http.StatusOK)
				break
			}
			refused++
			after, err := strconv.Atoi(got.header.Get("Retry-After"))
			if err != nil || after < 1 || after > 2 || refused > 10 {
				t.Fatalf("refused %d times, Retry-After %q", refused, got.header.Get("Retry-After"))
			}
			other.get("/fhir/R4/Task").want(http.StatusOK)
			time.Sleep(time.Duration(after) * time.Second)
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
}

// Who waits for events takes no turn from the client's other work.
func TestWaitingTakesNoTurn(t *testing.T) {
	w := newWorld(t, "")
	w.config.AtOnce, w.config.ClientAtOnce = 1, 1
	a := w.run(quiet())
	worker := a.as(auth.RoleOwner, service1)
	polled := make(chan answer, 1)
	go func() { got, _ := worker.try(http.MethodGet, "/api/v1/events?wait=60s", nil); polled <- got }()
	response, lines := worker.streamOf("")
	defer response.Body.Close()
	<-lines
	for range 3 {
		worker.get("/api/v1/referrals").want(http.StatusOK)
	}
	a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message())
	if got := <-polled; got.status != http.StatusOK || !strings.Contains(string(got.body), "referral") {
		t.Errorf("the poll is answered with %d %s", got.status, got.body)
	}
}

// With an address of their own metrics are there and nothing else is, and they are gone from
// where clients call.
func TestMetricsOnTheirOwn(t *testing.T) {
	w := newWorld(t, "")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.config.MetricsListen = free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	a := w.run(quiet())
	c := caller{t, a.url, ""}
	c.get("/metrics").want(http.StatusNotFound)
	c.get("/healthz").want(http.StatusOK)
	for path, want := range map[string]int{"/metrics": 200, "/healthz": 404, "/fhir/R4/metadata": 404, "/debug/pprof/": 404} {
		response, err := http.Get("http://" + w.config.MetricsListen + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != want || want == 200 && !strings.Contains(string(text), `adapter_http_requests_total{method="GET",route="/healthz",status="200"} 1`) {
			t.Errorf("%s: %s %v %.200s", path, response.Status, err, text)
		}
	}
}
