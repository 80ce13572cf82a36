package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

func elsewhere(url string) referral.AttachmentInput {
	return referral.AttachmentInput{Title: "Care plan", URL: url, ContentType: "application/pdf"}
}

const sumOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// A service attaches a document for the practice and one for itself; the practice sent one
// with the request, and sends another afterwards. Each sees those for it, over JSON and FHIR.
func TestAttachmentsByReference(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := newCast(t, url)
		v := c.worker.look(c.gp.refer(withEveryType(someone(practiceA))))
		v = c.worker.act(v, "accept", referral.Input{}).view()
		sent := v.Attachments
		if len(sent) == 0 || sent[0].Author != practiceA || sent[0].Audience != "practice" {
			t.Fatalf("what the practice sent is %+v", sent)
		}
		in := elsewhere("https://tool.example.nhs.uk/plans/7?view=print")
		in.Size, in.SHA256, in.Created, in.Audience = 1<<20, strings.ToUpper(sumOfNothing), "2026-11-01", "practice"
		v = c.worker.edit(v, "attachments", in).view()
		v = c.worker.edit(v, "attachments", elsewhere("https://tool.example.nhs.uk/own")).view()
		v = c.gp.edit(v, "attachments", elsewhere("https://gp.example.nhs.uk/letter")).view()
		later := someone(practiceA)
		n := fhir.New(fhir.Types(fhir.R4).Type("DocumentReference"))
		setPart(n, "status", `"current"`)
		setPart(n, "subject", byReference(v.Links.Patient))
		setPart(n, "content", `[{"attachment":{"title":"Scan `+later.identifier+`","contentType":"image/png","url":"https://gp.example.nhs.uk/scan","hash":"2jmj7l5rSw0yVb/vlWAYkK/YBwk=","size":12}}]`)
		c.gp.do(http.MethodPost, "/fhir/R4/DocumentReference", fhir.Encode(n), "Content-Type", "application/fhir+json").want(http.StatusCreated)

		mine, theirs := c.worker.look(v.ID), c.gp.look(v.ID)
		if len(mine.Attachments) != len(sent)+4 || len(theirs.Attachments) != len(sent)+3 || mine.Version != v.Version+1 {
			t.Fatalf("the service sees %+v, the practice %+v", mine.Attachments, theirs.Attachments)
		}
		find := func(list []referral.Attached, url string) (out referral.Attached) {
			if i := slices.IndexFunc(list, func(a referral.Attached) bool { return a.URL == url }); i >= 0 {
				out = list[i]
			}
			return out
		}
		got := find(theirs.Attachments, in.URL)
		want := referral.Attached{ID: got.ID, Title: "Care plan", URL: in.URL, ContentType: "application/pdf", Size: 1 << 20, SHA256: sumOfNothing, Created: "2026-11-01",
			Added: got.Added, Author: service1, AuthorName: "Partner " + service1 + " (synthetic)", Audience: "practice", Document: "DocumentReference/" + got.ID}
		if got != want || got.Added == "" {
			t.Errorf("the practice sees %+v, want %+v", got, want)
		}
		if scan := find(mine.Attachments, "https://gp.example.nhs.uk/scan"); scan.SHA1 != "da39a3ee5e6b4b0d3255bfef95601890afd80709" || scan.Size != 12 || scan.SHA256 != "" {
			t.Errorf("the scan is %+v", scan)
		}
		if own := find(mine.Attachments, "https://tool.example.nhs.uk/own"); own.Audience != "service" || find(theirs.Attachments, own.URL).ID != "" {
			t.Errorf("the service's own is %+v", own)
		} else {
			c.gp.get("/fhir/R4/" + own.Document).want(http.StatusNotFound)
			c.worker.get("/fhir/R4/" + own.Document).want(http.StatusOK)
		}
		stored := c.gp.get("/fhir/R4/" + got.Document).want(http.StatusOK).node()
		a := stored.Descend("content", "attachment")
		if a.Text("url") != in.URL || a.Text("hash") != "" || a.Text("extension", "value") != sumOfNothing || stored.Text("author", "identifier", "value") != service1 {
			t.Errorf("the DocumentReference is %s", fhir.Encode(stored))
		}
		types := map[string]int{}
		eventually(t, "the events are told", func() bool {
			clear(types)
			for _, h := range c.gp.events("since=0").Events {
				types[h.Type]++
			}
			return types["referral.observation"] == 1
		})
		if types["referral.attachment"] != 2 {
			t.Errorf("the practice is told of %v", types)
		}
		v = c.worker.act(mine, "complete", referral.Input{Outcome: fullOutcome()}).view()
		eventually(t, "the outcome is in the record", func() bool { return inRecord(c.w, v.ID) != nil })
		for _, r := range c.w.gp.received() {
			if strings.Contains(string(r.Body), "tool.example.nhs.uk") {
				t.Errorf("an address went to the record: %s", r.Body)
			}
		}
		c.worker.edit(v, "attachments", elsewhere("https://tool.example.nhs.uk/late")).refuses(422, "referral-ended")
	})
}

