package referral

import (
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
	wrong   bool // the version marks it as taken back
}

// store makes the first version of the resource.
func (o *outcomeResource) store(r *Record, at time.Time) (Version, error) {
	n, err := fhir.FromTyped(o.typed)
	if err != nil {
		return Version{}, err
	}
	stamp(n, o.id, 1, at)
	v := Version{Type: o.kind, ID: o.id, Number: 1, Updated: at, Referral: r.ID, Patient: r.Patient}
	v.write(n)
	v.Terms, v.From, v.To = terms(n)
	v.Terms = append(v.Terms, referralTerm(r.ID))
	return v, nil
}

// outcomeResources makes what a move records: nothing for most, everything for a
// completion or a correction, an intervention. recorded is what the practice sent.
func (st *step) outcomeResources(recorded []*fhir.Node) []*outcomeResource {
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
		made := map[*Score]*outcomeResource{}
		for at := range outcome.Scores {
			score := &outcome.Scores[at]
			i := st.s.Instruments.ByCode(score.Instrument)
			o := add("Observation", "observation", SharingSummary)
			made[score] = o
			typed := observation(o, "survey", fhir.NewConcept(i.System, i.ScoreCode, i.Display, i.Name))
			must(fhir.SetChoice(typed, "value", fhir.NewQuantity(score.Value, "score", "{score}")))
			if date, ok := fhir.ParseDateTime(score.Date); ok {
				must(fhir.SetChoice(typed, "effective", date))
			}
		}
		for _, p := range st.s.pairs(recorded, outcome) {
			if p.compared() {
				p.write(made[p.last].typed.(*fhir.Observation), made[p.first])
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

// must stops the program on a mistake in our own choice of types.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
