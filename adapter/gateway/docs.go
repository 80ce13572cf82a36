package gateway

import (
	"bytes"
	"compress/gzip"
	"html/template"
	"io"
	"net/http"
	"sync"

	"github.com/swaggest/swgui/v5/static"

	"spadapter/adapter/issue"
)

const docsPath = "/docs"

// docsPolicy lets the page load what this server has and nothing else, so that it works
// without a network, and no token that is typed into it can leave for elsewhere. Styles may
// stand in elements: that is how Swagger UI draws itself.
// Source: https://www.w3.org/TR/CSP3/.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docsPage is the page for people. Its addresses are relative, so that it works below a
// path of a proxy too.
var docsPage = template.Must(template.New("docs").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>spadapter: plain JSON API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="stylesheet" href="docs/page.css">
</head>
<body>
<p class="synthetic">The examples are synthetic. What is sent with Try it is carried out: use a system for tests.</p>
<noscript><p class="synthetic">This page needs JavaScript. The document that it shows is <a href="openapi.json">openapi.json</a>.</p></noscript>
<main id="swagger-ui"></main>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/page.js"></script>
</body>
</html>
`))

// docsScript starts Swagger UI. The token stays in memory: it is gone with the page.
const docsScript = `SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
  queryConfigEnabled: false,
  tryItOutEnabled: true,
  validatorUrl: null,
});
`

const docsStyle = `body { margin: 0; }
.synthetic { margin: 0; padding: 0.75rem 1.25rem; background: #fff4d6; color: #3d2f00; font: 1rem/1.4 sans-serif; }
`

// docsRoutes lists the page and what it loads.
func docsRoutes() []*route {
	const script, style = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
	var list []*route
	add := func(path, contentType, cache string, read func() (document, error)) {
		read = sync.OnceValues(read)
		list = append(list, &route{method: http.MethodGet, path: docsPath + path, surface: surfacePlain, open: true, handle: func(x *exchange) error {
			d, err := read()
			if err != nil {
				return issue.New(issue.Exception, "docs", "the page cannot be made").Because(err)
			}
			x.sendDocs(contentType, cache, d)
			return nil
		}})
	}
	add("", "text/html; charset=utf-8", "no-cache", func() (document, error) {
		var out bytes.Buffer
		err := docsPage.Execute(&out, nil)
		return newDocument(out.Bytes()), err
	})
	add("/page.js", script, docsCache, func() (document, error) { return newDocument([]byte(docsScript)), nil })
	add("/page.css", style, docsCache, func() (document, error) { return newDocument([]byte(docsStyle)), nil })
	for name, contentType := range map[string]string{"swagger-ui-bundle.js": script, "swagger-ui.css": style} {
		add("/"+name, contentType, docsCache, func() (document, error) { return unpacked(name + ".gz") })
	}
	add("/favicon-32x32.png", "image/png", docsCache, func() (document, error) {
		body, err := static.FS.ReadFile("favicon-32x32.png")
		return newDocument(body), err
	})
	return list
}

// docsCache lets a browser keep what the page loads for a while; its tag changes with the
// program.
const docsCache = "public, max-age=3600"

// sendDocs answers with a part of the page.
func (x *exchange) sendDocs(contentType, cache string, d document) {
	pageHeaders(x.Writer.Header(), docsPolicy)
	x.sendUnchanging(contentType, cache, d)
}

// unpacked reads a file of Swagger UI, which are compressed.
func unpacked(name string) (document, error) {
	packed, err := static.FS.Open(name)
	if err != nil {
		return document{}, err
	}
	defer packed.Close()
	reader, err := gzip.NewReader(packed)
	if err != nil {
		return document{}, err
	}
	body, err := io.ReadAll(reader)
	return newDocument(body), err
}
