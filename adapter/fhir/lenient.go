package fhir

import (
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the hours of London, also where the machine has no time zones

	"spadapter/adapter/issue"
)

// Repair mends in a parsed resource what can only have been meant in one way, so that Check
// finds nothing there. It is for inlets whose senders are known to print such things; an
// interface that is strict never calls it. It returns one warning for each repair, in document
// order, with the FHIRPath, line and column of the element and the sender's text; nil when
// nothing was repaired. The rules:
//
//	repair-array   one value where the element repeats, or an array of one where it does not
//	repair-empty   "", null, {} or [] : the element is left out
//	repair-kind    a number or a boolean in quotes, or text without them
//	repair-blank   blanks around a code, id, uri or date
//	repair-time    a date and time with a blank for the T, without seconds, or with an offset without ':'
//	repair-offset  a date and time without offset: the civil time of Europe/London
//
// In the hour that London has twice, and in the one it does not have, only the date is kept
// (repair-offset); of an instant, which must have a time, nothing is repaired there. What cannot be repaired
// is left for Check to name.
//
// root must be the root of a tree that Parse or ParseXML just gave and nobody else reads. It
// keeps its lines, columns, paths and Order. Reread repairs again.
//
// Source: http://hl7.org/fhir/STU3/json.html, http://hl7.org/fhir/STU3/datatypes.html.
func Repair(root *Node) []*issue.Error {
	r := &repairer{}
	r.children(root)
	if root.doc != nil {
		root.doc.repaired = true
	}
	return r.done
}

type repairer struct {
	done []*issue.Error
}

// maxRepairs bounds what is told of one message; the last issue counts the others.
const maxRepairs = 1000

func (r *repairer) tell(n *Node, rule, text, got string) {
	if len(r.done) == maxRepairs {
		r.done = append(r.done, issue.New(issue.Informational, "more-repairs", "more was repaired; only the first "+strconv.Itoa(maxRepairs)+" repairs are listed").Graded(issue.SeverityWarning))
	}
	if len(r.done) > maxRepairs {
		return
	}
	e := issue.New(issue.Value, rule, text).Graded(issue.SeverityWarning).At(n.Path()).On(n.Position())
	if got != "" {
		_ = e.With("got %s", clip(got))
	}
	r.done = append(r.done, e)
}

// children repairs what lies below n, whose own form is sound.
func (r *repairer) children(n *Node) {
	var kept []*Node // nil while none was left out
	for i, c := range n.Children {
		// the path of what is told must be that of the sender, so nothing is left out before
		// all children were looked at
		if r.element(n, i, c) {
			if kept != nil {
				kept = append(kept, c)
			}
		} else if kept == nil {
			kept = append(make([]*Node, 0, len(n.Children)), n.Children[:i]...)
		}
	}
	if kept != nil {
		n.replace(kept)
	}
}

// element repairs one, and reports whether it stays.
func (r *repairer) element(owner *Node, i int, n *Node) bool {
	e := n.Element
	if e == nil {
		return true // for Check to say
	}
	switch {
	case n.Kind == Null && len(n.Children) == 0, n.Kind == Array && len(n.Children) == 0,
		n.Kind == String && strings.TrimSpace(n.Value) == "" && len(n.Children) == 0,
		n.Kind == Object && len(n.Children) == 0 && n.resourceType == "":
		r.tell(n, "repair-empty", label(n)+" is empty and was left out", "")
		return false
	}
	alone := (i == 0 || owner.Children[i-1].Name != n.Name) && (i+1 == len(owner.Children) || owner.Children[i+1].Name != n.Name)
	switch {
	case e.List && !n.List:
		r.tell(n, "repair-array", e.Path+" repeats and was given without an array: it was read as an array of one", "")
		n.List = true
	case !e.List && n.List && alone && n.Kind != Array:
		r.tell(n, "repair-array", e.Path+" does not repeat and was given as an array of one: its value was read", "")
		n.List = false
	}
	if n.Type != nil && n.Type.Kind == Primitive {
		r.primitive(n)
	}
	before := len(n.Children)
	r.children(n)
	return before == 0 || len(n.Children) > 0 || n.Kind != Object || n.resourceType != ""
}

