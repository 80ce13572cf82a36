package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// spineClaims are the claims of a token that GP Connect sends; change replaces some.
func spineClaims(ods string, change ...any) map[string]any {
	id := func(system, value string) map[string]any { return map[string]any{"system": system, "value": value} }
	now := time.Now().Unix()
	return altered(map[string]any{
		"iss": "https://consumer.example/", "sub": "10019", "aud": publicURL + "/fhir/R4", "iat": now, "exp": now + 300,
		"reason_for_request": "directcare", "requested_scope": "patient/*.read",
		"requesting_device":       map[string]any{"resourceType": "Device", "model": "Consumer", "version": "1.2", "identifier": []any{id("https://consumer.example/Id", "d1")}},
		"requesting_organization": map[string]any{"resourceType": "Organization", "name": "Practice", "identifier": []any{id(referral.SystemODS, ods)}},
		"requesting_practitioner": map[string]any{"resourceType": "Practitioner", "id": "10019", "identifier": []any{
			id("https://fhir.nhs.uk/Id/sds-user-id", "555032777777"), id("https://fhir.nhs.uk/Id/sds-role-profile-id", "UNK"), id("https://consumer.example/Id/user", "abc")}},
	}, change)
}

// spineToken is such a token, unsigned.
func spineToken(ods string, change ...any) string {
	return b64([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + b64(mustJSON(spineClaims(ods, change...))) + "."
}

// ssp are the headers of the Spine proxy.
var ssp = []string{"Ssp-TraceID", "629ea9ba-a077-4d99-b289-7a9b19fd4e03", "Ssp-From", "200000000115", "Ssp-To", "200000000116", "Ssp-InteractionID", "urn:nhs:names:services:gpconnect:fhir:rest:read:task"}

// spinal is a client of the listener for GP Connect.
func (a *adapter) spinal(token string) caller { return caller{a.w.t, a.spine, token} }

func spineWorld(t *testing.T) *adapter {
	w := newWorld(t, "")
	w.config.GPConnectListen = "127.0.0.1:0"
	return w.run(quiet())
}

// A structured record comes by the listener of its standard, with a token for that service root.
func TestGPConnectSendsItsOwnDialect(t *testing.T) {
	a := spineWorld(t)
	s := someone(practiceA)
	record := structuredRecord{practice: practiceA, nhsNumber: s.nhsNumber, number: s.identifier}.body()
	write := a.spinal(spineToken(practiceA, "requested_scope", "patient/*.write", "aud", publicURL+"/fhir/STU3"))
	if got := write.do(http.MethodPost, "/fhir/STU3", record, ssp...).want(http.StatusOK).header.Get("X-Referral-Dialect"); got != "gpconnect-stu3" {
		t.Errorf("it is taken as %q", got)
	}
	a.spinal(spineToken(practiceA)).do(http.MethodPost, "/fhir/STU3", record, ssp...).want(http.StatusForbidden)
}

func TestGPConnectReadsAndCreates(t *testing.T) {
	a := spineWorld(t)
	write := a.spinal(spineToken(practiceA, "requested_scope", "patient/*.write"))
	answer := write.do(http.MethodPost, "/fhir/R4", someone(practiceA).message(), ssp...).want(http.StatusOK)
	task := receipt(answer)
	write.do(http.MethodGet, "/fhir/R4/"+task, nil, ssp...).want(http.StatusForbidden)
	read := a.spinal(spineToken(practiceA))
	got := read.do(http.MethodGet, "/fhir/R4/"+task, nil, ssp...).want(http.StatusOK)
	if got.node().ResourceType() != "Task" {
		t.Errorf("%s", got.body)
	}
	read.do(http.MethodPost, "/fhir/R4", someone(practiceA).message(), ssp...).want(http.StatusForbidden)
	read.do(http.MethodGet, "/fhir/R4/HealthcareService", nil, ssp...).want(http.StatusForbidden)
	a.spinal(spineToken(practiceA, "requested_scope", "organization/*.read")).do(http.MethodGet, "/fhir/R4/HealthcareService", nil, ssp...).want(http.StatusOK)
	a.spinal(spineToken(practiceA, "requested_scope", "organization/*.read")).do(http.MethodGet, "/fhir/R4/Patient", nil, ssp...).want(http.StatusForbidden)
	// nothing is updated here, and nobody sees another's
	request := read.do(http.MethodGet, "/fhir/R4/ServiceRequest", nil, ssp...).want(http.StatusOK).node().All("entry")[0].Child("resource")
	write.do(http.MethodPut, "/fhir/R4/ServiceRequest/"+request.Text("id"), fhir.Encode(request), append([]string{"If-Match", `W/"1"`}, ssp...)...).want(http.StatusForbidden)
	a.spinal(spineToken(practiceB)).do(http.MethodGet, "/fhir/R4/"+task, nil, ssp...).want(http.StatusNotFound)
	if got := write.do(http.MethodPost, "/fhir/R4", someone(practiceB).message(), ssp...); got.status != http.StatusForbidden {
		t.Errorf("it refers for another practice: %d", got.status)
	}
	if n := a.w.number("SELECT count(*) FROM audit WHERE client = 'gpconnect:" + practiceA + "' AND actor = '" + practiceA + "'"); n == 0 {
		t.Error("the access is not audited for the practice")
	}
	a.spinal("").get("/fhir/R4/metadata").want(http.StatusOK)
	read.do(http.MethodPost, "/fhir/R4/$convert", someone(practiceA).message(), ssp...).want(http.StatusNotFound)
	read.do(http.MethodGet, "/fhir/R4/$lifecycle", nil, ssp...).want(http.StatusNotFound)
	for _, path := range []string{"/api/v1/referrals", "/metrics", "/healthz", "/openapi.json", "/docs"} {
		got, err := http.Get(a.spine + path)
		if err != nil {
			t.Fatal(err)
		}
		if _ = got.Body.Close(); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", path, got.StatusCode)
		}
	}
}

func TestGPConnectTokensAreHeldToTheirRules(t *testing.T) {
	a := spineWorld(t)
	now := time.Now().Unix()
	in := func(claim, member string, value any) []any {
		resource := spineClaims(practiceA)[claim].(map[string]any)
		return []any{claim, altered(resource, []any{member, value})}
	}
	good := spineToken(practiceA)
	part := strings.Split(good, ".")
	type one struct {
		token  string
		status int
		says   string
	}
	list := map[string]one{
		"in order":             {good, 200, ""},
		"made 200 s ahead":     {spineToken(practiceA, "iat", now+200, "exp", now+500), 200, ""},
		"299 seconds":          {spineToken(practiceA, "exp", now+299), 400, "the claim exp"},
		"301 seconds":          {spineToken(practiceA, "exp", now+301), 400, "the claim exp"},
		"600 seconds slow":     {spineToken(practiceA, "iat", now-600, "exp", now-300), 400, "the claim exp"},
		"another reason":       {spineToken(practiceA, "reason_for_request", "research"), 400, "the claim reason_for_request"},
		"another scope":        {spineToken(practiceA, "requested_scope", "encounter/*.read"), 400, "the claim requested_scope"},
		"another audience":     {spineToken(practiceA, "aud", publicURL), 400, "the claim aud"},
		"sub of another":       {spineToken(practiceA, "sub", "10020"), 400, "the claim requesting_practitioner"},
		"no ODS code":          {spineToken(practiceA, in("requesting_organization", "identifier", nil)...), 400, "the claim requesting_organization"},
		"an unknown practice":  {spineToken("X26"), 403, "requesting_organization"},
		"a type that is wrong": {spineToken(practiceA, in("requesting_device", "resourceType", "Patient")...), 422, "the claim requesting_device"},
		"a type, organisation": {spineToken(practiceA, in("requesting_organization", "resourceType", "Device")...), 422, "the claim requesting_organization"},
		"a type, practitioner": {spineToken(practiceA, in("requesting_practitioner", "resourceType", "Person")...), 422, "the claim requesting_practitioner"},
		"bad base64":           {"%%%." + part[1] + ".", 400, "base64"},
		"bad base64 in claims": {part[0] + ".%%%.", 400, "base64"},
		"no trailing dot":      {strings.TrimSuffix(good, "."), 400, "signature"},
		"a signature":          {good + "c2ln", 400, "signature"},
		"alg None":             {b64([]byte(`{"alg":"None"}`)) + "." + part[1] + ".", 400, "alg"},
		"a signed token":       {cis2Key().sign("RS256", spineClaims(practiceA)), 400, "signature"},
		"a token of ours":      {a.as("requester", practiceA).token, 400, "signature"},
	}
	for claim := range spineClaims(practiceA) {
		list["without "+claim] = one{spineToken(practiceA, claim, nil), 400, "the claim " + claim + " is missing"}
	}
	for name, c := range list {
		got := a.spinal(c.token).do(http.MethodGet, "/fhir/R4/Task", nil, ssp...)
		if got.status != c.status || !bytes.Contains(got.body, []byte(c.says)) {
			t.Errorf("%s: status %d, want %d: %s", name, got.status, c.status, got.body)
		}
		if got.status != 200 && got.node().ResourceType() != "OperationOutcome" {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	a.spinal("").do(http.MethodGet, "/fhir/R4/Task", nil, ssp...).want(http.StatusUnauthorized)
	for i := 0; i < len(ssp); i += 2 {
		rest := append(append([]string{}, ssp[:i]...), ssp[i+2:]...)
		if got := a.spinal(good).do(http.MethodGet, "/fhir/R4/Task", nil, rest...).want(http.StatusBadRequest); !bytes.Contains(got.body, []byte(ssp[i])) {
			t.Errorf("without %s: %s", ssp[i], got.body)
		}
	}
}

// A listener for tokens that prove nothing is off by default, and does not start where
// others than the Spine proxy would reach it.
func TestGPConnectStartsOnlyBehindSpine(t *testing.T) {
	w := newWorld(t, "")
	files := w.authority()
	if a := w.run(quiet()); a.spine != "" {
		t.Error("it listens without being asked to")
	}
	plain := w.config
	for name, c := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"every address":           {func(c *Config) { c.GPConnectListen = "0.0.0.0:0" }, "unsigned tokens"},
		"every address, shorter":  {func(c *Config) { c.GPConnectListen = ":0" }, "unsigned tokens"},
		"every address of IPv6":   {func(c *Config) { c.GPConnectListen = "[::]:0" }, "unsigned tokens"},
		"an address of a network": {func(c *Config) { c.GPConnectListen = "10.1.2.3:0" }, "unsigned tokens"},
		"a name":                  {func(c *Config) { c.GPConnectListen = "adapter.example:0" }, "unsigned tokens"},
		"TLS that asks nobody": {func(c *Config) {
			c.GPConnectListen, c.GPConnectTLSCert, c.GPConnectTLSKey = "0.0.0.0:0", files.cert, files.key
		}, "unsigned tokens"},
		"no port":                   {func(c *Config) { c.GPConnectListen = "127.0.0.1" }, "host:port"},
		"a certificate without key": {func(c *Config) { c.GPConnectListen, c.GPConnectTLSCert = "127.0.0.1:0", files.cert }, "given together"},
		"an authority alone":        {func(c *Config) { c.GPConnectListen, c.GPConnectTLSClientCA = "127.0.0.1:0", files.clientCA }, "needs"},
		"settings without listener": {func(c *Config) { c.GPConnectPlain = true }, "mean nothing"},
		"a certificate that is none": {func(c *Config) {
			c.GPConnectListen, c.GPConnectTLSCert, c.GPConnectTLSKey = "127.0.0.1:0", files.key, files.key
		}, "ADAPTER_GPCONNECT_TLS_CERT_FILE"},
	} {
		w.config = plain
		c.change(&w.config)
		if err := w.refused(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*Config){
		"this machine":              func(c *Config) { c.GPConnectListen = "127.0.0.1:0" },
		"this machine, by its name": func(c *Config) { c.GPConnectListen = "localhost:0" },
		"an override":               func(c *Config) { c.GPConnectListen, c.GPConnectPlain = "0.0.0.0:0", true },
		"mutual TLS": func(c *Config) {
			c.GPConnectListen, c.GPConnectTLSCert, c.GPConnectTLSKey, c.GPConnectTLSClientCA = "0.0.0.0:0", files.cert, files.key, files.clientCA
		},
	} {
		w.config = plain
		change(&w.config)
		if err := w.refused(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGPConnectOverMutualTLS(t *testing.T) {
	w := newWorld(t, "")
	files := w.authority()
	w.config.GPConnectListen, w.config.GPConnectTLSCert, w.config.GPConnectTLSKey, w.config.GPConnectTLSClientCA = "127.0.0.1:0", files.cert, files.key, files.clientCA
	a := w.run(quiet())
	headers := append([]string{"Authorization", "Bearer " + spineToken(practiceA)}, ssp...)
	if status, _, err := files.get(t, a.spine+"/fhir/R4/Task", files.client("spine"), headers...); err != nil || status != http.StatusOK {
		t.Errorf("Spine: status %d, %v", status, err)
	}
	if _, _, err := files.get(t, a.spine+"/fhir/R4/metadata", nil); err == nil {
		t.Error("somebody without a certificate is answered")
	}
}
