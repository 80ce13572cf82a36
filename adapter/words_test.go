package main

import (
	"strings"
	"testing"

	"spadapter/adapter/referral"
)

// What is wrong with words is said of the field that they stand in, whichever it is.
func TestWordsAreNamedByTheirField(t *testing.T) {
	c := newCast(t, "")
	v := c.referred("accepted")
	for what, in := range map[string]struct {
		body  any
		field string
	}{
		"sharing": {referral.SharingInput{Level: "codes-only", Reason: "\x07"}, "reason"},
		"notes":   {referral.NoteInput{Text: "\x07"}, "text"},
	} {
		got := c.worker.edit(v, what, in.body)
		got.refuses(400, "field-text "+in.field)
		if strings.Contains(string(got.body), "note needs") {
			t.Errorf("%s names another field: %s", what, got.body)
		}
	}
}
