package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// inBase64 is how a header says who stands behind a call.
func inBase64(format string, args ...any) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, format, args...))
}

func actingFor(ods string) []string {
	return []string{"NHSD-End-User-Organisation", inBase64(`{"resourceType":"Organization","identifier":[{"system":%q,"value":%q}],"name":"Practice"}`, referral.SystemODS, ods)}
}

// The organisation in the header, the token and the message is one and the same.
func TestTheOrganisationOfTheHeaderIsTheSender(t *testing.T) {
	w := newWorld(t, "")
	a := w.run(quiet())
	both := a.as(auth.RoleRequester, practiceA, practiceB)
	one := a.as(auth.RoleRequester, practiceA)
	for name, c := range map[string]struct {
		by     caller
		header []string
		sender string
		status int
		rule   string
	}{
		"no header":                            {both, nil, practiceB, 200, ""},
		"the sender":                           {both, actingFor(practiceB), practiceB, 200, ""},
		"the sender, in small letters":         {both, actingFor(strings.ToLower(practiceB)), practiceB, 200, ""},
		"the other of the client":              {both, actingFor(practiceA), practiceB, 403, "sender-header"},
		"one the client does not speak for":    {both, actingFor(practiceC), practiceC, 403, "end-user-organisation"},
		"one the client does not, own message": {one, actingFor(practiceB), practiceA, 403, "end-user-organisation"},
		"the only one":                         {one, actingFor(practiceA), practiceA, 200, ""},
		"the only one, another's message":      {one, actingFor(practiceA), practiceB, 403, "sender-header"},
	} {
		got := c.by.do(http.MethodPost, "/fhir/R4", someone(c.sender).message(), c.header...)
		if got.status != c.status || !bytes.Contains(got.body, []byte(c.rule)) {
			t.Errorf("%s: status %d: %s", name, got.status, got.body)
		}
	}
	// a message that names no sender is from the one who acts
	nobodys := func() []byte {
		b := someone(practiceB).bundle()
		for _, entry := range b.All("entry") {
			if r := entry.Child("resource"); r.ResourceType() == "ServiceRequest" {
				r.Remove("requester")
			}
		}
		return fhir.Encode(b)
	}
	both.do(http.MethodPost, "/fhir/R4", nobodys()).want(http.StatusUnprocessableEntity)
	both.do(http.MethodPost, "/fhir/R4", nobodys(), actingFor(practiceB)...).want(http.StatusOK)
	if n := w.number("SELECT count(*) FROM referral WHERE organisation = '" + practiceB + "'"); n != 4 {
		t.Errorf("%d referrals of the practice that acts", n)
	}
	// what is seen is what the one who acts sees
	for ods, want := range map[string]int{practiceA: 1, practiceB: 4} {
		var found struct{ Total int }
		both.do(http.MethodGet, "/fhir/R4/Task", nil, actingFor(ods)...).want(http.StatusOK).into(&found)
		if found.Total != want {
			t.Errorf("%s sees %d referrals, want %d", ods, found.Total, want)
		}
	}
	if n := w.number("SELECT count(*) FROM audit WHERE interaction = 'search-type' AND actor = '" + practiceB + "'"); n != 1 {
		t.Errorf("%d searches are audited for the practice that acted", n)
	}
}

func TestCallerHeadersCanBeDemanded(t *testing.T) {
	w := newWorld(t, "")
	w.config.RequireCallerHeaders, w.config.RequestUUIDs = true, true
	a := w.run(quiet())
	gp := a.as(auth.RoleRequester, practiceA)
	all := append(actingFor(practiceA), "NHSD-Requesting-Software", inBase64(`{"resourceType":"Device","deviceName":[{"name":"EHR","type":"user-friendly-name"}]}`),
		"NHSD-Target-Identifier", inBase64(`{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":"2000072489"}`), "X-Request-ID", "8d1f9fa1-8a7c-4b5a-8a5e-3fb5f6c9f0a1", "X-Correlation-ID", "e1f6a1d2-4c4b-4f0a-9a53-0a1b2c3d4e5f")
	got := gp.do(http.MethodGet, "/fhir/R4/Task", nil, all...).want(http.StatusOK)
	if got.header.Get("X-Request-ID") != "8d1f9fa1-8a7c-4b5a-8a5e-3fb5f6c9f0a1" || got.header.Get("X-Correlation-ID") != "e1f6a1d2-4c4b-4f0a-9a53-0a1b2c3d4e5f" {
		t.Errorf("%v", got.header)
	}
	for i := 0; i < len(all)-2; i += 2 {
		rest := append(append([]string{}, all[:i]...), all[i+2:]...)
		if got := gp.do(http.MethodGet, "/fhir/R4/Task", nil, rest...).want(http.StatusBadRequest); !bytes.Contains(got.body, []byte(all[i])) {
			t.Errorf("without %s: %s", all[i], got.body)
		}
		wrong := append([]string{}, all...)
		wrong[i+1] = "not that"
		if got := gp.do(http.MethodGet, "/fhir/R4/Task", nil, wrong...).want(http.StatusBadRequest); !bytes.Contains(got.body, []byte(all[i])) || got.header.Get("X-Request-ID") == "not that" {
			t.Errorf("%s: %s", all[i], got.body)
		}
	}
	gp.get("/healthz").want(http.StatusOK)
	gp.get("/fhir/R4/metadata").want(http.StatusOK)
}

