package main

import (
	"encoding/base64"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
)

// task is the first Task of the record with that status, nil when there is none.
func (s *standIn) task(status string) *fhir.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.order {
		if n := s.held[key].node; n.ResourceType() == "Task" && n.Text("status") == status {
			return n.Clone()
		}
	}
	return nil
}

// gpLine is one thing that a clinician would see in the record.
type gpLine struct {
	Resource string // "Observation/1"
	What     string // task, output, finding, score, intervention, document; else the resource type
	Code     string // Task.status, or a clinical code
	Display  string // the words that go with the code
	Value    string // a score with its unit, an output, the text of a document
}

// Record gives what the GP record holds, in the order it was received; the outputs of
// a Task follow it. Empty but not nil when it holds nothing.
func (s *standIn) Record() []gpLine {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := []gpLine{}
	for _, key := range s.order {
		n := s.held[key].node
		l := gpLine{Resource: key, What: n.ResourceType()}
		l.Code, l.Display = gpConcept(n.Child("code"))
		switch n.ResourceType() {
		case "Task":
			_, business := gpConcept(n.Child("businessStatus"))
			lines = append(lines, gpLine{key, "task", n.Text("status"), business, "version " + strconv.Itoa(s.held[key].version)})
			for _, o := range n.All("output") {
				l := gpLine{Resource: key, What: "output", Value: gpPlain(o.Child("value"))}
				l.Code, l.Display = gpConcept(o.Child("type"))
				lines = append(lines, l)
			}
			continue
		case "Observation":
			l.What = "finding"
			l.Value = gpPlain(n.Child("value"))
			if n.Descend("value", "value") != nil { // a Quantity
				l.What = "score"
			}
		case "Procedure":
			l.What = "intervention"
		case "DocumentReference":
			l.What = "document"
			l.Code, l.Display = gpConcept(n.Child("type"))
			for _, c := range n.All("content") {
				// the other forms say the same
				text, err := base64.StdEncoding.DecodeString(c.Text("attachment", "data"))
				if err == nil && strings.HasPrefix(c.Text("attachment", "contentType"), "text/plain") {
					l.Value += string(text)
				}
			}
		}
		lines = append(lines, l)
	}
	return lines
}

// gpConcept gives the code of a CodeableConcept and its words: the text, else the display.
func gpConcept(c *fhir.Node) (code, words string) {
	if words = c.Text("text"); words == "" {
		words = c.Text("coding", "display")
	}
	return c.Text("coding", "code"), words
}

// gpPlain writes a value[x] in a line.
func gpPlain(v *fhir.Node) string {
	switch {
	case v == nil:
		return ""
	case v.HasValue():
		return v.Value
	case v.Child("reference") != nil:
		return v.Text("reference")
	case v.Child("value") != nil: // Quantity, Identifier
		return strings.TrimSpace(v.Text("value") + " " + v.Text("unit"))
	}
	if code, words := gpConcept(v); code != "" {
		return strings.TrimSpace(code + " " + words)
	} else if words != "" {
		return words
	}
	return string(fhir.Encode(v))
}
