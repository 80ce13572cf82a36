package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/delivery"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/store"
)

const standInKey = "https://spadapter.example/fhir/Id/"

// standInOutcome is a write-back as the adapter makes it, in small.
func standInOutcome(status, score string) []byte {
	return fmt.Appendf(nil, `{"resourceType":"Bundle","type":"transaction","entry":[
{"fullUrl":"urn:uuid:0d0e0a52-6a2f-4b57-9a6c-5b6f0a7d0001","resource":{"resourceType":"Task","identifier":[{"system":"%[1]stask","value":"t1"}],"status":"%[2]s","intent":"order","businessStatus":{"coding":[{"code":"goals-met"}],"text":"Goals met"},
 "output":[{"type":{"coding":[{"code":"proposed-status"}]},"valueCode":"completed"},{"type":{"coding":[{"code":"observation"}]},"valueReference":{"reference":"urn:uuid:0d0e0a52-6a2f-4b57-9a6c-5b6f0a7d0002"}}]},
 "request":{"method":"PUT","url":"Task?identifier=%[1]stask|t1"}},
{"fullUrl":"urn:uuid:0d0e0a52-6a2f-4b57-9a6c-5b6f0a7d0002","resource":{"resourceType":"Observation","identifier":[{"system":"%[1]sobservation","value":"o1"}],"status":"final","code":{"text":"SWEMWBS"},"valueQuantity":{"value":%[3]s,"unit":"score"}},
 "request":{"method":"POST","url":"Observation","ifNoneExist":"identifier=%[1]sobservation|o1"}},
{"resource":{"resourceType":"Observation","identifier":[{"system":"%[1]sobservation","value":"o2"}],"status":"final","code":{"coding":[{"system":"http://snomed.info/sct","code":"1230392000","display":"Not feeling lonely"}]}},
 "request":{"method":"POST","url":"Observation","ifNoneExist":"identifier=%[1]sobservation|o2"}},
{"resource":{"resourceType":"DocumentReference","status":"current","type":{"text":"Social prescribing: outcome"},"content":[{"attachment":{"contentType":"text/plain","data":"Tm8gYWN0aW9ucy4="}}]},
 "request":{"method":"POST","url":"DocumentReference","ifNoneExist":"identifier=%[1]sdocument|d1"}}]}`, standInKey, status, score)
}

