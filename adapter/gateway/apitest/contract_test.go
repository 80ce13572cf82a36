package apitest

import (
	"net/http"
	"strings"
	"testing"
)

// document describes one list, one thing to make in it, a stream, many things and a page.
const document = `{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{
"/api/v1/things":{
 "get":{"parameters":[{"name":"count","in":"query","schema":{"type":"integer","minimum":1}}],
  "responses":{"200":{"description":"d","headers":{"ETag":{"required":true,"schema":{"type":"string","pattern":"^W/"}}},
   "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Thing"}},"text/event-stream":{"schema":{"type":"string"}}}},
   "400":{"$ref":"#/components/responses/Problem"}}},
 "post":{"requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"],"additionalProperties":false}}}},
  "responses":{"204":{"description":"d"},"400":{"$ref":"#/components/responses/Problem"}}}},
"/api/v1/many":{
 "post":{"requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","properties":{"items":{"type":"array","minItems":1,"items":{"$ref":"#/components/schemas/Thing"}}},"required":["items"],"additionalProperties":false}}}},
  "responses":{"200":{"description":"d","content":{"application/json":{"schema":{"type":"object","properties":{"items":{"type":"array","items":{"type":"object","properties":{"status":{"type":"integer"}}}}}}}}}}}},
"/api/v1/page":{"get":{"responses":{"200":{"description":"d","content":{"text/plain":{"schema":{"type":"string"}}}}}}}},
"components":{
 "responses":{"Problem":{"description":"p","content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}}},
 "schemas":{
  "Problem":{"type":"object","properties":{"status":{"type":"integer"}},"required":["status"]},
  "Event":{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]},
  "Thing":{"type":"object","properties":{"name":{"type":"string","enum":["a","b"]},"at":{"type":"string","format":"date-time"},"in":{"type":"object","properties":{"x":{"type":"integer"}}}},"required":["name"]}}}}`

