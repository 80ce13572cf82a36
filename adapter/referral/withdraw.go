package referral

import (
	"context"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// observationReplaces says in an Observation which one it takes the place of.
// Source: http://hl7.org/fhir/R4/extension-observation-replaces.html.
const observationReplaces = "http://hl7.org/fhir/StructureDefinition/observation-replaces"

// withdrawn makes the next version of what a move takes back: for a correction what the
// outcome before recorded, for a retraction everything that was recorded.
func (st *step) withdrawn(ctx context.Context, task *fhir.Task) ([]*outcomeResource, error) {
	if st.move.Writes != WriteCorrection && st.move.Writes != WriteRetraction {
		return nil, nil
	}
	from := 0
	if st.move.Writes == WriteCorrection {
		for i, o := range task.Output {
			if concept, ok := fhir.Choice(o, "value").(*fhir.CodeableConcept); ok && slices.ContainsFunc(concept.GetCoding(), func(c *fhir.Coding) bool {
				return c.GetSystem().GetValue() == SystemBusinessStatus
			}) {
				from = i // an outcome begins with its status
			}
		}
	}
	var list []*outcomeResource
	for _, o := range task.Output[from:] {
		was, err := st.recorded(ctx, o)
		if err != nil {
			return nil, err
		}
		if was == nil {
			continue
		}
		current, err := was.version.content()
		if err != nil {
			return nil, err
		}
		if was.wrong {
			continue // taken back before
		}
		n := current.Clone()
		was.wrong = true
		status := "entered-in-error"
		if was.kind == "DocumentReference" && st.move.Writes == WriteCorrection {
			status = "superseded"
		}
		n.Set("status", status)
		stamp(n, was.id, was.version.Number+1, st.at)
		was.version.Number++
		was.version.Updated = st.at
		was.version.write(n)
		was.version.Terms, was.version.From, was.version.To = terms(n)
		was.version.Terms = append(was.version.Terms, referralTerm(st.after.ID))
		list = append(list, was)
	}
	return list, nil
}

// recorded reads the resource that an output of the Task refers to, as it is now; nil
// when it refers to none.
func (st *step) recorded(ctx context.Context, o *fhir.TaskOutput) (*outcomeResource, error) {
	ref, ok := fhir.Choice(o, "value").(*fhir.Reference)
	if !ok {
		return nil, nil
	}
	kind, id, ok := strings.Cut(fhir.ReferenceText(ref), "/")
	if !ok {
		return nil, nil
	}
	// below the level that shares it, it is the service's own
	v, err := st.s.Store.Read(ctx, Scope{Role: auth.RoleOperator}, kind, id)
	if err != nil {
		return nil, err
	}
	n, err := v.content()
	if err != nil {
		return nil, err
	}
	was := &outcomeResource{kind: kind, id: id, role: o.GetType().GetCoding()[0].GetCode().GetValue(), least: SharingCodes, version: *v, wrong: takenBack(n)}
	if kind == "DocumentReference" || st.s.Instruments.Of(n) != nil {
		was.least = SharingSummary
	}
	return was, nil
}

// takenBack reports whether a resource is marked as wrong.
func takenBack(n *fhir.Node) bool {
	return n.Text("status") == "entered-in-error" || n.Text("status") == "superseded"
}

// earlier are the interventions that were recorded while support went on: they go to the
// record with the end.
func (st *step) earlier(ctx context.Context, task *fhir.Task, now []*outcomeResource) ([]*outcomeResource, error) {
	if st.move.Writes != WriteOutcome && st.move.Writes != WriteClosure {
		return nil, nil
	}
	var list []*outcomeResource
	for _, o := range task.Output {
		ref, ok := fhir.Choice(o, "value").(*fhir.Reference)
		if !ok || o.GetType().GetCoding()[0].GetCode().GetValue() != "intervention" {
			continue
		}
		text := fhir.ReferenceText(ref)
		if slices.ContainsFunc(now, func(n *outcomeResource) bool { return n.kind+"/"+n.id == text }) {
			continue
		}
		was, err := st.recorded(ctx, o)
		if err != nil {
			return nil, err
		}
		list = append(list, was)
	}
	return list, nil
}

// replace lets each resource of a correction name what it takes the place of: an
// Observation the one of the same code, a summary the summaries that are taken back.
func replace(list, wrong []*outcomeResource) {
	for _, o := range list {
		for _, old := range wrong {
			if old.kind != o.kind || !sameMeaning(o, old) {
				continue
			}
			ref := fhir.NewReference(old.kind + "/" + old.id)
			ref.Type, ref.Identifier = fhir.NewURI(old.kind), fhir.NewIdentifier(IDSystem+strings.ToLower(old.kind), old.id)
			switch typed := o.typed.(type) {
			case *fhir.Observation:
				e := &fhir.Extension{Url: fhir.NewURI(observationReplaces)}
				must(fhir.SetChoice(e, "value", ref))
				typed.Extension = append(typed.Extension, e)
			case *fhir.DocumentReference:
				typed.RelatesTo = append(typed.RelatesTo, &fhir.DocumentRelatesTo{
					Code: fhir.NewBound[fhir.DocumentRelation]("replaces"), Target: ref,
				})
				continue // a retraction takes the place of all of them
			}
			break
		}
	}
}

// sameMeaning reports whether two resources say the same kind of thing: documents do, and
// Observations of the same code.
func sameMeaning(o, old *outcomeResource) bool {
	if o.kind == "DocumentReference" {
		return true
	}
	typed, ok := o.typed.(*fhir.Observation)
	if !ok {
		return false
	}
	n, err := old.version.content()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(n.Child("code").All("coding"), func(c *fhir.Node) bool {
		return slices.ContainsFunc(typed.GetCode().GetCoding(), func(d *fhir.Coding) bool {
			return c.Text("system") == d.GetSystem().GetValue() && c.Text("code") == d.GetCode().GetValue()
		})
	})
}

// provenance makes the Provenance of a correction or a retraction: who did it, why, and
// which versions came of it.
// Source: http://hl7.org/fhir/R4/provenance.html.
func (st *step) provenance(made, wrong []*outcomeResource) (Version, error) {
	r := st.after
	n := fhir.Types(fhir.R4).New("Provenance")
	n.Add("target").Set("reference", location("Task/"+r.ID, r.Version))
	for _, o := range made {
		n.Add("target").Set("reference", location(o.kind+"/"+o.id, o.version.Number))
	}
	n.Set("recorded", st.at.Format(instant))
	activity := n.Add("activity").Add("coding")
	activity.Set("system", "http://terminology.hl7.org/CodeSystem/v3-DataOperation")
	if st.move.Writes == WriteRetraction {
		activity.Set("code", "NULLIFY")
		activity.Set("display", "nullify")
	} else {
		activity.Set("code", "UPDATE")
		activity.Set("display", "revise")
	}
	why := st.in.Note
	if st.in.Reason != nil && st.in.Reason.Text != "" {
		why = st.in.Reason.Text
	}
	if why != "" {
		n.Add("reason").Set("text", why)
	}
	who := n.Add("agent").Add("who")
	if ods := st.party(); ods != "" {
		who.Set("type", "Organization")
		identifier := who.Add("identifier")
		identifier.Set("system", SystemODS)
		identifier.Set("value", ods)
	} else {
		who.Set("display", "operator of the adapter")
	}
	for _, o := range wrong {
		entity := n.Add("entity")
		entity.Set("role", "revision")
		entity.Add("what").Set("reference", location(o.kind+"/"+o.id, o.version.Number-1))
	}
	id := st.s.Store.NewID()
	stamp(n, id, 1, st.at)
	label(n, r.Sharing, SharingSummary)
	v := Version{Type: "Provenance", ID: id, Number: 1, Updated: st.at, Referral: r.ID, Patient: r.Patient, Body: fhir.Encode(n)}
	v.Terms, v.From, v.To = terms(n)
	return v, nil
}
