package referral

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"spadapter/adapter/fhir"
)

// The roles of a score.
const (
	RoleBaseline = "baseline"
	RoleFollowUp = "follow-up"
)

// measure is what makes two scores comparable: the instrument, and how it was scored.
type measure struct{ instrument, scoring string }

// pair is the first and the last score of one person on one measure. Either may be nil:
// then there is nothing to compare, and change is 0.
type pair struct {
	instrument *Instrument
	scoring    string // raw or metric, "" where the instrument has one scoring
	first      *Score
	last       *Score // of the outcome
	change     decimal.Decimal
}

// compared reports whether there is a first and a last score.
func (p *pair) compared() bool { return p.first != nil && p.last != nil }

// pairs finds for each measure the first and the last score of the person, in the order
// of the outcome, then of what was recorded. The first is one that was given as baseline
// with the outcome, else the earliest recorded; the last is the latest of the outcome,
// when it is not older than the first. A raw and a metric score are no pair, and neither
// are two people's.
func (s *Service) pairs(recorded []*fhir.Node, o *Outcome) []*pair {
	var list []*pair
	of := func(score *Score) *pair {
		i := s.Instruments.ByCode(score.Instrument)
		key := measure{i.Code, i.Scoring(score.Value)}
		at := slices.IndexFunc(list, func(p *pair) bool { return measure{p.instrument.Code, p.scoring} == key })
		if at < 0 {
			at, list = len(list), append(list, &pair{instrument: i, scoring: key.scoring})
		}
		return list[at]
	}
	given := map[*pair]bool{} // the baseline came with the outcome
	if o != nil {
		for i := range o.Scores {
			score := &o.Scores[i]
			p := of(score)
			switch {
			case score.Role != RoleBaseline:
				if p.last == nil || !before(score.Date, p.last.Date) {
					p.last = score
				}
			case p.first == nil || before(score.Date, p.first.Date):
				p.first, given[p] = score, true
			}
		}
	}
	for _, n := range recorded {
		score := s.recordedScore(n)
		if score == nil {
			continue
		}
		if p := of(score); !given[p] && (p.first == nil || before(score.Date, p.first.Date)) {
			p.first = score
		}
	}
	for _, p := range list {
		if p.compared() && before(p.last.Date, p.first.Date) {
			// what is older than the first score is no last one
			p.first = nil
		}
		if !p.compared() {
			continue
		}
		first, err := decimal.NewFromString(p.first.Value)
		last, err2 := decimal.NewFromString(p.last.Value)
		if err != nil || err2 != nil {
			p.first = nil
			continue
		}
		p.change = last.Sub(first)
	}
	return list
}

// recordedScore is the score that an Observation is, nil when it is none.
func (s *Service) recordedScore(n *fhir.Node) *Score {
	i := s.Instruments.Of(n)
	if n.ResourceType() != "Observation" || i == nil || n.Text("status") == "entered-in-error" {
		return nil
	}
	value := n.Child("value")
	text := value.Text("value")
	if value != nil && value.HasValue() {
		text = value.Value
	}
	if _, err := decimal.NewFromString(text); err != nil {
		return nil
	}
	score := &Score{Instrument: i.Code, Value: text, Date: n.Text("effective")}
	if n.Text("identifier", "value") != "" {
		score.Observation = n.Text("identifier", "system") + "|" + n.Text("identifier", "value")
	}
	return score
}

// before reports whether a FHIR date lies before another. No date is the time of the
// move, after every other.
func before(a, b string) bool {
	from, _, ok := fhir.Interval(a)
	to, _, known := fhir.Interval(b)
	return ok && (!known || from.Before(to))
}

// better says in one word what the change means, "" when nothing changed.
func (p *pair) better() string {
	switch sign := p.change.Sign(); {
	case sign == 0:
		return ""
	case (sign > 0) == p.instrument.HigherIsBetter:
		return "better"
	}
	return "worse"
}

// name is the instrument, with the scoring where it has more than one.
func (p *pair) name() string {
	if p.scoring != "" {
		return p.instrument.Name + " (" + p.scoring + ")"
	}
	return p.instrument.Name
}

