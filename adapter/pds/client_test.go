package pds_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/issue"
	"spadapter/adapter/pds"
	peer "spadapter/conformance/peer/pds"
)

// Synthetic persons, with numbers of the range that nobody has.
const ann, bob, nobody = "9990000018", "9990000026", "9990000034"

// service is a stand-in with two persons, and a client of it.
func service(t *testing.T) (*peer.Server, *pds.Client) {
	t.Helper()
	p := peer.New(nil, "")
	p.Put(peer.Person{Number: ann, Practice: "Y99001", BirthDate: "1951-03-09", Family: "Quill", Given: "Ann"})
	p.Put(peer.Person{Number: bob, Practice: "Y99002", BirthDate: "1944-11-30", Family: "Reed", Given: "Bob"})
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return p, client(t, pds.Config{URL: server.URL + "/FHIR/R4", EndUser: "Y99900"})
}

func client(t *testing.T, c pds.Config) *pds.Client {
	t.Helper()
	c.NewID = uuid.NewString
	out, err := pds.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAPersonIsReadAndNotReadTwice(t *testing.T) {
	p, c := service(t)
	a, err := c.Read(t.Context(), ann, "")
	if err != nil || a.Number != ann || a.Practice != "Y99001" || a.Deceased != "" || a.Restricted || a.ETag != `W/"1"` || a.BirthDate != "1951-03-09" {
		t.Fatalf("%+v %v", a, err)
	}
	if again, err := c.Read(t.Context(), ann, a.ETag); err != nil || !again.Same || again.ETag != a.ETag {
		t.Errorf("%+v %v", again, err)
	}
	p.Put(peer.Person{Number: ann, Practice: "Y99002", BirthDate: "1951-03-09", Family: "Quill", Given: "Ann"})
	if moved, err := c.Read(t.Context(), ann, a.ETag); err != nil || moved.Same || moved.Practice != "Y99002" {
		t.Errorf("%+v %v", moved, err)
	}
	for _, h := range p.Headers() {
		if h.Get("X-Request-ID") == "" || h.Get("X-Correlation-ID") == "" || h.Get("NHSD-End-User-Organisation-ODS") != "Y99900" || h.Get("Authorization") != "" {
			t.Errorf("%v", h)
		}
	}
}

func TestWhatAPersonIsKnownToBe(t *testing.T) {
	for what, c := range map[string]struct {
		person peer.Person
		want   pds.Answer
	}{
		"died, told by the registrar":          {peer.Person{Deceased: "2026-11-02T10:15:00+00:00", Notice: "2"}, pds.Answer{Deceased: "2026-11-02T10:15:00+00:00", Formal: true}},
		"died, told by a hospital":             {peer.Person{Deceased: "2026-11-02", Notice: "1"}, pds.Answer{Deceased: "2026-11-02"}},
		"alive after all":                      {peer.Person{Deceased: "2026-11-02", Notice: "U"}, pds.Answer{}},
		"restricted":                           {peer.Person{Practice: "Y99001", Restricted: true}, pds.Answer{Restricted: true}},
		"registered from next year":            {peer.Person{Practice: "Y99001", Since: "2099-01-01"}, pds.Answer{}},
		"not registered any more":              {peer.Person{Practice: "Y99001", Until: "2021-05-04"}, pds.Answer{}},
		"with a practice that has an odd code": {peer.Person{Practice: "y9/../1"}, pds.Answer{}},
	} {
		p, client := service(t)
		c.person.Number = ann
		p.Put(c.person)
		a, err := client.Read(t.Context(), ann, "")
		if err != nil || a.Deceased != c.want.Deceased || a.Formal != c.want.Formal || a.Restricted != c.want.Restricted || a.Practice != c.want.Practice {
			t.Errorf("%s: %+v %v", what, a, err)
		}
	}
}

// A replaced number is answered with the person who has the new one, by another id alone.
func TestAReplacedNumber(t *testing.T) {
	p, c := service(t)
	p.Put(peer.Person{Number: ann, ReplacedBy: bob})
	if a, err := c.Read(t.Context(), ann, `W/"1"`); err != nil || a.Number != bob || a.BirthDate != "1944-11-30" || strings.Join(a.Names, " ") != "reed bob" {
		t.Errorf("%+v %v", a, err)
	}
}

// No answer is taken for what it is not, and no error says whom it is about.
func TestAnswersThatAreNoPerson(t *testing.T) {
	for what, c := range map[string]struct {
		number string
		fault  peer.Fault
		etag   string
		want   issue.Type
		rule   string
	}{
		"an unknown number":         {nobody, peer.Fault{}, "", issue.NotFound, "pds-unknown"},
		"a failure":                 {ann, peer.Fault{Status: 502}, "", issue.Incomplete, "pds-failed"},
		"too many requests":         {ann, peer.Fault{Status: 429, RetryAfter: 30}, "", issue.Throttled, "pds-throttled"},
		"a refusal":                 {ann, peer.Fault{Status: 403}, "", issue.Forbidden, "pds-refused"},
		"no login":                  {ann, peer.Fault{Status: 401}, "", issue.Login, "pds-refused"},
		"a downstream timeout":      {ann, peer.Fault{Status: 408}, "", issue.Timeout, "pds-timeout"},
		"a slow answer":             {ann, peer.Fault{Delay: time.Minute}, "", issue.Timeout, "pds-timeout"},
		"half an answer":            {ann, peer.Fault{Half: true}, "", issue.Incomplete, "pds-unreachable"},
		"another address":           {ann, peer.Fault{Elsewhere: "http://127.0.0.1:1/Patient/" + ann}, "", issue.Exception, "pds-answer"},
		"no PDS":                    {ann, peer.Fault{Status: 404}, "", issue.Exception, "pds-address"},
		"unchanged, unasked":        {ann, peer.Fault{StaleETag: true}, "", issue.Exception, "pds-answer"},
		"a number that is no digit": {"99900000a8", peer.Fault{}, "", issue.Value, "pds-number"},
	} {
		p := peer.New(nil, "")
		p.Put(peer.Person{Number: ann, Practice: "Y99001", Family: "Quill"})
		if c.fault != (peer.Fault{}) {
			p.Fail(c.fault)
		}
		server := httptest.NewServer(p)
		client := client(t, pds.Config{URL: server.URL, Timeout: 300 * time.Millisecond})
		_, err := client.Read(t.Context(), c.number, c.etag)
		var e *issue.Error
		if !errors.As(err, &e) || e.Type != c.want || e.Rule != c.rule {
			t.Errorf("%s: %v", what, err)
		} else if told := e.Error() + e.Details + e.Diagnostics; strings.Contains(told, c.number) || strings.Contains(told, "Quill") {
			t.Errorf("%s: %q tells of the person", what, told)
		}
		if c.want == issue.Throttled {
			if _, err := client.Read(t.Context(), ann, ""); !errors.Is(err, issue.Throttled) || p.Asked(ann) != 1 {
				t.Errorf("%s: asked %d times, %v", what, p.Asked(ann), err)
			}
		}
		server.Close()
	}
}

// Bodies that only a broken or a lying service sends.
func TestAnswersThatContradictThemselves(t *testing.T) {
	person := `{"resourceType":"Patient","id":"` + ann + `","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"` + ann + `"}]`
	for what, c := range map[string]struct {
		body   string
		header []string
		want   issue.Type
	}{
		"another identifier":         {strings.Replace(person, `"id":"`+ann, `"id":"`+bob, 1) + `}`, nil, issue.Conflict},
		"an id without identifier":   {`{"resourceType":"Patient","id":"` + bob + `"}`, nil, issue.Conflict},
		"an id that is no number":    {`{"resourceType":"Patient","id":"9990000019"}`, nil, issue.Conflict},
		"a record not to be used":    {person + `,"meta":{"security":[{"code":"REDACTED"}]}}`, nil, issue.Deleted},
		"no Patient":                 {`{"resourceType":"Basic","id":"` + ann + `"}`, nil, issue.Exception},
		"a login page":               {`<html>`, []string{"Content-Type", "text/html"}, issue.Exception},
		"the same member twice":      {person + `,"id":"` + bob + `"}`, nil, issue.Exception},
		"an answer to another asker": {person + `}`, []string{"X-Request-ID", uuid.NewString()}, issue.Exception},
		"a very long answer":         {person + `,"x":"` + strings.Repeat("x", 2<<20) + `"}`, nil, issue.TooLong},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/fhir+json")
			for i := 0; i < len(c.header); i += 2 {
				w.Header().Set(c.header[i], c.header[i+1])
			}
			_, _ = w.Write([]byte(c.body))
		}))
		if a, err := client(t, pds.Config{URL: server.URL}).Read(t.Context(), ann, ""); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v %v", what, a, err)
		}
		server.Close()
	}
}

