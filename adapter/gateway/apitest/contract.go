package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Exchange is a request and its answer.
type Exchange struct {
	Method  string
	Target  string // path and query
	Request http.Header
	Sent    []byte

	Status   int
	Response http.Header
	Body     []byte
}

// Contract is a document that exchanges are held against. It is safe for concurrent use.
type Contract struct {
	doc     *openapi3.T
	router  routers.Router
	schemas *schemas
}

// New reads a document, which must be valid, its examples included.
func New(document []byte) (*Contract, error) {
	loose, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, err
	}
	if err := loose.Validate(context.Background(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation()); err != nil {
		return nil, err
	}
	closed, err := closed(document)
	if err != nil {
		return nil, err
	}
	c := &Contract{}
	if c.schemas, err = newSchemas(closed); err != nil {
		return nil, err
	}
	if c.doc, err = openapi3.NewLoader().LoadFromData(closed); err != nil {
		return nil, err
	}
	c.doc.Servers = nil // the tests reach the server elsewhere
	c.router, err = gorillamux.NewRouter(c.doc)
	return c, err
}

// usual are the headers that any answer may have: they belong to HTTP or to the connection.
var usual = []string{"Allow", "Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Date", "Transfer-Encoding", "Vary", "X-Content-Type-Options"}

// formal are the parameters that every route takes: they are about the form of the answer.
var formal = []string{"_format", "_pretty"}

const (
	contentProblem = "application/problem+json"
	contentStream  = "text/event-stream"
)

// Check says what of an exchange is not as the document has it; nil for nothing.
func (c *Contract) Check(x Exchange) error {
	method := x.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	request, err := http.NewRequest(method, "http://server"+x.Target, http.NoBody)
	if err != nil {
		return nil // no request that a client could have sent
	}
	request.Header = x.Request.Clone()
	route, params, err := c.router.FindRoute(request)
	if err != nil {
		return c.unrouted(x)
	}
	input := &openapi3filter.RequestValidationInput{Request: request, Route: route, PathParams: params, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true, ExcludeRequestBody: true, ExcludeResponseBody: true, // bodies are held against schemas that are compiled once
	}}
	var faults []error
	if x.Status < 400 {
		if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
			faults = append(faults, fmt.Errorf("the request was carried out: %w", err))
		}
		faults = append(faults, parameters(route, request.URL.Query()), c.sent(x, route))
	}
	faults = append(faults, c.response(x, input))
	if err := brief(errors.Join(faults...)); err != nil {
		return fmt.Errorf("%s %s, answered with %d, is not as the OpenAPI document has it: %w", x.Method, route.Path, x.Status, err)
	}
	return nil
}

// brief leaves the schemas and values out of what kin-openapi says, which are pages long.
func brief(err error) error {
	var lines []string
	if err == nil {
		return nil
	}
	skipping := false
	for line := range strings.SplitSeq(err.Error(), "\n") {
		switch {
		case line == "Schema:" || line == "Value:":
			skipping = true
		case line != "" && line[0] != ' ':
			skipping = false
		}
		if !skipping && line != "" {
			lines = append(lines, line)
		}
	}
	return errors.New(strings.Join(lines, "\n"))
}

// parameters says which parameters of a query the document does not know.
func parameters(route *routers.Route, query url.Values) error {
	var faults []error
	for name := range query {
		known := route.Operation.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) != nil || route.PathItem.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) != nil
		if !known && !slices.Contains(formal, name) {
			faults = append(faults, fmt.Errorf("the request was carried out with the parameter %s", name))
		}
	}
	return errors.Join(faults...)
}

// response holds the answer against the document.
func (c *Contract) response(x Exchange, request *openapi3filter.RequestValidationInput) error {
	known := request.Route.Operation.Responses.Status(x.Status)
	if known == nil && x.Status == http.StatusMethodNotAllowed {
		return c.problem(x)
	}
	if known == nil {
		return fmt.Errorf("the status %d is not documented; the body is %.300s", x.Status, x.Body)
	}
	var faults []error
	documented := slices.Clone(usual)
	for name := range known.Value.Headers {
		documented = append(documented, http.CanonicalHeaderKey(name))
	}
	for name := range x.Response {
		if !slices.Contains(documented, name) {
			faults = append(faults, fmt.Errorf("the header %s is not documented", name))
		}
	}
	input := &openapi3filter.ResponseValidationInput{RequestValidationInput: request, Status: x.Status, Header: x.Response, Options: request.Options}
	faults = append(faults, openapi3filter.ValidateResponse(context.Background(), input))
	if x.Method == http.MethodHead {
		return errors.Join(faults...)
	}
	at := pointer("paths", request.Route.Path, strings.ToLower(x.Method), "responses", strconv.Itoa(x.Status))
	if known.Ref != "" {
		at = known.Ref
	}
	return errors.Join(append(faults, c.body(x, at, known.Value.Content))...)
}

