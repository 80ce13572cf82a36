package fhir

import (
	"strconv"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// moment is the value of a date, dateTime, instant or time as google/fhir holds it:
// microseconds since 1970 UTC (since midnight for a time), the time zone as written,
// and how much of it was written.
type moment struct {
	micros int64
	zone   string // "Z", "+01:00"; "UTC" where none is written
	scale  scale
}

type scale uint8

const (
	noScale scale = iota
	yearScale
	monthScale
	dayScale
	secondScale
	milliScale
	microScale
)

// scaleNames are the names of the scales in the Precision enums, which number them differently.
var scaleNames = map[scale]protoreflect.Name{
	yearScale: "YEAR", monthScale: "MONTH", dayScale: "DAY",
	secondScale: "SECOND", milliScale: "MILLISECOND", microScale: "MICROSECOND",
}

const dayMicros = 24 * 60 * 60 * 1_000_000

// parseMoment reads date, dateTime and instant; false when text is none of them or
// names a day that does not exist. A fraction beyond microseconds is cut off and a
// leap second is the first of the next minute: the text is kept beside the value then.
// Source: http://hl7.org/fhir/R4/datatypes.html#dateTime.
func parseMoment(text string) (moment, bool) {
	r := reader{s: text, ok: true}
	sign := 1
	if r.take('-') { // years before 1 are lawful in STU3
		sign = -1
	}
	year, month, day := sign*r.digits(4), 1, 1
	m := moment{zone: "UTC", scale: yearScale}
	if r.take('-') {
		month, m.scale = r.digits(2), monthScale
		if r.take('-') {
			day, m.scale = r.digits(2), dayScale
		}
	}
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return moment{}, false
	}
	m.micros = days(year, month, day) * dayMicros
	if m.scale == dayScale && r.take('T') {
		m.micros += r.clock(&m)
		offset, zone := r.zone()
		m.micros -= offset * 60_000_000
		m.zone = zone
	}
	return m, r.done()
}

// parseClock reads a time.
func parseClock(text string) (moment, bool) {
	r := reader{s: text, ok: true}
	var m moment
	m.micros = r.clock(&m)
	return m, r.done()
}

// reader takes a text apart; ok turns false at the first thing that does not fit.
type reader struct {
	s  string
	ok bool
}

func (r *reader) done() bool { return r.ok && r.s == "" }

func (r *reader) take(c byte) bool {
	if r.s == "" || r.s[0] != c {
		return false
	}
	r.s = r.s[1:]
	return true
}

func (r *reader) need(c byte) { r.ok = r.take(c) && r.ok }

func (r *reader) digits(n int) int {
	if len(r.s) < n {
		r.ok = false
		return 0
	}
	v := 0
	for i := range n {
		c := r.s[i]
		if c < '0' || c > '9' {
			r.ok = false
			return 0
		}
		v = v*10 + int(c-'0')
	}
	r.s = r.s[n:]
	return v
}

// clock reads hh:mm:ss with an optional fraction, as microseconds.
func (r *reader) clock(m *moment) int64 {
	hour := r.digits(2)
	r.need(':')
	minute := r.digits(2)
	r.need(':')
	second := r.digits(2)
	if hour > 23 || minute > 59 || second > 60 {
		r.ok = false
	}
	m.scale = secondScale
	micros := int64(hour*3600+minute*60+second) * 1_000_000
	if r.take('.') {
		unit, n := int64(100_000), 0
		for r.s != "" && r.s[0] >= '0' && r.s[0] <= '9' {
			micros += int64(r.s[0]-'0') * unit
			unit /= 10
			r.s = r.s[1:]
			n++
		}
		r.ok = r.ok && n > 0
		if m.scale = milliScale; n > 3 {
			m.scale = microScale
		}
	}
	return micros
}

// zone reads Z or an offset, as minutes east and as written.
func (r *reader) zone() (int64, string) {
	if r.take('Z') {
		return 0, "Z"
	}
	zone := r.s
	minutes, ok := offsetMinutes(zone)
	r.ok, r.s = r.ok && ok && len(zone) == len("+01:00"), ""
	return minutes, zone
}

// offsetMinutes reads a zone of moment as minutes east of UTC.
func offsetMinutes(zone string) (int64, bool) {
	if zone == "Z" || zone == "UTC" || zone == "" {
		return 0, true
	}
	r := reader{s: zone, ok: true}
	sign := int64(1)
	if !r.take('+') {
		r.need('-')
		sign = -1
	}
	hour := r.digits(2)
	r.need(':')
	minute := r.digits(2)
	return sign * int64(hour*60+minute), r.done() && hour <= 14 && minute <= 59
}

// appendText appends the FHIR form; false when the zone is no offset or the scale is missing.
func (m moment) appendText(dst []byte) ([]byte, bool) {
	offset, ok := offsetMinutes(m.zone)
	if !ok || m.scale == noScale {
		return dst, false
	}
	local := m.micros + offset*60_000_000
	day := local / dayMicros
	if local%dayMicros < 0 {
		day--
	}
	year, month, dom := civil(day)
	if year < 0 {
		dst, year = append(dst, '-'), -year
	}
	dst = pad(dst, year, 4)
	if m.scale > yearScale {
		dst = pad(append(dst, '-'), month, 2)
	}
	if m.scale > monthScale {
		dst = pad(append(dst, '-'), dom, 2)
	}
	if m.scale > dayScale {
		dst = m.appendClock(append(dst, 'T'), local-day*dayMicros)
		if m.zone == "" || m.zone == "UTC" {
			dst = append(dst, 'Z')
		} else {
			dst = append(dst, m.zone...)
		}
	}
	return dst, true
}

// appendClock appends hh:mm:ss and the fraction; micros counts from midnight.
func (m moment) appendClock(dst []byte, micros int64) []byte {
	seconds := int(micros / 1_000_000)
	dst = pad(dst, seconds/3600, 2)
	dst = pad(append(dst, ':'), seconds/60%60, 2)
	dst = pad(append(dst, ':'), seconds%60, 2)
	switch m.scale {
	case milliScale:
		dst = pad(append(dst, '.'), int(micros%1_000_000/1000), 3)
	case microScale:
		dst = pad(append(dst, '.'), int(micros%1_000_000), 6)
	}
	return dst
}

func pad(dst []byte, v, width int) []byte {
	var buf [20]byte
	s := strconv.AppendInt(buf[:0], int64(v), 10)
	for range width - len(s) {
		dst = append(dst, '0')
	}
	return append(dst, s...)
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// days counts from 1970-01-01 in the proleptic Gregorian calendar.
func days(year, month, day int) int64 {
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix() / 86400
}

func civil(day int64) (year, month, dom int) {
	y, m, d := time.Unix(day*86400, 0).UTC().Date()
	return y, int(m), d
}