// Who the user is goes to the audit and nowhere else: not into the log at any level, not
// into the metrics, and not into the answer to a caller who is refused.
func TestNothingOfAUserReachesTheLogOrTheMetrics(t *testing.T) {
	w := newWorld(t, "")
	w.outside()
	w.config.GPConnectListen = "127.0.0.1:0"
	log := &buffer{}
	a := w.run(slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug - 4, AddSource: true})))
	canaries := []string{"canaryUser", "canaryProfile", "canaryRole", "canarySoftware", "canaryTarget", "canarySub", "canaryIssuer", "canaryLocal", "canaryName", "canaryOds", "canaryTrace", "canaryThumb"}
	headers := []string{
		"NHSD-Requesting-Practitioner", inBase64(`{"resourceType":"PractitionerRole","identifier":[{"system":"https://fhir.nhs.uk/Id/sds-role-profile-id","value":"canaryProfile"}],"practitioner":{"identifier":{"value":"canaryUser"},"display":"canaryName"},"code":[{"coding":[{"code":"canaryRole"}]}]}`),
		"NHSD-Requesting-Software", inBase64(`{"resourceType":"Device","deviceName":{"name":"canarySoftware"}}`),
		"NHSD-Target-Identifier", inBase64(`{"system":"urn:canaryTarget","value":"canaryTarget"}`),
	}
	id := func(system, value string) map[string]any { return map[string]any{"system": system, "value": value} }
	practitioner := map[string]any{"resourceType": "Practitioner", "id": "canarySub", "name": []any{map[string]any{"family": "canaryName"}}, "identifier": []any{
		id("https://fhir.nhs.uk/Id/sds-user-id", "canaryUser"), id("https://fhir.nhs.uk/Id/sds-role-profile-id", "canaryProfile"), id("urn:canaryLocal", "canaryLocal")}}
	spine := []any{"sub", "canarySub", "iss", "https://canaryIssuer.example", "requesting_practitioner", practitioner, "requesting_device", map[string]any{"resourceType": "Device", "model": "canarySoftware"}}
	trace := append([]string{}, ssp...)
	trace[1], trace[3] = "canaryTrace", "canaryTrace"
	roles := []any{map[string]any{"person_roleid": "canaryProfile", "org_code": practiceA, "role_name": "canaryName", "role_code": "S8000:G8000:R8000"}}
	user := []any{"nhsid_useruid", "canaryUser", "sub", "canarySub", "nhsid_nrbac_roles", roles, "name", "canaryName"}
	answers := map[string]answer{
		"headers":            a.as(auth.RoleRequester, practiceA).do(http.MethodPost, "/fhir/R4", someone(practiceA).message(), headers...).want(200),
		"refused afterwards": a.as(auth.RoleOwner, service1).do(http.MethodPost, "/fhir/R4", someone(practiceA).message(), headers...).want(403),
		"unreadable":         a.as(auth.RoleRequester, practiceA).do(http.MethodGet, "/fhir/R4/Task", nil, "NHSD-Requesting-Practitioner", inBase64(`{"resourceType":"canaryRole"}`)).want(400),
		"not spoken for":     a.as(auth.RoleRequester, practiceA).do(http.MethodGet, "/fhir/R4/Task", nil, actingFor("canaryOds")...).want(403),
		"Spine":              a.spinal(spineToken(practiceA, spine...)).do(http.MethodGet, "/fhir/R4/Task", nil, trace...).want(200),
		"Spine, a stranger":  a.spinal(spineToken("canaryOds", spine...)).do(http.MethodGet, "/fhir/R4/Task", nil, trace...).want(403),
		"Spine, expired":     a.spinal(spineToken(practiceA, append(spine, "iat", time.Now().Unix()-600, "exp", time.Now().Unix()-300)...)).do(http.MethodGet, "/fhir/R4/Task", nil, trace...).want(400),
		"Spine, a wrong sub": a.spinal(spineToken(practiceA, append(spine, "sub", "canaryUser")...)).do(http.MethodGet, "/fhir/R4/Task", nil, trace...).want(400),
		"CIS2":               a.with(cis2Key().sign("RS256", person("canaryProfile", user...))).get("/fhir/R4/Task").want(200),
		"CIS2, another role": a.with(cis2Key().sign("RS256", person("canaryRole", user...))).get("/fhir/R4/Task").want(401),
		"a thumbprint":       a.with(cis2Key().sign("RS256", person("canaryProfile", append(user, "cnf", map[string]any{"x5t#S256": "canaryThumb"})...))).get("/fhir/R4/Task").want(401),
	}
	metrics := string(a.as(auth.RoleOperator).get("/metrics").want(http.StatusOK).body)
	a.stop()
	if strings.Count(log.String(), `"msg":"request"`) < len(answers) {
		t.Fatalf("the log: %s", log)
	}
	for _, canary := range canaries {
		for _, text := range []string{canary, strings.ToLower(canary), strings.ToUpper(canary), base64.StdEncoding.EncodeToString([]byte(canary))[:8]} {
			for where, whole := range map[string]string{"log": log.String(), "metrics": metrics} {
				if i := strings.Index(whole, text); i >= 0 {
					t.Errorf("%s is in the %s: …%s", text, where, around(whole, i))
				}
			}
			for name, got := range answers {
				if bytes.Contains(got.body, []byte(text)) {
					t.Errorf("%s is in the answer of %s: %s", text, name, got.body)
				}
			}
		}
	}
}

