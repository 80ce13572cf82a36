package fhirpath

import "github.com/shopspring/decimal"

// calendar holds the calendar words of quantities and the definite UCUM units of time
// that date arithmetic allows. Years and months of UCUM ('a', 'mo') are lengths of
// time, not steps of the calendar, and are refused.
// Source: http://hl7.org/fhirpath/N1/#datetime-arithmetic.
var calendar = map[string]struct {
	unit precision
	many int64
	ucum string // the UCUM unit of the same length, "" where there is none
}{
	"year": {toYear, 1, ""}, "years": {toYear, 1, ""},
	"month": {toMonth, 1, ""}, "months": {toMonth, 1, ""},
	"week": {toDay, 7, "wk"}, "weeks": {toDay, 7, "wk"},
	"day": {toDay, 1, "d"}, "days": {toDay, 1, "d"},
	"hour": {toHour, 1, "h"}, "hours": {toHour, 1, "h"},
	"minute": {toMinute, 1, "min"}, "minutes": {toMinute, 1, "min"},
	"second": {toSecond, 1, "s"}, "seconds": {toSecond, 1, "s"},
	"millisecond": {toSecond + 3, 1, "ms"}, "milliseconds": {toSecond + 3, 1, "ms"},
}

var definite = map[string]string{"wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second", "ms": "millisecond"}

func isCalendar(word string) bool { _, ok := calendar[word]; return ok }

// plus adds a quantity of time to a Date, DateTime or Time; fractions of the quantity
// are cut off. ok is false when the result is no date between the years 1 and 9999.
func (v Value) plus(amount decimal.Decimal, unit string) (sum Value, ok bool, err error) {
	if word, found := definite[unit]; found {
		unit = word
	}
	step, found := calendar[unit]
	if !found || v.kind == Time && step.unit < toHour {
		return v, false, failf("only quantities of time can be added to or subtracted from %s: year, month, week, day, hour, minute, second, millisecond", v.kind)
	}
	if amount.Abs().GreaterThan(decimal.NewFromInt(1 << 45)) {
		return v, false, nil
	}
	n, at := amount.IntPart()*step.many, step.unit
	// what is finer than v is turned into the finest that v knows
	known := v.precision
	if known > toSecond {
		known = toSecond + 3
	}
	for ; at > known; at-- {
		switch at {
		case toMonth:
			n /= 12
		case toDay:
			n /= 30
		case toHour:
			n /= 24
		case toMinute, toSecond:
			n /= 60
		case toSecond + 3:
			n /= 1000
			at -= 2
		}
	}
	switch at {
	case toYear, toMonth:
		c := v.civil()
		if at == toYear {
			n *= 12
		}
		months := int64(c.year)*12 + int64(c.month-1) + n
		if months < 12 || months >= 10000*12 {
			return v, false, nil
		}
		c.year, c.month = int(months/12), int(months%12)+1
		c.day = min(c.day, monthDays(c.year, c.month))
		v.number = c.seconds()
	case toDay:
		v.number += n * daySecs
	case toHour:
		v.number += n * 3600
	case toMinute:
		v.number += n * 60
	case toSecond:
		v.number += n
	default:
		nanos := int64(v.nanos) + n%1000*1_000_000 // may be below zero
		v.number += n/1000 + floorDiv64(nanos, 1_000_000_000)
		v.nanos = int32(nanos - floorDiv64(nanos, 1_000_000_000)*1_000_000_000)
	}
	if v.kind == Time {
		// the clock goes round
		v.number -= floorDiv64(v.number, daySecs) * daySecs
	}
	if v.number < minMoment || v.number > maxMoment {
		return v, false, nil
	}
	return v, true, nil
}

var (
	minMoment = dayNumber(1, 1, 1) * daySecs
	maxMoment = dayNumber(10000, 1, 1)*daySecs - 1
)

// momentDigits is the precision as precision() counts it: the digits of the value.
func (v Value) momentDigits() int64 {
	d := int64(0)
	switch p := v.precision; {
	case p > toSecond:
		d = 14 + int64(p-toSecond)
	default:
		d = 2 + 2*int64(p)
	}
	if v.kind == Time {
		return d - 8
	}
	return d
}

// momentPrecision is the other way round; ok is false for a number of digits that no
// value of that kind has.
func momentPrecision(k Kind, digits int64) (p precision, ok bool) {
	if k == Time {
		digits += 8
	}
	switch {
	case digits == 17 && k != Date:
		return toSecond + 3, true
	case digits%2 == 0 && digits >= 4 && digits <= 14:
		p = precision(digits/2) - 1
		return p, (k != Date || p <= toDay) && (k != Time || p >= toHour)
	}
	return 0, false
}

// boundary is the first or last moment that v may stand for, known as far as p.
// Where v has no offset the widest is taken: +14:00 for the first, -12:00 for the last.
func (v Value) boundary(high bool, p precision) Value {
	if p <= v.precision {
		return v.truncated(p)
	}
	c := v.civil()
	if high {
		if v.precision < toMonth {
			c.month = 12
		}
		if v.precision < toDay {
			c.day = monthDays(c.year, c.month)
		}
		if v.precision < toHour {
			c.hour = 23
		}
		if v.precision < toMinute {
			c.minute = 59
		}
		if v.precision < toSecond {
			c.second = 59
		}
		if v.precision < toSecond+3 {
			unit := int32(1_000_000_000)
			for n := v.precision; n > toSecond; n-- {
				unit /= 10
			}
			v.nanos += unit - 1_000_000
		}
	}
	if v.kind == DateTime && v.zone == noZone && p > toDay {
		v.zone = 14 * 60
		if high {
			v.zone = -12 * 60
		}
	}
	v.number, v.precision = c.seconds(), toSecond+3
	return v.truncated(p)
}
