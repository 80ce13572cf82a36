package referral

import (
	"context"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/fhir"
)

// The members of a Patient that facts are told about.
const (
	FactPractice   = "practice"
	FactDeceased   = "deceased"
	FactRestricted = "restricted"
	FactNumber     = "nhs_number"
)

// SourcePDS is the source of facts from the Personal Demographics Service. Those of operators
// have the words that the operator gave.
const SourcePDS = "Personal Demographics Service"

// Origin is where a fact about a person comes from. The fact itself is in the Patient.
type Origin struct {
	AsOf   time.Time `json:"as_of"` // since when its source says so
	Source string    `json:"source"`
}

// Said is what the Personal Demographics Service said the last time: what it says again is no
// news, and does not undo what an operator has learned meanwhile.
type Said struct {
	Practice   string `json:"practice,omitempty"`
	Deceased   bool   `json:"deceased,omitempty"`
	Restricted bool   `json:"restricted,omitempty"`
}

// Held is what is known of the origin of facts about one Patient, and when the person was
// looked up. Its zero value with a Patient is that of one about whom nothing was told.
type Held struct {
	Patient string
	Number  int               // counts the changes of Facts and Said
	Facts   map[string]Origin // by member
	Said    *Said             // nil until there was an answer

	Asked    time.Time // when the person was looked up, zero for never
	Answered time.Time // when that was last answered
	ETag     string    // of that answer
	Problem  string    // issue type of what came instead of an answer the last time, "" for nothing
}

// holds reports whether a member was told as a fact.
func (h *Held) holds(member string) bool {
	_, ok := h.Facts[member]
	return ok
}

// older reports whether news of a time are older than what is held. What the Personal
// Demographics Service said holds as of its last answer.
func (h *Held) older(member string, at time.Time) bool {
	o, ok := h.Facts[member]
	if !ok {
		return false
	}
	since := o.AsOf
	if o.Source == SourcePDS && h.Answered.After(since) {
		since = h.Answered
	}
	return at.Before(since)
}

// keep puts facts that are held of a Patient, which was says, into what a message says of the
// same person: a practice that sends the person again does not know what was learned since.
// It gives the members that the message has otherwise. A death with a date after the fact was
// told, and a restriction, are taken from the message.
func (h *Held) keep(n, was *fhir.Node) (other []string) {
	if formerNumbers(was) > 0 {
		if nhsNumberOf(n.All("identifier")) != nhsNumberOf(was.All("identifier")) {
			other = append(other, FactNumber)
		}
		renumber(n, was, true)
	}
	if h.holds(FactPractice) {
		if !alike(n, was, "generalPractitioner") {
			other = append(other, FactPractice)
		}
		n.Remove("generalPractitioner")
		for _, gp := range was.All("generalPractitioner") {
			n.Append("generalPractitioner", gp.Clone())
		}
	}
	if o := h.Facts[FactDeceased]; h.holds(FactDeceased) && deceased(n) != deceased(was) {
		died := n.Child("deceased")
		if from, _, ok := fhir.Interval(died.Text()); !deceased(n) || !ok || !from.After(o.AsOf) {
			other = append(other, FactDeceased)
			bury(n, was)
		}
	}
	if h.holds(FactRestricted) && restricted(was) && !restricted(n) {
		other = append(other, FactRestricted)
		confide(n, was)
	}
	for _, l := range was.All("link") { // to the same person under another number
		if own := l.Text("other", "reference"); !slices.Contains(linked(n, l.Text("type")), strings.TrimPrefix(own, "Patient/")) {
			n.Append("link", l.Clone())
		}
	}
	return other
}

// bury gives a Patient the death of another, or none.
func bury(n, as *fhir.Node) {
	n.Remove("deceasedBoolean")
	n.Remove("deceasedDateTime")
	if d := as.Child("deceased"); d != nil {
		n.Append(d.Name, d.Clone())
	}
}

// alike reports whether two resources have the same elements of a name.
func alike(a, b *fhir.Node, name string) bool {
	return slices.EqualFunc(a.All(name), b.All(name), func(x, y *fhir.Node) bool { return string(fhir.Encode(x)) == string(fhir.Encode(y)) })
}

// renumber gives a Patient the NHS number that the person has now, first, with former those
// from before, marked as old, and the number that the Patient had.
func renumber(n, as *fhir.Node, former bool) {
	current := nhsNumberOf(as.All("identifier"))
	var own, kept []*fhir.Node
	for _, id := range n.All("identifier") {
		switch {
		case id.Text("system") != SystemNHSNumber:
			kept = append(kept, id)
		case id.Text("value") == current && id.Text("use") != "old":
			own = append(own, id)
		}
	}
	for _, id := range as.All("identifier") {
		if old := id.Text("use") == "old"; id.Text("system") == SystemNHSNumber && (old && former || !old && len(own) == 0) {
			own = append(own, id.Clone())
		}
	}
	n.Remove("identifier")
	for _, id := range append(own, kept...) {
		n.Append("identifier", id)
	}
}

// formerNumbers counts the NHS numbers that a person had before.
func formerNumbers(patient *fhir.Node) (n int) {
	for _, id := range patient.All("identifier") {
		if id.Text("system") == SystemNHSNumber && id.Text("use") == "old" {
			n++
		}
	}
	return n
}

// everyNumber lists the NHS numbers of a Patient, those from before with them.
func everyNumber(patient *fhir.Node) (list []string) {
	for _, id := range patient.All("identifier") {
		if id.Text("system") == SystemNHSNumber {
			list = append(list, id.Text("value"))
		}
	}
	return list
}

// survive puts the NHS number that a person has now wherever a tree has one from before: what
// goes to the record goes to the surviving number.
func survive(n, patient *fhir.Node) {
	if formerNumbers(patient) == 0 {
		return
	}
	current, all := nhsNumberOf(patient.All("identifier")), everyNumber(patient)
	var walk func(*fhir.Node)
	walk = func(n *fhir.Node) {
		if n.Text("system") == SystemNHSNumber && slices.Contains(all, n.Text("value")) {
			n.Set("value", current)
		}
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(n)
}

// keepFacts puts what is held of the Patients of a message into their new versions, and gives
// the practices where those are registered by it.
func (in *intake) keepFacts(ctx context.Context) (list []Registration) {
	for _, it := range in.items {
		if it.held == nil {
			continue
		}
		if it.number > 0 {
			_ = it.held.keep(it.node, it.before) // told when the Patient was found
		}
		if it.held.holds(FactPractice) {
			list = append(list, Registration{it.id, in.practice(ctx, in.everything(), fhir.NewIndex(in.root), it.before)})
		}
	}
	return list
}
