package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// rounds is an adapter whose routes are called one by one.
type rounds struct {
	t        *testing.T
	handler  http.Handler
	db       *sql.DB
	tokens   []string // a requester, an owner, an operator: one of them may
	task     func() (id, version string)
	ids      map[string]string // of something stored, by type
	artefact map[string]string
}

// call makes a request and gives what came back with the request id that it had.
func (r *rounds) call(token, method, path, body string, headers ...string) (*httptest.ResponseRecorder, string) {
	q := httptest.NewRequest(method, path, strings.NewReader(body))
	id := uuid.NewString()
	q.Header.Set("X-Request-ID", id)
	q.Header.Set("Content-Type", "application/fhir+json")
	if token != "" {
		q.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, q)
	return w, id
}

// recorded counts the records of a request with some outcome.
func (r *rounds) recorded(request, outcome string) (n int) {
	r.t.Helper()
	if err := r.db.QueryRow("SELECT count(*) FROM audit WHERE request_id = '" + request + "' AND outcome = '" + outcome + "'").Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// aboutSomebody has small resources, those about a Patient with room for the reference.
var aboutSomebody = map[string]string{
	"RelatedPerson":         `"patient":%s,"relationship":[{"text":"carer"}],"name":[{"text":"Nimo Warsame"}]`,
	"Consent":               `"status":"active","scope":{"text":"sharing"},"category":[{"text":"x"}],"patient":%s,"policyRule":{"text":"by telephone"}`,
	"DocumentReference":     `"status":"current","type":{"text":"About me"},"subject":%s,"content":[{"attachment":{"title":"A page"}}]`,
	"QuestionnaireResponse": `"status":"completed","subject":%s,"item":[{"linkId":"1","text":"What matters","answer":[{"valueString":"Sleep"}]}]`,
	"Flag":                  `"status":"active","code":{"text":"No known risks"},"subject":%s`,
	"Condition":             `"subject":%s,"code":{"text":"low mood"},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]}`,
	"Observation":           `"status":"final","code":{"text":"walks"},"subject":%s,"effectiveDateTime":"2026-11-01","valueString":"daily"`,
	"Patient":               `"name":[{"family":"Quillfeather"}],"birthDate":"1951-03-09"`,
	"HealthcareService":     `"name":"Lunch club"`, "Location": `"name":"Hall"`, "Organization": `"name":"A charity"`,
	"Practitioner": `"name":[{"family":"Quill"}]`, "PractitionerRole": `"active":true`,
}

const hookBody = `{"url":"http://127.0.0.1:9/hook","description":"a test"}`

// queries are what operations on artefacts need to be told, by how their path ends.
var queries = map[string]string{
	"ConceptMap/$translate":         "url=https://spadapter.example/fhir/ConceptMap/close-reason-business-status&system=https://spadapter.example/fhir/CodeSystem/close-reason&code=x",
	"ConceptMap/:id/$translate":     "system=https://spadapter.example/fhir/CodeSystem/close-reason&code=x",
	"ValueSet/$expand":              "url=https://spadapter.example/fhir/ValueSet/sp-score",
	"ValueSet/$validate-code":       "url=https://spadapter.example/fhir/ValueSet/sp-score&system=http://snomed.info/sct&code=x",
	"ValueSet/:id/$validate-code":   "system=http://snomed.info/sct&code=x",
	"CodeSystem/$lookup":            "system=https://spadapter.example/fhir/CodeSystem/audience&code=service",
	"CodeSystem/$validate-code":     "url=https://spadapter.example/fhir/CodeSystem/audience&code=service",
	"CodeSystem/:id/$validate-code": "code=service",
	"CodeSystem/$subsumes":          "system=https://spadapter.example/fhir/CodeSystem/audience&codeA=service&codeB=service",
	"CodeSystem/:id/$subsumes":      "codeA=service&codeB=service",
}

// request spells one request of a route that should be answered.
func (r *rounds) request(method, route string) (path, body string, headers []string) {
	kind := ""
	if m := regexp.MustCompile(`^/fhir/R4/([A-Z]\w+)`).FindStringSubmatch(route); m != nil {
		kind = m[1]
	}
	operation := ""
	if i := strings.Index(route, "$"); i >= 0 {
		operation = route[i:]
	}
	id := r.ids[kind]
	var version string
	switch {
	case kind == "Subscription" && strings.Contains(route, ":id"):
		id = r.made("/fhir/R4/Subscription", subscriptionFor("http://127.0.0.1:9/fhir", "id-only", ""))
	case strings.HasPrefix(route, "/api/v1/webhooks/:id"):
		id = r.made("/api/v1/webhooks", hookBody)
		headers = append(headers, "If-Match", `W/"1"`)
	case strings.HasPrefix(route, "/api/v1/activities/:id"):
		id = r.ids["activity"]
		headers = append(headers, "If-Match", `W/"1"`)
	case strings.HasPrefix(route, "/api/v1/services/:id"):
		id = r.ids["service"]
	case r.artefact[kind] != "":
		id = r.artefact[kind]
	case kind == "AuditEvent":
		id = r.ids["AuditEvent"]
	case strings.HasPrefix(route, "/api/v1/referrals/:id"), kind == "Task" && (method == http.MethodPut || method == http.MethodPatch):
		id, version = r.task()
		headers = append(headers, "If-Match", `W/"`+version+`"`)
	}
	delivery := ""
	if strings.Contains(route, ":delivery") {
		w, _ := r.call(r.tokens[0], http.MethodPost, "/api/v1/webhooks/"+id+"/test", "", "Content-Type", "application/json")
		delivery = between(w.Body.String(), `"id":"`, `"`)
		if strings.HasSuffix(route, "replay") {
			if _, err := r.db.Exec("UPDATE delivery SET state = 'dead', open = 0 WHERE id = '" + delivery + "'"); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	path = strings.NewReplacer(":delivery", delivery, ":id", id, ":vid", "1", ":action", "accept", ":type", "Basic").Replace(route)
	if query := queries[strings.TrimPrefix(route, "/fhir/R4/")]; query != "" && (method == http.MethodGet || method == http.MethodHead) {
		path += "?" + query
	} else if query != "" {
		var parameters []string
		for pair := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(pair, "=")
			member := map[string]string{"url": "valueUri", "system": "valueUri"}[name]
			if member == "" {
				member = "valueCode"
			}
			parameters = append(parameters, fmt.Sprintf(`{"name":%q,%q:%q}`, name, member, value))
		}
		return path, `{"resourceType":"Parameters","parameter":[` + strings.Join(parameters, ",") + `]}`, headers
	}
	patient := r.ids["Patient"]
	somebody := byReference("Patient/" + patient)
	if method == http.MethodGet || method == http.MethodHead || method == http.MethodDelete {
		return path, "", headers
	}
	switch {
	case strings.HasSuffix(route, "_search"):
		return path, "_count=2", append(headers, "Content-Type", "application/x-www-form-urlencoded")
	case route == "/fhir/R4" || route == "/fhir/R4/":
		return path, string(someone(practiceA).message()), headers
	case strings.HasPrefix(route, "/fhir/STU3"):
		s := someone(practiceA)
		record := structuredRecord{practice: practiceA, nhsNumber: s.nhsNumber, number: s.identifier}
		if strings.HasSuffix(route, "/ReferralRequest") {
			return path, record.alone(), headers
		}
		return path, string(record.body()), headers
	case operation == "$validate":
		if kind == "" {
			kind = "Basic"
		}
		return path, `{"resourceType":"` + kind + `"}`, headers
	case operation == "$convert", operation == "$transform":
		if !strings.Contains(route, ":id") && kind != "" {
			path += "?source=https://spadapter.example/fhir/StructureMap/" + intakeDialect
		}
		return path, string(fhir.Encode(someone(practiceA).bundle())), headers
	case operation == "$process-message":
		return path, string(encoded(someone(practiceA).barsMessage(service1))), append(append(headers, barsHeaders(practiceA)...), "X-Correlation-ID", uuid.NewString())
	case operation != "":
		return path, `{"resourceType":"Parameters"}`, headers
	case kind == "Subscription":
		body = subscriptionFor("http://127.0.0.1:9/fhir", "id-only", "")
		if method == http.MethodPut {
			body = strings.Replace(body, `"resourceType":"Subscription"`, `"resourceType":"Subscription","id":"`+id+`"`, 1)
		}
		return path, body, headers
	case method == http.MethodPut || method == http.MethodPatch && kind != "":
		w, _ := r.call(r.tokens[0], http.MethodGet, path, "")
		if method == http.MethodPatch {
			return path, `[]`, append(headers, "Content-Type", "application/json-patch+json", "If-Match", w.Header().Get("ETag"))
		}
		return path, w.Body.String(), append(headers, "If-Match", w.Header().Get("ETag"))
	case kind == "ServiceRequest":
		// of somebody else, so that the first has one open referral
		other := r.made("/fhir/R4/Patient", string(fhir.Encode(someone(practiceA).bare())))
		return path, string(fhir.Encode(someone(practiceA).alone(byReference("Patient/" + other)))), headers
	case kind != "":
		more := aboutSomebody[kind]
		if strings.Contains(more, "%s") {
			more = fmt.Sprintf(more, somebody)
		}
		return path, `{"resourceType":"` + kind + `",` + more + `}`, headers
	}
	headers = append(headers, "Content-Type", "application/json")
	switch {
	case route == "/api/v1/webhooks" || method == http.MethodPatch:
		return path, hookBody, headers
	case strings.HasSuffix(route, "/notes"):
		return path, `{"text":"A call"}`, headers
	case strings.HasSuffix(route, "/attachments"):
		return path, `{"title":"Plan","url":"https://tool.example.nhs.uk/1","content_type":"application/pdf"}`, headers
	case strings.HasSuffix(route, "/sharing"):
		return path, `{"level":"summary","reason":"asked"}`, headers
	case route == "/api/v1/facts":
		return path, `{"nhs_number":"` + r.ids["number"] + `","practice":"` + practiceB + `","source":"a test","as_of":"2026-01-01"}`, headers
	case route == "/api/v1/referrals/actions/:action":
		id, version := r.task()
		return path, `{"items":[{"id":"` + id + `","version":` + version + `}]}`, headers
	}
	return path, `{}`, headers
}

// made makes something and gives its id.
func (r *rounds) made(path, body string) string {
	r.t.Helper()
	content := "application/fhir+json"
	if strings.HasPrefix(path, "/api") {
		content = "application/json"
	}
	w, _ := r.call(r.tokens[0], http.MethodPost, path, body, "Content-Type", content)
	if w.Code != http.StatusCreated {
		r.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return between(w.Body.String(), `"id":"`, `"`)
}

func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	out, _, _ := strings.Cut(rest, to)
	return out
}

// Every route that is not open to everybody leaves a record of an access that was answered
// and of one that was refused. The routes are those that the router has: a new one without
// a record, or that this test cannot get an answer from, fails it.
func TestEveryRouteIsAudited(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	w.config.SubscriberNetworks = loopback
	takeBaRS(&w.config)
	c := w.config
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	running, err := newApp(t.Context(), c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer running.store.Close(context.Background())
	defer running.listener.Close()
	r := &rounds{t: t, handler: running.handler, db: w.db(), ids: map[string]string{}, artefact: map[string]string{}}
	defer r.db.Close()
	for _, claims := range []auth.Claims{{Role: auth.RoleRequester, Organisations: []string{practiceA}}, {Role: auth.RoleOwner, Organisations: []string{service1}}, {Role: auth.RoleOwner, Organisations: []string{service2}}, {Role: auth.RoleOperator}} {
		r.tokens = append(r.tokens, w.token(claims, time.Now()))
	}
	r.task = func() (id, version string) {
		got, _ := r.call(r.tokens[0], http.MethodPost, "/fhir/R4", string(someone(practiceA).message()))
		return strings.TrimPrefix(receipt(answer{t, got.Code, got.Header(), got.Body.Bytes()}), "Task/"), "1"
	}
	r.seed()
	bare := w.token(auth.Claims{Role: auth.RoleOperator, Scopes: []string{"system/Basic.r"}}, time.Now())
	calls, audited := 0, 0
	list := reflect.ValueOf(running.handler).MethodByName("Routes").Call(nil)[0]
	for i := range list.Len() {
		method, route := list.Index(i).FieldByName("Method").String(), list.Index(i).FieldByName("Path").String()
		path, body, headers := r.request(method, route)
		if open, _ := r.call("", method, path, body, headers...); open.Code != http.StatusUnauthorized {
			continue
		}
		calls++
		var tried []string
		done := slices.ContainsFunc(r.tokens, func(token string) bool {
			got, id := r.call(token, method, path, body, headers...)
			tried = append(tried, fmt.Sprintf("%d %.400s", got.Code, got.Body))
			if got.Code >= 400 {
				return false
			}
			if n := r.recorded(id, "0"); n == 0 {
				t.Errorf("%s %s is answered without a record", method, route)
			}
			return true
		})
		if !done {
			t.Errorf("%s %s was not answered: %s", method, path, strings.Join(tried, "\n"))
		}
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		got, id := r.call(bare, method, path+separator+"_format=nonsense", body, headers...)
		if n := r.recorded(id, "4"); got.Code < 400 || got.Code >= 500 || n == 0 {
			t.Errorf("%s %s is refused with %d and %d records", method, route, got.Code, n)
		} else {
			audited++
		}
	}
	if t.Logf("%d routes", calls); calls < 200 || audited != calls {
		t.Errorf("%d routes, %d audited", calls, audited)
	}
	// a stream has its record before it begins
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	q := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/events?since=0", bytes.NewReader(nil))
	q.Header.Set("Authorization", "Bearer "+r.tokens[1])
	q.Header.Set("Accept", "text/event-stream")
	q.Header.Set("X-Request-ID", "stream")
	r.handler.ServeHTTP(httptest.NewRecorder(), q)
	if n := r.recorded("stream", "0"); n != 1 {
		t.Errorf("a stream has %d records", n)
	}
	report, err := running.store.VerifyAudit(t.Context(), nil, nil, nil)
	if err != nil || len(report.Faults) > 0 {
		t.Errorf("%v %+v", err, report)
	}
}

// seed stores one resource of each type and looks for an artefact of each.
func (r *rounds) seed() {
	act := func(id, version, action string, in referral.Input) string {
		got, _ := r.call(r.tokens[1], http.MethodPost, "/api/v1/referrals/"+id+"/actions/"+action, string(mustJSON(in)), "Content-Type", "application/json", "If-Match", `W/"`+version+`"`)
		if got.Code != http.StatusOK {
			r.t.Fatalf("%s: %d %s", action, got.Code, got.Body)
		}
		return got.Body.String()
	}
	ended, _ := r.task()
	act(ended, "1", "accept", referral.Input{})
	act(ended, "2", "complete", referral.Input{Outcome: fullOutcome()})
	sent, _ := r.task()
	act(sent, "1", "accept", referral.Input{})
	act(sent, "2", "contact", referral.Input{Channel: "telephone", Result: "reached"})
	v := act(sent, "3", "refer", referral.Input{Activity: &referral.ActivityInput{Provider: service2, Name: "Choir", Consent: true}})
	r.ids["activity"] = between(v[strings.Index(v, `"activities"`):], `"id":"`, `"`)
	id, _ := r.task()
	got, _ := r.call(r.tokens[0], http.MethodGet, "/fhir/R4/Task/"+id, "")
	told := someone(practiceA)
	if got, _ := r.call(r.tokens[0], http.MethodPost, "/fhir/R4", string(told.message())); got.Code != http.StatusOK {
		r.t.Fatalf("%d %s", got.Code, got.Body)
	}
	r.ids["number"] = told.nhsNumber
	r.ids["Task"], r.ids["Patient"] = id, between(got.Body.String(), `"reference":"Patient/`, `"`)
	for _, kind := range referral.ResourceTypes() {
		got, _ := r.call(r.tokens[0], http.MethodGet, "/fhir/R4/"+kind+"?_count=1", "")
		if found := between(got.Body.String(), "/fhir/R4/"+kind+"/", `"`); got.Code == http.StatusOK && found != "" {
			r.ids[kind] = found
			continue
		}
		if aboutSomebody[kind] != "" {
			_, body, _ := r.request(http.MethodPost, "/fhir/R4/"+kind)
			r.ids[kind] = r.made("/fhir/R4/"+kind, body)
		}
	}
	for _, kind := range []string{"StructureMap", "ConceptMap", "ValueSet", "CodeSystem", "OperationDefinition", "MessageDefinition"} {
		query := map[string]string{"ConceptMap": "&url=https://spadapter.example/fhir/ConceptMap/close-reason-business-status", "ValueSet": "&url=https://spadapter.example/fhir/ValueSet/sp-score",
			"CodeSystem": "&url=https://spadapter.example/fhir/CodeSystem/audience", "StructureMap": "&url=https://spadapter.example/fhir/StructureMap/" + intakeDialect}[kind]
		got, _ := r.call(r.tokens[0], http.MethodGet, "/fhir/R4/"+kind+"?_count=1"+query, "")
		r.artefact[kind] = between(got.Body.String(), "/fhir/R4/"+kind+"/", `"`)
	}
	got, _ = r.call(r.tokens[0], http.MethodGet, "/fhir/R4/AuditEvent?_count=1", "")
	r.ids["AuditEvent"] = between(got.Body.String(), "/fhir/R4/AuditEvent/", `"`)
}

// bare is the Patient without what refers to others.
func (s *synthetic) bare() *fhir.Node {
	n := s.patient()
	n.Remove("generalPractitioner")
	n.Remove("managingOrganization")
	return n
}
