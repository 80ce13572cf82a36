package fhir

import (
	datatypes "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	"google.golang.org/protobuf/proto"
)

// Message is any typed resource or data type.
type Message = proto.Message

// MediaType is the contentType of an Attachment.
type MediaType = datatypes.Attachment_ContentTypeCode

// Lexical reports whether text is a legal value of a primitive type, such as "uri";
// true for a type that has no rule.
func Lexical(typeName, text string) bool {
	ok := lexical[typeName]
	return ok == nil || ok(text)
}

// ParseDateTime reads a date or dateTime with its precision and offset; false when
// text is neither.
func ParseDateTime(text string) (*DateTime, bool) {
	if !isDateTime(text) {
		return nil, false
	}
	d := &DateTime{}
	return d, Decode(NewPrimitive(Types(R4).Type("dateTime"), text), d) == nil
}