// An address that is none, that lets anybody in, that leads nowhere for its readers or that
// names the person is refused with what to do about it.
func TestAddressesThatAreNotKept(t *testing.T) {
	c := newCast(t, "")
	v := c.referred("accepted")
	number := v.Person.NHSNumber
	for url, rule := range map[string]string{
		"data:text/plain;base64,SGk=": "url-data", "DATA:,x": "url-data",
		"http://tool.example.nhs.uk/1": "url-scheme", "ftp://tool.example.nhs.uk/1": "url-scheme", "javascript:alert(1)": "url-scheme", "//tool.example.nhs.uk/1": "url-scheme", "plan.pdf": "url-scheme", "file:///etc/passwd": "url-scheme",
		"https://": "url-form", "https:///plan": "url-form", "https://a b.example.nhs.uk/": "url-form", "https://tool.example.nhs.uk/\n": "url-form", "https://tool.example.nhs.uk\\@x": "url-form",
		"https://tool.example.nhs.uk:99999/": "url-form", "https://tool.example.nhs.uk/%zz": "url-form", "https://tööl.example.nhs.uk/": "url-form", "https://tool.example.nhs.uk/" + strings.Repeat("a", 2048): "url-form",
		"https://joan@tool.example.nhs.uk/": "url-credentials", "https://joan:x@tool.example.nhs.uk/": "url-credentials", "https://:x@tool.example.nhs.uk/": "url-credentials",
		"https://tool.example.nhs.uk/?token=abc": "url-credentials", "https://tool.example.nhs.uk/?a=1&X-Amz-Signature=abc": "url-credentials", "https://tool.example.nhs.uk/?SIG=abc": "url-credentials", "https://tool.example.nhs.uk/#access_token=abc": "url-credentials",
		"https://localhost/": "url-private", "https://127.0.0.1/": "url-private", "https://[::1]/": "url-private", "https://10.1.2.3/": "url-private", "https://[fd00::1]/": "url-private", "https://[::ffff:192.168.0.1]/": "url-private",
		"https://2130706433/": "url-private", "https://0x7f.1/": "url-private", "https://printer.local/": "url-private", "https://tool.internal./": "url-private", "https://server/": "url-private", "https://169.254.169.254/": "url-private",
		"https://Tool.example.nhs.uk/?accessToken=a": "url-credentials", "https://tool.example.nhs.uk/?access-token=a": "url-credentials", "https://tool.example.nhs.uk/?Ocp-Apim-Subscription-Key=a": "url-credentials",
		"https://tool.example.nhs.uk/plan;token=a": "url-credentials", "https://tool.example.nhs.uk/#/?token=a": "url-credentials", "https://tool.example.nhs.uk/#/view?a=1&id-token=a": "url-credentials", "https://tool.example.nhs.uk/?next=https%3A%2F%2Fx.example%2F%3Fto%256ben%3Da": "url-credentials",
		"https://100.64.0.1/": "url-private", "https://198.18.0.1/": "url-private", "https://192.0.2.1/": "url-private", "https://[64:ff9b::7f00:1]/": "url-private", "https://[2002:7f00:1::]/": "url-private", "https://[::10.0.0.1]/": "url-private",
		"https://nas.home.arpa/": "url-private", "https://ci.test/": "url-private", "https://127.1/": "url-private", "https://a..example/": "url-form", "https://.example/": "url-form", "https://tool.example.nhs.uk:0/": "url-form",
		"https://tool.example.nhs.uk/a/../b": "url-form", "https://tool.example.nhs.uk/%2e%2e/b": "url-form", "https://tool.example.nhs.uk/<a>": "url-form", "https://tool.example.nhs.uk/?a={b}": "url-form", "https://tool.example.nhs.uk/[a]": "url-form", "https://tool.example.nhs.uk/#a#b": "url-form",
		"https://tool.example.nhs.uk/" + number[:3] + "." + number[3:6] + "/" + number[6:]: "url-person", "https://tool.example.nhs.uk/%25" + fmt.Sprintf("%x", number[0]) + number[1:]: "url-person", "https://" + number + ".example.nhs.uk/": "url-person",
		"https://tool.example.nhs.uk/" + number: "url-person", "https://tool.example.nhs.uk/?p=" + number[:3] + "-" + number[3:6] + "%20" + number[6:]: "url-person",
	} {
		got := c.worker.edit(v, "attachments", elsewhere(url))
		if rules := got.problems(); got.status/100 != 4 || !slices.Equal(rules, []string{rule + " url"}) {
			t.Errorf("%s: status %d, %v, want %s", url, got.status, rules, rule)
		}
	}
	c.worker.edit(v, "attachments", referral.AttachmentInput{}).refuses(400, "field-required content_type", "field-required title", "field-required url")
	bad := referral.AttachmentInput{Title: strings.Repeat("a", 401), URL: "https://tool.example.nhs.uk/", ContentType: "pdf", Size: -1, SHA256: "abc", Created: "yesterday", Audience: "me"}
	c.worker.edit(v, "attachments", bad).refuses(400, "field-code audience", "field-date created", "field-media-type content_type", "field-sha256 sha256", "field-size size", "field-text title")
	for _, title := range []string{"Plan\u202Efdp.exe", "Plan\nof care", "\u200B\u202E", "\u2066Plan"} {
		in := elsewhere("https://tool.example.nhs.uk/plan")
		in.Title = title
		c.worker.edit(v, "attachments", in).refuses(400, "field-text title")
	}
	wrong := elsewhere("https://tool.example.nhs.uk/plan")
	wrong.ContentType, wrong.Created = "*/*", "2099-01-01"
	c.worker.edit(v, "attachments", wrong).refuses(400, "field-date created", "field-media-type content_type")
	for _, note := range []string{"\u200B", "\u202E\u200B", "\u3164"} {
		c.worker.edit(v, "notes", referral.NoteInput{Text: note}).refuses(400, "field-text text")
	}
	for _, size := range []string{"1.5", `"7"`, "1e3", "99999999999999999999"} {
		c.worker.do(http.MethodPost, "/api/v1/referrals/"+v.ID+"/attachments", []byte(`{"size":`+size+`}`), "If-Match", `W/"2"`).refuses(400, "json-kind size")
	}
	if now := c.worker.look(v.ID); now.Version != v.Version || len(now.Attachments) != len(v.Attachments) {
		t.Errorf("a refused attachment changed the referral: %+v", now.Attachments)
	}
}
