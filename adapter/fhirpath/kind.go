package fhirpath

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// primitiveKinds are the kinds of the primitives that are no String,
// http://hl7.org/fhir/R4/fhirpath.html#types.
var primitiveKinds = map[string]Kind{
	"boolean": Boolean, "integer": Integer, "positiveInt": Integer, "unsignedInt": Integer, "decimal": Decimal,
	"date": Date, "dateTime": DateTime, "instant": DateTime, "time": Time,
}

// kind is what System will make of the items, where that is known before the
// evaluation: Node for structures without a value.
func (a static) kind() (k Kind, known bool) {
	if a.made {
		return a.system, true
	}
	for i, t := range a.types {
		of := Node
		switch {
		case !a.known || t.Abstract || t.Is("Quantity"): // a Quantity without a value stays an element
			return Node, false
		case t.Kind == fhir.Primitive:
			if of = primitiveKinds[t.Name]; of == Node {
				of = String
			}
		}
		if i > 0 && of != k {
			return Node, false
		}
		k = of
	}
	return k, len(a.types) > 0
}

// wants is an error where what is known of a is that it is no k.
func (c *compiler) wants(k Kind, a static, at int, what string) error {
	if have, known := a.kind(); known && have != k {
		return fault(c.src, at, issue.Invalid, "%s must be %s and is %s", what, k, a.article())
	}
	return nil
}

// article names what is known for a message.
func (a static) article() string {
	if a.made {
		return a.system.String()
	}
	return "a " + a.names()
}

// fits is an error where what is known of both sides is that the operator cannot work.
func (c *compiler) fits(t *term, a, b static) error {
	x, known := a.kind()
	y, known2 := b.kind()
	if !known || !known2 {
		return nil
	}
	switch t.name {
	case "<", ">", "<=", ">=":
		if !ordered(x, y) {
			return fault(c.src, t.start, issue.Invalid, "%s and %s have no order, so the operator %s does not work on them", a.article(), b.article(), t.name)
		}
	case "+", "-", "*", "/", "div", "mod":
		if !calculable(t.name, x, y) {
			return fault(c.src, t.start, issue.Invalid, "the operator %s does not work on %s and %s", t.name, a.article(), b.article())
		}
	case "&":
		if x != String || y != String {
			return fault(c.src, t.start, issue.Invalid, "the operator & needs two Strings and got %s and %s; write toString()", a.article(), b.article())
		}
	}
	return nil
}

func (k Kind) isNumber() bool   { return k == Integer || k == Decimal }
func (k Kind) isQuantity() bool { return k == Quantity || k.isNumber() }
func (k Kind) isDate() bool     { return k == Date || k == DateTime }

// ordered reports whether two kinds have an order, http://hl7.org/fhirpath/N1/#comparison.
func ordered(x, y Kind) bool {
	return x == String && y == String || x.isQuantity() && y.isQuantity() || x.isDate() && y.isDate() || x == Time && y == Time
}

// calculable reports whether an operator works on two kinds, http://hl7.org/fhirpath/N1/#math-1.
func calculable(operator string, x, y Kind) bool {
	sum := operator == "+" || operator == "-"
	switch {
	case x == String && y == String:
		return operator == "+"
	case x.isNumber() && y.isNumber():
		return true
	case x.isQuantity() && y.isQuantity():
		return operator != "div" && operator != "mod"
	}
	return sum && (x.isDate() || x == Time) && y == Quantity
}

// calculated is what is known of the result of an operator that works on a and b.
func calculated(operator string, a, b static) static {
	x, known := a.kind()
	y, known2 := b.kind()
	switch {
	case !known || !known2:
		return static{}
	case x == Integer && y == Integer && operator == "/":
		return systemStatic(Decimal)
	case x.isNumber() && y.isNumber() && (x != y || x == Decimal):
		if operator == "div" {
			return systemStatic(Integer)
		}
		return systemStatic(Decimal)
	case x.isQuantity() && x != y:
		return systemStatic(Quantity)
	}
	return systemStatic(x)
}
