package referral

import (
	"fmt"
	"strings"
	"time"

	"spadapter/adapter/fhir"
)

// outcomeResource is something recorded at the end of support: a score, a finding, an
// intervention or the summary.
type outcomeResource struct {
	kind    string // resource type
	role    string // code of its Task output
	id      string
	least   string // least sharing level at which it goes to the record
	typed   fhir.Message
	version Version
}

// store makes the first version of the resource.
func (o *outcomeResource) store(r *Record, at time.Time) (Version, error) {
	n, err := fhir.FromTyped(o.typed)
	if err != nil {
		return Version{}, err
	}
	stamp(n, o.id, 1, at)
	v := Version{Type: o.kind, ID: o.id, Number: 1, Updated: at, Referral: r.ID, Patient: r.Patient, Body: fhir.Encode(n)}
	v.Terms, v.From, v.To = terms(n)
	v.Terms = append(v.Terms, referralTerm(r.ID))
	return v, nil
}

// outcomeResources makes what a move records: nothing for most, everything for a
// completion or a correction, the summary of a plan, an intervention. wrong is what a
// correction takes the place of.
func (st *step) outcomeResources(content *fhir.Node, wrong []*outcomeResource) []*outcomeResource {
	var list []*outcomeResource
	r := st.after
	subject := func() *fhir.Reference { return fhir.NewReference("Patient/" + r.Patient) }
	request := func() []*fhir.Reference {
		return []*fhir.Reference{fhir.NewReference("ServiceRequest/" + r.ServiceRequest)}
	}
	add := func(kind, role, least string) *outcomeResource {
		o := &outcomeResource{kind: kind, role: role, least: least, id: st.s.Store.NewID()}
		list = append(list, o)
		return o
	}
	identifier := func(o *outcomeResource) []*fhir.Identifier {
		return []*fhir.Identifier{fhir.NewIdentifier(IDSystem+strings.ToLower(o.kind), o.id)}
	}
	owner := func() *fhir.Reference { return st.s.reference(r.Owner) }
	observation := func(o *outcomeResource, category string, code *fhir.CodeableConcept) *fhir.Observation {
		typed := &fhir.Observation{
			Identifier: identifier(o), BasedOn: request(), Status: fhir.NewBound[fhir.ObservationStatus]("final"),
			Category: []*fhir.CodeableConcept{fhir.NewConcept("http://terminology.hl7.org/CodeSystem/observation-category", category, "", "")},
			Code:     code, Subject: subject(), Performer: []*fhir.Reference{owner()}, Issued: fhir.NewInstant(st.at),
		}
		must(fhir.SetChoice(typed, "effective", fhir.NewDateTime(st.when)))
		o.typed = typed
		return typed
	}
	procedure := func(code *fhir.CodeableConcept) {
		o := add("Procedure", "intervention", SharingCodes)
		typed := &fhir.Procedure{
			Identifier: identifier(o), BasedOn: request(), Status: fhir.NewBound[fhir.ProcedureStatus]("completed"),
			Code: code, Subject: subject(), Performer: []*fhir.ProcedurePerformer{{Actor: owner()}},
		}
		must(fhir.SetChoice(typed, "performed", fhir.NewDateTime(st.when)))
		o.typed = typed
	}
	if st.in.Reason != nil && st.move.Writes == WriteClosure {
		// the end of a referral is a coded entry of its own where a code says it
		if filed := st.s.filing(st.reason); filed != nil {
			observation(add("Observation", "observation", SharingCodes), "social-history", st.s.concept(*filed))
		}
	}
	if outcome := st.in.Outcome; outcome != nil {
		for _, f := range outcome.Findings {
			observation(add("Observation", "observation", SharingCodes), "social-history", st.s.concept(f))
		}
		pairs := st.pairs(content)
		first := map[string]*outcomeResource{} // by instrument, of those given as baseline with the outcome
		for _, score := range outcome.Scores {
			i := st.s.Instruments.ByCode(score.Instrument)
			o := add("Observation", "observation", SharingSummary)
			typed := observation(o, "survey", fhir.NewConcept(i.System, i.ScoreCode, i.Display, i.Name))
			must(fhir.SetChoice(typed, "value", fhir.NewQuantity(score.Value, "score", "{score}")))
			if date, ok := fhir.ParseDateTime(score.Date); ok {
				must(fhir.SetChoice(typed, "effective", date))
			}
			if score.Role == RoleBaseline {
				first[i.Code] = o
			}
		}
		for at, score := range outcome.Scores {
			if p := pairs[score.Instrument]; p != nil && p.last == &outcome.Scores[at] {
				typed := list[len(list)-len(outcome.Scores)+at].typed.(*fhir.Observation)
				p.write(typed, first[score.Instrument])
			}
		}
		for _, action := range outcome.Interventions {
			procedure(st.s.concept(action))
		}
	}
	if p := st.in.Signpost; p != nil {
		procedure(st.s.named(p.Code, "Signposted to "+p.To))
	}
	if a := st.in.Activity; a != nil {
		procedure(st.s.named(a.Code, "Referred to "+a.Name))
	}
	if text, title := st.summary(content); text != "" {
		o := add("DocumentReference", "summary", SharingSummary)
		o.typed = &fhir.DocumentReference{
			Identifier: identifier(o), Status: fhir.NewBound[fhir.DocumentReferenceStatus]("current"),
			Type: fhir.NewConcept("", "", "", title), Subject: subject(), Date: fhir.NewInstant(st.at),
			Author: []*fhir.Reference{owner()}, Description: fhir.NewString(title),
			Content: []*fhir.DocumentContent{{Attachment: &fhir.Attachment{
				ContentType: &fhir.MediaType{Value: "text/plain; charset=utf-8"}, Data: &fhir.Base64Binary{Value: []byte(text)},
				Title: fhir.NewString(title), Creation: fhir.NewDateTime(st.at),
			}}},
			Context: &fhir.DocumentContext{Related: request()},
		}
	}
	replace(list, wrong)
	return list
}

