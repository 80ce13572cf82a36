package mapping

import (
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"

	"spadapter/adapter/issue"
)

// escaping is one way to write text inside something else. undo reports whether the text
// was written so.
type escaping struct {
	do   func(string) string
	undo func(string) (string, bool)
}

// escapings are the formats that escape(value, from, to) knows: plain, java, xml and json
// of the standard, html and url beside them.
// Source: http://hl7.org/fhir/R4/valueset-map-transform.html.
var escapings = map[string]escaping{
	"plain": {func(s string) string { return s }, func(s string) (string, bool) { return s, true }},
	"xml":   {xmlText, func(s string) (string, bool) { return html.UnescapeString(s), true }},
	"html":  {html.EscapeString, func(s string) (string, bool) { return html.UnescapeString(s), true }},
	"json":  {jsonText, fromJSONText},
	"java":  {jsonText, fromJSONText}, // the escapes of JSON are legal in Java
	"url": {url.QueryEscape, func(s string) (string, bool) {
		out, err := url.QueryUnescape(s)
		return out, err == nil
	}},
}

func xmlText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;").Replace(s)
}

func jsonText(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return s
	}
	out := strings.TrimSuffix(b.String(), "\n")
	return out[1 : len(out)-1]
}

func fromJSONText(s string) (string, bool) {
	var out string
	err := json.Unmarshal([]byte(`"`+s+`"`), &out)
	return out, err == nil
}

// escape compiles escape(value, to) and escape(value, from, to).
func (c *compiler) escape(s *scope, d *targetDecl, primitive func(string, func(*run, int, *rule) (string, bool)) (producer, shape, variable)) (producer, shape, variable) {
	from := escapings["plain"]
	var to escaping
	for i, p := range d.params[1:] {
		e, ok := escapings[p.value]
		if !ok || p.kind != textParam {
			var formats []string
			for name := range escapings {
				formats = append(formats, name)
			}
			slices.Sort(formats)
			c.fail(s.group.owner, p.at, issue.NotSupported, "map-transform", "escape does not know this format; expected one of %s", listed(formats))
			return nil, nil, variable{}
		}
		if i == len(d.params)-2 {
			to = e
		} else {
			from = e
		}
	}
	value := c.text(s, d.params[0])
	return primitive("string", func(r *run, f int, ru *rule) (string, bool) {
		v, ok := value(r, f)
		if !ok {
			return "", false
		}
		if v, ok = from.undo(v); !ok {
			r.fail(ru.issue(issue.Value, "map-escape", "the value is not in the format that escape takes"), ru.at(r, f))
			return "", false
		}
		return to.do(v), true
	})
}
