package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
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
	doc    *openapi3.T
	router routers.Router
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
	if c.doc, err = openapi3.NewLoader().LoadFromData(closed); err != nil {
		return nil, err
	}
	c.doc.Servers = nil // the tests reach the server elsewhere
	c.router, err = gorillamux.NewRouter(c.doc)
	return c, err
}

// closed is a document whose objects have the properties that are named and no others.
func closed(document []byte) ([]byte, error) {
	var root any
	if err := json.Unmarshal(document, &root); err != nil {
		return nil, err
	}
	closeObjects(root)
	return json.Marshal(root)
}

func closeObjects(value any) {
	switch v := value.(type) {
	case map[string]any:
		_, properties := v["properties"].(map[string]any)
		if _, said := v["additionalProperties"]; properties && v["type"] == "object" && !said {
			v["additionalProperties"] = false
		}
		for _, one := range v {
			closeObjects(one)
		}
	case []any:
		for _, one := range v {
			closeObjects(one)
		}
	}
}

// usual are the headers that any answer may have: they belong to HTTP or to the connection.
var usual = []string{"Allow", "Cache-Control", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Date", "Transfer-Encoding", "Vary", "X-Content-Type-Options"}

// formal are the parameters that every route takes: they are about the form of the answer.
var formal = []string{"_format", "_pretty"}

const contentProblem = "application/problem+json"

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
	if sent := withoutNulls(x.Sent); len(sent) > 0 {
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(sent)), int64(len(sent))
	}
	route, params, err := c.router.FindRoute(request)
	if err != nil {
		return c.unrouted(x)
	}
	input := &openapi3filter.RequestValidationInput{Request: request, Route: route, PathParams: params, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, SkipSettingDefaults: true,
		ExcludeResponseBody: method != x.Method,
	}}
	var faults []error
	if x.Status < 400 {
		if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
			faults = append(faults, fmt.Errorf("the request was carried out: %w", err))
		}
		faults = append(faults, parameters(route, request.URL.Query()))
	}
	faults = append(faults, c.response(x, input))
	if err := brief(errors.Join(faults...)); err != nil {
		return fmt.Errorf("%s %s, answered with %d, is not as the OpenAPI document has it: %w", x.Method, route.Path, x.Status, err)
	}
	return nil
}

// withoutNulls leaves out the members of a body that are null, which count as left out.
func withoutNulls(body []byte) []byte {
	var value any
	if json.Unmarshal(body, &value) != nil {
		return body
	}
	dropNulls(value)
	out, err := json.Marshal(value)
	if err != nil {
		return body
	}
	return out
}

func dropNulls(value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, one := range v {
			if one == nil {
				delete(v, name)
			}
			dropNulls(one)
		}
	case []any:
		for _, one := range v {
			dropNulls(one)
		}
	}
}

// brief leaves the schemas and values out of what kin-openapi says, which are pages long.
func brief(err error) error {
	if err == nil {
		return nil
	}
	var out []error
	var walk func(err error, words string)
	walk = func(err error, words string) {
		switch e := err.(type) {
		case interface{ Unwrap() []error }:
			for _, one := range e.Unwrap() {
				walk(one, words)
			}
		case *openapi3.SchemaError:
			if e.Origin != nil {
				walk(e.Origin, words+" /"+strings.Join(e.JSONPointer(), "/"))
				return
			}
			out = append(out, fmt.Errorf("%s /%s: %s", words, strings.Join(e.JSONPointer(), "/"), e.Reason))
		case *openapi3filter.ResponseError:
			if e.Err == nil {
				out = append(out, errors.New(e.Reason))
				return
			}
			walk(e.Err, words+e.Reason)
		case *openapi3filter.RequestError:
			words += e.Reason
			if e.Parameter != nil {
				words += " " + e.Parameter.Name
			}
			if e.Err == nil {
				out = append(out, errors.New(words))
				return
			}
			walk(e.Err, words)
		default:
			said, _, _ := strings.Cut(err.Error(), "\n")
			out = append(out, fmt.Errorf("%s %s", words, said))
		}
	}
	walk(err, "")
	return errors.Join(out...)
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
	if len(known.Value.Content) == 0 && len(x.Body) > 0 {
		faults = append(faults, fmt.Errorf("there is a body: %.300s", x.Body))
	}
	if strings.HasPrefix(x.Response.Get("Content-Type"), "text/event-stream") {
		return errors.Join(append(faults, c.stream(x))...)
	}
	input := &openapi3filter.ResponseValidationInput{RequestValidationInput: request, Status: x.Status, Header: x.Response, Options: request.Options}
	input.Body = io.NopCloser(bytes.NewReader(x.Body))
	return errors.Join(append(faults, openapi3filter.ValidateResponse(context.Background(), input))...)
}

// stream holds each event of a stream against the schema of one.
func (c *Contract) stream(x Exchange) error {
	event := c.doc.Components.Schemas["Event"]
	if event == nil {
		return errors.New("the document has no schema Event")
	}
	named := false
	for line := range strings.SplitSeq(string(x.Body), "\n") {
		data, is := strings.CutPrefix(line, "data: ")
		if is && !named {
			var value any
			if err := json.Unmarshal([]byte(data), &value); err != nil {
				return fmt.Errorf("an event of the stream is no JSON: %w", err)
			}
			if err := event.Value.VisitJSON(value, openapi3.EnableJSONSchema2020()); err != nil {
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
	var value any
	if err := json.Unmarshal(x.Body, &value); err != nil {
		return err
	}
	return c.doc.Components.Schemas["Problem"].Value.VisitJSON(value, openapi3.EnableJSONSchema2020())
}
