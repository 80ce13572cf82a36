package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"spadapter/adapter/issue"
)

// decodeStrict reads plain JSON into a struct and refuses what encoding/json lets
// pass: unknown and repeated members, names in another case, other encodings. The
// faults are told at once, each with its path, as far as an answer lists them. An empty body leaves into as it is;
// null counts as left out.
//
// Errors: structure for what is no JSON object; invalid for an unknown or repeated
// member; value for a member of the wrong kind, and for half a character.
func decodeStrict(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if !utf8.Valid(body) {
		return issue.New(issue.Structure, "json-utf8", "the body is not UTF-8")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil {
		e := issue.New(issue.Structure, "json", "the body is not one JSON value")
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			before := body[:min(max(syntax.Offset-1, 0), int64(len(body)))]
			e.On(bytes.Count(before, []byte("\n"))+1, len(before)-bytes.LastIndexByte(before, '\n'))
		}
		return e
	}
	if bytes.TrimSpace(body)[0] != '{' {
		return issue.New(issue.Structure, "json", "the body must be a JSON object")
	}
	s := strict{body: body, decoder: json.NewDecoder(bytes.NewReader(body))}
	s.decoder.UseNumber()
	s.value(reflect.TypeOf(into).Elem(), "")
	if s.faults != nil {
		return issue.Join(s.faults)
	}
	return json.Unmarshal(body, into)
}

// strict walks a valid JSON text beside the Go type it is meant for.
type strict struct {
	body    []byte
	decoder *json.Decoder
	faults  []*issue.Error
}

// next gives the next token; the text is valid, so that there is one.
func (s *strict) next() json.Token {
	token, err := s.decoder.Token()
	if err != nil {
		panic(err)
	}
	return token
}

// skip reads over one value, or over the rest of the object or array whose first
// delimiter was opened.
func (s *strict) skip(opened bool) {
	depth := 0
	if opened {
		depth = 1
	}
	for {
		if delim, ok := s.next().(json.Delim); ok {
			if delim == '{' || delim == '[' {
				depth++
			} else {
				depth--
			}
		}
		if depth == 0 {
			return
		}
	}
}

func (s *strict) fault(t issue.Type, rule, path, details string) {
	s.keep(issue.New(t, rule, details).At(path))
}

// keep keeps a fault, up to what is told and one more, which makes refuse say so.
func (s *strict) keep(e *issue.Error) {
	if len(s.faults) <= maxIssues {
		s.faults = append(s.faults, e)
	}
}

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

// maxWhole is the largest whole number that every JSON reader keeps.
// Source: RFC 8259 section 6.
const maxWhole = 1<<53 - 1

func isWhole(t reflect.Type) bool { return t.Kind() == reflect.Int || t.Kind() == reflect.Int64 }

// value checks one value at path against t.
func (s *strict) value(t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == rawType {
		s.skip(false) // read by itself
		return
	}
	before := s.decoder.InputOffset()
	switch token := s.next().(type) {
	case nil:
	case json.Delim:
		switch {
		case token == '{' && t.Kind() == reflect.Struct && t != timeType:
			s.object(t, path)
		case token == '[' && t.Kind() == reflect.Slice:
			for i := 0; s.decoder.More(); i++ {
				s.value(t.Elem(), path+"["+strconv.Itoa(i)+"]")
			}
			s.next()
		default:
			s.kind(t, path)
			s.skip(true)
		}
	case string:
		if halved(s.body[before:s.decoder.InputOffset()]) {
			s.fault(issue.Value, "json-surrogate", path, `this has a \u escape of half a character (\ud800 to \udfff), which stands for nothing: send both halves`)
		} else if t == timeType {
			if _, err := time.Parse(time.RFC3339, token); err != nil {
				s.kind(t, path)
			}
		} else if t.Kind() != reflect.String {
			s.kind(t, path)
		}
	case bool:
		if t.Kind() != reflect.Bool {
			s.kind(t, path)
		}
	case json.Number:
		if n, err := strconv.ParseInt(token.String(), 10, 64); !isWhole(t) || err != nil || max(n, -n) > maxWhole {
			s.kind(t, path) // decimals travel as strings
		}
	default:
		s.kind(t, path)
	}
}

// halved reports whether a valid JSON text has an escape of half a character without the other
// half, which encoding/json replaces in silence.
// Source: RFC 8259 section 8.2.
func halved(text []byte) bool {
	escape := func(at int) (rune, bool) {
		if at+6 > len(text) || text[at] != '\\' || text[at+1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(text[at+2:at+6]), 16, 16)
		return rune(n), err == nil
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		first, ok := escape(i)
		if !ok {
			i++ // what is escaped begins no escape
			continue
		}
		i += 5
		if !utf16.IsSurrogate(first) {
			continue
		}
		second, ok := escape(i + 1)
		if !ok || utf16.DecodeRune(first, second) == unicode.ReplacementChar {
			return true
		}
		i += 6
	}
	return false
}

// object checks the members of an object whose brace has been read.
func (s *strict) object(t reflect.Type, path string) {
	seen := map[string]bool{}
	for s.decoder.More() {
		name, _ := s.next().(string)
		field, known := member(t, name)
		at := strings.TrimPrefix(path+"."+name, ".")
		switch {
		case !known:
			// the name is the sender's: it goes back, and stays out of the log
			s.keep(issue.New(issue.Invalid, "unknown-field", "there is no such field here").At(path).With("the field is %.200q", at))
			s.skip(false)
			continue
		case seen[name]:
			s.fault(issue.Invalid, "repeated-field", at, "a field may be given once")
		}
		seen[name] = true
		s.value(field, at)
	}
	s.next()
}

// member finds the field of a struct with that JSON name, in exactly that case.
func member(t reflect.Type, name string) (reflect.Type, bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name && tag != "" && tag != "-" {
			return f.Type, true
		}
	}
	return nil, false
}

// kind says what a value should have been.
func (s *strict) kind(t reflect.Type, path string) {
	want := "an object"
	switch {
	case t == timeType:
		want = "a time such as 2026-02-17T09:30:00Z"
	case t.Kind() == reflect.String:
		want = "a string"
	case t.Kind() == reflect.Bool:
		want = "true or false"
	case isWhole(t):
		want = "a whole number"
	case t.Kind() == reflect.Slice:
		want = "an array"
	}
	s.fault(issue.Value, "json-kind", path, "this must be "+want)
}