// named is the concept of what was done: the code that was given, with words that say who
// it was at.
func (s *Service) named(c *Coded, words string) *fhir.CodeableConcept {
	if c == nil {
		return &fhir.CodeableConcept{Text: fhir.NewString(words)}
	}
	coded := *c
	if coded.Text == "" {
		coded.Text = words
	}
	return s.concept(coded)
}

// summary writes the short text for the record: what the practice is asked to do
// first, or that it is nothing.
// Source: PRSB, plan and requested actions: at the top of any communication.
func (st *step) summary(content *fhir.Node) (text, title string) {
	var b strings.Builder
	switch {
	case st.in.Plan != nil:
		p := st.in.Plan
		title = "Social prescribing: plan agreed"
		fmt.Fprintf(&b, "Requested actions for the practice: none.\nPlan agreed with the person on %s.\n%s\n", st.when.Format(time.DateOnly), p.Summary)
		line(&b, "What matters to the person", p.Matters)
		list(&b, "Strengths", p.Strengths)
		list(&b, "Needs", codedTexts(p.Needs))
		list(&b, "Goals", p.Goals)
		list(&b, "Actions", p.Actions)
		line(&b, "If it does not go as planned", p.Contingency)
		line(&b, "Review on", st.in.ReviewOn)
		line(&b, "Review by", p.Reviewer)
	case st.in.Outcome != nil:
		o := st.in.Outcome
		title = "Social prescribing: outcome"
		if st.move.Writes == WriteCorrection {
			title = "Social prescribing: corrected outcome"
		}
		fmt.Fprintf(&b, "Requested actions for the practice: %s.\n", strings.Join(requested(o), "; "))
		if st.move.Writes == WriteCorrection {
			fmt.Fprintf(&b, "This takes the place of the outcome sent before: %s\n", st.in.Note)
		}
		fmt.Fprintf(&b, "Completed on %s: %s.\n", st.when.Format(time.DateOnly), strings.ReplaceAll(o.Status, "-", " "))
		if o.Summary != "" {
			b.WriteString(o.Summary + "\n")
		}
		list(&b, "Outcome", codedTexts(o.Findings))
		list(&b, "What was done", codedTexts(o.Interventions))
		list(&b, "Activities", st.attended())
		list(&b, "Scores, first and last", st.scoreTexts(content))
	default:
		return "", ""
	}
	owner := st.s.Partners.Organisation(st.after.Owner)
	if owner.Name != "" {
		b.WriteString("Link worker service: " + owner.Name + " (" + owner.ODS + ")\n")
	}
	return b.String(), title
}

// attended says in words which activities the person was referred to, and what came of it.
func (st *step) attended() []string {
	var out []string
	for _, a := range st.activities {
		text := a.Name + " (" + a.Status
		if a.Sessions > 0 {
			text += fmt.Sprintf(", came %d times", a.Sessions)
		}
		out = append(out, text+")")
	}
	return out
}

func line(b *strings.Builder, heading, text string) {
	if text != "" {
		b.WriteString(heading + ": " + text + "\n")
	}
}

func list(b *strings.Builder, heading string, items []string) {
	if len(items) > 0 {
		b.WriteString(heading + ": " + strings.Join(items, "; ") + ".\n")
	}
}

func codedTexts(codes []Coded) []string {
	var out []string
	for _, c := range codes {
		switch {
		case c.Text != "":
			out = append(out, c.Text)
		case c.Display != "":
			out = append(out, c.Display)
		default:
			out = append(out, c.Code)
		}
	}
	return out
}

// must stops the program on a mistake in our own choice of types.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