func newStandIn(t *testing.T) *standIn {
	t.Helper()
	s, err := startStandIn()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// sendTo delivers a Bundle over the real route, as the worker does.
func sendTo(t *testing.T, s *standIn, body []byte, token string) (delivery.Receipt, error) {
	t.Helper()
	route := &delivery.FHIR{
		Endpoint: func(string) (delivery.Endpoint, bool) {
			return delivery.Endpoint{Address: s.URL(), TokenURL: "https://gp.example/token"}, true
		},
		Token: func(context.Context, delivery.Endpoint, string) (string, error) { return token, nil },
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	return route.Send(ctx, referral.Delivery{ID: "d1", Referral: "r1", Recipient: "A12345", Body: body})
}

func TestStandInKeepsWhatItIsSent(t *testing.T) {
	s := newStandIn(t)
	if r, err := sendTo(t, s, standInOutcome("completed", "24.5"), ""); err != nil || r.Status != 200 {
		t.Fatal(r, err)
	}
	want := []gpLine{
		{"Task/1", "task", "completed", "Goals met", "version 1"},
		{"Task/1", "output", "proposed-status", "", "completed"},
		{"Task/1", "output", "observation", "", "Observation/1"},
		{"Observation/1", "score", "", "SWEMWBS", "24.5 score"},
		{"Observation/2", "finding", "1230392000", "Not feeling lonely", ""},
		{"DocumentReference/1", "document", "", "Social prescribing: outcome", "No actions."},
	}
	if got := s.Record(); !slices.Equal(got, want) {
		t.Errorf("record\n%+v\nwant\n%+v", got, want)
	}
	if got := s.received(); len(got) != 1 || got[0].ID != "d1" || got[0].Correlation != "r1" || string(got[0].Body) != string(standInOutcome("completed", "24.5")) {
		t.Errorf("received %+v", got)
	}
	if s.task("completed") == nil || s.task("rejected") != nil {
		t.Error("task finds by status")
	}
}

// The second time changes nothing but what is new: the Task is updated, the rest exists.
func TestStandInIsIdempotentByConditions(t *testing.T) {
	s := newStandIn(t)
	bundle := strings.Replace(string(standInOutcome("completed", "24.5")), `"status":"current",`, `"status":"current","identifier":[{"system":"`+standInKey+`document","value":"d1"}],`, 1)
	for range 3 {
		if _, err := sendTo(t, s, []byte(bundle), ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Record(); len(got) != 6 || got[0].Value != "version 1" {
		t.Errorf("after three times the same: %+v", got)
	}
	if _, err := sendTo(t, s, []byte(strings.Replace(bundle, `"completed"`, `"failed"`, 1)), ""); err != nil {
		t.Fatal(err)
	}
	if got := s.Record(); len(got) != 6 || got[0].Code != "failed" || got[0].Value != "version 2" {
		t.Errorf("after an update: %+v", got)
	}
}

func TestStandInTakesAllOrNothing(t *testing.T) {
	for name, spoil := range map[string][2]string{
		"an element that does not exist":      {`"status":"current",`, `"status":"current","nonsense":true,`},
		"a condition it does not know":        {`"ifNoneExist":"identifier=` + standInKey + `document|d1"`, `"ifNoneExist":"status=current"`},
		"a type that is not the resource's":   {`"url":"DocumentReference"`, `"url":"Binary"`},
		"two entries about the same Task":     {`"url":"DocumentReference","ifNoneExist":"identifier=` + standInKey + `document|d1"`, `"url":"DocumentReference"}},{"resource":{"resourceType":"Task","identifier":[{"system":"` + standInKey + `task","value":"t1"}],"status":"failed","intent":"order"},"request":{"method":"PUT","url":"Task?identifier=` + standInKey + `task|t1"`},
		"a method that it does not carry out": {`"method":"POST","url":"DocumentReference"`, `"method":"DELETE","url":"DocumentReference"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStandIn(t)
			if _, err := sendTo(t, s, standInOutcome("in-progress", "20"), ""); err != nil {
				t.Fatal(err)
			}
			before := s.Record()
			bad := strings.Replace(string(standInOutcome("completed", "24.5")), spoil[0], spoil[1], 1)
			if bad == string(standInOutcome("completed", "24.5")) {
				t.Fatal("nothing spoilt")
			}
			if r, err := sendTo(t, s, []byte(bad), ""); err == nil || !r.Refused {
				t.Errorf("taken: %+v, %v", r, err)
			}
			if after := s.Record(); !slices.Equal(before, after) {
				t.Errorf("half of a transaction was kept:\n%+v", after)
			}
		})
	}
}

func TestStandInFailsAsTold(t *testing.T) {
	body := standInOutcome("completed", "24.5")
	for _, c := range []struct {
		name  string
		fault standInFault
		issue issue.Type
		kept  bool // the message arrived all the same
	}{
		{"status", standInFault{Status: 503, Header: http.Header{"Retry-After": {"7"}}}, issue.Transient, false},
		{"page", standInFault{Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>"}, issue.Exception, false},
		{"dropped before", standInFault{Drop: true}, issue.Incomplete, false},
		{"dropped after", standInFault{Drop: true, Late: true}, issue.Incomplete, true},
		{"half an answer", standInFault{Half: true}, issue.Incomplete, true},
		{"slow", standInFault{Delay: 5 * time.Second}, issue.Timeout, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStandIn(t)
			s.fail(c.fault)
			r, err := sendTo(t, s, body, "")
			if !errors.Is(err, c.issue) || r.Refused {
				t.Errorf("%+v, %v; want %s", r, err, c.issue)
			}
			if kept := len(s.Record()) > 0; kept != c.kept {
				t.Errorf("kept %v, want %v", kept, c.kept)
			}
			if _, err := sendTo(t, s, body, ""); err != nil {
				t.Errorf("the next try: %v", err)
			}
			// whatever happened to the answer, the Task and the Observations are there once
			if got := s.Record(); got[0].Value != "version 1" || slices.ContainsFunc(got, func(l gpLine) bool { return l.Resource == "Observation/3" }) {
				t.Errorf("record %+v", got)
			}
			list := s.received()
			if len(list) != 2 || list[0].ID != list[1].ID || string(list[0].Body) != string(list[1].Body) {
				t.Error("the second try was not the same request")
			}
		})
	}
}

func TestStandInDemandsABearer(t *testing.T) {
	s := newStandIn(t)
	s.demand("good")
	if r, err := sendTo(t, s, standInOutcome("completed", "1"), "bad"); !errors.Is(err, issue.Login) || r.Refused || len(s.Record()) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := sendTo(t, s, standInOutcome("completed", "1"), "good"); err != nil {
		t.Error(err)
	}
}

func TestStandInAnswersReads(t *testing.T) {
	s := newStandIn(t)
	if _, err := sendTo(t, s, standInOutcome("completed", "24.5"), ""); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/Task":        {200, `"total": 1`},
		"/Task/1":      {200, `"reference": "Observation/1"`},
		"/Task/2":      {404, "not-found"},
		"/Observation": {200, `"value": 24.5`},
		"/Patient":     {200, `"total": 0`},
		"/Observation?identifier=" + standInKey + "observation|o2": {200, `"total": 1`},
		"/Observation?code=1": {422, "not-supported"},
		"/a/b/c":              {404, "not-found"},
		"":                    {404, "not-found"},
	} {
		resp, err := http.Get(s.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want.status || !strings.Contains(string(body), want.text) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
		root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
		if err == nil {
			err = fhir.Check(root)
		}
		if err != nil {
			t.Errorf("%s is not FHIR: %v\n%s", path, err, body)
		}
	}
}

// The outbox, the worker and the record together: whatever the practice's server does,
// each row arrives, in order, under one id, and the record holds it once.
func TestOutboxReachesTheRecordThroughFailures(t *testing.T) {
	st, err := store.Open(t.Context(), "sqlite:"+t.TempDir()+"/adapter.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	gp := newStandIn(t)
	gp.fail(
		standInFault{Status: 503, Header: http.Header{"Retry-After": {"20"}}},
		standInFault{Drop: true, Late: true},
		standInFault{Half: true},
		standInFault{Status: 200, Body: "<html>"},
	)
	begin := time.Now()
	// a clock on which a minute passes in 60 ms, so that the waits are real but short
	now := func() time.Time { return begin.Add(1000 * time.Since(begin)) }
	task := st.NewID()
	row := func(status string) referral.Delivery {
		return referral.Delivery{ID: st.NewID(), Referral: task, Move: "T16", Recipient: "A12345", Kind: "write-back", Route: "fhir-rest",
			ContentType: "application/fhir+json", Body: standInOutcome(status, "24.5"), Created: begin, Due: begin, Expires: begin.Add(delivery.Lifetime)}
	}
	first, second := row("in-progress"), row("completed")
	if err := st.Commit(t.Context(), &referral.Change{Organisation: "A12345", At: begin, Deliveries: []referral.Delivery{first, second}}); err != nil {
		t.Fatal(err)
	}
	worker, err := delivery.New(delivery.Config{
		Queue: st, Wake: st.Wake(), Now: now, Poll: 10 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
		// the clock is fast, sending is not: a lease must outlast a try all the same
		Timeout: time.Second, Lease: 10 * time.Hour,
		Routes: map[string]delivery.Route{"fhir-rest": &delivery.FHIR{
			Endpoint: func(string) (delivery.Endpoint, bool) { return delivery.Endpoint{Address: gp.URL()}, true }}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	for gp.task("completed") == nil && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	var ids []string
	for _, r := range gp.received() {
		ids = append(ids, r.ID)
	}
	if want := []string{first.ID, first.ID, first.ID, first.ID, first.ID, second.ID}; !slices.Equal(ids, want) {
		t.Errorf("received %v, want five tries of the first row and then the second", ids)
	}
	for _, want := range []referral.Delivery{first, second} {
		got, attempts, err := st.Delivery(t.Context(), want.ID)
		if err != nil || got.State != referral.DeliveryDelivered || len(attempts) == 0 {
			t.Errorf("the outbox has %+v, %+v, %v", got, attempts, err)
			continue
		}
		for i, a := range attempts {
			if a.Number != i+1 || (a.Issue == "") != (a.State == referral.DeliveryDelivered) {
				t.Errorf("attempt %+v", a)
			}
		}
	}
	if got := gp.Record(); len(got) == 0 || got[0].Code != "completed" || got[0].Value != "version 2" {
		t.Errorf("record %+v", got)
	}
}
