package main

import (
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

var (
	streams  = regexp.MustCompile(`(?s)\nstream\n(.*?)\nendstream`)
	unicodes = regexp.MustCompile(`<([0-9A-F]{4})> <([0-9A-F]{4})>\nendbfchar`)
	lines    = regexp.MustCompile(`<([0-9A-F]+)> Tj`)
)

// words are the text of a PDF of ours, its lines joined by blanks.
func words(t *testing.T, pdf []byte) string {
	t.Helper()
	letters := map[string]string{}
	var pages []string
	for _, m := range streams.FindAllSubmatch(pdf, -1) {
		r, err := zlib.NewReader(bytes.NewReader(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range unicodes.FindAllSubmatch(data, -1) {
			code, err := hex.DecodeString(string(u[2]))
			if err != nil {
				t.Fatal(err)
			}
			letters[string(u[1])] = string(rune(code[0])<<8 | rune(code[1]))
		}
		pages = append(pages, string(data))
	}
	var b strings.Builder
	for _, line := range lines.FindAllStringSubmatch(strings.Join(pages, ""), -1) {
		for glyph := range slices.Chunk([]byte(line[1]), 4) {
			b.WriteString(letters[string(glyph)])
		}
		b.WriteByte(' ')
	}
	return b.String()
}

// sends is the last body that came to the practice about a referral, as a Bundle.
func (c *cast) sends(id string) *fhir.Node {
	c.w.t.Helper()
	var last []byte
	for _, r := range c.w.gp.received() {
		if strings.Contains(string(r.Body), id) {
			last = r.Body
		}
	}
	return checked(c.w.t, last)
}

// pages are the documents of a Bundle, by status, with the text of both forms.
func pages(t *testing.T, b *fhir.Node) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, e := range b.All("entry") {
		if n := e.Child("resource"); n.ResourceType() == "DocumentReference" {
			f := forms(t, n)
			out[n.Text("status")] = append(out[n.Text("status")], string(f[referral.SummaryText]), words(t, f[referral.SummaryPDF]))
		}
	}
	return out
}

// waiting makes the first try of what a change sends fail, and gives the referral when it has.
func (c *cast) waiting(change func() referral.View) referral.View {
	c.w.t.Helper()
	before := len(c.w.gp.received())
	c.w.gp.fail(standInFault{Status: http.StatusServiceUnavailable})
	v := change()
	eventually(c.w.t, "the first try failed", func() bool { return len(c.w.gp.received()) > before })
	return v
}

// settledRows waits until nothing of a referral waits to be sent.
func (c *cast) settledRows(v referral.View) {
	c.w.t.Helper()
	eventually(c.w.t, "nothing waits", func() bool {
		return c.w.number("SELECT count(*) FROM delivery WHERE referral = '"+v.ID+"' AND state IN ('queued', 'sending')") == 0
	})
}

// what a page tells at summary, and what only at full.
var (
	tellsSummary = []string{"Harpsichord", "Cornet", "25.03", "Celesta"}
	tellsFull    = []string{"Accordion", "Banjo", "Clarinet", "home visit"}
)

func plain(outcome string) *referral.Outcome {
	o := fullOutcome()
	o.Summary, o.RequestedActions = outcome, []string{"Celesta"}
	return o
}

// supported is a referral with a plan and single contacts.
func (c *cast) supported() referral.View {
	v := c.referred("accepted")
	v = c.worker.act(v, "contact", referral.Input{Channel: "home-visit", Result: "reached"}).view()
	v = c.worker.act(v, "plan", referral.Input{Plan: &referral.Plan{Summary: "Harpsichord", Matters: "Accordion", Goals: []string{"Banjo"}, Contingency: "Clarinet", Agreed: true}}).view()
	c.settledRows(v)
	return v
}

func tells(t *testing.T, what string, texts []string, has, hasNot []string) {
	t.Helper()
	if len(texts) == 0 {
		t.Errorf("%s: there is no page", what)
	}
	for _, text := range texts {
		for _, words := range has {
			if !strings.Contains(text, words) {
				t.Errorf("%s: %s is not told in %s", what, words, text)
			}
		}
		for _, words := range hasNot {
			if strings.Contains(text, words) {
				t.Errorf("%s: %s is told in %s", what, words, text)
			}
		}
	}
}

// R13: an outcome that waits is told at the level that holds when it goes, in the coded
// entries and in both forms of its page; what was on the page at the level before is not.
func TestR13ThePageAtTheMomentOfSending(t *testing.T) {
	both := slices.Concat(tellsSummary, tellsFull)
	for _, one := range []struct {
		from, to    string
		has, hasNot []string // nil for no page
	}{
		{"full", "summary", tellsSummary, tellsFull},
		{"summary", "full", both, nil},
		{"codes-only", "summary", tellsSummary, tellsFull},
		{"none", "full", both, nil},
		{"full", "codes-only", nil, both},
		{"full", "none", nil, both},
	} {
		what := one.from + " to " + one.to
		t.Run(what, func(t *testing.T) {
			c := newCast(t, "")
			v := c.supported()
			if one.from != v.Sharing {
				v = c.worker.edit(v, "sharing", less(one.from)).view()
			}
			complete := func() referral.View {
				return c.worker.act(v, "complete", referral.Input{Outcome: plain("Cornet")}).view()
			}
			if one.from == "none" { // nothing waits, and nothing is sent when it is raised
				v = complete()
			} else {
				v = c.waiting(complete)
			}
			sent := len(c.w.gp.received())
			in := less(one.to)
			if one.from != "full" {
				in = more(one.to)
			}
			v = c.worker.edit(v, "sharing", in).view()
			c.settledRows(v)
			if one.to == "none" || one.from == "none" {
				if n := len(c.w.gp.received()); n != sent {
					t.Errorf("%d messages were sent", n-sent)
				}
			} else {
				b := c.sends(v.ID)
				texts := pages(t, b)["current"]
				if one.has == nil {
					if len(texts) != 0 {
						t.Errorf("pages are sent: %q", texts)
					}
					tells(t, what, []string{string(fhir.Encode(b))}, []string{"1230392000", "Withheld at sharing level codes-only"}, slices.Concat(one.hasNot, []string{"Lunch", "Celesta"}))
				} else {
					tells(t, what, texts, one.has, one.hasNot)
					tells(t, what, []string{string(fhir.Encode(b))}, []string{"1230392000", "Celesta", "25.03"}, tellsFull)
				}
			}
			// what the practice may read here, as it is now
			if got := c.gp.get("/api/v1/referrals/" + v.ID + "/summary"); one.has == nil {
				got.want(http.StatusForbidden)
			} else {
				tells(t, what+", here", []string{string(got.want(http.StatusOK).body)}, one.has, one.hasNot)
				if n := c.gp.total("/fhir/R4/DocumentReference?_total=accurate"); n != 2 {
					t.Errorf("the practice finds %d pages, and not those of plan and outcome", n)
				}
				if !strings.Contains(string(c.gp.get("/fhir/R4/Observation?code=1230392000").body), "Not feeling lonely") {
					t.Error("the finding is not found")
				}
			}
		})
	}
}

// R13: a correction that waits keeps what it replaces when it is told at another level.
func TestR13ACorrectionAtTheMomentOfSending(t *testing.T) {
	for _, to := range []string{"summary", "codes-only"} {
		t.Run(to, func(t *testing.T) {
			c := newCast(t, "")
			// the outcome itself was to be told at full, and goes at summary
			v := c.waiting(func() referral.View {
				return c.worker.act(c.supported(), "complete", referral.Input{Outcome: plain("Cornet")}).view()
			})
			v = c.worker.edit(v, "sharing", less("summary")).view()
			c.settledRows(v)
			first := c.sends(v.ID)
			v = c.worker.edit(v, "sharing", more("full")).view()
			v = c.waiting(func() referral.View {
				return c.worker.act(v, "correct", referral.Input{Outcome: plain("Dulcimer"), Note: "A slip."}).view()
			})
			v = c.worker.edit(v, "sharing", less(to)).view()
			c.settledRows(v)
			b := c.sends(v.ID)
			texts := pages(t, b)
			document := func(b *fhir.Node, status string) *fhir.Node {
				for _, e := range b.All("entry") {
					if n := e.Child("resource"); n.ResourceType() == "DocumentReference" && n.Text("status") == status {
						return n
					}
				}
				return nil
			}
			old := document(first, "current").Text("identifier", "value")
			if n := document(b, "superseded"); n.Text("identifier", "value") != old {
				t.Errorf("the page that is replaced is sent as %s", fhir.Encode(n))
			}
			if to == "codes-only" {
				if n := document(b, "current"); n != nil {
					t.Errorf("a page is sent: %s", fhir.Encode(n))
				}
				return
			}
			tells(t, to, texts["current"], []string{"Harpsichord", "Dulcimer", "A slip."}, tellsFull)
			if n := document(b, "current"); n.Text("relatesTo", "code") != "replaces" || n.Text("relatesTo", "target", "identifier", "value") != old {
				t.Errorf("it replaces %s and not %s", fhir.Encode(n), old)
			}
		})
	}
}

// A page that was written at full, and only ever sent at summary, is marked as replaced in
// the words that were sent.
func TestAReplacedPageTellsNoMoreThanWasSent(t *testing.T) {
	compiled := shipped(t)
	partners, err := referral.LoadPartners(checked(t, castPartners("https://gp.example")))
	if err != nil {
		t.Fatal(err)
	}
	s := storetest.Open(t, storetest.SQLite(t))
	service := referral.NewService(referral.Config{
		Store: s, Partners: partners, Instruments: compiled.instruments, Terminology: compiled.codes, Dialect: compiled.dialect, Outlet: outlets{library: compiled.library, partners: partners}.toRecord,
		Base: publicURL + "/fhir/R4/", Conforms: compiled.conforms, Sharing: "full",
	})
	ctx := t.Context()
	call := func(role auth.Role, ods string) referral.Call {
		return referral.Call{Principal: &auth.Principal{Client: "test", Role: role, Organisations: []string{ods}}, RequestID: s.NewID()}
	}
	body := someone(practiceA).message()
	gp := call(auth.RoleRequester, practiceA)
	gp.Body = body
	if _, err := service.Submit(ctx, gp, checked(t, body)); err != nil {
		t.Fatal(err)
	}
	worker := call(auth.RoleOwner, service1)
	list, _, err := service.Worklist(ctx, worker, referral.Filter{Page: referral.Page{Count: 1}})
	if err != nil {
		t.Fatal(err)
	}
	v := &list[0]
	act := func(action string, in referral.Input) {
		t.Helper()
		if v, err = service.Act(ctx, worker, v.ID, action, v.Version, in); err != nil {
			t.Fatal(err)
		}
	}
	// sent is what goes out now, each row looked at again before it does
	sent := func() (out []*fhir.Node) {
		t.Helper()
		for {
			rows, err := s.Claim(ctx, time.Now().Add(time.Second), time.Minute, 1)
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) == 0 {
				return out
			}
			if fresh, err := service.Fresh(ctx, rows[0]); err != nil {
				t.Fatal(err)
			} else if fresh {
				out = append(out, checked(t, rows[0].Body))
				if err := s.Finish(ctx, rows[0].Claim, referral.Attempt{Delivery: rows[0].ID, Number: 1, At: time.Now(), State: referral.DeliveryDelivered}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	act("accept", referral.Input{})
	act("contact", referral.Input{Channel: "home-visit", Result: "reached"})
	act("plan", referral.Input{Plan: &referral.Plan{Summary: "Harpsichord", Matters: "Accordion", Goals: []string{"Banjo"}, Contingency: "Clarinet", Agreed: true}})
	act("complete", referral.Input{Outcome: plain("Cornet")})
	if v, err = service.SetSharing(ctx, worker, v.ID, v.Version, less("summary")); err != nil {
		t.Fatal(err)
	}
	for _, b := range sent() {
		tells(t, "first", pages(t, b)["current"], []string{"Harpsichord"}, tellsFull)
	}
	act("correct", referral.Input{Outcome: plain("Dulcimer"), Note: "A slip."})
	last := sent()
	if len(last) != 1 {
		t.Fatalf("%d messages are sent", len(last))
	}
	tells(t, "corrected", pages(t, last[0])["current"], []string{"Dulcimer", "A slip."}, tellsFull)
	tells(t, "replaced", pages(t, last[0])["superseded"], []string{"Harpsichord", "Cornet", "version 5"}, append([]string{"Dulcimer"}, tellsFull...))
}
