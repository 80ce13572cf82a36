package main

import (
	"errors"
	"fmt"
	"time"
)

const (
	maxDays   = 3650 // ten years; more is a typing mistake
	leastTick = 100 * time.Millisecond
)

// given checks the numbers that a deployment set. A Config that is made in Go leaves at zero
// what is to have its default; an operator who writes 0 means something, and is told where it
// means nothing. Errors: all at once, each naming its setting.
func (c *Config) given() error {
	var faults []error
	refuse := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for _, n := range []struct {
		name  string
		value int
		least int
	}{
		{"ADAPTER_TRIAGE_DAYS", c.TriageDays, 1}, {"ADAPTER_ANSWER_DAYS", c.AnswerDays, 1}, {"ADAPTER_CONTACT_DAYS", c.ContactDays, 1},
		{"ADAPTER_SUPPORT_DAYS", c.SupportDays, 1}, {"ADAPTER_NUDGE_DAYS", c.NudgeDays, 0}, {"ADAPTER_AUTO_DECLINE_DAYS", c.DeclineDays, 0},
	} {
		if n.value < n.least || n.value > maxDays {
			refuse("%s is %d; it is from %d to %d", n.name, n.value, n.least, maxDays)
		}
	}
	if c.ConfirmDays == 0 || c.ConfirmDays > maxDays {
		refuse("ADAPTER_CONFIRM_DAYS is %d; it is from 1 to %d, or below zero for a cancellation that waits for an answer", c.ConfirmDays, maxDays)
	}
	if c.TimersEvery < leastTick || c.TimersEvery > 24*time.Hour {
		refuse("ADAPTER_TIMERS_EVERY is %v; it is from %v to 24h", c.TimersEvery, leastTick)
	}
	for name, value := range map[string]time.Duration{"ADAPTER_REOPEN_FOR": c.ReopenFor, "ADAPTER_EVENTS_FOR": c.EventsFor, "ADAPTER_TOKEN_FOR": c.TokenFor} {
		if value <= 0 {
			refuse("%s is %v; it is above zero", name, value)
		}
	}
	return errors.Join(faults...)
}
