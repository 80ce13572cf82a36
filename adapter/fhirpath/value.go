package fhirpath

import (
	"strconv"

	"github.com/shopspring/decimal"

	"spadapter/adapter/fhir"
)

// Kind says what a Value is: an element of the tree, or one of the types of
// FHIRPath's own System namespace.
type Kind uint8

// The kinds. TypeInfo is what type() gives.
const (
	Node Kind = iota
	Boolean
	String
	Integer
	Decimal
	Date
	DateTime
	Time
	Quantity
	TypeInfo
)

var kindNames = [...]string{"an element", "a Boolean", "a String", "an Integer", "a Decimal", "a Date", "a DateTime", "a Time", "a Quantity", "a type"}

// String names the kind with its article, for messages.
func (k Kind) String() string { return kindNames[k] }

// Value is one item of a Collection: an element of the tree, or a value that an
// expression made. Values are immutable and small; copy them freely.
type Value struct {
	kind      Kind
	precision precision // of a Date, DateTime or Time
	zone      int16     // minutes east of UTC of a DateTime, noZone when it has none
	nanos     int32     // fraction of the second

	number int64            // Integer; Boolean as 0 or 1; seconds of a moment on its own clock
	text   string           // String; unit of a Quantity; name of a TypeInfo
	node   *fhir.Node       // Node
	exact  *decimal.Decimal // Decimal; value of a Quantity
}

// Collection is the result of an expression: ordered, nil when empty.
type Collection []Value

// Of makes a Value of an element, which must not be nil.
func Of(n *fhir.Node) Value { return Value{node: n} }

// StringOf makes a String.
func StringOf(s string) Value { return Value{kind: String, text: s} }

// BooleanOf makes a Boolean.
func BooleanOf(b bool) Value {
	if b {
		return Value{kind: Boolean, number: 1}
	}
	return Value{kind: Boolean}
}

// IntegerOf makes an Integer.
func IntegerOf(i int64) Value { return Value{kind: Integer, number: i} }

// DecimalOf makes a Decimal. Its scale is kept: 1.50 has the precision 3.
func DecimalOf(d decimal.Decimal) Value { return Value{kind: Decimal, exact: &d} }

// QuantityOf makes a Quantity. unit is a UCUM code or a calendar word such as "day";
// "1" or "" for none.
func QuantityOf(d decimal.Decimal, unit string) Value {
	if unit == "" {
		unit = "1"
	}
	return Value{kind: Quantity, exact: &d, text: unit}
}

// Kind is the kind of v, Node for every element, primitives included.
func (v Value) Kind() Kind { return v.kind }

// Node is the element, nil for a value of the System namespace.
func (v Value) Node() *fhir.Node { return v.node }

// System is v in the System namespace: a primitive element gives its value (a code a
// String, an instant a DateTime), an element Quantity a Quantity. Every other
// element, and a primitive without a value, gives itself.
func (v Value) System() Value {
	if v.node == nil {
		return v
	}
	return v.system()
}

// Text is v as toString() gives it: decimals with their own digits, dates with their
// own precision; "" for an element that is no primitive.
func (v Value) Text() string {
	switch v = v.System(); v.kind {
	case String, TypeInfo:
		return v.text
	case Boolean:
		return strconv.FormatBool(v.number != 0)
	case Integer:
		return strconv.FormatInt(v.number, 10)
	case Decimal:
		return digits(*v.exact)
	case Date, DateTime, Time:
		return v.momentText()
	case Quantity:
		if isCalendar(v.text) {
			return digits(*v.exact) + " " + v.text
		}
		return digits(*v.exact) + " '" + v.text + "'"
	}
	return ""
}

// Boolean is the truth of a Boolean or boolean; ok is false for every other value.
func (v Value) Boolean() (truth, ok bool) {
	v = v.System()
	return v.number != 0, v.kind == Boolean
}

// Integer is the value of an Integer, integer, positiveInt or unsignedInt.
func (v Value) Integer() (i int64, ok bool) {
	v = v.System()
	return v.number, v.kind == Integer
}

// Decimal is the value of a Decimal, an Integer or the elements that are one, with
// its own scale.
func (v Value) Decimal() (d decimal.Decimal, ok bool) {
	switch v = v.System(); v.kind {
	case Integer:
		return decimal.NewFromInt(v.number), true
	case Decimal:
		return *v.exact, true
	}
	return decimal.Decimal{}, false
}

// Quantity is the value and unit of a Quantity, System or element.
func (v Value) Quantity() (d decimal.Decimal, unit string, ok bool) {
	if v = v.System(); v.kind == Quantity {
		return *v.exact, v.text, true
	}
	return decimal.Decimal{}, "", false
}

// Nodes keeps the elements of c, in order; nil when it has none.
func (c Collection) Nodes() []*fhir.Node {
	var out []*fhir.Node
	for _, v := range c {
		if v.node != nil {
			out = append(out, v.node)
		}
	}
	return out
}

// digits writes a decimal with all the digits it has: 1.50, not 1.5.
func digits(d decimal.Decimal) string {
	if e := d.Exponent(); e < 0 {
		return d.StringFixed(-e)
	}
	return d.String()
}