// The token is fetched with an assertion signed by RS512, and a second time when it was
// revoked.
func TestTheTokenIsProvedByASignedAssertion(t *testing.T) {
	private, public, err := auth.GenerateKeys(auth.RS512)
	if err != nil {
		t.Fatal(err)
	}
	p := peer.New(public, "client-1")
	p.Put(peer.Person{Number: ann, Practice: "Y99001"})
	server := httptest.NewServer(p)
	defer server.Close()
	source := func(algorithm auth.Algorithm) (*auth.TokenSource, error) {
		signer, err := auth.NewSigner(private, auth.SignerConfig{Algorithm: algorithm, NewID: uuid.NewString})
		if err != nil {
			return nil, err
		}
		return auth.NewTokenSource(auth.TokenConfig{URL: server.URL + "/oauth2/token", ClientID: "client-1", Signer: signer, HTTP: server.Client(), Now: time.Now})
	}
	tokens, err := source(auth.RS512)
	if err != nil {
		t.Fatal(err)
	}
	token := func(ctx context.Context, refused string) (string, error) {
		if refused != "" {
			tokens.Forget(refused)
		}
		return tokens.Token(ctx)
	}
	c := client(t, pds.Config{URL: server.URL, Token: token})
	if a, err := c.Read(t.Context(), ann, ""); err != nil || a.Practice != "Y99001" {
		t.Fatalf("%+v %v", a, err)
	}
	p.Revoke()
	if _, err := c.Read(t.Context(), ann, ""); err != nil {
		t.Errorf("after the token was revoked: %v", err)
	}
	if n := p.Asked(ann); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	for _, address := range []string{"", "personal-demographics", "http://pds.example.nhs.uk/FHIR/R4", "https://user:word@pds.example.nhs.uk", "https://pds.example.nhs.uk?key=1", "ftp://127.0.0.1"} {
		if _, err := pds.New(pds.Config{URL: address, NewID: uuid.NewString}); !errors.Is(err, issue.Value) {
			t.Errorf("%q: %v", address, err)
		}
	}
	for _, address := range []string{"https://pds.example.nhs.uk/FHIR/R4", "http://127.0.0.1:8080", "http://localhost:1"} {
		if _, err := pds.New(pds.Config{URL: address, NewID: uuid.NewString}); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
}
