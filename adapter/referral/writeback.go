package referral

import (
	"context"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// send decides what a move sends to the patient's record, and converts it.
func (st *step) send(ctx context.Context, change *Change, task, content *fhir.Node, resources []*outcomeResource) error {
	if st.move.Writes == WriteRetraction {
		return st.retract(ctx, change, task, content, resources)
	}
	r := st.after
	if st.move.Writes == WriteNothing || r.Sharing == SharingNone || !sharesAtLeast(r.Sharing, st.move.Least) || patientNumber(r, content) == "" {
		return nil
	}
	facts := factsAtIntake(r, content)
	recipient := facts.Practice
	if !st.s.reaches(r.Organisation, recipient) {
		recipient = r.Organisation
	}
	level, err := st.levels(ctx)
	if err != nil {
		return err
	}
	return st.writeBack(ctx, change, task, content, resources, recipient, facts, level)
}

// levels are the sharing levels that a write-back is rendered at: for what is new the one
// that holds, for what is marked as wrong the highest that something was sent at, since a
// mark discloses nothing that was not disclosed before.
type levels struct{ now, filed string }

func (st *step) levels(ctx context.Context) (levels, error) {
	l := levels{st.after.Sharing, st.after.Sharing}
	if st.move.Writes != WriteCorrection && st.move.Writes != WriteRetraction {
		return l, nil
	}
	list, err := st.s.Store.Outbox(ctx, st.after.ID)
	for _, d := range list {
		if d.reached() && !sharesAtLeast(l.filed, d.Facts.Sharing) {
			l.filed = d.Facts.Sharing
		}
	}
	return l, err
}

// reached reports whether a delivery came to its recipient, or may have.
func (d *Delivery) reached() bool {
	return !d.Facts.Unwritten && (d.Attempts > 0 || d.State == DeliverySending || d.State == DeliveryDelivered)
}

// retract takes back whatever was filed: what still waits is not sent, and whoever was
// sent something, or may have been, is told that it was entered in error.
func (st *step) retract(ctx context.Context, change *Change, task, content *fhir.Node, resources []*outcomeResource) error {
	list, err := st.s.Store.Outbox(ctx, st.after.ID)
	if err != nil {
		return err
	}
	var told []string
	for _, d := range list {
		if d.State == DeliveryQueued {
			change.Cancels = append(change.Cancels, Cancellation{Delivery: d.ID, Attempts: d.Attempts})
		}
		if d.Kind == KindWriteBack && d.reached() && !slices.Contains(told, d.Recipient) {
			told = append(told, d.Recipient)
		}
	}
	facts := factsOf(st.after, st.patient, func(reference string) *fhir.Node {
		return st.s.organisation(ctx, Scope{Role: auth.RoleOperator}, reference)
	})
	level, err := st.levels(ctx)
	if err != nil {
		return err
	}
	for _, recipient := range told {
		if err := st.writeBack(ctx, change, task, content, resources, recipient, facts, level); err != nil {
			return err
		}
	}
	return nil
}

// writeBack converts what a move sends to one recipient, at the sharing levels given.
func (st *step) writeBack(ctx context.Context, change *Change, task, content *fhir.Node, resources []*outcomeResource, recipient string, facts Facts, level levels) error {
	r := st.after
	id, outlet := st.s.Store.NewID(), st.s.outlet(r.Organisation, recipient)
	var body []byte
	rendered, err := st.rendered(ctx, outlet, id, recipient, r.Version, task, content, resources, level)
	switch {
	case err != nil && outlet.letter() && unspeakable(err):
		facts.Unwritten = true // no rule of a transport keeps a referral from moving; sending tries again, and says why
	case err != nil:
		return err
	default:
		if err := storable(rendered); err != nil {
			return err
		}
		body = fhir.Encode(rendered)
	}
	facts.Task, facts.Numbers = r.Version, formerNumbers(st.patient)
	change.Deliveries = append(change.Deliveries, Delivery{
		ID: id, Organisation: r.Organisation, Referral: r.ID, Move: st.move.ID, Recipient: recipient, Kind: outlet.Kind, Route: outlet.Route,
		ContentType: outlet.ContentType, Body: body, Facts: facts, State: DeliveryQueued,
		Due: st.at, Expires: st.at.Add(st.s.RetryFor), Created: st.at,
	})
	return nil
}

// rendered is what a write-back says to a recipient of a version of the Task; identity makes
// its ids.
func (st *step) rendered(ctx context.Context, outlet Outlet, identity, recipient string, number int, task, content *fhir.Node, resources []*outcomeResource, level levels) (*fhir.Node, error) {
	source, err := st.report(ctx, task, content, resources, level)
	if err == nil && outlet.letter() {
		source, err = st.letter(ctx, source, outlet, identity, recipient, number, content, level)
	}
	if err != nil {
		return nil, err
	}
	return st.tell(ctx, outlet, source, identity)
}

// patientNumber is the NHS number of the referral's Patient, "" when it is not known.
func patientNumber(r *Record, content *fhir.Node) string {
	for _, entry := range content.All("entry") {
		if n := entry.Child("resource"); n.ResourceType() == "Patient" && n.Text("id") == r.Patient {
			return nhsNumberOf(n.All("identifier"))
		}
	}
	return ""
}

// report is what the outcome map reads: the Task as far as it is shared, the Patient,
// the original ServiceRequest, and the recorded resources that the level allows.
func (st *step) report(ctx context.Context, task, content *fhir.Node, recorded []*outcomeResource, level levels) (*fhir.Node, error) {
	r := st.after
	b := fhir.Types(fhir.R4).New("Bundle")
	b.Set("type", "collection")
	add := func(n *fhir.Node) {
		entry := b.Add("entry")
		entry.Set("fullUrl", "urn:uuid:"+n.Text("id"))
		entry.Append("resource", n)
	}
	withheld := map[string]string{} // reference → what it is
	bodies := make([]*fhir.Node, len(recorded))
	for i, o := range recorded {
		n, err := o.version.content()
		if err != nil {
			return nil, err
		}
		n = n.Clone() // what is stored stays as it is
		bodies[i] = n
		if of := level.of(o); o.kind != "DocumentReference" {
			label(n, of, SharingSummary)
		} else if o.within(of, n) {
			if n, err = st.retell(ctx, o, n, content, of); err != nil {
				return nil, err
			}
			bodies[i] = n
		}
		if !o.within(level.of(o), n) {
			withheld[o.kind+"/"+o.id] = o.role
		}
	}
	shared := task.Clone()
	label(shared, level.now, SharingSummary)
	for _, o := range shared.All("output") {
		// a page of an earlier move that the level keeps
		if ref := o.Text("value", "reference"); codeOf(o.Child("type"), SystemTaskOutput) == "summary" && !sharesAtLeast(level.now, SharingSummary) &&
			!slices.ContainsFunc(recorded, func(r *outcomeResource) bool { return r.kind+"/"+r.id == ref }) {
			withheld[ref] = "summary"
		}
	}
	withhold(shared, withheld, level.now)
	add(shared)
	for _, entry := range content.All("entry") {
		if n := entry.Child("resource"); n.ResourceType() == "Patient" && n.Text("id") == r.Patient {
			n = n.Clone()
			if formerNumbers(st.patient) > 0 {
				renumber(n, st.patient, false)
			}
			add(n)
		}
	}
	original, err := st.s.Store.Read(ctx, Scope{Role: auth.RoleRequester, Organisations: []string{r.Organisation}}, "ServiceRequest", r.ServiceRequest)
	if err != nil {
		return nil, err
	}
	request, err := parse(original.Body)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(request.All("identifier"), func(i *fhir.Node) bool { return i.Text("value") != "" }) {
		// the GP system has no name for it but the id it was given here
		i := request.Add("identifier")
		i.Set("system", IDSystem+"servicerequest")
		i.Set("value", r.ServiceRequest)
	}
	add(request)
	for i, o := range recorded {
		if withheld[o.kind+"/"+o.id] != "" {
			continue
		}
		n := bodies[i]
		if code := n.Child("code"); code != nil && !sharesAtLeast(level.of(o), SharingSummary) {
			code.Remove("text")
		}
		add(n)
	}
	// between the entries references are by fullUrl: our logical ids do not leave
	urls := map[string]string{}
	for _, entry := range b.All("entry") {
		n := entry.Child("resource")
		urls[n.ResourceType()+"/"+n.Text("id")] = entry.Text("fullUrl")
	}
	eachReference(b, func(ref, literal *fhir.Node) {
		if url := urls[literal.Value]; url != "" {
			literal.Value = url
		} else if !strings.Contains(literal.Value, ":") && ref.Child("identifier") != nil && ref.Parent != nil && ref.Parent.Text("url") != "" {
			ref.Remove("reference") // of an extension, which the map copies whole; its identifier holds there too
		}
	})
	survive(b, st.patient)
	return parse(fhir.Encode(b))
}

// of is the level of one resource.
func (l levels) of(o *outcomeResource) string {
	if o.wrong {
		return l.filed
	}
	return l.now
}

// withhold leaves out of a Task what a sharing level withholds, and says that it did.
func withhold(n *fhir.Node, withheld map[string]string, level string) {
	var names []string
	name := func(s string) {
		if !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	summary := sharesAtLeast(level, SharingSummary)
	author := n.Text("requester", "identifier", "value") // what the practice said is no secret to it
	kept := n.Children[:0:0]
	for _, c := range n.Children {
		switch {
		case c.Name == "output" && withheld[c.Text("value", "reference")] != "":
			name(withheld[c.Text("value", "reference")])
			continue
		case c.Name == "output" && !summary && c.Text("type", "coding", "code") == "requested-action":
			name("requested actions")
			continue
		case c.Name == "output" && !summary && c.Child("value") != nil && c.Child("value").Name == "valueCodeableConcept":
			// codes only: what is told in words stays here
			if c.Descend("value", "coding") == nil {
				name("findings in words")
				continue
			}
			if c.Descend("value", "text") != nil {
				c.Child("value").Remove("text")
				name("words of findings")
			}
		case c.Name == "note" && !summary && (author == "" || c.Text("author", "identifier", "value") != author):
			name("notes")
			continue
		case c.Name == "statusReason" && !summary:
			c.Remove("text")
		}
		kept = append(kept, c)
	}
	n.Children = kept
	if len(names) > 0 {
		n.Add("note").Set("text", "Withheld at sharing level "+level+": "+strings.Join(names, ", ")+".")
	}
}
