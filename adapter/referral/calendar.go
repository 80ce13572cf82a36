package referral

import (
	"slices"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/gb"
)

// bankHolidays are those of England: by rule and with their substitute days, and the
// one-off days that were proclaimed when the list was made. A later one is a closed day of
// the deployment.
// Source: https://www.gov.uk/bank-holidays, England and Wales.
var bankHolidays = func() *cal.BusinessCalendar {
	c := cal.NewBusinessCalendar()
	c.AddHoliday(gb.Holidays...)
	return c
}()

// works reports whether the day of a moment, in UTC, is a working day: Monday to Friday,
// no bank holiday in England, no closed day.
func (r *Rules) works(t time.Time) bool {
	t = t.UTC()
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return bankHolidays.IsWorkday(day) && !slices.ContainsFunc(r.Closed, day.Equal)
}

// after is the moment n working days later.
func (r *Rules) after(t time.Time, n int) time.Time {
	for n > 0 {
		if t = t.AddDate(0, 0, 1); r.works(t) {
			n--
		}
	}
	return t
}
