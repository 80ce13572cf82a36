package fhir

import "time"

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
	from, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		// search values may leave out the seconds or the offset
		if from, err = time.Parse("2006-01-02T15:04:05", text); err != nil {
			if from, err = time.Parse("2006-01-02T15:04", text); err != nil {
				return time.Time{}, time.Time{}, false
			}
			return from, from.Add(time.Minute), true
		}
	}
	from = from.UTC()
	if from.Nanosecond() != 0 {
		return from, from.Add(time.Millisecond), true
	}
	return from, from.Add(time.Second), true
}
