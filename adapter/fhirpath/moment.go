package fhirpath

import (
	"strconv"
	"time"
)

// precision is how far a Date, DateTime or Time is known. Seconds and their fraction
// are one component; the precision counts the digits of the fraction beyond second.
type precision uint8

const (
	toYear precision = iota + 1
	toMonth
	toDay
	toHour
	toMinute
	toSecond // + n: n digits of fraction, at most 9
)

const (
	noZone  = int16(-1 << 15)
	daySecs = 24 * 60 * 60
)

// civil is a moment taken apart; month and day are 1 where the precision ends before.
type civil struct {
	year, month, day, hour, minute, second int
}

// dayNumber counts days from 1970-01-01 in the Gregorian calendar
// (Howard Hinnant, https://howardhinnant.github.io/date_algorithms.html).
func dayNumber(y, m, d int) int64 {
	if m <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	doy := (153*((m+9)%12)+2)/5 + d - 1
	return int64(era)*146097 + int64(yoe*365+yoe/4-yoe/100+doy) - 719468
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorDiv64(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func (v Value) civil() civil {
	days := floorDiv64(v.number, daySecs)
	secs := int(v.number - days*daySecs)
	z := int(days) + 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	c := civil{year: yoe + era*400, month: (mp+2)%12 + 1, day: doy - (153*mp+2)/5 + 1,
		hour: secs / 3600, minute: secs / 60 % 60, second: secs % 60}
	if c.month <= 2 {
		c.year++
	}
	return c
}

func (c civil) seconds() int64 {
	return dayNumber(c.year, c.month, c.day)*daySecs + int64(c.hour*3600+c.minute*60+c.second)
}

func monthDays(y, m int) int {
	return int(dayNumber(y+m/12, m%12+1, 1) - dayNumber(y, m, 1))
}

// momentOf is the DateTime of a time, to the millisecond and with its offset.
func momentOf(t time.Time) Value {
	_, offset := t.Zone()
	return Value{kind: DateTime, precision: toSecond + 3, zone: int16(offset / 60),
		number: t.Unix() + int64(offset), nanos: int32(t.Nanosecond() / 1_000_000 * 1_000_000)}
}

// truncated is v known no further than p.
func (v Value) truncated(p precision) Value {
	if p >= v.precision {
		return v
	}
	v.precision = p
	c := v.civil()
	switch {
	case p >= toSecond:
		unit := int32(1)
		for n := p - toSecond; n < 9; n++ {
			unit *= 10
		}
		v.nanos -= v.nanos % unit
		return v
	case p <= toYear:
		c = civil{year: c.year, month: 1, day: 1}
	case p == toMonth:
		c = civil{year: c.year, month: c.month, day: 1}
	case p == toDay:
		c = civil{year: c.year, month: c.month, day: c.day}
	case p == toHour:
		c.minute, c.second = 0, 0
	case p == toMinute:
		c.second = 0
	}
	v.nanos, v.number = 0, c.seconds()
	if p <= toDay {
		v.zone = noZone
	}
	return v
}

// compareMoments orders two Dates or DateTimes, or two Times. known is false when
// they agree as far as both are known and one is known further, and when only one has
// an offset and that could matter. Source: http://hl7.org/fhirpath/N1/#datetime-equality.
func compareMoments(a, b Value) (order int, known bool) {
	if a.zone != noZone && b.zone != noZone {
		a.number -= int64(a.zone) * 60
		b.number -= int64(b.zone) * 60
	} else if (a.zone != noZone || b.zone != noZone) && a.precision > toDay && b.precision > toDay {
		// offsets span 26 hours; two days apart there is no doubt
		if d := a.number - b.number; d < 2*daySecs && d > -2*daySecs {
			return 0, false
		}
	}
	p := min(a.precision, b.precision)
	same := a.precision == b.precision || p >= toSecond
	if p < toSecond && !same {
		a, b = a.truncated(p), b.truncated(p)
	}
	switch {
	case a.number != b.number:
		return sign(a.number - b.number), true
	case a.nanos != b.nanos:
		return sign(int64(a.nanos) - int64(b.nanos)), true
	}
	return 0, same
}

func sign(i int64) int {
	switch {
	case i < 0:
		return -1
	case i > 0:
		return 1
	}
	return 0
}

// momentText writes v as FHIR writes it, without @ and T of the literal.
func (v Value) momentText() string {
	c := v.civil()
	b := make([]byte, 0, 32)
	two := func(lead byte, n int) {
		if lead != 0 {
			b = append(b, lead)
		}
		b = append(b, byte('0'+n/10), byte('0'+n%10))
	}
	if v.kind != Time {
		two(0, c.year/100)
		two(0, c.year%100)
		if v.precision >= toMonth {
			two('-', c.month)
		}
		if v.precision >= toDay {
			two('-', c.day)
		}
		if v.precision >= toHour {
			b = append(b, 'T')
		}
	}
	if v.precision >= toHour {
		two(0, c.hour)
	}
	if v.precision >= toMinute {
		two(':', c.minute)
	}
	if v.precision >= toSecond {
		two(':', c.second)
	}
	if n := int(v.precision) - int(toSecond); n > 0 {
		fraction := strconv.Itoa(1_000_000_000 + int(v.nanos))
		b = append(append(b, '.'), fraction[1:1+n]...)
	}
	switch {
	case v.zone == noZone || v.precision < toHour:
	case v.zone == 0:
		b = append(b, 'Z')
	case v.zone < 0:
		two('-', int(-v.zone)/60)
		two(':', int(-v.zone)%60)
	default:
		two('+', int(v.zone)/60)
		two(':', int(v.zone)%60)
	}
	return string(b)
}
