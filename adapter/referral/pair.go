package referral

import (
	"fmt"

	"github.com/shopspring/decimal"

	"spadapter/adapter/fhir"
)

// The roles of a score.
const (
	RoleBaseline = "baseline"
	RoleFollowUp = "follow-up"
)

// pair is the first and the last score of one person on one instrument, comparable with
// each other. Change is last less first.
type pair struct {
	instrument *Instrument
	first      Score
	last       *Score // of the outcome
	change     decimal.Decimal
}

// pairs finds for each instrument of the outcome the first score that the last may be
// compared with: one given as baseline with the outcome, else the earliest of the
// referral. A raw and a metric score are no pair, and neither are two people's.
func (st *step) pairs(content *fhir.Node) map[string]*pair {
	firsts := map[string]Score{}
	for _, entry := range content.All("entry") {
		n := entry.Child("resource")
		i := st.s.Instruments.Of(n)
		if n.ResourceType() != "Observation" || i == nil || n.Text("status") == "entered-in-error" {
			continue
		}
		value := n.Child("value")
		text := value.Text("value")
		if value != nil && value.HasValue() {
			text = value.Value
		}
		found := Score{Instrument: i.Code, Value: text, Date: n.Text("effective"), Observation: identifierText(n)}
		if known, ok := firsts[i.Code]; text != "" && (!ok || found.Date != "" && found.Date < known.Date) {
			firsts[i.Code] = found
		}
	}
	scores := st.in.Outcome.Scores
	for i := range scores {
		if scores[i].Role == RoleBaseline {
			firsts[scores[i].Instrument] = scores[i]
		}
	}
	out := map[string]*pair{}
	for i := range scores {
		last := &scores[i]
		first, ok := firsts[last.Instrument]
		instrument := st.s.Instruments.ByCode(last.Instrument)
		if last.Role == RoleBaseline || !ok || instrument.Scoring(first.Value) != instrument.Scoring(last.Value) {
			continue
		}
		a, err := decimal.NewFromString(first.Value)
		b, err2 := decimal.NewFromString(last.Value)
		if err == nil && err2 == nil {
			out[last.Instrument] = &pair{instrument, first, last, b.Sub(a)}
		}
	}
	return out
}

// identifierText is the first identifier of a resource as system|value, "" when it has none.
func identifierText(n *fhir.Node) string {
	if n.Text("identifier", "value") == "" {
		return ""
	}
	return n.Text("identifier", "system") + "|" + n.Text("identifier", "value")
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

// text is the pair in words: "SWEMWBS 17 to 25 (+8, better; 1 matters)".
func (p *pair) text() string {
	change := p.change.String()
	if p.change.Sign() > 0 {
		change = "+" + change
	}
	text := fmt.Sprintf("%s %s to %s (%s", p.instrument.Name, p.first.Value, p.last.Value, change)
	if word := p.better(); word != "" {
		text += ", " + word
	}
	if p.instrument.Change != "" {
		text += "; a change of " + p.instrument.Change + " matters"
	}
	return text + ")"
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
	o.DerivedFrom = []*fhir.Reference{from}
	change := &fhir.ObservationComponent{Code: &fhir.CodeableConcept{Text: fhir.NewString("Change from the first score")}}
	must(fhir.SetChoice(change, "value", fhir.NewQuantity(p.change.String(), "score", "{score}")))
	o.Component = []*fhir.ObservationComponent{change}
	if code := map[string]string{"better": "B", "worse": "W"}[p.better()]; code != "" {
		display := map[string]string{"B": "Better", "W": "Worse"}[code]
		o.Interpretation = []*fhir.CodeableConcept{fhir.NewConcept("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", code, display, "")}
	}
}

// scoreTexts are the scores of the outcome in words: paired where they are comparable, and
// how many are.
func (st *step) scoreTexts(content *fhir.Node) []string {
	pairs := st.pairs(content)
	var out []string
	paired, all := 0, 0
	for i := range st.in.Outcome.Scores {
		score := &st.in.Outcome.Scores[i]
		p := pairs[score.Instrument]
		switch name := st.s.Instruments.ByCode(score.Instrument).Name; {
		case p != nil && p.last == score:
			paired, all = paired+1, all+1
			out = append(out, p.text())
		case score.Role == RoleBaseline:
			if p == nil {
				out = append(out, name+" "+score.Value+" at the beginning, no comparable last score")
			}
		default:
			all++
			out = append(out, name+" "+score.Value+", no comparable first score")
		}
	}
	if all > 0 {
		out = append(out, fmt.Sprintf("%d of %d compared", paired, all))
	}
	return out
}
