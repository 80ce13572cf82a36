package fhir

import (
	"time"

	datatypes "github.com/google/fhir/go/proto/google/fhir/proto/r4/core/datatypes_go_proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"spadapter/adapter/issue"
)

// The R4 primitives that the constructors below make.
type (
	Base64Binary = datatypes.Base64Binary
	BooleanValue = datatypes.Boolean
	Canonical    = datatypes.Canonical
	Code         = datatypes.Code
	Date         = datatypes.Date
	DateTime     = datatypes.DateTime
	Decimal      = datatypes.Decimal
	ID           = datatypes.Id
	Instant      = datatypes.Instant
	Integer      = datatypes.Integer
	Markdown     = datatypes.Markdown
	PositiveInt  = datatypes.PositiveInt
	StringValue  = datatypes.String
	UnsignedInt  = datatypes.UnsignedInt
	URI          = datatypes.Uri
	URL          = datatypes.Url
)

// NewString makes a string; nil of "", for FHIR has no empty string.
func NewString(s string) *StringValue {
	if s == "" {
		return nil
	}
	return &StringValue{Value: s}
}

// NewURI makes a uri; nil of "".
func NewURI(s string) *URI {
	if s == "" {
		return nil
	}
	return &URI{Value: s}
}

// NewCode makes a code that is bound to no closed value set; nil of "".
func NewCode(s string) *Code {
	if s == "" {
		return nil
	}
	return &Code{Value: s}
}

// NewID makes a logical id; nil of "".
func NewID(s string) *ID {
	if s == "" {
		return nil
	}
	return &ID{Value: s}
}

// NewMarkdown makes a markdown text; nil of "".
func NewMarkdown(s string) *Markdown {
	if s == "" {
		return nil
	}
	return &Markdown{Value: s}
}

// NewBoolean makes a boolean.
func NewBoolean(b bool) *BooleanValue { return &BooleanValue{Value: b} }

// NewInteger makes an integer.
func NewInteger(i int32) *Integer { return &Integer{Value: i} }

// NewDate makes a date to the day, of the calendar day t has in its own location.
func NewDate(t time.Time) *Date {
	y, m, d := t.Date()
	return &Date{ValueUs: days(y, int(m), d) * dayMicros, Timezone: "UTC", Precision: datatypes.Date_DAY}
}

// NewDateTime makes a dateTime with the offset of t's location, Z for UTC: to the
// second, or to milliseconds or microseconds where t has them. Nanoseconds are cut off.
func NewDateTime(t time.Time) *DateTime {
	d := &DateTime{ValueUs: t.UnixMicro(), Timezone: zoneOf(t), Precision: datatypes.DateTime_SECOND}
	switch us := t.Nanosecond() / 1000; {
	case us%1000 != 0:
		d.Precision = datatypes.DateTime_MICROSECOND
	case us != 0:
		d.Precision = datatypes.DateTime_MILLISECOND
	}
	return d
}

// NewInstant makes an instant to the millisecond, with the offset of t's location.
func NewInstant(t time.Time) *Instant {
	return &Instant{ValueUs: t.UnixMilli() * 1000, Timezone: zoneOf(t), Precision: datatypes.Instant_MILLISECOND}
}

func zoneOf(t time.Time) string {
	_, offset := t.Zone()
	if offset == 0 {
		return "Z"
	}
	zone := []byte{'+'}
	if offset < 0 {
		zone[0], offset = '-', -offset
	}
	zone = append(pad(zone, offset/3600, 2), ':')
	return string(pad(zone, offset/60%60, 2))
}

// TimeOf is the start of a Date, DateTime or Instant, in its own offset; the zero time
// for nil and for one without value.
func TimeOf(m interface {
	GetValueUs() int64
	GetTimezone() string
}) time.Time {
	p, ok := m.(proto.Message)
	if !ok || !p.ProtoReflect().IsValid() || m.GetTimezone() == "" {
		return time.Time{}
	}
	t := time.UnixMicro(m.GetValueUs()).UTC()
	if offset, _ := offsetMinutes(m.GetTimezone()); offset != 0 {
		t = t.In(time.FixedZone("", int(offset)*60))
	}
	return t
}

