package fhir

import (
	"bytes"
	"encoding/json"
)

// skimmed are the members of a definition that the index of a package holds.
var skimmed = map[string]bool{
	"resourceType": true, "id": true, "url": true, "version": true,
	"kind": true, "type": true, "derivation": true, "baseDefinition": true,
}

// skim reads those members of a JSON object that are texts, and checks no more of the
// rest than it needs to pass over it: a definition is parsed when it is used. False for
// what is no object, or ends too early.
func skim(body []byte) (map[string]string, bool) {
	s := skimmer{body: bytes.TrimPrefix(body, []byte("\uFEFF"))}
	out := map[string]string{}
	if s.next() != '{' {
		return nil, false
	}
	s.at++
	for {
		switch s.next() {
		case '}':
			return out, true
		case ',':
			s.at++
			continue
		case '"':
		default:
			return nil, false
		}
		name, ok := s.text()
		if !ok || s.next() != ':' {
			return nil, false
		}
		s.at++
		if s.next() != '"' {
			if !s.pass() {
				return nil, false
			}
			continue
		}
		value, ok := s.text()
		if !ok {
			return nil, false
		}
		if key := string(name[1 : len(name)-1]); skimmed[key] {
			if bytes.IndexByte(value, '\\') < 0 {
				out[key] = string(value[1 : len(value)-1])
				continue
			}
			var unescaped string
			if json.Unmarshal(value, &unescaped) != nil {
				return nil, false
			}
			out[key] = unescaped
		}
	}
}

type skimmer struct {
	body []byte
	at   int
}

// next is the next byte that is no blank, 0 at the end.
func (s *skimmer) next() byte {
	for ; s.at < len(s.body); s.at++ {
		switch c := s.body[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// text takes a string with its quotes.
func (s *skimmer) text() ([]byte, bool) {
	from := s.at
	for s.at++; s.at < len(s.body); s.at++ {
		switch s.body[s.at] {
		case '\\':
			s.at++
		case '"':
			s.at++
			return s.body[from:s.at], true
		}
	}
	return nil, false
}

// pass goes to the end of a value that is no string.
func (s *skimmer) pass() bool {
	depth := 0
	for s.at < len(s.body) {
		switch s.body[s.at] {
		case '"':
			if _, ok := s.text(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return true // the end of what the value lies in
			}
		case ',':
			if depth == 0 {
				return true
			}
		}
		s.at++
	}
	return false
}
