package mapping

import (
	"strconv"
	"strings"
)

// plain is a number without the leading zeros that JSON does not have.
func plain(number string) string {
	for len(number) > 1 && number[0] == '0' && digit(number[1]) {
		number = number[1:]
	}
	return number
}

// decimalText is a JSON number in digits alone: the mapping language has no exponents.
func decimalText(number string) (string, bool) {
	mantissa, exponent := number, ""
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		mantissa, exponent = number[:i], strings.TrimPrefix(number[i+1:], "+")
	}
	negative := strings.HasPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	shift := 0
	if exponent != "" {
		var err error
		if shift, err = strconv.Atoi(exponent); err != nil || shift > 400 || shift < -400 {
			return "", false
		}
	}
	for ; shift > 0; shift-- {
		if fraction == "" {
			whole += "0"
		} else {
			whole, fraction = whole+fraction[:1], fraction[1:]
		}
	}
	for ; shift < 0; shift++ {
		if whole == "" {
			fraction = "0" + fraction
		} else {
			whole, fraction = whole[:len(whole)-1], whole[len(whole)-1:]+fraction
		}
	}
	if whole == "" {
		whole = "0"
	}
	out := plain(whole)
	if fraction != "" {
		out += "." + fraction
	}
	if negative {
		out = "-" + out
	}
	return out, len(out) <= 800
}