func TestContractSeesFaults(t *testing.T) {
	c, err := New([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	const json, problem = "application/json", "application/problem+json"
	get := func(target, body string, pairs ...string) Exchange {
		return Exchange{Method: "GET", Target: target, Request: http.Header{}, Status: 200, Body: []byte(body), Response: header(append([]string{"Content-Type", json, "ETag", "W/1"}, pairs...)...)}
	}
	post := func(body string, status int) Exchange {
		x := Exchange{Method: "POST", Target: "/api/v1/things", Request: header("Content-Type", json), Sent: []byte(body), Status: status, Response: header()}
		if status >= 400 {
			x.Response, x.Body = header("Content-Type", problem), []byte(`{"status":400}`)
		}
		return x
	}
	refused := func(x Exchange, status int, contentType, body string) Exchange {
		x.Status, x.Response, x.Body = status, header("Content-Type", contentType), []byte(body)
		return x
	}
	many := func(sent, results string) Exchange {
		return Exchange{Method: "POST", Target: "/api/v1/many", Request: header("Content-Type", json), Sent: []byte(sent), Status: 200, Response: header("Content-Type", json), Body: []byte(results)}
	}
	page := func(body string) Exchange {
		return Exchange{Method: "GET", Target: "/api/v1/page", Request: http.Header{}, Status: 200, Response: header("Content-Type", "text/plain; charset=utf-8"), Body: []byte(body)}
	}
	const things = "/api/v1/things"
	stream := get(things, "retry: 1\n\nid: 1\ndata: {\"id\":\"1\"}\n\nevent: end\ndata: \"over\"\n\n", "Content-Type", "text/event-stream")
	badStream := stream
	badStream.Body = []byte("id: 1\ndata: {\"id\":1}\n\n")
	head := get(things, "")
	head.Method = "HEAD"
	for name, e := range map[string]struct {
		x    Exchange
		want string // a part of the fault, "" for none
	}{
		"as it should be":           {get(things+"?count=1&_pretty=true", `{"name":"a","at":"2026-02-17T09:30:00Z","in":{"x":1}}`), ""},
		"no body to a HEAD":         {head, ""},
		"a property more":           {get(things, `{"name":"a","more":1}`), "more"},
		"a property more inside":    {get(things, `{"name":"a","in":{"y":1}}`), "y"},
		"a property missing":        {get(things, `{}`), "name"},
		"a code that is not there":  {get(things, `{"name":"c"}`), "name"},
		"no time":                   {get(things, `{"name":"a","at":"noon"}`), "at"},
		"no JSON":                   {get(things, `{`), "no JSON"},
		"another content type":      {get(things, `{"name":"a"}`, "Content-Type", "text/plain"), "text/plain"},
		"a header more":             {get(things, `{"name":"a"}`, "X-More", "1"), "X-More"},
		"a header missing":          {get(things, `{"name":"a"}`, "ETag", ""), "ETag"},
		"a parameter more":          {get(things+"?more=1", `{"name":"a"}`), "more"},
		"a parameter that is wrong": {get(things+"?count=0", `{"name":"a"}`), "count"},
		"a wrong one is refused":    {refused(get(things+"?count=0", ""), 400, problem, `{"status":400}`), ""},
		"a status more":             {refused(get(things, ""), 418, problem, `{"status":418}`), "418"},
		"another method":            {refused(Exchange{Method: "PUT", Target: things}, 405, problem, `{"status":405}`), ""},
		"another method, no words":  {refused(Exchange{Method: "PUT", Target: things}, 405, json, `{}`), json},
		"nowhere":                   {refused(Exchange{Method: "GET", Target: "/api/v1/nothing"}, 404, problem, `{"status":404}`), ""},
		"nowhere, and it works":     {get("/api/v1/nothing", `{}`), "not in the OpenAPI document"},
		"it is made":                {post(`{"name":"a"}`, 204), ""},
		"null counts as left out":   {post(`{"name":"a","more":null}`, 204), ""},
		"made of too much":          {post(`{"name":"a","more":1}`, 204), "more"},
		"made of nothing":           {post(``, 204), "required"},
		"refused for too much":      {post(`{"name":"a","more":1}`, 400), ""},
		"many are made":             {many(`{"items":[{"name":"a"},{"name":"b"}]}`, `{"items":[{"status":200},{"status":200}]}`), ""},
		"one of many is refused":    {many(`{"items":[{"name":"a"},{"more":1},7]}`, `{"items":[{"status":200},{"status":400},{"status":400}]}`), ""},
		"all of many are refused":   {many(`{"items":[{"more":1}]}`, `{"items":[{"status":400}]}`), ""},
		"one is made of too much":   {many(`{"items":[{"more":1},{"more":1}]}`, `{"items":[{"status":200},{"status":400}]}`), "more"},
		"results without a status":  {many(`{"items":[{"more":1}]}`, `{"items":[{}]}`), "more"},
		"many and more":             {many(`{"items":[{"name":"a"},7],"more":1}`, `{"items":[{"status":200},{"status":400}]}`), "more"},
		"a page":                    {page("words"), ""},
		"an empty page":             {page(""), "empty"},
		"a stream":                  {stream, ""},
		"a stream of something":     {badStream, "id"},
	} {
		got := ""
		if err := c.Check(e.x); err != nil {
			got = err.Error()
		}
		if (got == "") != (e.want == "") || !strings.Contains(got, e.want) {
			t.Errorf("%s: %q, want %q", name, got, e.want)
		}
	}
}

func TestContractMustBeValid(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"openapi":"3.1.0","info":{"title":"t"},"paths":{}}`,
		strings.Replace(document, `"enum":["a","b"]`, `"enum":["a","b"],"default":1`, 1),
		strings.Replace(document, `"application/json":{"schema":{"$ref":"#/components/schemas/Thing"}}`, `"application/json":{"schema":{"$ref":"#/components/schemas/Thing"},"example":{"name":"c"}}`, 1),
		strings.Replace(document, "schemas/Thing", "schemas/Other", 1),
	} {
		if _, err := New([]byte(text)); err == nil {
			t.Errorf("it is taken: %.100s", text)
		}
	}
}
