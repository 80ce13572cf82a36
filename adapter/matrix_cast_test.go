package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// tenant is the values that a template of a request is filled with, by their names.
type tenant map[string]string

// fill puts the values of a tenant into a text.
func (v tenant) fill(text string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	var pairs []string
	for name, value := range v {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// blank puts the names back in the place of the values, the longest first.
func (v tenant) blank(text string) string {
	var pairs [][2]string
	for name, value := range v {
		if value != "" {
			pairs = append(pairs, [2]string{value, "{" + name + "}"})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if n := len(b[0]) - len(a[0]); n != 0 {
			return n
		}
		return strings.Compare(a[0]+a[1], b[0]+b[1])
	})
	var flat []string
	for _, p := range pairs {
		flat = append(flat, p[0], p[1])
	}
	return strings.NewReplacer(flat...).Replace(text)
}

// marked are words that stand in the data of one tenant and nowhere else.
func marked(word string) []string {
	return []string{word + "family", word + "note", word + "title", word + "identifier", word + "reason", word + "activity", word + "summary", word + "hook"}
}

// populate gives a practice and its service one referral with an activity, notes, documents,
// a webhook and a Subscription, with a provider, "" for none, another activity there, and one that is completed; what there is is named in the
// tenant. Every word of it has the mark.
func (m *matrix) populate(t *testing.T, practice, service, provider, word, birth string) tenant {
	t.Helper()
	gp, worker := m.as(t, auth.RoleRequester, practice), m.as(t, auth.RoleOwner, service)
	v := tenant{"ods": practice, "service": service, "family": word + "family", "identifier": word + "identifier", "birth": birth, "word": word}
	message := func(identifier string) (*synthetic, []byte) {
		s := someone(practice)
		s.family, s.identifier, s.birthDate, s.telephone = word+"family", identifier, birth, "123"
		return s, withEveryType(s)
	}
	first, body := message(word + "identifier")
	v["nhs"] = first.nhsNumber
	task := gp.refer(body, "X-Request-ID", word+"-request", "Idempotency-Key", word+"-key")
	one := worker.look(task)
	one = worker.act(one, "accept", referral.Input{Note: word + "note"}).view()
	one = worker.act(one, "contact", referral.Input{Channel: "telephone", Result: "reached", Note: word + "note"}).view()
	one = worker.act(one, "refer", referral.Input{Activity: &referral.ActivityInput{Name: word + "activity", Consent: true, Words: word + "note"}}).view()
	if provider != "" {
		one = worker.act(one, "refer", referral.Input{Activity: &referral.ActivityInput{Provider: provider, Name: "Choir", Consent: true}}).view()
	}
	one = worker.edit(one, "notes", referral.NoteInput{Text: word + "note"}).view()
	one = worker.edit(one, "attachments", referral.AttachmentInput{Title: word + "title", URL: "https://tool.example.nhs.uk/" + word, ContentType: "application/pdf"}).view()
	one = worker.edit(one, "sharing", referral.SharingInput{Level: "summary", Reason: word + "reason"}).view()
	_, other := message(word + "identifier2")
	two := worker.look(gp.refer(other))
	for _, move := range []struct {
		action string
		in     referral.Input
	}{{"accept", referral.Input{}}, {"contact", referral.Input{Channel: "telephone", Result: "reached"}}, {"plan", agreedPlan()}, {"complete", referral.Input{Outcome: fullOutcome(), Note: word + "summary"}}} {
		two = worker.act(two, move.action, move.in).view()
	}
	id := func(reference string) string { return reference[strings.IndexByte(reference, '/')+1:] }
	v["Task"], v["Patient"], v["ServiceRequest"], v["activity"] = one.ID, id(one.Links.Patient), id(one.Links.ServiceRequest), one.Activities[0].ID
	v["note"] = one.Notes[len(one.Notes)-1].ID
	var hook struct{ ID string }
	worker.say("/api/v1/webhooks", fmt.Sprintf(`{"url":%q,"description":%q}`, m.listener.URL, word+"hook")).want(http.StatusCreated).into(&hook)
	v["webhook"] = hook.ID
	worker.say("/api/v1/webhooks/"+hook.ID+"/test", `{}`)
	v["Subscription"] = worker.subscribe(m.listener.URL, "full-resource", "").Text("id")
	eventually(t, "the webhook has a delivery", func() bool {
		var page struct{ Items []struct{ ID string } }
		worker.get("/api/v1/webhooks/" + hook.ID + "/deliveries").want(http.StatusOK).into(&page)
		if len(page.Items) > 0 {
			v["delivery"] = page.Items[0].ID
		}
		return len(page.Items) > 0
	})
	v["AuditEvent"] = gp.get("/fhir/R4/AuditEvent?_count=1&patient="+v["Patient"]).want(http.StatusOK).node().Child("entry").Text("resource", "id")
	if v["AuditEvent"] == "" {
		t.Error("no AuditEvent tells of the referral")
	}
	for _, kind := range referral.ResourceTypes() {
		for _, c := range []caller{gp, worker} {
			for _, entry := range c.get("/fhir/R4/" + kind + "/_history?_count=200").want(http.StatusOK).node().All("entry") {
				if found := entry.Child("resource").Text("id"); found != "" && v[kind] == "" {
					v[kind] = found
				}
				m.note(v, entry.Child("resource"))
			}
		}
		for _, role := range []caller{gp, worker} {
			for _, link := range role.get("/fhir/R4/" + kind + "?_count=1").node().All("link") {
				if link.Text("relation") == "next" {
					_, v["cursor"+kind], _ = strings.Cut(link.Text("url"), "_cursor=")
				}
			}
		}
	}
	return v
}

// note remembers the ids of a tenant, which nobody else may be told.
func (m *matrix) note(v tenant, n *fhir.Node) {
	if id := n.Text("id"); id != "" && !slices.Contains(m.ids[v["word"]], id) {
		m.ids[v["word"]] = append(m.ids[v["word"]], id)
	}
}

// nobodyLike has a value for each name of a tenant, of the same form, which nothing here has.
func nobodyLike(like tenant) tenant {
	v := tenant{"ods": "Y98765", "service": "Y98766", "family": "quaggafamily", "identifier": "quaggaidentifier", "birth": "1918-02-03", "word": "quagga", "nhs": someone(practiceA).nhsNumber}
	for name, value := range like {
		switch {
		case v[name] != "":
		case strings.HasPrefix(name, "cursor"):
			v[name] = value // it may say at its beginning what it is
			if len(value) > 2 {
				v[name] = value[:2] + strings.Repeat("A", len(value)-2)
			}
		default:
			v[name] = uuid.Must(uuid.NewV7()).String()
		}
	}
	return v
}

// malformed are texts that cannot be ids, escaped for an address.
var malformed = []string{"%20", "a%27b", "..", "%00", strings.Repeat("x", 65), "%25", "a%2Fb", "-1", "null", "%F0%9F%92%A5"}

// as is a client that speaks HTTP, to prepare what the requests of the matrix are about.
func (m *matrix) as(t *testing.T, role auth.Role, organisations ...string) caller {
	return caller{t, m.url, m.w.token(auth.Claims{Role: role, Organisations: organisations}, time.Now())}
}
