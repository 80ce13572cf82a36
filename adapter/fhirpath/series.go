package fhirpath

import (
	"math/big"

	"github.com/shopspring/decimal"
)

// The series of exp and ln are summed in whole numbers, of which the last seriesDigits
// digits stand after the point: exact enough for a result of quotientDigits, and their
// cost does not depend on the number.
const seriesDigits = 90

var (
	maxExponent = decimal.NewFromInt(128)
	seriesUnit  = new(big.Int).Exp(big.NewInt(10), big.NewInt(seriesDigits), nil)

	logarithmOfTen = decimal.RequireFromString("2.30258509299404568401799145468436420760110148862877")
	logarithmOfTwo = decimal.RequireFromString("0.69314718055994530941723212145817656807550013436026")
)

// logarithm is ln: of a number about 1, for which the series of the area tangent runs,
// and of the powers of ten and two beside it.
func logarithm(d decimal.Decimal) (decimal.Decimal, bool) {
	if !d.IsPositive() {
		return d, false
	}
	tens := int32(d.NumDigits()) + d.Exponent() - 1
	m := d.Shift(seriesDigits - tens).BigInt() // from 1 to 10
	twos := int32(0)
	for limit := new(big.Int).Quo(new(big.Int).Mul(seriesUnit, big.NewInt(3)), big.NewInt(2)); m.Cmp(limit) > 0; twos++ {
		m.Quo(m, big.NewInt(2))
	}
	z := new(big.Int).Sub(m, seriesUnit)
	z.Mul(z, seriesUnit)
	z.Quo(z, m.Add(m, seriesUnit))
	square := new(big.Int).Mul(z, z)
	square.Quo(square, seriesUnit)
	sum := new(big.Int)
	for n := int64(1); z.Sign() != 0; n += 2 {
		sum.Add(sum, new(big.Int).Quo(z, big.NewInt(n)))
		z.Mul(z, square)
		z.Quo(z, seriesUnit)
	}
	l := decimal.NewFromBigInt(sum.Lsh(sum, 1), -seriesDigits)
	l = l.Add(logarithmOfTen.Mul(decimal.NewFromInt32(tens)))
	return l.Add(logarithmOfTwo.Mul(decimal.NewFromInt32(twos))).Round(40), true
}

// exponential is exp: the series for a 256th of d, squared eight times.
func exponential(d decimal.Decimal) (decimal.Decimal, bool) {
	if d.Abs().GreaterThan(maxExponent) {
		return d, false
	}
	const halvings = 8
	x := d.Shift(seriesDigits).BigInt()
	x.Quo(x, big.NewInt(1<<halvings))
	sum, term := new(big.Int).Set(seriesUnit), new(big.Int).Set(seriesUnit)
	for n := int64(1); term.Sign() != 0; n++ {
		term.Mul(term, x)
		term.Quo(term, seriesUnit)
		term.Quo(term, big.NewInt(n))
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
		sum.Quo(sum, seriesUnit)
	}
	return short(decimal.NewFromBigInt(sum, -seriesDigits).Round(quotientDigits)), true
}
