package referral

import "time"

// Rules are the numbers of the life cycle; every one is configuration. None of the
// defaults is a national rule (unverified): they are common practice.
type Rules struct {
	MinAttempts  int           // contact attempts, on different days, before unable-to-contact; default 3
	TriageDays   int           // working days until a service decides; default 10
	AnswerDays   int           // working days until the referrer answers a question; default 5
	ContactDays  int           // working days from accepting to a first contact; default 10
	SupportDays  int           // working days without any step while support goes on; default 20
	ConfirmDays  int           // working days until a cancellation that is asked for counts as confirmed; default 5
	NudgeDays    int           // working days until a service that has not decided is reminded, once; default 0, never
	DeclineDays  int           // working days until silence counts as a rejection; default 0, never
	Closed       []time.Time   // days without work beside weekends and bank holidays, at midnight UTC
	ReopenFor    time.Duration // how long after its end a referral can be opened again; default 90 days
	NoAutoCancel bool          // a cancellation that is asked for waits for an answer, however long
	TellAbsence  bool          // whoever sent a request in a dialect with answers is told that the person did not attend
}

// withDefaults fills in what is not set.
func (r Rules) withDefaults() Rules {
	for _, n := range []struct {
		value *int
		def   int
	}{{&r.MinAttempts, 3}, {&r.TriageDays, 10}, {&r.AnswerDays, 5}, {&r.ContactDays, 10}, {&r.SupportDays, 20}, {&r.ConfirmDays, 5}} {
		if *n.value == 0 {
			*n.value = n.def
		}
	}
	if r.ReopenFor == 0 {
		r.ReopenFor = 90 * 24 * time.Hour
	}
	return r
}

// Who is waited for.
const (
	WaitsForService   = "service"
	WaitsForRequester = "requester"
	WaitsForDate      = "review date"
)

// Wait is how long a referral may stand in a state before it is overdue.
type Wait struct {
	Name     string // "triage"
	Status   string
	Business string // "" for any other of the status
	Asked    bool   // while a cancellation is asked for
	For      string // who is waited for
	days     func(r *Rules) int
}

// Waits are the states in which time counts, the first that fits holds. A referral on hold
// waits for the date that was given with the move.
var Waits = []Wait{
	{Name: "cancellation", Status: StatusAccepted, Asked: true, For: WaitsForService, days: func(r *Rules) int { return r.ConfirmDays }},
	{Name: "cancellation", Status: StatusInProgress, Asked: true, For: WaitsForService, days: func(r *Rules) int { return r.ConfirmDays }},
	{Name: "cancellation", Status: StatusOnHold, Asked: true, For: WaitsForService, days: func(r *Rules) int { return r.ConfirmDays }},
	{Name: "answer", Status: StatusReceived, Business: "info-requested", For: WaitsForRequester, days: func(r *Rules) int { return r.AnswerDays }},
	{Name: "triage", Status: StatusReceived, For: WaitsForService, days: func(r *Rules) int { return r.TriageDays }},
	{Name: "first contact", Status: StatusAccepted, For: WaitsForService, days: func(r *Rules) int { return r.ContactDays }},
	{Name: "support", Status: StatusInProgress, For: WaitsForService, days: func(r *Rules) int { return r.SupportDays }},
	{Name: "review", Status: StatusOnHold, For: WaitsForDate},
}

// waiting is the wait of a state, nil where no time counts.
func waiting(status, business string, asked bool) *Wait {
	for i := range Waits {
		w := &Waits[i]
		if w.Status == status && w.Asked == asked && (w.Business == "" || w.Business == business) {
			return w
		}
	}
	return nil
}

// due is when the time for a state that began at a moment is over; review is the date
// that was given for it. Zero for never.
func (r *Rules) due(status, business string, asked bool, began time.Time, review string) time.Time {
	w := waiting(status, business, asked)
	switch {
	case w == nil:
		return time.Time{}
	case w.days == nil:
		day, err := time.Parse(time.DateOnly, review)
		if err != nil {
			return time.Time{}
		}
		return day.AddDate(0, 0, 1) // when the day of the review is over
	}
	return r.after(began, w.days(r))
}

// looks is when a timer looks at a referral beside its due time, after a moment: the next
// of reminding the service and counting its silence; zero for never.
func (r *Rules) looks(status, business string, began, after time.Time) time.Time {
	if status != StatusReceived || business != "awaiting-triage" {
		return time.Time{}
	}
	var next time.Time
	for _, days := range []int{r.NudgeDays, r.DeclineDays} {
		if at := r.after(began, days); days > 0 && at.After(after) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// reminder is when the service is reminded of a referral.
func (r *Rules) reminder(record *Record) time.Time { return r.after(record.Since, r.NudgeDays) }