// NewReference makes a reference to "Patient/1", "#contained", "urn:uuid:…" or any
// other URI, in the form that Decode gives. Nil of "".
func NewReference(target string) *Reference {
	if target == "" {
		return nil
	}
	n := Types(R4).New("Reference")
	n.Set("reference", target)
	ref := &Reference{}
	if Decode(n, ref) != nil {
		return &Reference{Reference: &datatypes.Reference_Uri{Uri: NewString(target)}}
	}
	return ref
}

// ReferenceText is the text of Reference.reference as FHIR writes it; "" when there is none.
func ReferenceText(r *Reference) string {
	if r == nil {
		return ""
	}
	n, err := FromTyped(&Reference{Reference: r.Reference})
	if err != nil {
		return ""
	}
	return n.Text("reference")
}

// NewIdentifier makes an identifier.
func NewIdentifier(system, value string) *Identifier {
	return &Identifier{System: NewURI(system), Value: NewString(value)}
}

// IdentifierReference makes a reference by identifier.
func IdentifierReference(system, value string) *Reference {
	return &Reference{Identifier: NewIdentifier(system, value)}
}

// NewCoding makes a coding; empty parts are left out.
func NewCoding(system, code, display string) *Coding {
	return &Coding{System: NewURI(system), Code: NewCode(code), Display: NewString(display)}
}

// NewConcept makes a concept of one coding and a text; empty parts are left out, and
// the coding when it has no code.
func NewConcept(system, code, display, text string) *CodeableConcept {
	c := &CodeableConcept{Text: NewString(text)}
	if code != "" {
		c.Coding = []*Coding{NewCoding(system, code, display)}
	}
	return c
}

// NewPeriod makes a period; a zero time is left out.
func NewPeriod(start, end time.Time) *Period {
	p := &Period{}
	if !start.IsZero() {
		p.Start = NewDateTime(start)
	}
	if !end.IsZero() {
		p.End = NewDateTime(end)
	}
	return p
}

// NewQuantity makes a quantity in a UCUM unit; value keeps its digits.
// Source: http://hl7.org/fhir/R4/valueset-ucum-units.html.
func NewQuantity(value, unit, ucum string) *Quantity {
	q := &Quantity{Value: &Decimal{Value: value}, Unit: NewString(unit)}
	if ucum != "" {
		q.System, q.Code = NewURI("http://unitsofmeasure.org"), NewCode(ucum)
	}
	return q
}

// NewAnnotation makes a note.
func NewAnnotation(text string, at time.Time) *Annotation {
	return &Annotation{Text: NewMarkdown(text), Time: NewDateTime(at)}
}

// Wrap puts an R4 resource into the message that Bundle.entry.resource takes; nil
// when m is no R4 resource. m then belongs to it.
func Wrap(m proto.Message) *ContainedResource {
	c := &ContainedResource{}
	r := c.ProtoReflect()
	p := planOf(r.Descriptor())
	f := p.names[string(m.ProtoReflect().Descriptor().Name())]
	if f == nil || f.message.FullName() != m.ProtoReflect().Descriptor().FullName() {
		return nil
	}
	r.Set(f.field, protoreflect.ValueOfMessage(m.ProtoReflect()))
	return c
}

// Unwrap takes the resource out, to be told apart by a type switch; nil when there is none.
func Unwrap(c *ContainedResource) proto.Message {
	r := c.ProtoReflect()
	if fd := r.WhichOneof(r.Descriptor().Oneofs().Get(0)); r.IsValid() && fd != nil {
		return r.Get(fd).Message().Interface()
	}
	return nil
}

// Contain puts an R4 resource into the form that contained takes, a copy. Errors:
// structure when m is no R4 resource.
func Contain(m proto.Message) (*anypb.Any, error) {
	c := Wrap(m)
	if c == nil {
		return nil, issue.New(issue.Structure, "typed", "only an R4 resource can be contained")
	}
	a, err := anypb.New(c)
	if err != nil {
		return nil, issue.New(issue.Structure, "typed", "the resource cannot be contained").Because(err)
	}
	return a, nil
}