// The person behind a call is an agent of its AuditEvent, with the role there, by the token
// and by the headers; also where the call is refused, and for the entries of a batch.
func TestWhoStandsBehindACallIsInTheAudit(t *testing.T) {
	w := newWorld(t, "")
	w.outside()
	a := w.run(quiet())
	roles := []any{map[string]any{"person_roleid": "profile1", "org_code": practiceA, "role_name": "clinician", "role_code": "S8000:G8000:R8000"}}
	byToken := a.with(cis2Key().sign("RS256", person("profile1", "nhsid_useruid", "user1", "sub", "user1", "nhsid_nrbac_roles", roles)))
	headers := []string{"NHSD-Requesting-Practitioner", inBase64(`{"resourceType":"PractitionerRole","identifier":[{"system":"https://fhir.nhs.uk/Id/sds-role-profile-id","value":"profile2"}],"practitioner":{"identifier":{"value":"user2"}},"code":[{"coding":[{"code":"role2"}]}]}`)}
	byHeader := a.as(auth.RoleRequester, practiceA)

	byToken.get("/fhir/R4/Task").want(http.StatusOK)
	byToken.get("/fhir/R4/Task/none").want(http.StatusNotFound)
	byToken.do(http.MethodGet, "/fhir/R4/Patient", nil, headers...).want(http.StatusOK) // what the token proves counts
	sent := someone(practiceA)
	byHeader.do(http.MethodPost, "/fhir/R4", sent.message(), headers...).want(http.StatusOK)
	byHeader.do(http.MethodGet, "/fhir/R4/Task/none", nil, headers...).want(http.StatusNotFound)
	byHeader.do(http.MethodPost, "/fhir/R4", []byte(`{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Observation"}},{"request":{"method":"GET","url":"Observation/none"}}]}`), headers...).want(http.StatusOK)

	got := map[string]int{}
	for _, n := range a.as(auth.RoleOperator).audits("") {
		requestors := ""
		for _, agent := range n.All("agent") {
			if agent.Text("requestor") == "true" {
				requestors += agent.Text("type", "coding", "code") + " " + agent.Text("who", "identifier", "value") + " " + agent.Text("role", "text")
			}
		}
		got[n.Text("subtype", "code")+" "+n.Text("outcome")+" by "+requestors]++
	}
	for want, n := range map[string]int{
		"search-type 0 by IRCP user1 S8000:G8000:R8000": 2, "read 4 by IRCP user1 S8000:G8000:R8000": 1,
		"transaction 0 by AUT user2 role2": 1, "read 4 by IRCP user2 role2": 2, "batch 0 by IRCP user2 role2": 1, "search-type 0 by IRCP user2 role2": 1,
	} {
		if got[want] != n {
			t.Errorf("%d times %s, want %d", got[want], want, n)
		}
		delete(got, want)
	}
	if len(got) > 0 {
		t.Errorf("and %v", got)
	}
}
