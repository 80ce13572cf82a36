package main

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// What can become of a message.
const (
	becameReferral = "converted"
	becameLess     = "losses"
	becameNothing  = "refused"
	becameOther    = "kept" // and no referral
)

// outcome is what would become of a message.
type outcome struct {
	Dialect string   `json:"dialect,omitempty"` // as which it was recognised
	Verdict string   `json:"verdict"`
	Rule    string   `json:"rule,omitempty"`    // the first that refused it
	Element string   `json:"element,omitempty"` // where
	Reason  string   `json:"reason,omitempty"`  // in words
	Losses  []string `json:"losses,omitempty"`  // elements that are not in the result
	Issues  int      `json:"issues"`            // all that were told
}

// refuse keeps the first reason in the order of the text.
func (o *outcome) refuse(err error) {
	o.Verdict = becameNothing
	list := issue.All(err)
	o.Issues = len(list)
	if len(list) == 0 {
		o.Reason = err.Error()
		return
	}
	first := slices.MinFunc(list, func(a, b *issue.Error) int {
		return cmp.Or(compareFailure(a, b), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(a.Expression, b.Expression), strings.Compare(a.Rule, b.Rule))
	})
	o.Rule, o.Element, o.Reason = first.Rule, first.Expression, first.Details
}

// compareFailure puts what refuses before what only warns.
func compareFailure(a, b *issue.Error) int {
	switch {
	case a.Failure() == b.Failure():
		return 0
	case a.Failure():
		return -1
	}
	return 1
}

// accept lists what was lost of a message that became a referral.
func (o *outcome) accept(change *referral.Change) {
	o.Verdict = becameReferral
	for _, event := range change.Events {
		var data struct{ Received *referral.Received }
		if len(event.Data) == 0 || json.Unmarshal(event.Data, &data) != nil || data.Received == nil {
			continue
		}
		o.Issues += len(data.Received.Issues)
		for _, remark := range data.Received.Issues {
			if lossy(remark.Rule) {
				o.Verdict = becameLess
				o.Losses = append(o.Losses, cmp.Or(remark.Expression, remark.Rule))
			}
		}
	}
}

// lossy reports whether a remark says that something of the message is not in the result. A
// code that no ConceptMap has is there as it was sent.
func lossy(rule string) bool { return rule == "map-unread" || rule == "map-reference" }

// verdictWidth is how much of a reason is shown in a table.
const verdictWidth = 180

// lost names the elements that are not in the result.
func (o *outcome) lost() string { return "not in the result: " + strings.Join(o.Losses, ", ") }

// words is the reason of a refusal in a line.
func (o *outcome) words() string {
	text := strings.Join(strings.Fields(o.Reason), " ")
	if runes := []rune(text); len(runes) > verdictWidth {
		text = string(runes[:verdictWidth-1]) + "…"
	}
	return text
}

// short is the verdict in a cell, without the words of the reason.
func (o *outcome) short() string {
	switch o.Verdict {
	case becameLess:
		return becameLess + ", " + o.lost()
	case becameNothing:
		rule := o.Rule
		if rule == "" {
			rule = o.words()
		}
		return strings.TrimSpace(becameNothing + ": " + rule + " " + o.Element)
	}
	return o.Verdict
}

// why is the reason of a refusal, or what was lost, in a line.
func (o *outcome) why() string {
	if o.Verdict == becameLess {
		return o.lost()
	}
	text := o.words()
	if o.Rule != "" {
		text = strings.TrimSpace(o.Rule+" "+o.Element) + ": " + text
	}
	return text
}
