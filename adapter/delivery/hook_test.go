package delivery

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/internet"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// The example that the specification's own libraries are tested with.
func TestSignIsWhatTheSpecificationSays(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	at := time.Unix(1614265330, 0)
	got, err := Sign([]string{secret}, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, []byte(`{"test": 2432232314}`))
	if err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	both, err := Sign([]string{"whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQh", secret}, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, []byte(`{"test": 2432232314}`))
	if err != nil || !strings.HasSuffix(both, " "+want) || strings.Count(both, "v1,") != 2 {
		t.Errorf("%q, %v", both, err)
	}
	if _, err := Sign([]string{"whsec_%"}, "x", at, nil); err == nil {
		t.Error("a secret that is none signs")
	}
}

func TestReachableIsThePublicInternetAlone(t *testing.T) {
	test := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.9.0.0/16")}
	for address, c := range map[string]struct{ without, with bool }{
		"https://subscriber.example/hook":       {true, true},
		"https://subscriber.example:8443/":      {true, true},
		"https://8.8.8.8/":                      {true, true},
		"https://[2606:4700:4700::1111]/":       {true, true},
		"http://subscriber.example/":            {false, false},
		"http://127.0.0.1:80/":                  {false, true},
		"http://localhost:80/":                  {false, true},
		"https://localhost/":                    {false, true},
		"https://10.9.1.1/":                     {false, true},
		"http://10.9.1.1/":                      {false, false}, // http is for this machine
		"https://10.8.1.1/":                     {false, false},
		"https://172.20.0.1/":                   {false, false},
		"https://192.168.0.1/":                  {false, false},
		"https://100.64.0.1/":                   {false, false},
		"https://169.254.169.254/":              {false, false},
		"https://0.0.0.0/":                      {false, false},
		"https://[::]/":                         {false, false},
		"https://[::1]/":                        {false, false},
		"https://[::ffff:192.168.0.1]/":         {false, false},
		"https://[::ffff:127.0.0.1]/":           {false, true},
		"https://[fe80::1%25eth0]/":             {false, false},
		"https://[fd12::1]/":                    {false, false},
		"https://[64:ff9b::7f00:1]/":            {false, false},
		"https://[2002:7f00:1::]/":              {false, false},
		"https://224.0.0.1/":                    {false, false},
		"https://user:word@subscriber.example/": {false, false},
		"https://subscriber.example/#part":      {false, false},
		"ftp://subscriber.example/":             {false, false},
		"https://127.1/":                        {false, false},
		"https://2130706433/":                   {false, false},
		"https://0x7f.1/":                       {false, false},
		"https://subscriber.example:0/":         {false, false},
		"https://subscriber.example:70000/":     {false, false},
		"https://foo.internal/":                 {false, true}, // a deployment has named a network of its own
		"https://a..example/":                   {false, false},
		"//subscriber.example/":                 {false, false},
		"nonsense":                              {false, false},
	} {
		if got := Reachable(address, nil) == nil; got != c.without {
			t.Errorf("%s: %v", address, got)
		}
		if got := Reachable(address, test) == nil; got != c.with {
			t.Errorf("%s with networks: %v", address, got)
		}
	}
}

// to makes a Hook that sends a small message to an address.
func to(url string, outcome *referral.PostOutcome, networks ...string) *Hook {
	h := Hook{
		Post: func(context.Context, referral.Delivery) (*referral.Post, error) {
			return &referral.Post{URL: url, ContentType: "application/json", Body: []byte(`{"id":"1"}`), ID: "1", Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, Timeout: time.Second}, nil
		},
		Posted: func(_ context.Context, _ referral.Delivery, o referral.PostOutcome) error {
			*outcome = o
			return nil
		},
	}
	for _, n := range networks {
		h.Networks = append(h.Networks, netip.MustParsePrefix(n))
	}
	return NewHook(h)
}

