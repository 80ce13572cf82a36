package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

// loopback lets subscribers of a test be told on this machine.
var loopback = []string{"127.0.0.0/8", "::1/128"}

// received is one message that a subscriber got.
type received struct {
	header http.Header
	body   []byte
}

// subscriber is somebody who is told of events, and may be nasty about it.
type subscriber struct {
	*httptest.Server
	mu          sync.Mutex
	got         []received
	nextAnswers []func(w http.ResponseWriter, r *http.Request) // for the first messages; then 204
}

func newSubscriber(t *testing.T, first ...func(w http.ResponseWriter, r *http.Request)) *subscriber {
	t.Helper()
	s := &subscriber{nextAnswers: first}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.got = append(s.got, received{r.Header.Clone(), body})
		var answer func(http.ResponseWriter, *http.Request)
		if len(s.nextAnswers) > 0 {
			answer, s.nextAnswers = s.nextAnswers[0], s.nextAnswers[1:]
		}
		s.mu.Unlock()
		if answer != nil {
			answer(w, r)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(func() {
		s.Server.CloseClientConnections()
		s.Server.Close()
	})
	return s
}

// messages gives what it got so far.
func (s *subscriber) messages() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// first gives the first n messages, once they are there.
func (s *subscriber) first(t *testing.T, n int) []received {
	t.Helper()
	eventually(t, fmt.Sprintf("the subscriber has %d messages", n), func() bool { return len(s.messages()) >= n })
	return s.messages()[:n]
}

// happening reads a message to a webhook.
func (r received) happening(t *testing.T) (h referral.Happening) {
	t.Helper()
	if err := json.Unmarshal(r.body, &h); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
	return h
}

// signedWith counts the signatures, and says whether one is by the secret: worked out
// here, from the text of the specification.
func (r received) signedWith(t *testing.T, secret string) (count int, good bool) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || !strings.HasPrefix(secret, "whsec_") || len(key) < 24 {
		t.Fatalf("the secret has not the form of one: %v", err)
	}
	id, at := r.header.Get("webhook-id"), r.header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute || id == "" {
		t.Errorf("webhook-id %q, webhook-timestamp %q", id, at)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(r.body)
	list := strings.Split(r.header.Get("webhook-signature"), " ")
	return len(list), slices.Contains(list, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func (c caller) say(path, body string, headers ...string) answer {
	c.t.Helper()
	return c.do(http.MethodPost, path, []byte(body), headers...)
}

// hook makes a webhook.
func (c caller) hook(url string) (w referral.Webhook) {
	c.t.Helper()
	c.say("/api/v1/webhooks", fmt.Sprintf(`{"url":%q,"description":"a test"}`, url)).want(http.StatusCreated).into(&w)
	return w
}

// waits until a webhook is as it should be.
func (c caller) hookIs(id, status, problem string) {
	c.t.Helper()
	eventually(c.t, "the webhook is "+status+" "+problem, func() bool {
		var w referral.Webhook
		c.get("/api/v1/webhooks/" + id).want(http.StatusOK).into(&w)
		return w.Status == status && w.Problem == problem
	})
}

// worked makes n referrals for service 1 and has it accept each: three events for each.
func worked(a *adapter, n int) {
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	for range n {
		task := gp.refer(someone(practiceA).message())
		worker.act(worker.look(task), "accept", referral.Input{}).want(http.StatusOK)
	}
}