// trimmed are the primitives in which a blank at either end can mean nothing.
var trimmed = map[string]bool{
	"code": true, "id": true, "uri": true, "url": true, "canonical": true, "oid": true, "uuid": true,
	"date": true, "dateTime": true, "instant": true, "time": true,
}

func (r *repairer) primitive(n *Node) {
	t := n.Type
	if !n.HasValue() {
		return
	}
	if n.Kind != t.json {
		text := strings.TrimSpace(n.Value)
		if ok := lexical[t.Name]; ok == nil || !ok(text) {
			return
		}
		r.tell(n, "repair-kind", label(n)+" must be "+wantedWords[t.json]+" and was "+kindWords[n.Kind]+": its text was read", n.Value)
		n.Kind, n.Value = t.json, text
		return
	}
	if !trimmed[t.Name] && n.Element.Path != "Reference.reference" {
		return
	}
	if text := strings.TrimSpace(n.Value); text != n.Value {
		r.tell(n, "repair-blank", label(n)+" has blanks around it: they were left out", n.Value)
		n.Value = text
	}
	if t.Name == "dateTime" || t.Name == "instant" {
		r.moment(n)
	}
}

// moment repairs a date and time.
func (r *repairer) moment(n *Node) {
	sent := n.Value
	if lexical[n.Type.Name](sent) {
		return
	}
	text, offset, ok := respelled(sent)
	if !ok {
		return
	}
	if offset != "" {
		if text += offset; lexical[n.Type.Name](text) {
			r.tell(n, "repair-time", label(n)+" is not written as FHIR writes a date and time: it was read as the same time", sent)
			n.Value = text
		}
		return
	}
	offset, ok = londonOffset(text)
	switch {
	case ok && isInstant(text+offset):
		r.tell(n, "repair-offset", label(n)+" has a time without offset: it was read as the time of Europe/London", sent)
		n.Value = text + offset
	case !ok && n.Type.Name == "dateTime" && isDateTime(text[:10]):
		r.tell(n, "repair-offset", label(n)+" has a time without offset, in an hour that Europe/London has twice or not at all: only the date was read", sent)
		n.Value = text[:10]
	}
}

// respelled takes a date and time apart and gives it as FHIR spells it, with seconds. False when
// it is none. The offset is "" where there is none.
// Source: http://hl7.org/fhir/STU3/datatypes.html#dateTime (seconds may be zero-filled).
func respelled(s string) (text, offset string, ok bool) {
	if len(s) < 16 || s[10] != 'T' && s[10] != 't' && s[10] != ' ' || s[13] != ':' {
		return "", "", false
	}
	text = s[:10] + "T" + s[11:16]
	rest := s[16:]
	if len(rest) >= 3 && rest[0] == ':' {
		end := 3
		if end < len(rest) && rest[end] == '.' {
			for end++; end < len(rest) && rest[end] >= '0' && rest[end] <= '9'; end++ {
			}
		}
		text, rest = text+rest[:end], rest[end:]
	} else {
		text += ":00"
	}
	switch {
	case rest == "":
	case rest == "z" || rest == "Z":
		offset = "Z"
	case len(rest) == 5 && (rest[0] == '+' || rest[0] == '-'):
		offset = rest[:3] + ":" + rest[3:]
	case len(rest) == 6:
		offset = rest
	default:
		return "", "", false
	}
	return text, offset, true
}

var london = sync.OnceValue(func() *time.Location {
	l, err := time.LoadLocation("Europe/London")
	if err != nil {
		return nil // it is compiled in: this is never so, and then nothing is repaired
	}
	return l
})

// londonOffset is the offset of a civil time in London, false where it has two or none.
func londonOffset(text string) (string, bool) {
	at, err := time.Parse("2006-01-02T15:04:05", text[:19])
	zone := london()
	if err != nil || zone == nil {
		return "", false
	}
	found := ""
	// London has been up to two hours ahead of UTC, and never behind
	for _, hours := range []time.Duration{0, 1, 2} {
		_, offset := at.Add(-hours * time.Hour).In(zone).Zone()
		if time.Duration(offset)*time.Second != hours*time.Hour {
			continue
		}
		if found != "" {
			return "", false
		}
		found = "+0" + strconv.Itoa(int(hours)) + ":00"
	}
	return found, found != ""
}