// A name that leads inwards is found out when the connection is made.
func TestGuardHoldsWhenNamesLeadInwards(t *testing.T) {
	told := false
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told = true }))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of the connection without a handshake
	server.StartTLS()
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	dialer := &net.Dialer{ControlContext: internet.Guard(nil)}
	if conn, err := dialer.DialContext(t.Context(), "tcp", "localhost:"+port); err == nil {
		conn.Close()
		t.Error("a name that leads to this machine was connected to")
	}
	dialer = &net.Dialer{ControlContext: internet.Guard([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")})}
	conn, err := dialer.DialContext(t.Context(), "tcp", "localhost:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if told {
		t.Error("something was sent")
	}
	var outcome referral.PostOutcome
	_, err = to("https://127.0.0.1:"+port, &outcome).Send(t.Context(), referral.Delivery{ID: "d"})
	if e := failure(err); e.Rule != "endpoint-network" || outcome != referral.PostFailed {
		t.Errorf("%v, %v", err, outcome)
	}
}

func TestHookReadsAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		want    issue.Type // "" for delivered
		outcome referral.PostOutcome
		retry   time.Duration
	}{
		"200":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }, "", referral.PostDelivered, 0},
		"202":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }, "", referral.PostDelivered, 0},
		"200, long": {func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 5<<20)) }, "", referral.PostDelivered, 0},
		"200, cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "half of an ans")
		}, "", referral.PostDelivered, 0},
		"half a header": {raw("HTTP/1.1 200 OK\r\nContent-Le"), issue.Transient, referral.PostFailed, 0},
		"no HTTP":       {raw("220 mail.subscriber.example ESMTP\r\n\r\n"), issue.Transient, referral.PostFailed, 0},
		"a long header": {raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"), issue.Transient, referral.PostFailed, 0},
		"301": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusMovedPermanently)
		}, issue.NotSupported, referral.PostFailed, 0},
		"308": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusPermanentRedirect)
		}, issue.NotSupported, referral.PostFailed, 0},
		"400":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }, issue.Processing, referral.PostFailed, 0},
		"401":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, issue.Forbidden, referral.PostFailed, 0},
		"410":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, issue.Deleted, referral.PostGone, 0},
		"429":    {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "7"); w.WriteHeader(429) }, issue.Throttled, referral.PostFailed, 7 * time.Second},
		"503":    {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "9"); w.WriteHeader(503) }, issue.Exception, referral.PostFailed, 9 * time.Second},
		"cut":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, issue.Incomplete, referral.PostFailed, 0},
		"silent": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, issue.Timeout, referral.PostFailed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked++; asked > 1 || r.URL.Path != "/hook" {
					t.Errorf("asked %d times, at %s", asked, r.URL.Path)
				}
				if r.Header.Get("webhook-id") != "1" || !strings.HasPrefix(r.Header.Get("webhook-signature"), "v1,") || r.Header.Get("webhook-timestamp") == "" || r.Header.Get("X-Request-ID") != "d" {
					t.Errorf("sent with %v", r.Header)
				}
				// net/http ends a request whose sender is gone only once its body was read
				r.Body.Read(make([]byte, 100))
				c.answer(w, r)
			}))
			defer server.Close()
			outcome := referral.PostOutcome(99)
			receipt, err := to(server.URL+"/hook", &outcome, "127.0.0.0/8").Send(t.Context(), referral.Delivery{ID: "d"})
			if receipt.Refused || receipt.RetryAfter != c.retry || outcome != c.outcome {
				t.Errorf("%+v, %v", receipt, outcome)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || failure(err).Type != c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// raw answers with bytes as they are, and closes the connection.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		io.WriteString(conn, text)
		conn.Close()
	}
}

// A certificate that nobody trusts, and one for another name, are told from a server that
// is away; nothing is sent.
func TestHookTrustsNoCertificateOfItsOwn(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("something was sent") }))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	var outcome referral.PostOutcome
	_, err := to(server.URL, &outcome, "127.0.0.0/8").Send(t.Context(), referral.Delivery{ID: "d"})
	if err == nil || failure(err).Type != issue.Security || failure(err).Rule != "certificate" || outcome != referral.PostFailed {
		t.Errorf("%v, %v", err, outcome)
	}
}

// A subscriber that is not there any more ends what was to be sent to it.
func TestHookGivesUpOnSubscribersThatAreGone(t *testing.T) {
	h := NewHook(Hook{Post: func(context.Context, referral.Delivery) (*referral.Post, error) {
		return nil, issue.New(issue.NotFound, "not-found", "gone")
	}})
	if receipt, err := h.Send(t.Context(), referral.Delivery{}); err == nil || !receipt.Refused {
		t.Errorf("%+v, %v", receipt, err)
	}
}
