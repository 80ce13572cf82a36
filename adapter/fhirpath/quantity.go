package fhirpath

import (
	"math/big"
	"strings"

	"github.com/shopspring/decimal"
)

// compareQuantities orders two quantities, converting units. known is false where the
// units measure different things, or one is a calendar year or month and the other a
// UCUM one (http://hl7.org/fhirpath/N1/#quantity-equality).
func (s *state) compareQuantities(a, b Value) (order int, known bool) {
	if sameUnit(a.text, b.text) {
		return a.exact.Cmp(*b.exact), true
	}
	x, y, ok := s.common(a, b)
	if !ok {
		return 0, false
	}
	return x.Cmp(y), true
}

// sameUnit reports whether two units are written alike, the number of the word aside.
func sameUnit(a, b string) bool {
	if a == b {
		return true
	}
	return isCalendar(a) && isCalendar(b) && strings.TrimSuffix(a, "s") == strings.TrimSuffix(b, "s")
}

// common gives the values of two quantities in their base units.
func (s *state) common(a, b Value) (x, y *big.Rat, ok bool) {
	m, ok1 := s.measure(a.text)
	n, ok2 := s.measure(b.text)
	if !ok1 || !ok2 || !m.comparable(n) {
		return yearsAndMonths(a, b)
	}
	return m.base(a.exact.Rat()), n.base(b.exact.Rat()), true
}

// yearsAndMonths gives two quantities of the calendar units that have no UCUM equal in months.
func yearsAndMonths(a, b Value) (x, y *big.Rat, ok bool) {
	months := func(unit string) int64 {
		switch strings.TrimSuffix(unit, "s") {
		case "year":
			return 12
		case "month":
			return 1
		}
		return 0
	}
	m, n := months(a.text), months(b.text)
	if m == 0 || n == 0 {
		return nil, nil, false
	}
	x, y = a.exact.Rat(), b.exact.Rat()
	return x.Mul(x, big.NewRat(m, 1)), y.Mul(y, big.NewRat(n, 1)), true
}

// equivalentQuantities compares at the precision of the less precise operand; a
// calendar year or month is here the UCUM one.
func (s *state) equivalentQuantities(a, b Value) bool {
	a.text, b.text = looseUnit(a.text), looseUnit(b.text)
	if a.text == b.text {
		return equivalentDecimals(*a.exact, *b.exact)
	}
	m, ok1 := s.measure(a.text)
	n, ok2 := s.measure(b.text)
	if !ok1 || !ok2 || !m.comparable(n) {
		return false
	}
	// the digit that counts is the greater of the two last ones, in base units
	step := new(big.Rat).Mul(decimal.New(1, -scale(*a.exact)).Rat(), m.factor)
	if other := new(big.Rat).Mul(decimal.New(1, -scale(*b.exact)).Rat(), n.factor); other.Cmp(step) > 0 {
		step = other
	}
	return rounded(m.base(a.exact.Rat()), step).Cmp(rounded(n.base(b.exact.Rat()), step)) == 0
}

func looseUnit(unit string) string {
	switch word := strings.TrimSuffix(unit, "s"); word {
	case "year":
		return "a"
	case "month":
		return "mo"
	default:
		if c, ok := calendar[unit]; ok {
			return c.ucum
		}
	}
	return unit
}

// rounded is how many steps x is, rounded half away from zero.
func rounded(x, step *big.Rat) *big.Int {
	q := new(big.Rat).Quo(x, step)
	half := big.NewRat(int64(q.Sign()), 2)
	q.Add(q, half)
	return new(big.Int).Quo(q.Num(), q.Denom())
}

// equivalentDecimals compares two numbers rounded to the precision of the less
// precise (http://hl7.org/fhirpath/N1/#-equivalent).
func equivalentDecimals(a, b decimal.Decimal) bool {
	n := min(scale(a), scale(b))
	return a.Round(n).Equal(b.Round(n))
}

// quantityArithmetic is + - * / on two quantities, or one and a number. ok is false
// where the result is empty: units that do not fit, division by zero.
func (s *state) quantityArithmetic(operator string, a, b Value) (Value, bool, error) {
	a, b = asQuantity(a), asQuantity(b)
	x, y := *a.exact, *b.exact
	switch operator {
	case "+", "-":
		if operator == "-" {
			y = y.Neg()
		}
		if sameUnit(a.text, b.text) {
			return quantityResult(x.Add(y), a.text)
		}
		m, ok1 := s.measure(a.text)
		n, ok2 := s.measure(b.text)
		// points on two scales of temperature have no sum
		if !ok1 || !ok2 || !m.comparable(n) || m.offset != nil || n.offset != nil {
			return Value{}, false, nil
		}
		// the finer of the two units, so that no digit is lost
		if m.factor.Cmp(n.factor) < 0 {
			return quantityResult(x.Add(converted(y, n, m)), a.text)
		}
		return quantityResult(converted(x, m, n).Add(y), b.text)
	case "*":
		return quantityResult(x.Mul(y), product(a.text, b.text, "."))
	case "/":
		if y.IsZero() {
			return Value{}, false, nil
		}
		return quantityResult(short(x.DivRound(y, quotientDigits)), product(a.text, b.text, "/"))
	}
	return Value{}, false, failf("the operator %s does not work on quantities", operator)
}

func asQuantity(v Value) Value {
	if v.kind != Quantity {
		d, _ := v.Decimal()
		return QuantityOf(d, "1")
	}
	return v
}

func quantityResult(d decimal.Decimal, unit string) (Value, bool, error) {
	v, ok := decimalResult(d)
	if !ok || len(unit) > maxUnit {
		return Value{}, false, nil
	}
	return QuantityOf(*v.exact, unit), true, nil
}

// converted is d of one unit in another.
func converted(d decimal.Decimal, from, to measure) decimal.Decimal {
	r := to.from(from.base(d.Rat()))
	num := decimal.NewFromBigInt(r.Num(), 0)
	return short(num.DivRound(decimal.NewFromBigInt(r.Denom(), 0), quotientDigits))
}

// product writes the unit of a product or quotient.
func product(a, b, operator string) string {
	a, b = looseUnit(a), looseUnit(b)
	switch {
	case b == "1":
		return a
	case a == "1" && operator == ".":
		return b
	case a == b && operator == "/":
		return "1"
	}
	if operator == "/" && strings.ContainsAny(b, "./") {
		b = "(" + b + ")"
	}
	if a == "1" {
		return "/" + b
	}
	return a + operator + b
}
