package fhirpath

import (
	"regexp"
	"strings"

	"github.com/shopspring/decimal"
)

// The functions of http://hl7.org/fhirpath/N1/#conversion.
func init() {
	for name, conversion := range map[string]struct {
		out Kind
		f   func(v Value) (Value, bool)
	}{
		"Boolean":  {Boolean, toBoolean},
		"Integer":  {Integer, toInteger},
		"Decimal":  {Decimal, toDecimal},
		"String":   {String, toString},
		"Date":     {Date, toDate},
		"DateTime": {DateTime, toDateTime},
		"Time":     {Time, toTime},
	} {
		register(map[string]function{
			"to" + name: converting(systemStatic(conversion.out), func(_ *state, v Value) (Value, bool, error) {
				out, ok := conversion.f(v)
				return out, ok, nil
			}),
			"convertsTo" + name: converting(systemStatic(Boolean), func(_ *state, v Value) (Value, bool, error) {
				_, ok := conversion.f(v)
				return BooleanOf(ok), true, nil
			}),
		})
	}
	register(map[string]function{
		"toQuantity": with(0, 1, systemStatic(Quantity), toQuantity),
		"convertsToQuantity": with(0, 1, systemStatic(Boolean), func(s *state, v Value, args []Value) (Value, bool, error) {
			_, ok, err := toQuantity(s, v, args)
			return BooleanOf(ok), true, err
		}),
	})
}

func toBoolean(v Value) (Value, bool) {
	switch v.kind {
	case Boolean:
		return v, true
	case String:
		if len(v.text) > len("false") {
			return v, false
		}
		switch strings.ToLower(v.text) {
		case "true", "t", "yes", "y", "1", "1.0":
			return BooleanOf(true), true
		case "false", "f", "no", "n", "0", "0.0":
			return BooleanOf(false), true
		}
	case Integer, Decimal:
		d, _ := v.Decimal()
		switch {
		case d.Equal(decimal.NewFromInt(1)):
			return BooleanOf(true), true
		case d.IsZero():
			return BooleanOf(false), true
		}
	}
	return v, false
}

func toInteger(v Value) (Value, bool) {
	switch v.kind {
	case Integer:
		return v, true
	case Boolean:
		return IntegerOf(v.number), true
	case String:
		i, ok := parseInteger(v.text)
		return IntegerOf(i), ok
	}
	return v, false
}

func toDecimal(v Value) (Value, bool) {
	switch v.kind {
	case Decimal:
		return v, true
	case Integer, Boolean:
		return DecimalOf(decimal.NewFromInt(v.number)), true
	case String:
		if len(v.text) <= maxNumber && decimalForm.MatchString(v.text) {
			return parseDecimal(v.text)
		}
	}
	return v, false
}

// The forms of http://hl7.org/fhirpath/N1/#todecimal-decimal and #toquantityunit-string-quantity.
var (
	decimalForm  = regexp.MustCompile(`^[+-]?\d+(\.\d+)?$`)
	quantityForm = regexp.MustCompile(`^([+-]?\d+(?:\.\d+)?)\s*(?:'([^']+)'|([a-zA-Z]+))?$`)
)

func toString(v Value) (Value, bool) {
	if v.kind == Node || v.kind == TypeInfo {
		return v, false
	}
	return StringOf(v.Text()), true
}

func toDate(v Value) (Value, bool) {
	switch v.kind {
	case Date:
		return v, true
	case DateTime:
		v = v.truncated(toDay)
		v.kind, v.zone = Date, noZone
		return v, true
	case String:
		if d, ok := parseDate(v.text); ok {
			return d, true
		}
		if d, ok := parseDateTime(v.text); ok {
			return toDate(d)
		}
	}
	return v, false
}

func toDateTime(v Value) (Value, bool) {
	switch v.kind {
	case DateTime:
		return v, true
	case Date:
		v.kind = DateTime
		return v, true
	case String:
		return parseDateTime(v.text)
	}
	return v, false
}

func toTime(v Value) (Value, bool) {
	switch v.kind {
	case Time:
		return v, true
	case String:
		return parseTime(v.text)
	}
	return v, false
}

// toQuantity converts to a quantity, and into a unit when one is asked for.
func toQuantity(s *state, v Value, unit []Value) (Value, bool, error) {
	q, ok := v, v.kind == Quantity
	switch v.kind {
	case Integer, Decimal, Boolean:
		d := decimal.NewFromInt(v.number)
		if v.kind == Decimal {
			d = *v.exact
		}
		q, ok = QuantityOf(d, "1"), true
	case String:
		if len(v.text) > maxNumber+maxUnit {
			return v, false, nil
		}
		m := quantityForm.FindStringSubmatch(v.text)
		if m == nil || m[3] != "" && !isCalendar(m[3]) {
			return v, false, nil
		}
		d, found := parseDecimal(m[1])
		if ok = found; ok {
			q = QuantityOf(*d.exact, m[2]+m[3])
		}
	}
	if !ok || len(unit) == 0 {
		return q, ok, nil
	}
	if unit[0].kind != String {
		return v, false, failf("the unit must be a String and is %s", unit[0].kind)
	}
	if sameUnit(q.text, unit[0].text) {
		return q, true, nil
	}
	from, ok1 := s.measure(q.text)
	to, ok2 := s.measure(unit[0].text)
	if !ok1 || !ok2 || !from.comparable(to) {
		return v, false, nil
	}
	return quantityResult(converted(*q.exact, from, to), unit[0].text)
}
