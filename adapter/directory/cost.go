package directory

import (
	"fmt"

	"github.com/shopspring/decimal"
)

var hundred = decimal.NewFromInt(100)

// pence gives the amount in pence, rounded up; false when it is not said, or not in pounds.
func (c CostOption) pence() (int64, bool) {
	if c.Amount == "" || c.Currency != "" && c.Currency != "GBP" {
		return 0, false
	}
	return Pence(c.Amount)
}

// Pence reads an amount of pounds, such as 3.50, as pence, rounded up; false for what is
// no amount from 0 to a million.
func Pence(amount string) (int64, bool) {
	if len(amount) > 32 { // an exponent could ask for more digits than there is memory
		return 0, false
	}
	d, err := decimal.NewFromString(amount)
	if err != nil || d.IsNegative() || d.Exponent() > 6 || d.Exponent() < -30 || d.GreaterThan(decimal.NewFromInt(1_000_000)) {
		return 0, false
	}
	return d.Mul(hundred).Ceil().IntPart(), true
}

// pounds writes pence as pounds: 3.50.
func pounds(pence int64) string { return fmt.Sprintf("%d.%02d", pence/100, pence%100) }
