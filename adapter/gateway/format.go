package gateway

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"

	"spadapter/adapter/fhir"
)

// format is how FHIR is written on the wire.
type format uint8

const (
	formatJSON format = iota
	formatXML
)

// ours is the limit for what is read of our own: none.
var ours = fhir.Limits{Bytes: math.MaxInt32, Depth: math.MaxInt32, Nodes: math.MaxInt32}

// encode writes a resource in the format of the response.
func (x *exchange) encode(n *fhir.Node) []byte {
	switch {
	case x.format == formatXML && x.pretty:
		return fhir.EncodeXMLIndent(n)
	case x.format == formatXML:
		return fhir.EncodeXML(n)
	case x.pretty:
		return fhir.EncodeIndent(n)
	}
	return fhir.Encode(n)
}

// sendResource answers with a resource.
func (x *exchange) sendResource(status int, n *fhir.Node) {
	x.send(status, x.contentOf(n.System()), x.encode(n))
}

// sendStored answers with a resource of R4 that is JSON already, in the format of the
// response.
func (x *exchange) sendStored(status int, body []byte) error {
	if x.format == formatXML {
		n, err := fhir.Parse(fhir.Types(fhir.R4), body, ours)
		if err != nil {
			return err
		}
		x.sendResource(status, n)
		return nil
	}
	if x.pretty {
		var out bytes.Buffer
		if err := json.Indent(&out, body, "", "  "); err == nil {
			body = out.Bytes()
		}
	}
	x.send(status, contentFHIR, body)
	return nil
}

// contentOf is the content type of a resource: one of STU3 says so.
// Source: http://hl7.org/fhir/R4/versioning.html#mt-version.
func (x *exchange) contentOf(system *fhir.System) string {
	content := contentFHIR
	if x.format == formatXML {
		content = contentXML
	}
	if system == fhir.Types(fhir.STU3) {
		return strings.Replace(content, ";", "; fhirVersion=3.0;", 1)
	}
	return content
}

// parse reads the body of the request in the format that its Content-Type says.
func (x *exchange) parse() (*fhir.Node, error) {
	if formatOf(x.call.ContentType) == formatXML {
		return fhir.ParseXML(fhir.Types(fhir.R4), x.call.Body, x.Limits)
	}
	return fhir.Parse(fhir.Types(fhir.R4), x.call.Body, x.Limits)
}
