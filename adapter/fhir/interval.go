package fhir

import (
	"strings"
	"time"
)

// Interval is the span of time that a date, dateTime or instant stands for: from its
// first moment (inclusive) to the first moment after it (exclusive). "2024-03" is the
// whole of March. A text without an offset is taken as UTC. False when text is none of
// these forms.
//
// Source: http://hl7.org/fhir/R4/search.html#date.
func Interval(text string) (from, to time.Time, ok bool) {
	if end, valid := datePart(text); valid && end == len(text) {
		year, month, day := digitsAt(text, 0, 4), 1, 1
		if len(text) >= 7 {
			month = digitsAt(text, 5, 2)
		}
		if len(text) >= 10 {
			day = digitsAt(text, 8, 2)
		}
		from = time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
		switch len(text) {
		case 4:
			return from, from.AddDate(1, 0, 0), true
		case 7:
			return from, from.AddDate(0, 1, 0), true
		default:
			return from, from.AddDate(0, 0, 1), true
		}
	}
	if strings.Contains(text, ",") {
		return time.Time{}, time.Time{}, false // ISO 8601 allows it as the mark of a fraction, FHIR does not
	}
	for _, form := range [...]struct {
		layout string
		length time.Duration
	}{
		{time.RFC3339Nano, time.Second},
		// search values may leave out the seconds or the offset
		{"2006-01-02T15:04:05", time.Second}, {"2006-01-02T15:04Z07:00", time.Minute}, {"2006-01-02T15:04", time.Minute},
	} {
		t, err := time.Parse(form.layout, text)
		if err != nil {
			continue
		}
		t = t.UTC()
		if t.Nanosecond() != 0 {
			return t, t.Add(time.Millisecond), true
		}
		return t, t.Add(form.length), true
	}
	return time.Time{}, time.Time{}, false
}
