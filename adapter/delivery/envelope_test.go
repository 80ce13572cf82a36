package delivery_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/delivery"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mesh"
	"spadapter/adapter/referral"
	peer "spadapter/conformance/peer/mesh"
)

const meshID = "0b6f0a3e-6c0d-4d7e-9a55-3f1d5b7c9e01"

var betty = peer.Person{Number: "9990000018", Birth: "1950-04-01", Family: "O'Neill Synthetic", Given: "Betty"}

// route is a Route to a stand-in that knows one person.
func route(t *testing.T) (*delivery.MESH, *peer.Exchange, *peer.Practice, *[]referral.Dispatch) {
	t.Helper()
	x := peer.New(peer.Config{SharedKey: "k", Person: func(string, string, string) (string, string) { return "X26GP001", "" }})
	x.Register(peer.Mailbox{ID: "X26SP001", Password: "p"})
	practice := x.Practice(peer.Mailbox{ID: "X26GP001", ODS: "Y99001"})
	server := httptest.NewServer(x)
	t.Cleanup(server.Close)
	var noted []referral.Dispatch
	return &delivery.MESH{Client: &mesh.Client{URL: server.URL, Mailbox: "X26SP001", Password: "p", SharedKey: "k"},
		Dispatch: func(_ context.Context, p referral.Dispatch) error { noted = append(noted, p); return nil },
		Old:      func(ods string) bool { return ods == "Y99002" }}, x, practice, &noted
}

