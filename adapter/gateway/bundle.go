package gateway

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// instant is a time as FHIR writes it. Source: http://hl7.org/fhir/R4/datatypes.html#instant.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// bundle is a searchset or a history. The stored resources go into it as they are,
// without being parsed again.
type bundle struct {
	head    *fhir.Node
	entries []byte
}

// newBundle starts a Bundle; total is left out when negative, next when "".
func newBundle(kind string, at time.Time, total int, self, next string) *bundle {
	head := fhir.Types(fhir.R4).New("Bundle")
	head.Set("type", kind)
	head.Set("timestamp", instant(at))
	if total >= 0 {
		head.Set("total", strconv.Itoa(total))
	}
	for _, link := range [][2]string{{"self", self}, {"next", next}} {
		if link[1] != "" {
			n := head.Add("link")
			n.Set("relation", link[0])
			n.Set("url", link[1])
		}
	}
	return &bundle{head: head}
}

// entry makes an entry for a resource; fill it, then add it.
func (b *bundle) entry(fullURL string) *fhir.Node {
	n := fhir.New(fhir.Types(fhir.R4).Type("Bundle.entry"))
	n.Set("fullUrl", fullURL)
	return n
}

// add appends an entry with the stored bytes of its resource, nil for none.
func (b *bundle) add(entry *fhir.Node, resource []byte) {
	if len(b.entries) > 0 {
		b.entries = append(b.entries, ',')
	}
	b.entries = fhir.AppendJSON(b.entries, entry)
	if resource != nil {
		b.entries = insert(b.entries, "resource", resource)
	}
}

// bytes gives the Bundle as JSON.
func (b *bundle) bytes() []byte {
	out := fhir.AppendJSON(make([]byte, 0, len(b.entries)+512), b.head)
	if len(b.entries) == 0 {
		return out // an array is never empty in FHIR
	}
	out = append(out[:len(out)-1], `,"entry":[`...)
	out = append(out, b.entries...)
	return append(out, "]}"...)
}

// insert puts a member with a value that is JSON already at the end of the object,
// not empty, that object ends with.
func insert(object []byte, name string, value []byte) []byte {
	object = append(object[:len(object)-1], `,"`...)
	object = append(object, name...)
	object = append(object, `":`...)
	object = append(object, value...)
	return append(object, '}')
}

// fullURL is the absolute address of a stored resource.
func (x *exchange) fullURL(v *referral.Version) string { return x.base + v.Type + "/" + v.ID }

// indented gives JSON for people when the client asked for it.
func (x *exchange) indented(body []byte) []byte {
	if !x.pretty {
		return body
	}
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		return body
	}
	return out.Bytes()
}
