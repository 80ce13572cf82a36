package fhirpath

import (
	"spadapter/adapter/fhir"
)

// system is the element v in the System namespace, by the table of
// http://hl7.org/fhir/R4/fhirpath.html#types; v itself where there is none. A value
// that is not of its type's form is a String, so that it can still be compared.
func (v Value) system() Value {
	n := v.node
	switch n.Kind {
	case fhir.Boolean:
		return BooleanOf(n.Value == "true")
	case fhir.Number:
		return numberOf(n)
	case fhir.String:
		return textOf(n)
	case fhir.Object:
		if n.Type != nil && n.Type.Is("Quantity") {
			return quantityOf(v)
		}
	}
	return v
}

func numberOf(n *fhir.Node) Value {
	if n.Type == nil || n.Type.Name != "decimal" {
		if i, ok := parseInteger(n.Value); ok {
			return IntegerOf(i)
		}
	}
	if d, ok := parseDecimal(n.Value); ok {
		return d
	}
	return Value{node: n}
}

func textOf(n *fhir.Node) Value {
	if n.Type != nil {
		var v Value
		ok := false
		switch n.Type.Name {
		case "date":
			v, ok = parseDate(n.Value)
		case "dateTime", "instant":
			v, ok = parseDateTime(n.Value)
		case "time":
			v, ok = parseTime(n.Value)
		}
		if ok {
			return v
		}
	}
	return StringOf(n.Value)
}

// quantityOf turns an element Quantity (Age, Duration…) into a System Quantity: its
// code where it has one, else the unit as written. A code of another system than UCUM
// keeps its system before it, so that it compares with its like and never as UCUM. One
// with a comparator or without a value stays an element.
// Source: http://hl7.org/fhir/R4/fhirpath.html#quantity.
func quantityOf(v Value) Value {
	n := v.node
	value := n.Child("value")
	if value == nil || !value.HasValue() || n.Child("comparator") != nil {
		return v
	}
	d, ok := numberOf(value).Decimal()
	if !ok {
		return v
	}
	unit := n.Text("code")
	if unit == "" {
		unit = n.Text("unit")
	}
	if system := n.Text("system"); system != "" && system != constants["ucum"] {
		return QuantityOf(d, system+"|"+unit)
	}
	switch unit { // the table at the source turns these two into the words of the calendar
	case "a":
		unit = "year"
	case "mo":
		unit = "month"
	}
	return QuantityOf(d, unit)
}
