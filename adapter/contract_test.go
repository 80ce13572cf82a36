package main

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"spadapter/adapter/gateway/apitest"
)

// contracts are the OpenAPI documents of the adapters of the tests: by the address of the
// adapter, and by their text, which is nearly always the same.
var contracts = struct {
	sync.Mutex
	at map[string]*apitest.Contract
	of map[string]*apitest.Contract
}{at: map[string]*apitest.Contract{}, of: map[string]*apitest.Contract{}}

// contract is the document that the adapter at an address gives out; nil when the adapter
// has gone.
func contract(t testing.TB, url string) *apitest.Contract {
	t.Helper()
	contracts.Lock()
	defer contracts.Unlock()
	if c := contracts.at[url]; c != nil {
		return c
	}
	response, err := http.Get(url + "/openapi.json")
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil
	}
	if response.StatusCode != http.StatusOK {
		t.Errorf("/openapi.json is answered with %d: %.300s", response.StatusCode, text)
		return nil
	}
	c := contracts.of[string(text)]
	if c == nil {
		if c, err = apitest.New(text); err != nil {
			t.Errorf("/openapi.json: %v", err)
			return nil
		}
		contracts.of[string(text)] = c
	}
	contracts.at[url] = c
	return c
}

// holds fails when an exchange of the plain JSON API is not as its document has it.
func (c caller) holds(request *http.Request, sent []byte, response *http.Response, text []byte) {
	c.t.Helper()
	if !strings.HasPrefix(request.URL.Path, "/api/v1/") {
		return
	}
	document := contract(c.t, c.url)
	if document == nil {
		return
	}
	if err := document.Check(apitest.Exchange{
		Method: request.Method, Target: request.URL.RequestURI(), Request: request.Header, Sent: sent,
		Status: response.StatusCode, Response: response.Header, Body: text,
	}); err != nil {
		c.t.Error(err)
	}
}

// The demo, the events and everything else that works the plain API in these tests is held
// against the document; this says that there is one, and for whom.
func TestOpenAPIIsOpen(t *testing.T) {
	a := newWorld(t, "").run(quiet())
	stranger := caller{t, a.url, ""}
	document := stranger.get("/openapi.json").want(http.StatusOK)
	if !strings.Contains(string(document.body), `"url":"`+publicURL+`"`) {
		t.Error("the document does not name the adapter")
	}
	if page := stranger.get("/docs").want(http.StatusOK); !strings.Contains(string(page.body), "openapi.json") {
		t.Error("the page does not lead to the document")
	}
	if contract(t, a.url) == nil {
		t.Error("there is no contract")
	}
	stranger.get("/api/v1/referrals").want(http.StatusUnauthorized)
}
