package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"spadapter/adapter/gateway"
	"spadapter/adapter/referral"
)

// open reports whether a route needs no token.
func open(r gateway.Route) bool {
	return slices.Contains([]string{"/fhir/R4/metadata", "/fhir/R4/.well-known/smart-configuration", "/fhir/STU3/metadata", "/oauth2/token", "/jwks.json", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"}, r.Path) || strings.HasPrefix(r.Path, "/docs/")
}

// unscoped reports whether a route needs no scope of its own.
func unscoped(r gateway.Route) bool {
	kind, _, _ := strings.Cut(strings.TrimPrefix(r.Path, "/fhir/R4/"), "/")
	return r.Path == "/fhir/STU3" || r.Path == "/fhir/STU3/" || r.Path == "/fhir/R4" || r.Path == "/fhir/R4/" || strings.Contains(r.Path, "$") && !strings.Contains(r.Path, "/:id/$validate") && kind != "Subscription" ||
		slices.Contains([]string{"StructureMap", "ConceptMap", "ValueSet", "CodeSystem", "OperationDefinition", "MessageDefinition"}, kind)
}

// routeRules say what is asked of a route, by method and path; {type} stands for a stored type.
var routeRules = map[string]func(m *matrix, kind, path string) []ask{
	"GET /fhir/R4/{type}/:id": func(_ *matrix, kind, path string) []ask {
		return conditional(http.MethodGet, placed(path, kind), "If-None-Match", "_elements=id", "_summary=true", "_format=xml")
	},
	"GET /fhir/R4/{type}/:id/_history": func(_ *matrix, kind, path string) []ask {
		return conditional(http.MethodGet, placed(path, kind), "If-None-Match", "_count=1", "_count=0", "_since=2020-01-01", "_cursor={cursor"+kind+"}")
	},
	"GET /fhir/R4/{type}/:id/_history/:vid": func(_ *matrix, kind, path string) []ask {
		list := conditional(http.MethodGet, strings.Replace(placed(path, kind), ":vid", "1", 1), "If-None-Match")
		for _, number := range []string{"2", "999", "0", "x"} {
			list = append(list, ask{method: http.MethodGet, path: strings.Replace(placed(path, kind), ":vid", number, 1)})
		}
		return list
	},
	"GET /fhir/R4/{type}/_history": func(_ *matrix, kind, path string) []ask {
		return gets(path, "", "_count=1", "_count=200", "_since=2020-01-01", "_cursor={cursor"+kind+"}")
	},
	"GET /fhir/R4/{type}":          func(_ *matrix, kind, path string) []ask { return gets(path, everyQuery(kind)...) },
	"POST /fhir/R4/{type}/_search": searchForms,
	"PUT /fhir/R4/{type}/:id": func(_ *matrix, kind, path string) []ask {
		return changes(http.MethodPut, placed(path, kind), minimal(kind, "{"+kind+"}"))
	},
	"PATCH /fhir/R4/{type}/:id": func(_ *matrix, kind, path string) []ask {
		list := changes(http.MethodPatch, placed(path, kind), `[{"op":"replace","path":"/status","value":"cancelled"}]`)
		for i := range list {
			list[i].headers = append(list[i].headers, "Content-Type", "application/json-patch+json")
		}
		return append(list, changes(http.MethodPatch, placed(path, kind), `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"`+kind+`.status"},{"name":"value","valueCode":"cancelled"}]}]}`)...)
	},
	"POST /fhir/R4/{type}": func(_ *matrix, kind, path string) []ask {
		// nothing is created: what is sent leads to what the caller has not, or says nothing
		return []ask{{method: http.MethodPost, path: path, body: `{"resourceType":"` + kind + `","id":"{` + kind + `}","nonsense":1}`}, {method: http.MethodPost, path: path, body: "{"}}
	},
	"POST /fhir/R4/{type}/$validate":     func(_ *matrix, kind, path string) []ask { return validations(kind, path) },
	"POST /fhir/R4/{type}/:id/$validate": func(_ *matrix, kind, path string) []ask { return validations(kind, placed(path, kind)) },
	"GET /fhir/R4/{type}/:id/$validate":  func(_ *matrix, kind, path string) []ask { return gets(placed(path, kind), "", "mode=profile") },
	"POST /fhir/R4/$validate":            func(_ *matrix, _, path string) []ask { return validations("ServiceRequest", path) },
	"POST /fhir/R4/:type/$validate": func(_ *matrix, _, path string) []ask {
		return validations("ServiceRequest", strings.Replace(path, ":type", "Bundle", 1))
	},
	"POST /fhir/R4/$process-message": refusedMessages,
	"POST /fhir/R4":                  refusedTransactions,
	"POST /fhir/R4/":                 refusedTransactions,

	"GET /fhir/STU3/metadata":         func(_ *matrix, _, path string) []ask { return gets(path, "", "_format=xml") },
	"POST /fhir/STU3":                 refusedRecords,
	"POST /fhir/STU3/":                refusedRecords,
	"POST /fhir/STU3/ReferralRequest": refusedReferrals,

	// a caller's own refusals name what it asked for, so that entity is not asked here
	"GET /fhir/R4/AuditEvent": func(_ *matrix, _, path string) []ask {
		return gets(path, "patient={Patient}", "patient=Patient/{Patient}&_count=1", "patient={Patient}&_summary=count", "agent={ods}", "agent={service}&date=ge2020-01-01", "_id={AuditEvent}", "patient={Patient}&action=R&outcome=0")
	},
	"POST /fhir/R4/AuditEvent/_search": func(_ *matrix, _, path string) []ask {
		return []ask{form(path, "patient={Patient}"), form(path+"?patient={Patient}", "action=C"), form(path, "_id={AuditEvent}")}
	},
	"GET /fhir/R4/AuditEvent/:id": func(_ *matrix, _, path string) []ask {
		return conditional(http.MethodGet, placed(path, "AuditEvent"), "If-None-Match", "_format=xml")
	},
	"GET /fhir/R4/.well-known/smart-configuration": func(_ *matrix, _, path string) []ask { return gets(path, "", "client_id={word}") },
	"GET /jwks.json": func(_ *matrix, _, path string) []ask { return gets(path, "", "kid={word}") },
	"POST /oauth2/token": func(_ *matrix, _, path string) []ask {
		const kind = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
		return []ask{form(path, "grant_type=client_credentials&scope=system/*.cruds&"+kind+"&client_assertion={word}"), form(path, "grant_type={word}"), form(path, "")}
	},

	"GET /api/v1/referrals": func(_ *matrix, _, path string) []ask {
		return gets(path, "", "patient={Patient}", "owner={service}", "practice={ods}", "status=received,accepted,in-progress,completed", "open=true", "open=false", "risk=true", "since=2020-01-01", "sort=due", "sort=updated&count=1", "need=loneliness", "cursor={cursorTask}")
	},
	"GET /api/v1/referrals/:id": func(_ *matrix, _, path string) []ask {
		return conditional(http.MethodGet, placed(path, "Task"), "If-None-Match")
	},
	"GET /api/v1/referrals/:id/summary": func(_ *matrix, _, path string) []ask {
		list := conditional(http.MethodGet, placed(path, "Task"), "If-None-Match")
		for _, form := range []string{"application/pdf", "text/plain", "application/json"} {
			list = append(list, ask{method: http.MethodGet, path: placed(path, "Task"), headers: []string{"Accept", form}})
		}
		return list
	},
	"POST /api/v1/referrals/:id/actions/:action": func(_ *matrix, _, path string) (list []ask) {
		for _, action := range append(referral.Actions(), "nonsense") {
			list = append(list, changes(http.MethodPost, strings.Replace(placed(path, "Task"), ":action", action, 1), `{}`)...)
		}
		return list
	},
	"POST /api/v1/referrals/actions/:action": func(_ *matrix, _, path string) (list []ask) {
		for _, action := range append(referral.Actions(), "nonsense") {
			list = append(list, ask{method: http.MethodPost, path: strings.Replace(path, ":action", action, 1), body: `{"items":[{"id":"{Task}","version":3,"input":{}},{"id":"{Patient}","version":1,"input":{}},{"id":"{activity}","version":1,"input":{}}]}`})
		}
		return list
	},
	"POST /api/v1/referrals/:id/notes": func(_ *matrix, _, path string) []ask {
		return changes(http.MethodPost, placed(path, "Task"), `{"text":"A note.","replaces":"{note}"}`)
	},
	"POST /api/v1/referrals/:id/attachments": func(_ *matrix, _, path string) []ask {
		return changes(http.MethodPost, placed(path, "Task"), `{"title":"A letter","url":"https://tool.example.nhs.uk/1","content_type":"application/pdf"}`)
	},
	"POST /api/v1/referrals/:id/sharing": func(_ *matrix, _, path string) []ask {
		return changes(http.MethodPost, placed(path, "Task"), `{"level":"none","reason":"asked"}`)
	},
	"GET /api/v1/ledger": func(_ *matrix, _, path string) []ask { return gets(path, "", "count=1", "cursor={cursorTask}") },
	"POST /api/v1/facts": func(_ *matrix, _, path string) []ask {
		body := func(member string) string {
			return `{"nhs_number":"{nhs}",` + member + `"source":"a test","as_of":"2026-01-01"}`
		}
		return []ask{{method: http.MethodPost, path: path, body: body(`"deceased":true,`)}, {method: http.MethodPost, path: path, body: body(`"practice":"{ods}",`)}, {method: http.MethodPost, path: path, body: body("")}}
	},
	"GET /api/v1/activities": func(_ *matrix, _, path string) []ask {
		return gets(path, "", "open=true", "open=false", "count=1", "cursor={cursorTask}")
	},
	"GET /api/v1/activities/:id": func(_ *matrix, _, path string) []ask {
		return append(conditional(http.MethodGet, placed(path, "activity"), "If-None-Match"), conditional(http.MethodGet, placed(path, "Task"), "If-None-Match")...)
	},
	"POST /api/v1/activities/:id/actions/:action": func(_ *matrix, _, path string) (list []ask) {
		for _, action := range append(referral.ActivityActions(), "nonsense") {
			list = append(list, changes(http.MethodPost, strings.Replace(placed(path, "activity"), ":action", action, 1), `{}`)...)
		}
		return list
	},
	"GET /api/v1/events": func(_ *matrix, _, path string) []ask {
		return gets(path, "", "after=0", "after=1", "count=500", "organisation={ods}", "organisation={service}", "after=0&organisation={service}", "after=99999")
	},
	"GET /api/v1/services":     func(_ *matrix, _, path string) []ask { return gets(path, "", "name={family}") },
	"GET /api/v1/services/:id": func(_ *matrix, _, path string) []ask { return gets(placed(path, "Task"), "") },

	"POST /api/v1/webhooks": func(_ *matrix, _, path string) []ask {
		return []ask{{method: http.MethodPost, path: path, body: `{"url":"http://{word}.invalid"}`}, {method: http.MethodPost, path: path, body: `{"organisation":"{service}","url":"https://127.0.0.1:1/"}`}}
	},
	"GET /api/v1/webhooks": func(_ *matrix, _, path string) []ask {
		return gets(path, "", "organisation={service}", "organisation={ods}", "count=1")
	},
	"GET /api/v1/webhooks/:id": func(_ *matrix, _, path string) []ask {
		return conditional(http.MethodGet, placed(path, "webhook"), "If-None-Match")
	},
	"PATCH /api/v1/webhooks/:id": func(_ *matrix, _, path string) []ask {
		return changes(http.MethodPatch, placed(path, "webhook"), `{"description":"mine now"}`)
	},
	"DELETE /api/v1/webhooks/:id":             func(_ *matrix, _, path string) []ask { return changes(http.MethodDelete, placed(path, "webhook"), "") },
	"POST /api/v1/webhooks/:id/pause":         onWebhook,
	"POST /api/v1/webhooks/:id/resume":        onWebhook,
	"POST /api/v1/webhooks/:id/test":          onWebhook,
	"POST /api/v1/webhooks/:id/rotate-secret": onWebhook,
	"GET /api/v1/webhooks/:id/deliveries": func(_ *matrix, _, path string) []ask {
		return gets(placed(path, "webhook"), "", "state=dead", "count=1")
	},
	"GET /api/v1/webhooks/:id/deliveries/:delivery": func(_ *matrix, _, path string) []ask {
		return gets(strings.Replace(placed(path, "webhook"), ":delivery", "{delivery}", 1), "")
	},
	"POST /api/v1/webhooks/:id/deliveries/:delivery/replay": func(_ *matrix, _, path string) []ask {
		return changes(http.MethodPost, strings.Replace(placed(path, "webhook"), ":delivery", "{delivery}", 1), `{}`)
	},

	"POST /fhir/R4/Subscription": func(_ *matrix, _, path string) []ask {
		return []ask{{method: http.MethodPost, path: path, body: `{"resourceType":"Subscription","id":"{Subscription}","status":"requested"}`}}
	},
	"GET /fhir/R4/Subscription": func(_ *matrix, _, path string) []ask {
		return gets(path, "", "_id={Subscription}", "status=active", "url={word}", "_count=1")
	},
	"GET /fhir/R4/Subscription/:id": func(_ *matrix, _, path string) []ask {
		return conditional(http.MethodGet, placed(path, "Subscription"), "If-None-Match")
	},
	"PUT /fhir/R4/Subscription/:id": func(_ *matrix, _, path string) []ask {
		return changes(http.MethodPut, placed(path, "Subscription"), `{"resourceType":"Subscription","id":"{Subscription}","status":"off","reason":"x","criteria":"`+referral.TopicReferral+`","channel":{"type":"rest-hook"}}`)
	},
	"DELETE /fhir/R4/Subscription/:id": func(_ *matrix, _, path string) []ask {
		return changes(http.MethodDelete, placed(path, "Subscription"), "")
	},
	"GET /fhir/R4/Subscription/$status":      func(_ *matrix, _, path string) []ask { return gets(path, "", "id={Subscription}", "status=active") },
	"POST /fhir/R4/Subscription/$status":     onSubscription,
	"GET /fhir/R4/Subscription/:id/$status":  func(_ *matrix, _, path string) []ask { return gets(placed(path, "Subscription"), "") },
	"POST /fhir/R4/Subscription/:id/$status": onSubscription,
	"GET /fhir/R4/Subscription/:id/$events": func(_ *matrix, _, path string) []ask {
		return gets(placed(path, "Subscription"), "", "eventsSinceNumber=1", "eventsSinceNumber=0&eventsUntilNumber=99", "content=full-resource")
	},
	"POST /fhir/R4/Subscription/:id/$events": onSubscription,
	"POST /fhir/R4/Subscription/_search": func(_ *matrix, _, path string) []ask {
		return []ask{form(path, "_id={Subscription}"), form(path, "")}
	},
}

// programs are routes that read nothing which is stored: they are asked without and with what
// is foreign, and nothing of it comes back.
var programs = []string{
	"/fhir/R4/metadata", "/fhir/R4/$convert", "/fhir/R4/$lifecycle", "/fhir/R4/StructureMap", "/fhir/R4/ConceptMap", "/fhir/R4/ValueSet", "/fhir/R4/CodeSystem",
	"/fhir/R4/OperationDefinition", "/fhir/R4/MessageDefinition", "/healthz", "/readyz", "/openapi.json", "/docs", "/metrics",
}

// refusedMessages ask to take a request back, by its id here and by its identifier, for a person
// whom it is not about: nothing of the caller's own changes.
func refusedMessages(m *matrix, _, path string) (list []ask) {
	s := someone(practiceA)
	for _, key := range []string{"{ServiceRequest}", "{Task}", "{Patient}"} {
		b := s.takenBack("revoked", "")
		request := messageOf(b, "ServiceRequest")
		request.Remove("identifier")
		if key == "{Patient}" {
			addIdentifier(request, "https://millbrook.example/referrals", "{word}")
		} else {
			request.Set("id", "PLACE")
		}
		body := strings.Replace(string(encoded(b)), "PLACE", key, 1)
		list = append(list, ask{method: http.MethodPost, path: path, body: body, headers: append(barsHeaders(practiceA), "X-Request-ID", key, "X-Correlation-ID", "{Task}")})
	}
	return list
}

// asks are the requests of a route; false for a route that nobody has said anything about.
func (m *matrix) asks(r gateway.Route) ([]ask, bool) {
	rule, method := r, r.Method
	if method == http.MethodHead {
		rule.Method = http.MethodGet
	}
	kind := ""
	if rest, ok := strings.CutPrefix(r.Path, "/fhir/R4/"); ok {
		first, below, _ := strings.Cut(rest, "/")
		if slices.Contains(referral.ResourceTypes(), first) {
			kind = first
			rule.Path = "/fhir/R4/{type}"
			if below != "" {
				rule.Path += "/" + below
			}
		}
	}
	var list []ask
	if f := routeRules[rule.Method+" "+rule.Path]; f != nil {
		list = f(m, kind, r.Path)
	} else if slices.ContainsFunc(programs, func(p string) bool { return r.Path == p || strings.HasPrefix(r.Path, p+"/") }) {
		path := strings.NewReplacer(":id", "{Task}", "*file", "{Task}", ":file", "{Task}").Replace(r.Path)
		list = []ask{{method: rule.Method, path: path}, {method: rule.Method, path: path + "?url={Patient}&identifier={nhs}", body: `{"resourceType":"Patient","id":"{Patient}"}`}}
		if r.Path == "/metrics" {
			list = list[:1] // it counts what is asked
		}
	} else {
		return nil, false
	}
	if method == http.MethodHead {
		var heads []ask
		for i, a := range list {
			if i%6 == 0 { // the answers are those of GET
				a.method = method
				heads = append(heads, a)
			}
		}
		list = heads
	}
	return list, true
}

// placed names a resource of a kind in the place of :id.
func placed(path, kind string) string { return strings.Replace(path, ":id", "{"+kind+"}", 1) }

// gets are requests of one address with each of some queries.
func gets(path string, queries ...string) (list []ask) {
	for _, q := range queries {
		if q != "" {
			q = "?" + q
		}
		list = append(list, ask{method: http.MethodGet, path: path + q})
	}
	return list
}

// conditional are requests of one address by id, without and with a version, with queries, and
// with what is no id.
func conditional(method, path, header string, queries ...string) []ask {
	list := append([]ask{{method: method, path: path}}, gets(path, queries...)...)
	for _, tag := range []string{`W/"1"`, `W/"3"`, `*`, `nonsense`} {
		list = append(list, ask{method: method, path: path, headers: []string{header, tag}})
	}
	open, closed := strings.Index(path, "{"), strings.Index(path, "}")
	for _, id := range malformed {
		list = append(list, ask{method: method, path: path[:open] + id + path[closed+1:]})
	}
	return list
}

// changes are attempts to change what is named in an address: with each version, and under
// the keys of somebody else.
func changes(method, path, body string) (list []ask) {
	list = append(list, ask{method: method, path: path, body: body})
	for _, headers := range [][]string{
		{"If-Match", `W/"1"`}, {"If-Match", `W/"7"`}, {"If-Match", `W/"7"`, "Idempotency-Key", "{word}-key"}, {"If-Match", `W/"7"`, "X-Request-ID", "{word}-request"},
		{"If-Match", `W/"7"`, "Prefer", "return=representation"},
	} {
		list = append(list, ask{method: method, path: path, body: body, headers: headers})
	}
	return list
}

func onWebhook(_ *matrix, _, path string) []ask {
	return changes(http.MethodPost, placed(path, "webhook"), `{}`)
}

func onSubscription(_ *matrix, _, path string) []ask {
	return []ask{
		{method: http.MethodPost, path: placed(path, "Subscription"), body: `{"resourceType":"Parameters"}`},
		{method: http.MethodPost, path: placed(path, "Subscription"), body: `{"resourceType":"Parameters","parameter":[{"name":"id","valueId":"{Subscription}"}]}`},
	}
}

// minimal is a resource that names others.
func minimal(kind, id string) string {
	return `{"resourceType":"` + kind + `","id":"` + id + `","status":"completed","intent":"order","subject":{"reference":"Patient/{Patient}"}}`
}

func validations(kind, path string) []ask {
	return []ask{
		{method: http.MethodPost, path: path, body: minimal(kind, "{"+kind+"}")},
		{method: http.MethodPost, path: path, body: `{"resourceType":"Parameters","parameter":[{"name":"mode","valueCode":"create"},{"name":"resource","resource":` + minimal(kind, "x") + `}]}`},
		{method: http.MethodPost, path: path, body: `{"resourceType":"Parameters"}`},
	}
}

func form(path, body string) ask {
	return ask{method: http.MethodPost, path: path, body: body, headers: []string{"Content-Type", "application/x-www-form-urlencoded"}}
}

func searchForms(_ *matrix, kind, path string) (list []ask) {
	for i, q := range everyQuery(kind) {
		if i%4 == 0 { // what is searched for is the same as with GET
			list = append(list, form(path, q))
		} else if i%4 > 1 {
			continue
		} else if first, rest, ok := strings.Cut(q, "&"); ok { // some in the address
			list = append(list, form(path+"?"+first, rest))
		} else {
			list = append(list, form(path+"?"+q, ""))
		}
	}
	return list
}

// askedValue is what a parameter is asked with.
func askedValue(kind string, p referral.SearchParam) string {
	switch p.Name {
	case "_id":
		return "{" + kind + "}"
	case "_lastUpdated", "authored", "date":
		return "gt2000-01-01"
	case "birthdate":
		return "{birth}"
	case "family":
		return "{family}"
	case "identifier":
		return "{nhs},{identifier},{" + kind + "}"
	case "owner", "requester":
		return "{ods},{service}"
	case "status":
		return "requested,received,accepted,in-progress,completed,active,final,current"
	case "business-status":
		return "contacted,goals-met,awaiting-triage"
	case "code":
		return "105529008,871731000000106"
	case "target":
		return "Task/{Task}"
	}
	if len(p.Targets) > 0 {
		return p.Targets[0] + "/{" + p.Targets[0] + "}"
	}
	return "{word}"
}

// everyQuery gives searches of a type by everything that it can be searched by, in every way.
func everyQuery(kind string) []string {
	list := []string{"", "_count=0", "_count=1", "_summary=count", "_total=none", "_total=accurate&_count=1", "_sort=_lastUpdated", "_sort=-_lastUpdated&_count=1", "_elements=id", "_count=1&_cursor={cursor" + kind + "}", "_cursor={cursor" + kind + "}", "nonsense={word}"}
	common := []referral.SearchParam{{Name: "_id"}, {Name: "_lastUpdated"}}
	own := append(common, referral.SearchParams(kind)...)
	for _, p := range own {
		list = append(list, p.Name+"="+askedValue(kind, p), p.Name+"="+askedValue(kind, p)+"&_total=accurate&_count=0")
		for _, modifier := range p.Modifiers {
			text := map[string]string{referral.ModifierNot: askedValue(kind, p), referral.ModifierMissing: "true", referral.ModifierIdentifier: "{nhs},{identifier},{Task}"}[modifier]
			if p.Kind == referral.ParamOwner || p.Kind == referral.ParamRequester {
				text = askedValue(kind, p)
			}
			list = append(list, p.Name+":"+modifier+"="+text)
		}
		for _, target := range p.Targets {
			list = append(list, "_include="+kind+":"+p.Name, "_include="+kind+":"+p.Name+":"+target+"&_id={"+kind+"}", p.Name+":"+target+"={"+target+"}")
			for _, inner := range append(common, referral.SearchParams(target)...) {
				list = append(list, p.Name+":"+target+"."+inner.Name+"="+askedValue(target, inner))
			}
		}
	}
	for _, from := range referral.ResourceTypes() {
		for _, p := range referral.SearchParams(from) {
			if !slices.Contains(p.Targets, kind) {
				continue
			}
			list = append(list, "_revinclude="+from+":"+p.Name, "_revinclude="+from+":"+p.Name+"&_id={"+kind+"}")
			for _, inner := range append(common, referral.SearchParams(from)...) {
				list = append(list, "_has:"+from+":"+p.Name+":"+inner.Name+"="+askedValue(from, inner))
			}
			list = append(list, "_has:"+from+":"+p.Name+":_id={"+from+"}&_total=accurate&_count=0")
		}
	}
	return list
}

// batches wrap what GET asks into entries of batches.
func (m *matrix) batches(routes []gateway.Route) (list []ask) {
	var entries []string
	flush := func() {
		if len(entries) > 0 {
			list = append(list, ask{method: http.MethodPost, path: "/fhir/R4", entries: len(entries), body: `{"resourceType":"Bundle","type":"batch","entry":[` + strings.Join(entries, ",") + `]}`})
			entries = nil
		}
	}
	for _, r := range routes {
		target, ok := strings.CutPrefix(r.Path, "/fhir/R4/")
		if !ok || r.Method != http.MethodGet || target == "metadata" {
			continue
		}
		asks, _ := m.asks(r)
		for i, a := range asks {
			if i%4 != 0 || strings.Contains(a.path, "%") { // the ways to write it are those of the address
				continue
			}
			entries = append(entries, fmt.Sprintf(`{"request":{"method":"GET","url":%q}}`, strings.TrimPrefix(a.path, "/fhir/R4/")))
			if len(entries) == 50 {
				flush()
			}
		}
	}
	flush()
	return list
}

// transaction is a Bundle of POSTs.
func transaction(resources ...string) string {
	var entries []string
	for i, r := range resources {
		kind, _, _ := strings.Cut(r[len(`{"resourceType":"`):], `"`)
		entries = append(entries, fmt.Sprintf(`{"fullUrl":"urn:uuid:5a1d7c52-0b7e-4c1a-9a53-0000000000%02d","resource":%s,"request":{"method":"POST","url":%q}}`, i, r, kind))
	}
	return `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(entries, ",") + `]}`
}

const loneRequest = `"status":"active","intent":"order","code":{"coding":[{"system":"http://snomed.info/sct","code":"` + referral.CodeReferral + `"}]}`

// refusedTransactions refer to what the caller has not, in each way that a reference can be
// written: nothing is made of them.
func refusedTransactions(_ *matrix, _, path string) (list []ask) {
	request := func(more string) string { return `{"resourceType":"ServiceRequest",` + loneRequest + more + `}` }
	observation := `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://snomed.info/sct","code":"105529008"}]},`
	for _, body := range []string{
		transaction(request(`,"subject":{"reference":"Patient/{Patient}"}`)),
		transaction(request(`,"subject":{"reference":"` + publicURL + `/fhir/R4/Patient/{Patient}"}`)),
		transaction(request(`,"subject":{"reference":"Patient/{Patient}/_history/1"}`)),
		transaction(request(`,"subject":{"reference":"Patient?identifier=` + referral.SystemNHSNumber + `|{nhs}"}`)),
		transaction(observation + `"subject":{"reference":"Patient/{Patient}"}}`),
		transaction(observation + `"subject":{"reference":"Patient/{Patient}"},"basedOn":[{"reference":"ServiceRequest/{ServiceRequest}"}]}`),
		transaction(observation + byNumberMember("{nhs}") + `}`),
		transaction(observation + byNumberMember("{nhs}") + `,"basedOn":[{"reference":"ServiceRequest/{ServiceRequest}"}]}`),
		transaction(`{"resourceType":"RelatedPerson","patient":{"reference":"Patient/{Patient}"}}`),
		transaction(`{"resourceType":"Task","status":"completed","intent":"order","focus":{"reference":"ServiceRequest/{ServiceRequest}"}}`),
		transaction(`{"resourceType":"Provenance","target":[{"reference":"Task/{Task}"}]}`),
		`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Task","id":"{Task}","status":"completed","intent":"order"},"request":{"method":"PUT","url":"Task/{Task}"}}]}`,
		`{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/{Patient}"}}]}`,
		`{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET","url":"Patient/{Patient}"}}]}`,
		`{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Task","id":"{Task}","status":"completed","intent":"order"},"request":{"method":"PUT","url":"Task/{Task}","ifMatch":"W/\"3\""}},{"request":{"method":"DELETE","url":"Patient/{Patient}"}},{"request":{"method":"HEAD","url":"Patient/{Patient}"}}]}`,
		`{"resourceType":"Bundle","type":"batch","entry":[{"resource":` + observation + `"subject":{"reference":"Patient/{Patient}"}},"request":{"method":"POST","url":"Observation","ifNoneExist":"identifier={identifier}"}}]}`,
	} {
		for _, headers := range [][]string{nil, {"X-Request-ID", "{word}-request"}, {"Idempotency-Key", "{word}-key"}} {
			list = append(list, ask{method: http.MethodPost, path: path, body: body, headers: headers})
		}
	}
	return list
}

