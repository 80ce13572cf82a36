package directory

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Schedule is when a service takes place. Days are those of RFC 5545, MO to SU, each with
// the number of the week in the month before it where the frequency is MONTHLY: 2MO, -1FR.
// Times are HH:MM on the clock of the place.
type Schedule struct {
	Frequency   string   `json:"frequency,omitempty"` // WEEKLY, MONTHLY or ""
	Interval    int      `json:"interval,omitempty"`  // every how many weeks or months; 0 counts as 1
	Days        []string `json:"days,omitempty"`
	MonthDays   []int    `json:"month_days,omitempty"` // days of the month, counted from its end when negative
	Opens       string   `json:"opens,omitempty"`
	Closes      string   `json:"closes,omitempty"`
	From        string   `json:"from,omitempty"` // dates between which it holds
	To          string   `json:"to,omitempty"`
	Start       string   `json:"start,omitempty"` // the first time
	Description string   `json:"description,omitempty"`
	Attending   string   `json:"attending,omitempty"` // how one takes part
	Place       string   `json:"place,omitempty"`     // id of the Location it is for, "" for all
}

// Weekdays are the days as searches and schedules name them, in order.
// Source: RFC 5545 section 3.3.10.
var Weekdays = []string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}

var dayNames = map[string]string{"MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday", "SA": "Saturday", "SU": "Sunday"}

// weekday gives the day of MO, 2MO or -1FR, "" for anything else.
func weekday(day string) string {
	if len(day) < 2 {
		return ""
	}
	name, number := day[len(day)-2:], day[:len(day)-2]
	if !slices.Contains(Weekdays, name) {
		return ""
	}
	if number != "" {
		n, err := strconv.Atoi(number)
		if err != nil || n == 0 || n < -5 || n > 5 {
			return ""
		}
	}
	return name
}

// readDay reads one part of byday: MO, 2MO, and what feeds write as well: Monday, mon.
func readDay(text string) (string, bool) {
	text = strings.ToUpper(strings.TrimSpace(text))
	if weekday(text) != "" {
		return text, true
	}
	for code, name := range dayNames {
		if name = strings.ToUpper(name); text == name || len(text) >= 3 && strings.HasPrefix(name, text) {
			return code, true
		}
	}
	return "", false
}

// everyWeek reports whether the schedule is the same each week.
func (s Schedule) everyWeek() bool {
	if s.Frequency == "MONTHLY" || s.Interval > 1 || len(s.MonthDays) > 0 || len(s.Days) == 0 {
		return false
	}
	for _, d := range s.Days {
		if len(d) != 2 {
			return false
		}
	}
	return true
}

// Words says a schedule in English: "every Tuesday, 10:00 to 12:00".
func (s Schedule) Words() string {
	var parts []string
	if when := s.when(); when != "" {
		parts = append(parts, when)
	}
	switch {
	case s.Opens != "" && s.Closes != "":
		parts = append(parts, s.Opens+" to "+s.Closes)
	case s.Opens != "":
		parts = append(parts, "from "+s.Opens)
	case s.Closes != "":
		parts = append(parts, "until "+s.Closes)
	}
	if s.To != "" {
		parts = append(parts, "last on "+s.To)
	}
	text := strings.Join(parts, ", ")
	switch {
	case s.Description == "":
		return text
	case text == "":
		return s.Description
	}
	return text + " (" + s.Description + ")"
}

var ordinals = map[string]string{"": "every", "1": "first", "2": "second", "3": "third", "4": "fourth", "5": "fifth", "-1": "last", "-2": "second to last"}

func (s Schedule) when() string {
	var days []string
	for _, d := range s.Days {
		name, number := dayNames[weekday(d)], strings.TrimPrefix(d[:len(d)-2], "+")
		which, known := ordinals[number]
		if !known {
			which = "number " + number
		}
		switch {
		case number != "":
			name = which + " " + name
		case len(days) == 0 && s.Interval <= 1:
			name = "every " + name
		}
		days = append(days, name)
	}
	text := join(days)
	for i, d := range s.MonthDays {
		if i > 0 || text != "" {
			text += ", "
		}
		if d < 0 {
			text += fmt.Sprintf("day %d from the end", -d)
		} else {
			text += fmt.Sprintf("day %d", d)
		}
	}
	switch {
	case text == "":
		return ""
	case s.Frequency == "MONTHLY" && s.Interval > 1:
		return fmt.Sprintf("%s of every %d months", text, s.Interval)
	case s.Frequency == "MONTHLY":
		return text + " of the month"
	case s.Interval > 1:
		return fmt.Sprintf("%s, every %d weeks", text, s.Interval)
	}
	return text
}

// join lists words: "a, b and c".
func join(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}
