package fhirpath

import (
	"math"
	"math/big"
	"strings"

	"github.com/shopspring/decimal"
)

const (
	// maxDigits bounds every decimal, so that no expression can grow one without end;
	// FHIR asks for 18 digits, FHIRPath for 28.
	maxDigits = 60
	// quotientDigits is the scale of a division; FHIRPath asks for 8 at least.
	quotientDigits = 16
	// maxNumber is the length of the longest text that can be a number: sign, point, exponent.
	maxNumber = maxDigits + 8
)

// parseNumber reads a number literal: an Integer without a point, else a Decimal.
func parseNumber(text string) (Value, bool) {
	if !strings.Contains(text, ".") {
		if i, ok := parseInteger(text); ok {
			return IntegerOf(i), true
		}
		return Value{}, text == "2147483648" // the absolute of the smallest Integer
	}
	return parseDecimal(text)
}

// parseInteger reads a number of 32 bits.
func parseInteger(text string) (int64, bool) {
	if len(text) > len("-2147483648") {
		return 0, false
	}
	digits := strings.TrimLeft(text, "+-")
	if digits == "" || len(text)-len(digits) > 1 {
		return 0, false
	}
	i := int64(0)
	for _, c := range []byte(digits) {
		if !digit(c) {
			return 0, false
		}
		i = i*10 + int64(c-'0')
	}
	if text[0] == '-' {
		i = -i
	}
	return i, i >= math.MinInt32 && i <= math.MaxInt32
}

// parseDecimal reads a decimal of FHIR, whose exponent is bounded.
func parseDecimal(text string) (Value, bool) {
	if len(text) > maxNumber || text == "" || text[len(text)-1] == '.' {
		return Value{}, false
	}
	d, err := decimal.NewFromString(text)
	if err != nil || !bounded(d) {
		return Value{}, false
	}
	return DecimalOf(d), true
}

func bounded(d decimal.Decimal) bool {
	e := int(d.Exponent())
	return e <= maxDigits && e >= -maxDigits && d.NumDigits()+max(e, 0) <= maxDigits
}

// decimalResult is d as a result: cut to the scale and size every decimal has; ok is
// false on overflow, which FHIRPath answers with the empty collection.
func decimalResult(d decimal.Decimal) (Value, bool) {
	if !bounded(d) {
		if d = d.Round(maxDigits / 2); !bounded(d) {
			return Value{}, false
		}
	}
	return DecimalOf(d), true
}

func integerResult(i int64) (Value, bool) {
	return IntegerOf(i), i >= math.MinInt32 && i <= math.MaxInt32
}

// short takes the zeros at the end of a quotient away.
func short(d decimal.Decimal) decimal.Decimal {
	if d.IsZero() {
		return decimal.Zero
	}
	c, e := d.Coefficient(), d.Exponent()
	ten, rest := big.NewInt(10), new(big.Int)
	for e < 0 {
		q, r := new(big.Int).QuoRem(c, ten, rest)
		if r.Sign() != 0 {
			break
		}
		c, e = q, e+1
	}
	return decimal.NewFromBigInt(c, e)
}

// arithmetic is + - * / div mod on two numbers, at least one a Decimal or the
// operator a division. ok is false where the result is empty.
func arithmetic(operator string, a, b Value) (Value, bool) {
	if a.kind == Integer && b.kind == Integer {
		x, y := a.number, b.number
		switch operator {
		case "+":
			return integerResult(x + y)
		case "-":
			return integerResult(x - y)
		case "*":
			return integerResult(x * y)
		case "div", "mod":
			if y == 0 {
				return Value{}, false
			}
			if operator == "div" {
				return integerResult(x / y)
			}
			return integerResult(x % y)
		}
	}
	x, _ := a.Decimal()
	y, _ := b.Decimal()
	switch operator {
	case "+":
		return decimalResult(x.Add(y))
	case "-":
		return decimalResult(x.Sub(y))
	case "*":
		return decimalResult(x.Mul(y))
	}
	if y.IsZero() {
		return Value{}, false
	}
	switch operator {
	case "/":
		return decimalResult(short(x.DivRound(y, quotientDigits)))
	case "div":
		q, _ := x.QuoRem(y, 0)
		if !q.BigInt().IsInt64() {
			return Value{}, false
		}
		return integerResult(q.IntPart())
	default:
		return decimalResult(x.Mod(y))
	}
}

// compareNumbers orders two numbers of any of the two kinds.
func compareNumbers(a, b Value) int {
	if a.kind == Integer && b.kind == Integer {
		return sign(a.number - b.number)
	}
	x, _ := a.Decimal()
	y, _ := b.Decimal()
	return x.Cmp(y)
}

// scale is the number of digits after the point.
func scale(d decimal.Decimal) int32 { return max(0, -d.Exponent()) }

// decimalBoundary is the least or greatest number that rounds to d, to so many digits
// after the point. Source: http://hl7.org/fhirpath/#lowboundaryprecision-integer-decimal--date--datetime--time.
func decimalBoundary(d decimal.Decimal, high bool, digits int32) decimal.Decimal {
	half := decimal.New(5, -scale(d)-1)
	if high {
		return d.Add(half).RoundCeil(digits)
	}
	return d.Sub(half).RoundFloor(digits)
}

// root is the square root to quotientDigits, exact where it is rational.
func root(d decimal.Decimal) decimal.Decimal {
	scaled := d.Shift(2 * quotientDigits).BigInt()
	return short(decimal.NewFromBigInt(scaled.Sqrt(scaled), -quotientDigits))
}

var maxPower = decimal.NewFromInt(1000)

// power is base to the exponent; ok is false where it is no real number or too large.
func power(base, exponent decimal.Decimal) (decimal.Decimal, bool) {
	if exponent.Abs().GreaterThan(maxPower) || base.IsZero() && exponent.IsNegative() {
		return base, false
	}
	if exponent.IsInteger() {
		// by squaring, with the size bounded on the way
		n, result, square := exponent.Abs().IntPart(), decimal.NewFromInt(1), base
		for n > 0 {
			if n&1 == 1 {
				result = result.Mul(square)
			}
			if n >>= 1; n > 0 {
				square = square.Mul(square)
			}
			for _, d := range []*decimal.Decimal{&result, &square} {
				if !bounded(*d) {
					*d = d.Round(maxDigits / 2)
				}
				if !bounded(*d) {
					return base, false
				}
			}
		}
		if exponent.IsNegative() {
			if result.IsZero() {
				return base, false
			}
			result = short(decimal.NewFromInt(1).DivRound(result, quotientDigits))
		}
		return result, true
	}
	l, ok := logarithm(base)
	if !ok {
		return base, base.IsZero()
	}
	return exponential(l.Mul(exponent))
}
