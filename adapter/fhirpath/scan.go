package fhirpath

import (
	"strings"
)

// parseMoment reads a literal without its @.
func parseMoment(text string) (Value, bool) {
	if strings.HasPrefix(text, "T") {
		return parseTime(text[1:])
	}
	if !strings.Contains(text, "T") {
		return parseDate(text)
	}
	return parseDateTime(text)
}

// parseDate reads YYYY, YYYY-MM or YYYY-MM-DD.
func parseDate(text string) (Value, bool) {
	c, p, rest, ok := scanDate(text)
	if !ok || rest != "" {
		return Value{}, false
	}
	return Value{kind: Date, precision: p, zone: noZone, number: c.seconds()}, true
}

// maxMomentText is longer than any dateTime with a fraction that can be told apart.
const maxMomentText = 64

// parseDateTime reads a dateTime or instant of FHIR, or a DateTime literal, which may
// end with T or with the hour.
func parseDateTime(text string) (Value, bool) {
	c, p, rest, ok := scanDate(text)
	if !ok || len(text) > maxMomentText {
		return Value{}, false
	}
	v := Value{kind: DateTime, precision: p, zone: noZone}
	if rest != "" {
		if rest[0] != 'T' {
			return Value{}, false
		}
		if rest = rest[1:]; rest != "" {
			if p != toDay {
				return Value{}, false
			}
			if v.precision, v.nanos, rest, ok = scanTime(&c, rest); !ok {
				return Value{}, false
			}
			if v.zone, ok = scanZone(rest); !ok {
				return Value{}, false
			}
		}
	}
	v.number = c.seconds()
	return v, true
}

// parseTime reads hh, hh:mm, hh:mm:ss or hh:mm:ss.fff.
func parseTime(text string) (Value, bool) {
	if len(text) > maxMomentText {
		return Value{}, false
	}
	c := civil{1970, 1, 1, 0, 0, 0}
	p, nanos, rest, ok := scanTime(&c, text)
	if !ok || rest != "" {
		return Value{}, false
	}
	return Value{kind: Time, precision: p, zone: noZone, nanos: nanos, number: c.seconds()}, true
}

// scanDigits reads a number of n digits at the start of text.
func scanDigits(text string, n int) (int, bool) {
	if len(text) < n {
		return 0, false
	}
	v := 0
	for i := range n {
		if !digit(text[i]) {
			return 0, false
		}
		v = v*10 + int(text[i]-'0')
	}
	return v, true
}

func scanDate(text string) (c civil, p precision, rest string, ok bool) {
	c.month, c.day, p = 1, 1, toYear
	if c.year, ok = scanDigits(text, 4); !ok || c.year == 0 {
		return c, p, text, false
	}
	rest = text[4:]
	for _, part := range [...]*int{&c.month, &c.day} {
		if rest == "" || rest[0] != '-' {
			break
		}
		if *part, ok = scanDigits(rest[1:], 2); !ok {
			return c, p, rest, false
		}
		rest, p = rest[3:], p+1
	}
	ok = c.month >= 1 && c.month <= 12 && c.day >= 1 && (c.day <= 28 || c.day <= monthDays(c.year, c.month))
	return c, p, rest, ok
}

func scanTime(c *civil, text string) (p precision, nanos int32, rest string, ok bool) {
	if c.hour, ok = scanDigits(text, 2); !ok {
		return 0, 0, text, false
	}
	rest, p = text[2:], toHour
	for _, part := range [...]*int{&c.minute, &c.second} {
		if rest == "" || rest[0] != ':' {
			break
		}
		if *part, ok = scanDigits(rest[1:], 2); !ok {
			return 0, 0, rest, false
		}
		rest, p = rest[3:], p+1
	}
	if p == toSecond && len(rest) > 1 && rest[0] == '.' && digit(rest[1]) {
		n, scale := 1, int32(100_000_000)
		for ; n < len(rest) && digit(rest[n]); n++ {
			nanos += int32(rest[n]-'0') * scale // digits beyond the ninth count nothing
			scale /= 10
		}
		p += precision(min(n-1, 9))
		rest = rest[n:]
	}
	// a leap second is legal in FHIR (type instant)
	return p, nanos, rest, c.hour < 24 && c.minute < 60 && c.second <= 60
}

func scanZone(text string) (int16, bool) {
	switch {
	case text == "":
		return noZone, true
	case text == "Z":
		return 0, true
	case len(text) != 6 || text[3] != ':':
		return 0, false
	}
	h, ok := scanDigits(text[1:], 2)
	m, ok2 := scanDigits(text[4:], 2)
	if !ok || !ok2 || h > 14 || m > 59 || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	if text[0] == '-' {
		return int16(-h*60 - m), true
	}
	return int16(h*60 + m), true
}