// refusedRecords are Bundles of FHIR STU3 that refer to what the caller has not.
func refusedRecords(_ *matrix, _, path string) (list []ask) {
	for _, subject := range []string{`{"reference":"Patient/{Patient}"}`, `{"reference":"` + publicURL + `/fhir/R4/Patient/{Patient}"}`, `{"identifier":{"system":"` + referral.SystemNHSNumber + `","value":"{nhs}"},"reference":"Patient/{Patient}"}`} {
		one := `{"resourceType":"ReferralRequest","status":"unknown","intent":"order","subject":` + subject + `,"basedOn":[{"reference":"ReferralRequest/{ServiceRequest}"}],"reasonCode":[{"coding":[` + readReferral + `]}]}`
		for _, headers := range [][]string{nil, {"X-Request-ID", "{word}-request"}, {"Idempotency-Key", "{word}-key"}} {
			list = append(list, ask{method: http.MethodPost, path: path, headers: headers, body: `{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + one + `}]}`})
		}
		list = append(list, ask{method: http.MethodPost, path: path + "?identifier={identifier}", body: `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"List"}},{"resource":` + one + `}]}`})
	}
	return append(list, ask{method: http.MethodPost, path: path, body: "{"})
}

// refusedReferrals are the same as single referrals.
func refusedReferrals(_ *matrix, _, path string) []ask {
	return []ask{
		{method: http.MethodPost, path: path, body: `{"resourceType":"ReferralRequest","status":"unknown","intent":"order","subject":{"reference":"Patient/{Patient}"},"reasonCode":[{"coding":[` + readReferral + `]}]}`},
		{method: http.MethodPost, path: path, body: `{"resourceType":"ReferralRequest","id":"{ServiceRequest}","nonsense":1}`},
	}
}

func byNumberMember(number string) string {
	return `"subject":{"identifier":{"system":"` + referral.SystemNHSNumber + `","value":"` + number + `"}}`
}

// writes are what a caller may do that is near to what somebody else has: the same number, the
// same identifier, the same keys. Each makes something of the caller's own, alike for what is
// foreign and for what nobody has.
func (m *matrix) writes() (list []ask) {
	patient := `{"resourceType":"Patient","identifier":[{"system":"` + referral.SystemNHSNumber + `","value":"{nhs}"}],"name":[{"family":"Mine"}]}`
	for _, condition := range []string{"identifier=" + referral.SystemNHSNumber + "|{nhs}", "identifier={nhs}", "_id={Patient}", "family={family}"} {
		list = append(list, ask{method: http.MethodPost, path: "/fhir/R4/Patient", body: patient, headers: []string{"If-None-Exist", condition, "Prefer", "return=representation"}})
	}
	location := `{"resourceType":"Location","identifier":[{"value":"{identifier}"}],"name":"hall"}`
	list = append(list,
		ask{method: http.MethodPost, path: "/fhir/R4/Location", body: location, headers: []string{"If-None-Exist", "identifier={identifier}", "Prefer", "return=representation"}},
		ask{method: http.MethodPost, path: "/fhir/R4/Location", body: `{"resourceType":"Location","name":"{word}"}`, headers: []string{"X-Request-ID", "{word}-request"}},
		ask{method: http.MethodPost, path: "/fhir/R4/Location", body: `{"resourceType":"Location","name":"{word} too"}`, headers: []string{"Idempotency-Key", "{word}-key"}})
	return list
}