// text is the pair in words: "SWEMWBS (raw) 17 to 25 (+8, better; at least 1, which
// matters; first on 2026-01-10)", or which of the two is missing.
func (p *pair) text() string {
	switch {
	case p.last == nil:
		return p.name() + " " + p.first.Value + onDate(p.first.Date) + " at the beginning, no comparable last score"
	case p.first == nil:
		return p.name() + " " + p.last.Value + onDate(p.last.Date) + ", no comparable first score"
	}
	change := p.change.String()
	if p.change.Sign() > 0 {
		change = "+" + change
	}
	parts := []string{change}
	if word := p.better(); word != "" {
		parts[0] += ", " + word
	} else {
		parts[0] += ", no change"
	}
	if matters, err := decimal.NewFromString(p.instrument.Change); err == nil {
		if p.change.Abs().LessThan(matters) {
			parts = append(parts, "below the change of "+p.instrument.Change+" that matters")
		} else {
			parts = append(parts, "a change of "+p.instrument.Change+" or more matters")
		}
	}
	if p.first.Date != "" {
		parts = append(parts, "first"+onDate(p.first.Date))
	}
	if p.last.Date != "" {
		parts = append(parts, "last"+onDate(p.last.Date))
	}
	return fmt.Sprintf("%s %s to %s (%s)", p.name(), p.first.Value, p.last.Value, strings.Join(parts, "; "))
}

// onDate is the day of a FHIR date in words, "" when there is none.
func onDate(date string) string {
	if date == "" {
		return ""
	}
	return " on " + day(date)
}

// write puts the pair into the Observation of the last score: which one it is compared
// with, the change, and whether that is better or worse. first is the Observation of the
// first score where it is recorded with it, nil otherwise.
// Source: http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation, B and W.
func (p *pair) write(o *fhir.Observation, first *outcomeResource) {
	from := &fhir.Reference{Type: fhir.NewURI("Observation"), Display: fhir.NewString(p.instrument.Name + " " + p.first.Value)}
	if first != nil {
		from = fhir.NewReference("Observation/" + first.id)
		from.Type, from.Identifier = fhir.NewURI("Observation"), fhir.NewIdentifier(IDSystem+"observation", first.id)
	} else if p.first.Date != "" {
		from.Display = fhir.NewString(p.instrument.Name + " " + p.first.Value + " on " + p.first.Date)
	}
	if system, value, ok := strings.Cut(p.first.Observation, "|"); ok && first == nil {
		from.Identifier = fhir.NewIdentifier(system, value) // the practice's own name for it
	}
	o.DerivedFrom = []*fhir.Reference{from}
	change := &fhir.ObservationComponent{Code: &fhir.CodeableConcept{Text: fhir.NewString("Change from the first score")}}
	must(fhir.SetChoice(change, "value", fhir.NewQuantity(p.change.String(), "score", "{score}")))
	o.Component = []*fhir.ObservationComponent{change}
	if code := map[string]string{"better": "B", "worse": "W"}[p.better()]; code != "" {
		display := map[string]string{"B": "Better", "W": "Worse"}[code]
		o.Interpretation = []*fhir.CodeableConcept{fhir.NewConcept("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", code, display, "")}
	}
}

// scoreTexts are the scores in words: paired where they are comparable, those between
// the first and the last, and how many are paired.
func (s *Service) scoreTexts(pairs []*pair, o *Outcome) []string {
	var out []string
	compared, all := 0, 0
	for _, p := range pairs {
		out = append(out, p.text())
		if p.last != nil {
			all++
		}
		if p.compared() {
			compared++
		}
	}
	if o != nil {
		for i := range o.Scores {
			score := &o.Scores[i]
			if !slices.ContainsFunc(pairs, func(p *pair) bool { return p.first == score || p.last == score }) {
				out = append(out, s.Instruments.ByCode(score.Instrument).Name+" "+score.Value+onDate(score.Date)+", neither the first nor the last")
			}
		}
	}
	if all > 0 {
		out = append(out, fmt.Sprintf("%d of %d compared", compared, all))
	}
	return out
}
