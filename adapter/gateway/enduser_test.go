package gateway

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/uuid"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// sent is a header with its value in base64.
func sent(name, text string) string {
	return name + ": " + base64.StdEncoding.EncodeToString([]byte(text))
}

func organisation(ods string) string {
	return sent(headerOrganisation, `{"resourceType":"Organization","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"`+ods+`"}],"name":"Practice"}`)
}

const (
	practitionerRole = `{"resourceType":"PractitionerRole","identifier":[{"system":"https://fhir.nhs.uk/Id/sds-role-profile-id","value":"555099"}],
		"practitioner":{"identifier":{"system":"https://fhir.nhs.uk/Id/sds-user-id","value":"777088"}},"code":[{"coding":[{"system":"http://snomed.info/sct","code":"62247001"}]}]}`
	device = `{"resourceType":"Device","deviceName":[{"name":"Tool","type":"user-friendly-name"}],"version":[{"value":"2.1"}]}`
	target = `{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":"2000099999"}`
)

func TestTheEndUserIsKeptForTheAudit(t *testing.T) {
	w := newWorld(t, nil)
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp", organisation("a81001"), sent(headerPractitioner, practitionerRole), sent(headerSoftware, device), sent(headerTarget, target)), 200, "")
	want := referral.EndUser{Organisation: "A81001", Practitioner: "777088", RoleProfile: "555099", Role: "62247001", Software: "Tool 2.1", Target: "https://fhir.nhs.uk/Id/dos-service-id|2000099999"}
	if got := w.calls[len(w.calls)-1].EndUser; got != want {
		t.Errorf("got %+v", got)
	}
	// the specification of the header has an object where R4 has a list
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp", sent(headerSoftware, strings.NewReplacer("[", "", "]", "").Replace(device))), 200, "")
	if got := w.calls[len(w.calls)-1].EndUser; got != (referral.EndUser{Software: "Tool 2.1"}) {
		t.Errorf("got %+v", got)
	}
	// each entry of a batch is the same end user's
	wants(t, w.post("/fhir/R4", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Patient/1"}}]}`, "as gp", organisation("A81001"), sent(headerSoftware, device)), 200, "")
	if got := w.calls[len(w.calls)-1].EndUser; got != (referral.EndUser{Organisation: "A81001", Software: "Tool 2.1"}) {
		t.Errorf("an entry: %+v", got)
	}
	// a refusal is the end user's, too
	wants(t, w.do("GET", "/fhir/R4/Observation/1", "", "as reader", sent(headerSoftware, device)), 403, "scope")
	if got := w.refused[len(w.refused)-1].call.EndUser; got.Software != "Tool 2.1" {
		t.Errorf("refused: %+v", got)
	}
	for _, secret := range []string{"777088", "555099", "Tool", "2000099999"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
}

func TestTheEndUserOrganisationActs(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct {
		as, header string
		status     int
		acts       string // for which organisations the domain is asked
	}{
		{"gp", "X-Nothing: 1", 200, "A81001"},
		{"gp", organisation("A81001"), 200, "A81001"},
		{"gp", organisation("A81002"), 403, ""},
		{"both", "X-Nothing: 1", 200, "A81001 A81002"},
		{"both", organisation("A81002"), 200, "A81002"},
		{"both", organisation("a81001"), 200, "A81001"},
		{"both", organisation("LW001"), 403, ""},
		{"op", organisation("A81001"), 403, ""},
	} {
		before := len(w.calls)
		rec := w.do("GET", "/api/v1/referrals", "", "as "+c.as, c.header)
		if c.status == 403 {
			wants(t, rec, 403, "end-user-organisation")
			if len(w.calls) != before || strings.Contains(rec.Header().Get("WWW-Authenticate"), "scope") {
				t.Errorf("%s %s: %v", c.as, c.header, rec.Header())
			}
			continue
		}
		wants(t, rec, c.status, "")
		if got := strings.Join(w.calls[len(w.calls)-1].Principal.Organisations, " "); got != c.acts {
			t.Errorf("%s %s: acts for %q", c.as, c.header, got)
		}
	}
	if got := tokens["both"].Organisations; len(got) != 2 {
		t.Errorf("the shared principal was changed: %v", got)
	}
}

func TestHeadersThatCannotBeReadAreNamed(t *testing.T) {
	w := newWorld(t, nil)
	list := map[string][]string{
		headerOrganisation: {sent("", `{"resourceType":"Organization"}`), sent("", `{"resourceType":"Organization","identifier":[{"system":"https://example.org","value":"A81001"}]}`), sent("", device)},
		headerPractitioner: {sent("", `{"resourceType":"PractitionerRole"}`), sent("", `{"resourceType":"Practitioner","identifier":[{"system":"https://fhir.nhs.uk/Id/sds-user-id","value":"1"}]}`)},
		headerSoftware:     {sent("", `{"resourceType":"Device"}`), sent("", practitionerRole)},
		headerTarget:       {sent("", `{"system":"x"}`), sent("", `{"system":"x","value":""}`), sent("", `{"system":"x","value":5}`), sent("", "null")},
	}
	for name, values := range list {
		whole := sent("", map[string]string{headerOrganisation: decoded(organisation("A81001")), headerPractitioner: practitionerRole, headerSoftware: device, headerTarget: target}[name])
		values = append(values, ": %%%", ": "+strings.TrimRight(strings.TrimPrefix(whole, ": "), "=")+"=x", ": "+strings.TrimPrefix(whole, ": ")+" ===", sent("", "{"), sent("", "[]"), sent("", `"text"`), sent("", ""),
			sent("", "\xff\xfe"), sent("", decoded(whole)+"x"), sent("", `{"resourceType":"Organization","x":"`+strings.Repeat("a", 9<<10)+`"}`))
		for _, value := range values {
			if value == ": " {
				continue // what holds nothing was not sent
			}
			for _, path := range []string{"/fhir/R4/Patient/1", "/api/v1/referrals"} {
				before := len(w.calls)
				rec := w.do("GET", path, "", "as gp", name+value)
				wants(t, rec, 400, "header-value")
				if !strings.Contains(rec.Body.String(), name) || len(w.calls) != before {
					t.Errorf("%s%s: %s", name, value, rec.Body)
				}
			}
		}
		wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp", name+whole, name+whole), 400, "header-value")
		wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp", name+whole), 200, "")
		wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp", name+": "), 200, "")
		if got := w.refused[len(w.refused)-1].call.EndUser; got != (referral.EndUser{}) {
			t.Errorf("half read: %+v", got)
		}
	}
	// who is calling comes before what was sent
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as nobody", headerTarget+": %"), 401, "token-signature")
	wants(t, w.do("GET", "/fhir/R4/metadata", "", headerTarget+": %"), 200, "")
}

// decoded is what a header holds.
func decoded(header string) string {
	_, value, _ := strings.Cut(header, ": ")
	text, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestHeadersThatMustBeSent(t *testing.T) {
	w := newWorld(t, nil)
	w.config.Demands.Headers = []string{headerOrganisation, headerSoftware, headerTarget}
	w.handler = New(w.config)
	all := []string{"as gp", organisation("A81001"), sent(headerSoftware, device), sent(headerTarget, target)}
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", all...), 200, "")
	for i := 1; i < len(all); i++ {
		name, _, _ := strings.Cut(all[i], ": ")
		for _, without := range [][]string{append(append([]string{}, all[:i]...), all[i+1:]...), append(append([]string{name + ": "}, all[:i]...), all[i+1:]...)} {
			rec := w.do("GET", "/fhir/R4/Patient/1", "", without...)
			wants(t, rec, 400, "header-missing")
			if !strings.Contains(rec.Body.String(), name) {
				t.Errorf("%s: %s", name, rec.Body)
			}
		}
	}
	for _, open := range []string{"/fhir/R4/metadata", "/healthz", "/metrics"} {
		wants(t, w.do("GET", open, ""), 200, "")
	}
}

func TestRequestIDsThatMustBeUUIDs(t *testing.T) {
	w := newWorld(t, nil)
	w.config.Demands.UUIDs = true
	w.handler = New(w.config)
	one, two := uuid.NewString(), strings.ToUpper(uuid.NewString())
	rec := w.do("GET", "/fhir/R4/Patient/1", "", "as gp", "X-Request-ID: "+one, "X-Correlation-ID: "+two, "Idempotency-Key: key")
	wants(t, rec, 200, "")
	if rec.Header().Get("X-Request-ID") != one || rec.Header().Get("X-Correlation-ID") != two {
		t.Errorf("%v", rec.Header())
	}
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp", "X-Request-ID: "+two), 200, "")
	wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp"), 400, "header-missing")
	for _, wrong := range []string{"one", strings.ReplaceAll(one, "-", ""), "{" + one + "}", "urn:uuid:" + one, one + "x", one[:35] + "g"} {
		rec := w.do("GET", "/fhir/R4/Patient/1", "", "as gp", "X-Request-ID: "+wrong)
		wants(t, rec, 400, "header-uuid")
		if rec.Header().Get("X-Request-ID") != "made-id" || !strings.Contains(rec.Body.String(), "X-Request-ID") {
			t.Errorf("%s: %v", wrong, rec.Header())
		}
		wants(t, w.do("GET", "/fhir/R4/Patient/1", "", "as gp", "X-Request-ID: "+one, "X-Correlation-ID: "+wrong), 400, "header-uuid")
	}
	wants(t, w.do("GET", "/fhir/R4/metadata", "", "X-Request-ID: probe"), 200, "")
}

func FuzzEndUser(f *testing.F) {
	w := newWorld(&testing.T{}, nil)
	f.Add(decoded(organisation("A81001")), practitionerRole, device, target, false)
	f.Add("{}", "[]", "null", `{"system":"x","value":"y"}`, true)
	f.Fuzz(func(t *testing.T, o, p, d, to string, raw bool) {
		header := func(name, text string) string {
			if raw {
				return name + ": " + text
			}
			return sent(name, text)
		}
		before := len(w.calls)
		_, rec := w.serve("GET", "/fhir/R4/Patient/1", "", "as both", header(headerOrganisation, o), header(headerPractitioner, p), header(headerSoftware, d), header(headerTarget, to))
		switch rec.Code {
		case 200:
			c := w.calls[len(w.calls)-1]
			if ods := c.EndUser.Organisation; ods != "" && (len(c.Principal.Organisations) != 1 || c.Principal.Organisations[0] != ods || !tokens["both"].SpeaksFor(ods)) {
				t.Fatalf("%+v acts for %v", c.EndUser, c.Principal.Organisations)
			}
		case 400, 403:
			if len(w.calls) != before {
				t.Fatal("a refused call was carried out")
			}
		default:
			t.Fatalf("status %d: %s", rec.Code, rec.Body)
		}
		w.calls, w.refused = nil, nil
		w.log.Reset()
	})
}

func TestARefusedEndUserIsRecorded(t *testing.T) {
	w := newWorld(t, nil)
	w.do("GET", "/fhir/R4/Patient/1", "", "as gp", organisation("LW001"))
	last := w.refused[len(w.refused)-1]
	if last.call.EndUser.Organisation != "LW001" || last.call.Principal != tokens["gp"] || issue.All(last.err)[0].Type != issue.Forbidden {
		t.Errorf("%+v", last)
	}
}
