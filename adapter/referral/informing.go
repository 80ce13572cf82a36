package referral

import (
	"context"
	"maps"
	"slices"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// informing is news on their way into one Patient.
type informing struct {
	s       *Service
	told    *news
	current *Version
	n       *fhir.Node // the Patient as it will be
	was     *fhir.Node
	held    *Held // as it was
	next    Held  // as it will be

	changed, older []string
	keys           []Key
	versions       []Version // beside the Patient
}

func (s *Service) informing(ctx context.Context, patient string, told *news) (*informing, error) {
	t := &informing{s: s, told: told}
	var err error
	if t.current, err = s.Store.Read(ctx, Scope{Role: auth.RoleOperator}, "Patient", patient); err != nil {
		return nil, err
	}
	if t.was, err = parse(t.current.Body); err != nil {
		return nil, err
	}
	t.n = t.was.Clone()
	if t.held, err = s.Store.Held(ctx, patient); err != nil {
		return nil, err
	}
	t.next = *t.held
	if t.next.Facts = maps.Clone(t.held.Facts); t.next.Facts == nil {
		t.next.Facts = map[string]Origin{}
	}
	return t, nil
}

// change decides what the news change, and makes one Change of it; nil for nothing. That a
// Patient was told about is in the audit all the same when an operator did.
func (t *informing) change(ctx context.Context) (*Change, error) {
	before := t.practice(ctx)
	t.registered(before)
	t.died()
	t.labelled()
	if err := t.replaced(ctx); err != nil {
		return nil, err
	}
	if t.told.said != nil {
		t.next.Said = t.told.said
	}
	holding := !maps.Equal(t.held.Facts, t.next.Facts) || t.told.said != nil && (t.held.Said == nil || *t.held.Said != *t.told.said)
	byOperator := t.told.c.Principal != nil
	if len(t.changed) == 0 && !holding && !byOperator {
		return nil, nil
	}
	v, at := t.current, t.s.now()
	a := t.s.audit(t.told.c, "update", "U", v)
	a.At = at
	change := &Change{Organisation: v.Organisation, At: at, Keys: t.keys, Audits: []Audit{a}}
	if holding {
		t.next.Number++
		change.Held = &t.next
	}
	if len(t.changed) == 0 {
		return change, nil
	}
	stamp(t.n, v.ID, v.Number+1, at)
	next := Version{Type: v.Type, ID: v.ID, Number: v.Number + 1, Organisation: v.Organisation, Updated: at, Patient: v.ID}
	next.write(t.n)
	next.Terms, next.From, next.To = terms(t.n)
	change.Audits[0].Version = next.Number
	change.Versions = append([]Version{next}, t.versions...)
	change.Versions = append(change.Versions, t.provenance(change.Versions))
	if now := t.practice(ctx); now != before {
		change.Registered = []Registration{{v.ID, now}}
	}
	return change, nil
}

// take reports whether news about a member are to be had, and notes their origin.
func (t *informing) take(member string) bool {
	if t.held.older(member, t.told.at) {
		t.older = append(t.older, member)
		return false
	}
	if o := t.held.Facts[member]; !o.AsOf.Equal(t.told.at) || o.Source != t.told.source {
		t.next.Facts[member] = Origin{t.told.at.UTC(), t.told.source}
	}
	return true
}

func (t *informing) touch(member string) { t.changed = append(t.changed, member) }

// practice is where the person is registered as the Patient has it now.
func (t *informing) practice(ctx context.Context) string {
	return factsOf(&Record{Organisation: t.current.Organisation}, t.n, func(reference string) *fhir.Node {
		return t.s.organisation(ctx, Scope{Role: auth.RoleOperator}, reference)
	}).Practice
}

// registered makes another practice the one of the person: who was named before goes, with
// the practitioners there.
func (t *informing) registered(before string) {
	practice := t.told.practice
	if practice == "" || !t.take(FactPractice) || practice == before {
		return
	}
	t.n.Remove("generalPractitioner")
	gp := t.n.Add("generalPractitioner")
	gp.Set("type", "Organization")
	setIdentifier(gp, SystemODS, practice)
	if name := t.s.Partners.Organisation(practice).Name; name != "" {
		gp.Set("display", name)
	}
	t.touch(FactPractice)
}

// died notes a death, or that there was none. An informal notice counts like a formal one:
// what stops for somebody who lives is begun again, a letter to the family of the dead is not
// taken back.
func (t *informing) died() {
	if t.told.deceased == nil || !t.take(FactDeceased) {
		return
	}
	was, is := "", *t.told.deceased
	if d := t.n.Child("deceased"); deceased(t.n) {
		was = d.Value
	}
	if was == is || is == "true" && was != "" {
		return
	}
	t.n.Remove("deceasedBoolean")
	t.n.Remove("deceasedDateTime")
	switch is {
	case "":
	case "true":
		t.n.Set("deceasedBoolean", is)
	default:
		t.n.Set("deceasedDateTime", is)
	}
	t.touch(FactDeceased)
}

// labelled restricts a person, or lifts that.
func (t *informing) labelled() {
	if t.told.restricted == nil || !t.take(FactRestricted) || *t.told.restricted == restricted(t.n) {
		return
	}
	t.touch(FactRestricted)
	if *t.told.restricted {
		if t.n.Child("meta") == nil {
			prepend(t.n, "meta", "")
		}
		setCode(t.n.Child("meta").Add("security"), "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R")
		return
	}
	meta := t.n.Child("meta")
	labels := meta.All("security")
	meta.Remove("security")
	for _, label := range labels {
		if code := label.Text("code"); code != "R" && code != "V" {
			meta.Append("security", label)
		}
	}
}

// replaced makes another NHS number that of the person. The old one stays, marked as old, so
// that the person is found by either. Where the organisation knows somebody by the new number
// already, both are one person: each says so, and their referrals stay where they are.
func (t *informing) replaced(ctx context.Context) error {
	number := t.told.replacedBy
	if number == "" || !t.take(FactNumber) {
		return nil
	}
	now := nhsNumberOf(t.n.All("identifier"))
	if now == number {
		return nil
	}
	t.touch(FactNumber)
	var kept []*fhir.Node
	for _, id := range t.n.All("identifier") {
		if id.Text("system") == SystemNHSNumber {
			if id.Text("value") == number {
				continue // it was replaced by another, and is back
			}
			id.Set("use", "old")
		}
		kept = append(kept, id)
	}
	t.n.Remove("identifier")
	setIdentifier(t.n, SystemNHSNumber, number)
	for _, id := range kept {
		t.n.Append("identifier", id)
	}
	key := Key{Kind: KeyPatient, Scope: t.current.Organisation, Value: number, Hash: t.current.ID}
	known, err := t.s.Store.Known(ctx, []Key{key})
	switch {
	case err != nil:
		return err
	case known == nil:
		t.keys = append(t.keys, key)
		return nil
	case known.Key.Hash == t.current.ID:
		return nil
	}
	return t.joined(ctx, known.Key.Hash)
}

// joined says of two Patients that the one with the old number is now the other.
func (t *informing) joined(ctx context.Context, survivor string) error {
	other, err := t.s.Store.Read(ctx, Scope{Role: auth.RoleOperator}, "Patient", survivor)
	if err != nil {
		return err
	}
	n, err := parse(other.Body)
	if err != nil {
		return err
	}
	link(t.n, survivor, "replaced-by")
	if link(n, t.current.ID, "replaces") {
		stamp(n, other.ID, other.Number+1, t.s.now())
		v := Version{Type: other.Type, ID: other.ID, Number: other.Number + 1, Organisation: other.Organisation, Updated: t.s.now(), Patient: other.ID}
		v.write(n)
		v.Terms, v.From, v.To = terms(n)
		t.versions = append(t.versions, v)
	}
	return nil
}

// link links a Patient to another; false when it is linked already.
func link(n *fhir.Node, to, kind string) bool {
	if slices.Contains(linked(n, kind), to) {
		return false
	}
	l := n.Add("link")
	l.Add("other").Set("reference", "Patient/"+to)
	l.Set("type", kind)
	return true
}

// linked lists the ids of the Patients that a Patient is linked to in some way.
func linked(n *fhir.Node, kind string) (ids []string) {
	for _, l := range n.All("link") {
		if to := l.Text("other", "reference"); l.Text("type") == kind && len(to) > len("Patient/") {
			ids = append(ids, to[len("Patient/"):])
		}
	}
	return ids
}

// provenance says where the new versions of Patients come from.
// Source: http://hl7.org/fhir/R4/provenance.html.
func (t *informing) provenance(made []Version) Version {
	n, at := fhir.Types(fhir.R4).New("Provenance"), made[0].Updated
	for i := range made {
		n.Add("target").Set("reference", location(made[i].Type+"/"+made[i].ID, made[i].Number))
	}
	n.Set("occurredDateTime", t.told.at.UTC().Format(instant))
	n.Set("recorded", at.Format(instant))
	setCode(n.Add("activity").Add("coding"), "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "amend")
	agent := n.Add("agent")
	setCode(agent.Add("type").Add("coding"), "http://terminology.hl7.org/CodeSystem/provenance-participant-type", "author")
	who := agent.Add("who")
	if p := t.told.c.Principal; p != nil {
		setIdentifier(who, SystemClient, p.Client)
	} else {
		t.s.server(who)
	}
	source := n.Add("entity")
	source.Set("role", "source")
	source.Add("what").Set("display", t.told.source)
	id := t.s.Store.NewID()
	stamp(n, id, 1, at)
	v := Version{Type: "Provenance", ID: id, Number: 1, Updated: at, Patient: t.current.ID}
	v.write(n)
	v.Terms, v.From, v.To = terms(n)
	return v
}
