package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"spadapter/adapter/issue"
)

// OpenAPI is the document of the plain JSON API as it is written by hand. What the program
// knows better is filled in where it is served: the server, the routes that there are, who
// may use them, one path for each action of the life cycle, and the codes that hold.
// Source: https://spec.openapis.org/oas/v3.1.0.
type OpenAPI struct{ root *ordered }

// ParseOpenAPI reads a document. Errors: structure.
func ParseOpenAPI(text string) (*OpenAPI, error) {
	root, err := parseOrdered(text)
	if err != nil {
		return nil, issue.New(issue.Structure, "openapi", "the OpenAPI document cannot be read").Because(err)
	}
	parts := [][]string{{"info"}, {"components", "schemas", inputSchema, "properties"},
		{"components", "schemas", bulkSchema, "properties", "items"}, {"components", "schemas", bulkItemSchema, "properties", "input"}, {"components", "schemas", "Coded", "properties", "code"}, {"components", "schemas", "Coded", "properties", "system"}}
	for _, a := range actionPaths {
		parts = append(parts, []string{"paths", a.path, "post", "requestBody", "content", contentJSON})
	}
	for _, part := range parts {
		if root.at(part...) == nil {
			return nil, issue.New(issue.Structure, "openapi", "the OpenAPI document has no "+strings.Join(part, "."))
		}
	}
	if !strings.HasPrefix(root.text("openapi"), "3.1.") {
		return nil, issue.New(issue.Structure, "openapi", "the document is not OpenAPI 3.1")
	}
	return &OpenAPI{root}, nil
}

const documentPath = "/openapi.json"

// document is what is served of an OpenAPI.
type document struct {
	body []byte
	tag  string // its ETag
}

// openapiRoutes lists the document and its page.
func (g *gateway) openapiRoutes() []*route {
	document := sync.OnceValues(g.describe)
	return append([]*route{{method: http.MethodGet, path: documentPath, surface: surfacePlain, open: true, handle: func(x *exchange) error {
		d, err := document()
		if err != nil {
			return err
		}
		x.sendUnchanging(contentJSON, "no-cache", d)
		return nil
	}}}, docsRoutes()...)
}

// sendUnchanging answers with what is the same until the program is started again, or with
// 304 to who has it.
func (x *exchange) sendUnchanging(contentType, cache string, d document) {
	header := x.Writer.Header()
	header.Set("Cache-Control", cache)
	header.Set("ETag", d.tag)
	if x.unchanged(d.tag) {
		x.send(http.StatusNotModified, "", nil)
		return
	}
	x.send(http.StatusOK, contentType, d.body)
}

// newDocument is a body with its tag, which is weak because the body may be compressed.
func newDocument(body []byte) document {
	sum := sha256.Sum256(body)
	return document{body, `W/"` + hex.EncodeToString(sum[:12]) + `"`}
}

// describe fills in what the program knows.
func (g *gateway) describe() (document, error) {
	d := &description{gateway: g, root: g.OpenAPI.root.clone()}
	server := newOrdered()
	server.set("url", g.BaseURL)
	server.set("description", "This adapter.")
	d.root.set("servers", []any{server})
	d.root.at("info").set("version", g.Version)
	d.offered()
	d.actions()
	d.codes()
	body, err := json.Marshal(d.root)
	if err != nil {
		return document{}, issue.New(issue.Exception, "openapi", "the OpenAPI document cannot be written").Because(err)
	}
	return newDocument(body), nil
}

// description is a document while it is filled in.
type description struct {
	*gateway
	root *ordered
}

// methods are the members of a path item that are operations.
var methods = map[string]string{"get": http.MethodGet, "post": http.MethodPost, "put": http.MethodPut, "patch": http.MethodPatch, "delete": http.MethodDelete}

// offered leaves the operations that have a route, and says which scope and roles each needs.
func (d *description) offered() {
	routes := map[string]*route{}
	for _, r := range d.routes {
		routes[r.method+" "+r.path] = r
	}
	paths := d.root.at("paths")
	for _, path := range append([]string{}, paths.names...) {
		item, left := paths.at(path), 0
		for _, name := range append([]string{}, item.names...) {
			method, is := methods[name]
			if !is {
				continue
			}
			r := routes[method+" "+routePath(path)]
			if r == nil {
				item.remove(name)
				continue
			}
			left++
			item.at(name).needs(r)
		}
		if left == 0 {
			paths.remove(path)
		}
	}
}

// routePath is the path of a document as the router writes it.
func routePath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// needs writes down what a caller of a route needs. The scopes of a bearer token stand in
// the security requirement, as OpenAPI 3.1 allows.
// Source: https://spec.openapis.org/oas/v3.1.0#security-requirement-object.
func (o *ordered) needs(r *route) {
	if r.open {
		o.set("security", []any{})
		return
	}
	bearer := newOrdered()
	scopes := []any{}
	if r.letter != 0 {
		scopes = append(scopes, "system/"+r.resource+"."+string(r.letter))
	}
	bearer.set("bearer", scopes)
	o.set("security", []any{bearer})
	if r.roles != nil {
		o.set("x-roles", texts(r.roles))
	}
}