// What MESH is told comes from the bytes alone, so that each try says the same.
func TestMESHTellsWhatTheBytesSay(t *testing.T) {
	m, x, practice, noted := route(t)
	body := peer.Document(meshID, "ITK007C", "A99901", betty, func(_, composition, _ map[string]any) {
		composition["meta"] = map[string]any{"versionId": "2"}
	})
	root, err := fhir.Parse(fhir.Types(fhir.STU3), body, fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []referral.Delivery{{ID: "d", Recipient: "Y99001", Body: body}, {ID: "d", Recipient: "Y99001", Body: body},
		{ID: "d", Recipient: "Y99002", Body: body}, {ID: "d", Recipient: "Y99001", ContentType: "application/fhir+xml", Body: fhir.EncodeXML(root)}} {
		r, err := m.Send(t.Context(), d)
		if err != nil || r.Status != 202 || r.Message == "" || time.Until(r.Awaits) < 23*time.Hour || r.Refused {
			t.Fatalf("%+v, %v, refused %v", r, err, x.Refused())
		}
	}
	got := practice.Got()
	first := got[0]
	if first.Address != "GPPROVIDER_9990000018_01041950_O'Neill Synthetic" || first.Workflow != delivery.WorkflowDocument || first.LocalID != "A99901" || !strings.HasSuffix(first.Subject, ", version 2") {
		t.Errorf("%+v", first)
	}
	if a := got[1]; a.Address != first.Address || a.Subject != first.Subject || a.FileName != first.FileName || string(a.Body()) != string(first.Body()) {
		t.Errorf("the second try says %+v", a)
	}
	if got[2].Workflow != delivery.WorkflowOldDocument || !strings.HasSuffix(got[3].FileName, ".xml") || got[3].Subject != first.Subject {
		t.Errorf("%+v, %+v", got[2], got[3])
	}
	if names := (*noted)[0].Names; (*noted)[0].Delivery != "d" || !slices.Contains(names, meshID) || first.FileName != names[0]+".json" {
		t.Errorf("noted %+v", (*noted)[0])
	}
}

func TestMESHRefusesWhatLacksItsAddress(t *testing.T) {
	m, x, _, _ := route(t)
	for name, body := range map[string][]byte{
		"no FHIR":      []byte("x"),
		"no message":   []byte(`{"resourceType":"Bundle","type":"transaction"}`),
		"no header":    []byte(`{"resourceType":"Bundle","type":"message","entry":[{"resource":{"resourceType":"Patient"}}]}`),
		"no event":     peer.Document(meshID, "ITK999", "A99901", betty, nil),
		"no sender":    peer.Document(meshID, "ITK007C", "A99901", betty, func(h, _, _ map[string]any) { delete(h, "sender") }),
		"no focus":     peer.Document(meshID, "ITK007C", "A99901", betty, func(h, _, _ map[string]any) { delete(h, "focus") }),
		"no title":     peer.Document(meshID, "ITK007C", "A99901", betty, func(_, c, _ map[string]any) { delete(c, "title") }),
		"no subject":   peer.Document(meshID, "ITK007C", "A99901", betty, func(_, c, _ map[string]any) { delete(c, "subject") }),
		"no custodian": peer.Document(meshID, "ITK007C", "A99901", betty, func(_, c, _ map[string]any) { delete(c, "custodian") }),
		"no number":    peer.Document(meshID, "ITK007C", "A99901", betty, func(_, _, p map[string]any) { delete(p, "identifier") }),
		"no birthday":  peer.Document(meshID, "ITK007C", "A99901", betty, func(_, _, p map[string]any) { p["birthDate"] = "1950-04" }),
		"no surname":   peer.Document(meshID, "ITK007C", "A99901", betty, func(_, _, p map[string]any) { delete(p, "name") }),
	} {
		r, err := m.Send(t.Context(), referral.Delivery{ID: "d", Body: body})
		all := issue.All(err)
		if !r.Refused || len(all) != 1 || all[0].Details == "" || strings.Contains(all[0].Error(), "Neill") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if sent := x.Messages(""); len(sent) != 0 {
		t.Errorf("%d were sent", len(sent))
	}
}

// What refuses the message is final; what refuses the caller, or nobody, is tried again.
func TestMESHJudgesTheAnswer(t *testing.T) {
	body := peer.Document(meshID, "ITK007C", "A99901", betty, nil)
	for _, c := range []struct {
		fault   peer.Fault
		want    issue.Type
		refused bool
	}{
		{peer.Fault{Status: 400}, issue.Invalid, true},
		{peer.Fault{Status: 417, Body: `{"errorCode":"12"}`}, issue.NotFound, true},
		{peer.Fault{Status: 403}, issue.Login, false},
		{peer.Fault{Status: 429}, issue.Throttled, false},
		{peer.Fault{Status: 500}, issue.Exception, false},
		{peer.Fault{Drop: true}, issue.Incomplete, false},
		{peer.Fault{Status: 202, Body: `{}`}, issue.Exception, false},
		{peer.Fault{Status: 202, Body: `<html>`}, issue.Exception, false},
	} {
		m, x, _, _ := route(t)
		x.Misbehave(c.fault)
		r, err := m.Send(t.Context(), referral.Delivery{ID: "d", Body: body})
		if !errors.Is(err, c.want) || r.Refused != c.refused || !r.Awaits.IsZero() {
			t.Errorf("%+v: %+v, %v", c.fault, r, err)
		}
	}
	// what cannot be noted is not sent: its acknowledgement would find nothing
	m, x, _, _ := route(t)
	m.Dispatch = func(context.Context, referral.Dispatch) error { return issue.New(issue.NoStore, "x", "away") }
	if r, err := m.Send(t.Context(), referral.Delivery{ID: "d", Body: body}); !errors.Is(err, issue.NoStore) || r.Refused || len(x.Messages("")) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// counter is a Desk in memory.
type counter struct {
	kept  []referral.Acknowledgement
	state referral.Settled
	err   error
}

func (c *counter) Alone(ctx context.Context, f func(context.Context) error) (bool, error) {
	return true, f(ctx)
}

func (c *counter) Acknowledge(_ context.Context, a referral.Acknowledgement, _ time.Time) (referral.Settled, error) {
	if c.err != nil {
		return referral.Settled{}, c.err
	}
	c.kept = append(c.kept, a)
	return c.state, nil
}

func (c *counter) Overdue(context.Context, time.Time, int) ([]referral.Settled, error) {
	return nil, nil
}

// A record that is refused for its kind of content is put to whoever can send something
// instead, again and again until that is done; only then is the answer acknowledged.
func TestInsteadIsAskedUntilItIsDone(t *testing.T) {
	m, x, practice, _ := route(t)
	practice.Answers("20010")
	if _, err := m.Send(t.Context(), referral.Delivery{ID: "d", Body: peer.Document(meshID, "ITK014M", "A99901", betty, nil)}); err != nil {
		t.Fatal(err)
	}
	desk := &counter{state: referral.Settled{Code: "20010", Delivery: referral.Delivery{ID: "d", State: referral.DeliveryDead}}, err: issue.New(issue.NoStore, "x", "away")}
	looks, asked := 0, 0
	ctx, stop := context.WithCancel(t.Context())
	inbox := &delivery.Inbox{Client: m.Client, Desk: desk, Poll: time.Millisecond, Software: "test",
		Instead: func(_ context.Context, d referral.Delivery, code string) error {
			if asked++; asked == 1 {
				return issue.New(issue.LockError, "x", "busy")
			}
			if d.ID != "d" || code != "20010" {
				t.Errorf("asked about %s, %s", d.ID, code)
			}
			return nil
		}}
	m.Client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodHead {
			if looks++; looks == 3 {
				desk.err = nil
			}
		}
		if r.Method == http.MethodPut {
			defer stop()
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	if err := inbox.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if looks != 4 || asked != 2 || len(x.Waiting("X26SP001")) != 0 || desk.kept[0].Code != "20010" || desk.kept[0].Names[0] != meshID {
		t.Errorf("%d looks, asked %d times, kept %+v, still waiting %v", looks, asked, desk.kept, x.Waiting("X26SP001"))
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
