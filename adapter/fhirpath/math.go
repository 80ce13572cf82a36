package fhirpath

import (
	"github.com/shopspring/decimal"
)

// The functions of http://hl7.org/fhirpath/N1/#math, and lowBoundary(), highBoundary(),
// precision() and comparable() of http://hl7.org/fhirpath/#boundary-functions.
func init() {
	register(map[string]function{
		"abs": converting(static{}, func(_ *state, v Value) (Value, bool, error) {
			if !isQuantity(v) {
				return v, false, failf("abs() needs a number or quantity, not %s", v.kind)
			}
			if v.kind == Integer && v.number < 0 || v.kind != Integer && v.exact.IsNegative() {
				v = v.negated()
			}
			return v, true, nil
		}),
		"ceiling":  whole(decimal.Decimal.Ceil),
		"floor":    whole(decimal.Decimal.Floor),
		"truncate": whole(func(d decimal.Decimal) decimal.Decimal { return d.Truncate(0) }),
		"exp": number(0, func(d decimal.Decimal, _ []decimal.Decimal) (decimal.Decimal, bool) {
			return exponential(d)
		}),
		"ln": number(0, func(d decimal.Decimal, _ []decimal.Decimal) (decimal.Decimal, bool) {
			l, ok := logarithm(d)
			return short(l.Round(quotientDigits)), ok
		}),
		"log": number(1, func(d decimal.Decimal, args []decimal.Decimal) (decimal.Decimal, bool) {
			x, ok1 := logarithm(d)
			base, ok2 := logarithm(args[0])
			if !ok1 || !ok2 || base.IsZero() {
				return d, false
			}
			return short(x.DivRound(base, quotientDigits)), true
		}),
		"sqrt": number(0, func(d decimal.Decimal, _ []decimal.Decimal) (decimal.Decimal, bool) {
			if d.IsNegative() {
				return d, false
			}
			return root(d), true
		}),
		"power":        with(1, 1, static{}, powerOf),
		"round":        with(0, 1, static{}, round),
		"lowBoundary":  with(0, 1, static{}, boundary(false)),
		"highBoundary": with(0, 1, static{}, boundary(true)),
		"precision":    converting(systemStatic(Integer), precisionOf),
		"comparable":   with(1, 1, systemStatic(Boolean), isComparable),
	})
}

// whole is a function from a number to an Integer.
func whole(f func(decimal.Decimal) decimal.Decimal) function {
	return converting(systemStatic(Integer), func(_ *state, v Value) (Value, bool, error) {
		if !isNumber(v) {
			return v, false, failf("a number is needed here, not %s", v.kind)
		}
		if v.kind == Integer {
			return v, true, nil
		}
		d := f(*v.exact)
		if d.NumDigits() > 18 {
			return v, false, nil
		}
		i, ok := integerResult(d.IntPart())
		return i, ok, nil
	})
}

// number is a function from numbers to a Decimal; ok is false where it has no value.
func number(args int, f func(d decimal.Decimal, args []decimal.Decimal) (decimal.Decimal, bool)) function {
	return with(args, args, systemStatic(Decimal), func(s *state, v Value, args []Value) (Value, bool, error) {
		d, ok := v.Decimal()
		numbers := make([]decimal.Decimal, len(args))
		for i, a := range args {
			n, isNumber := a.Decimal()
			numbers[i], ok = n, ok && isNumber
		}
		if !ok {
			return v, false, failf("numbers are needed here")
		}
		// series are summed to 20 digits: far more than one step of work
		if err := s.spend(1000); err != nil {
			return v, false, err
		}
		if d, ok = f(d, numbers); !ok {
			return v, false, nil
		}
		out, ok := decimalResult(d)
		return out, ok, nil
	})
}

// powerOf gives an Integer where both are Integers and the result is one.
func powerOf(s *state, v Value, args []Value) (Value, bool, error) {
	base, ok1 := v.Decimal()
	exponent, ok2 := args[0].Decimal()
	if !ok1 || !ok2 {
		return v, false, failf("power() needs numbers")
	}
	if err := s.spend(1000); err != nil {
		return v, false, err
	}
	d, ok := power(base, exponent)
	if !ok {
		return v, false, nil
	}
	if v.kind == Integer && args[0].kind == Integer && d.IsInteger() {
		if d.NumDigits() > 18 {
			return v, false, nil
		}
		i, ok := integerResult(d.IntPart())
		return i, ok, nil
	}
	out, ok := decimalResult(d)
	return out, ok, nil
}

func round(_ *state, v Value, args []Value) (Value, bool, error) {
	d, ok := v.Decimal()
	if !ok {
		return v, false, failf("round() needs a number, not %s", v.kind)
	}
	digits := int64(0)
	if len(args) == 1 {
		if args[0].kind != Integer || args[0].number < 0 {
			return v, false, failf("the precision of round() must be an Integer, zero or more")
		}
		digits = min(args[0].number, maxDigits)
	}
	if v.kind == Integer {
		return v, true, nil
	}
	out, ok := decimalResult(d.Round(int32(digits)))
	return out, ok, nil
}

// boundary is lowBoundary() or highBoundary(); empty for a precision the type cannot have.
func boundary(high bool) func(_ *state, v Value, args []Value) (Value, bool, error) {
	return func(_ *state, v Value, args []Value) (Value, bool, error) {
		digits := int64(8)
		switch v.kind {
		case DateTime:
			digits = 17
		case Time:
			digits = 9
		}
		if len(args) == 1 {
			if args[0].kind != Integer {
				return v, false, failf("the precision must be an Integer and is %s", args[0].kind)
			}
			digits = args[0].number
		}
		switch v.kind {
		case Integer, Decimal, Quantity:
			if digits < 0 || digits > 28 {
				return v, false, nil
			}
			unit := v.text
			d, ok := v.Decimal()
			if !ok {
				d = *v.exact
			}
			if d = decimalBoundary(d, high, int32(digits)); -d.Exponent() < int32(digits) {
				d = d.Add(decimal.New(0, -int32(digits))) // with the zeros asked for
			}
			if v.kind == Quantity {
				return QuantityOf(d, unit), true, nil
			}
			return DecimalOf(d), true, nil
		case Date, DateTime, Time:
			p, ok := momentPrecision(v.kind, digits)
			if !ok {
				return v, false, nil
			}
			return v.boundary(high, p), true, nil
		}
		return v, false, failf("a boundary needs a number, quantity, date or time, not %s", v.kind)
	}
}

// precisionOf counts digits: after the point of a number, of a date or time as written.
func precisionOf(_ *state, v Value) (Value, bool, error) {
	switch v.kind {
	case Integer:
		return IntegerOf(0), true, nil
	case Decimal, Quantity:
		return IntegerOf(int64(scale(*v.exact))), true, nil
	case Date, DateTime, Time:
		return IntegerOf(v.momentDigits()), true, nil
	}
	return v, false, failf("precision() needs a number, date or time, not %s", v.kind)
}

func isComparable(s *state, v Value, args []Value) (Value, bool, error) {
	if v.kind != Quantity || args[0].kind != Quantity {
		return v, false, failf("comparable() needs quantities, not %s and %s", v.kind, args[0].kind)
	}
	_, known := s.compareQuantities(v, args[0])
	return BooleanOf(known), true, nil
}