// sent holds the body of a request against the document. What is null counts as left out.
func (c *Contract) sent(x Exchange, route *routers.Route) error {
	described := route.Operation.RequestBody
	if described == nil {
		return nil // what a route reads nothing from does not matter
	}
	if len(bytes.TrimSpace(x.Sent)) == 0 {
		if described.Value.Required {
			return errors.New("the request was carried out without a body, which is required")
		}
		return nil
	}
	contentType, _, _ := mime.ParseMediaType(x.Request.Get("Content-Type"))
	if described.Value.Content[contentType] == nil {
		return fmt.Errorf("the request was carried out with the content type %q", contentType)
	}
	carriedOut := x.carriedOut()
	if contentType == "application/x-www-form-urlencoded" {
		var err error
		if carriedOut, err = form(x.Sent); err != nil {
			return err
		}
	}
	if carriedOut == nil {
		return nil
	}
	if err := c.schemas.check(pointer("paths", route.Path, strings.ToLower(x.Method), "requestBody", "content", contentType, "schema"), carriedOut, true); err != nil {
		return fmt.Errorf("the request was carried out: %w", err)
	}
	return nil
}

// form is a form as the JSON that a schema describes: an object of texts.
func form(sent []byte) ([]byte, error) {
	values, err := url.ParseQuery(string(sent))
	if err != nil {
		return nil, fmt.Errorf("the request was carried out, and is no form: %w", err)
	}
	object := map[string]string{}
	for name := range values {
		object[name] = values.Get(name)
	}
	return json.Marshal(object)
}

// carriedOut is the body that was sent without the items that were refused one by one: the
// answer has an item with a status for each. It is nil when none is left.
func (x Exchange) carriedOut() []byte {
	var sent, results struct{ Items []json.RawMessage }
	if json.Unmarshal(x.Sent, &sent) != nil || json.Unmarshal(x.Body, &results) != nil || len(sent.Items) == 0 || len(sent.Items) != len(results.Items) {
		return x.Sent
	}
	var done []json.RawMessage
	for i, item := range results.Items {
		var result struct{ Status int }
		if json.Unmarshal(item, &result) != nil || result.Status == 0 {
			return x.Sent
		}
		if result.Status < 400 {
			done = append(done, sent.Items[i])
		}
	}
	if len(done) == len(sent.Items) {
		return x.Sent
	}
	if len(done) == 0 {
		return nil
	}
	var members map[string]any
	if json.Unmarshal(x.Sent, &members) != nil {
		return x.Sent
	}
	members["items"] = done
	body, err := json.Marshal(members)
	if err != nil {
		return x.Sent
	}
	return body
}

// body holds the body of an answer against the content that its response, which stands at
// a place in the document, may have.
func (c *Contract) body(x Exchange, at string, content openapi3.Content) error {
	if len(content) == 0 {
		if len(x.Body) > 0 {
			return fmt.Errorf("there is a body: %.300s", x.Body)
		}
		return nil
	}
	contentType, _, _ := mime.ParseMediaType(x.Response.Get("Content-Type"))
	switch {
	case content[contentType] == nil:
		return fmt.Errorf("the content type %q is not documented", contentType)
	case contentType == contentStream:
		return c.stream(x)
	case !strings.HasSuffix(contentType, "json"):
		if len(x.Body) == 0 {
			return errors.New("the body is empty")
		}
		return nil
	}
	return c.schemas.check(at+pointer("content", contentType, "schema")[1:], x.Body, false)
}

// stream holds each event of a stream against the schema of one.
func (c *Contract) stream(x Exchange) error {
	named := false
	for line := range strings.SplitSeq(string(x.Body), "\n") {
		if data, is := strings.CutPrefix(line, "data: "); is && !named {
			if err := c.schemas.check(pointer("components", "schemas", "Event"), []byte(data), false); err != nil {
				return fmt.Errorf("an event of the stream: %w", err)
			}
		}
		named = strings.HasPrefix(line, "event: ")
	}
	return nil
}

// unrouted is what holds of an answer at an address that the document does not have.
func (c *Contract) unrouted(x Exchange) error {
	if x.Status < 400 {
		return fmt.Errorf("%s %s was carried out, and is not in the OpenAPI document", x.Method, x.Target)
	}
	if x.Method == http.MethodHead {
		return nil
	}
	return c.problem(x)
}

// problem demands that an answer is a problem.
func (c *Contract) problem(x Exchange) error {
	if got := x.Response.Get("Content-Type"); got != contentProblem {
		return fmt.Errorf("%s %s: Content-Type is %q", x.Method, x.Target, got)
	}
	return c.schemas.check(pointer("components", "schemas", "Problem"), x.Body, false)
}
