package fhir

import (
	"encoding/base64"
	"strconv"
	"strings"

	d4 "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// spelling is the number of the unknown field in which a typed primitive keeps its
// text where the value alone would be written otherwise ("10:00:00.50Z" has no
// two-digit precision in google/fhir). FromTyped uses it only while it still means the
// value, so that a changed value is written as changed. Numbers from 50000 are free
// for private use.
const spelling protowire.Number = 99_001

// set gives the message of a primitive its value from the text; false when the text
// is not in the lexical form.
func (p *typePlan) set(m protoreflect.Message, text string) bool {
	// half of all values are one of these; reflection costs three times as much
	switch x := m.Interface().(type) {
	case *d4.String:
		x.Value = text
		return true
	case *d4.Code:
		x.Value = text
		return true
	case *d4.Uri:
		x.Value = text
		return true
	}
	var v protoreflect.Value
	exact := true
	switch p.form {
	case formText:
		v = protoreflect.ValueOfString(text)
	case formBoolean:
		if text != "true" && text != "false" {
			return false
		}
		v = protoreflect.ValueOfBool(text == "true")
	case formInteger:
		i, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return false
		}
		v, exact = protoreflect.ValueOfInt32(int32(i)), text != "-0"
	case formUnsigned:
		u, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return false
		}
		v = protoreflect.ValueOfUint32(uint32(u))
	case formBinary:
		b, same, ok := parseBase64(text)
		if !ok {
			return false
		}
		v, exact = protoreflect.ValueOfBytes(b), same
	case formCode:
		number, ok := p.codes[text]
		if !ok {
			return false
		}
		v = protoreflect.ValueOfEnum(number)
	case formMoment:
		parse := parseMoment
		if p.timezone == nil {
			parse = parseClock
		}
		t, ok := parse(text)
		if !ok || p.scale[t.scale] == 0 {
			return false // such as a date with a time
		}
		var buf [48]byte
		canonical := buf[:0]
		if p.timezone != nil {
			m.Set(p.timezone, protoreflect.ValueOfString(t.zone))
			canonical, _ = t.appendText(canonical)
		} else {
			canonical = t.appendClock(canonical, t.micros)
		}
		m.Set(p.precision, protoreflect.ValueOfEnum(p.scale[t.scale]))
		v, exact = protoreflect.ValueOfInt64(t.micros), string(canonical) == text
	}
	m.Set(p.value, v)
	if !exact {
		m.SetUnknown(protowire.AppendString(protowire.AppendTag(nil, spelling, protowire.BytesType), text))
	}
	return true
}

// parseBase64 reads base64Binary, which may hold white space; same reports whether
// encoding the bytes gives the text again.
func parseBase64(text string) (b []byte, same, ok bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err == nil {
		return b, len(text) == base64.StdEncoding.EncodedLen(len(b)), true
	}
	b, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	return b, false, err == nil
}

// get is the text of a primitive's value; false when it has none.
func (p *typePlan) get(m protoreflect.Message) (string, bool) {
	v := m.Get(p.value)
	switch p.form {
	case formText:
		return v.String(), true
	case formBoolean:
		return strconv.FormatBool(v.Bool()), true
	case formInteger:
		if text, ok := spelled(m); ok && text == "-0" && v.Int() == 0 {
			return text, true
		}
		return strconv.FormatInt(v.Int(), 10), true
	case formUnsigned:
		return strconv.FormatUint(v.Uint(), 10), true
	case formBinary:
		if text, ok := spelled(m); ok {
			if data, _, ok := parseBase64(text); ok && string(data) == string(v.Bytes()) {
				return text, true
			}
		}
		return base64.StdEncoding.EncodeToString(v.Bytes()), true
	case formCode:
		text, ok := p.texts[v.Enum()]
		return text, ok
	default:
		return p.moment(m, v.Int())
	}
}

func (p *typePlan) moment(m protoreflect.Message, micros int64) (string, bool) {
	t := moment{micros: micros}
	number := m.Get(p.precision).Enum()
	for s, n := range p.scale {
		if n == number && n != 0 {
			t.scale = scale(s)
		}
	}
	parse := parseClock
	if p.timezone != nil {
		t.zone = m.Get(p.timezone).String()
		parse = parseMoment
	}
	if text, ok := spelled(m); ok {
		if same, ok := parse(text); ok && same == t {
			return text, true
		}
	}
	var buf [48]byte
	if p.timezone != nil {
		text, ok := t.appendText(buf[:0])
		return string(text), ok
	}
	if t.scale == noScale || micros < 0 || micros >= dayMicros {
		return "", false
	}
	return string(t.appendClock(buf[:0], micros)), true
}

// spelled gives the text a value had where it differs from what the value is written as.
func spelled(m protoreflect.Message) (string, bool) {
	unknown := m.GetUnknown()
	for len(unknown) > 0 {
		number, kind, n := protowire.ConsumeTag(unknown)
		if n < 0 {
			break
		}
		unknown = unknown[n:]
		if number == spelling && kind == protowire.BytesType {
			text, n := protowire.ConsumeString(unknown)
			return text, n >= 0
		}
		if n = protowire.ConsumeFieldValue(number, kind, unknown); n < 0 {
			break
		}
		unknown = unknown[n:]
	}
	return "", false
}
