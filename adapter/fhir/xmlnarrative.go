package fhir

import (
	"encoding/xml"
	"strings"
)

// capture reads the narrative whose tag is t and gives it as JSON holds it: the text from
// <div to </div> as it stands, comments included, where that says the same by itself, and
// else with sections of CDATA as plain text, the namespace of XHTML as its default and without prefixes.
// n is where faults belong.
// Source: http://hl7.org/fhir/R4/narrative.html.
func (x *xmlParser) capture(n *Node, t xmlToken) (string, error) {
	var out strings.Builder
	kept := t.from // what lies before is in out
	cut := func(at, length int) {
		out.WriteString(x.src[kept:at])
		kept = at + length
	}
	foreign := func(at int) {
		x.fault(n, at, "xml-namespace", "a narrative holds XHTML alone, and declares itself what prefixes it has")
	}
	depth := len(x.open)
	for outer := true; ; outer = false {
		switch {
		case t.kind == tokenStart:
			def := "" // what the tag itself makes the default, where it does
			for _, a := range t.attrs {
				if a.Name.Space == "" && a.Name.Local == "xmlns" {
					def = a.Value
				}
				if b, _ := x.bound(a.Name.Space); a.Name.Space != "" && a.Name.Space != "xmlns" && a.Name.Space != "xml" && b.depth < depth {
					foreign(t.from)
				}
			}
			if t.space != spaceXHTML && !outer || def != "" && def != spaceXHTML {
				foreign(t.from)
			}
			if t.space == spaceXHTML && t.name.Space != "" {
				cut(t.from+1, len(t.name.Space)+1)
			}
			if outer && def == "" {
				cut(t.from+1+len(written(t.name)), 0)
				out.WriteString(` xmlns="` + spaceXHTML + `"`)
			}
		case t.kind == tokenText && strings.HasPrefix(x.src[t.from:t.to], cdata):
			// it is text in XML, and would be read as something else in HTML
			cut(t.from, t.to-t.from)
			out.Write(appendXML(nil, string(t.text)))
		case t.kind == tokenEnd && t.from != t.to && t.name.Space != "": // an empty element ends in its own tag
			if t.space == spaceXHTML {
				cut(t.from+2, len(t.name.Space)+1)
			}
		}
		if len(x.open) < depth {
			end := t.to
			if out.Len() == 0 {
				return x.src[kept:end], nil
			}
			out.WriteString(x.src[kept:end])
			return out.String(), nil
		}
		var err error
		if t, err = x.next(); err != nil {
			return "", err
		}
	}
}

// narrative is the text of an xhtml value as XML can hold it. Entities of HTML become
// character references. A text that is no div of its own is shown as text in one, so that
// nothing in it can become an element of the resource.
func narrative(text string) string {
	text = visible(strings.TrimSpace(text))
	x := newXMLParser(&document{source: text, limits: Limits{}.orDefaults(), xml: true})
	x.decoder.Entity = xml.HTMLEntity
	if t, err := x.next(); err == nil && t.kind == tokenStart && t.from == 0 && t.name.Local == "div" {
		if div, err := x.capture(nil, t); err == nil {
			if rest, err := x.next(); err == nil && rest.kind == tokenEOF {
				return numeric(div)
			}
		}
	}
	return string(append(appendXML([]byte(`<div xmlns="`+spaceXHTML+`">`), text), "</div>"...))
}

// numeric writes the entities that XML does not know as character references.
func numeric(text string) string {
	if strings.IndexByte(text, '&') < 0 {
		return text
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "&")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, _, _ := strings.Cut(rest, ";")
		switch character := xml.HTMLEntity[name]; {
		case character == "" || name == "amp" || name == "lt" || name == "gt" || name == "quot":
			out.WriteByte('&')
			text = rest
		default:
			out.WriteString(character)
			text = rest[len(name)+1:]
		}
	}
}
