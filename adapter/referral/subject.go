package referral

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// knownPatient makes a Patient whose NHS number is known in this organisation the next
// version of that Patient, or nothing when it says the same.
func (in *intake) knownPatient(ctx context.Context, scope Scope, index *fhir.Index, it *item) error {
	number := nhsNumberOf(it.node.All("identifier"))
	if number == "" {
		return nil
	}
	v, err := in.patientByNumber(ctx, scope, number)
	if err != nil {
		return err
	}
	if v == nil {
		if it.id == "" {
			it.id = in.s.Store.NewID()
		}
		in.keys = append(in.keys, Key{KeyPatient, in.sender, number, it.id})
		return nil
	}
	it.id, it.current, it.found = v.ID, v, true
	it.number = v.Number + 1
	old, err := parse(v.Body)
	if err != nil {
		return err
	}
	held, err := in.s.Store.Held(ctx, v.ID)
	if err != nil {
		return err
	}
	says, practice := it.node, in.practice(ctx, scope, index, it.node)
	if it.before = old; len(held.Facts) > 0 || old.Child("link") != nil {
		it.held, says = held, it.node.Clone()
		if other := held.keep(says, old); len(other) > 0 {
			in.notices = append(in.notices, issue.New(issue.Informational, "fact-held", "newer facts are known of the person, from the Personal Demographics Service or an operator; what the message says of these is kept and does not count: "+strings.Join(other, ", ")).
				Graded(issue.SeverityInformation).At(it.node.Path()).On(it.node.Position()))
		}
		if held.holds(FactPractice) {
			practice = in.practice(ctx, scope, index, old)
		}
	}
	if sameContent(old, says) && (restricted(old) || !restricted(in.root)) && in.practice(ctx, scope, index, old) == practice {
		it.number = 0
	}
	return nil
}

// person is the Patient the message is about as it is stored, nil when nothing is.
func (in *intake) person() *fhir.Node {
	for _, it := range in.items {
		if it.id == in.patient && it.before != nil {
			return it.before
		}
	}
	return in.fetched["Patient/"+in.patient]
}

// everything is the scope of what the sender has.
func (in *intake) everything() Scope {
	return Scope{Role: auth.RoleRequester, Organisations: []string{in.sender}}
}

// practice is the registered practice that a Patient names, of the message or stored.
// References are compared by where they lead: each sending has its own.
func (in *intake) practice(ctx context.Context, scope Scope, index *fhir.Index, patient *fhir.Node) string {
	return factsOf(&Record{Organisation: in.sender}, patient, func(reference string) *fhir.Node {
		if n := index.Resolve(reference, patient); n != nil {
			return n
		}
		return in.s.organisation(ctx, scope, reference)
	}).Practice
}

// patientByNumber finds the one Patient with an NHS number in the sending organisation,
// nil when there is none. The key that makes it the only one also names it, so that
// this is one look at a unique index, for every referral that comes in.
func (in *intake) patientByNumber(ctx context.Context, scope Scope, number string) (*Version, error) {
	known, err := in.s.Store.Known(ctx, []Key{{Kind: KeyPatient, Scope: in.sender, Value: number}})
	if err != nil || known == nil {
		return nil, err
	}
	v, err := in.s.Store.Read(ctx, scope, "Patient", known.Key.Hash)
	if err != nil || !bytes.Contains(v.Body, []byte(`"replaced-by"`)) {
		return v, err
	}
	n, err := v.content()
	if err != nil {
		return nil, err
	}
	if to := linked(n, "replaced-by"); len(to) > 0 { // one person, who was known by two numbers
		return in.s.Store.Read(ctx, scope, "Patient", to[0])
	}
	return v, nil
}

// subject finds the Patient the message is about and, for what comes without a
// ServiceRequest, the referral it joins: a safeguarding flag that nobody would see must
// not be acknowledged.
func (in *intake) subject(ctx context.Context, scope Scope, index *fhir.Index) error {
	if in.request != nil {
		subject := in.request.node.Child("subject")
		if err := in.findPatient(ctx, scope, index, subject); err != nil {
			return err
		}
		in.sameSubject(index)
		if n := in.fetched["Patient/"+in.patient]; n != nil && !identified(n) {
			in.fault(subject, issue.BusinessRule, RuleIdentified, "the Patient sent before has neither an NHS number nor the reason for its absence; send the person again with one of them")
		}
		if in.patient == "" && len(in.faults) == 0 {
			in.fault(subject, issue.BusinessRule, "subject", someone)
		}
		return nil
	}
	var lone []*item
	for _, it := range in.items {
		element := aboutPatient[it.node.ResourceType()]
		if element == "" || it.found {
			continue
		}
		lone = append(lone, it)
		if in.nobody(it) {
			continue
		}
		subject := it.node.Child(element)
		before := in.patient
		if err := in.findPatient(ctx, scope, index, subject); err != nil {
			return err
		}
		if before != "" && in.patient != before {
			in.fault(subject, issue.BusinessRule, "subject", "one message is about one Patient")
		}
	}
	if len(lone) == 0 || len(in.faults) > 0 {
		return nil
	}
	return in.join(ctx, scope, lone)
}

// RuleIdentified is the rule of the intake profile of Patient that holds for the person a
// referral is about, and is a warning for a Patient sent by itself.
const RuleIdentified = "sp-patient-nhs-number"

// identified reports whether a Patient says who it is, or why it cannot.
// Source: UK Core, Extension-UKCore-NHSNumberUnavailableReason.
func identified(patient *fhir.Node) bool {
	return nhsNumberOf(patient.All("identifier")) != "" ||
		slices.ContainsFunc(patient.All("extension"), func(e *fhir.Node) bool {
			return e.Text("url") == "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberUnavailableReason"
		})
}

const someone = "the subject must be a Patient: of this transaction, sent before, or named by an NHS number identifier"

// nobody refuses a resource that must say whom it is about and does not, unless that was
// told already.
func (in *intake) nobody(it *item) bool {
	element := aboutPatient[it.node.ResourceType()]
	if element == "" {
		return false
	}
	ref := it.node.Child(element)
	if ref.Text("reference") != "" || nhsNumberOf(ref.All("identifier")) != "" {
		return false
	}
	at := it.node.Path() + "." + element
	if slices.ContainsFunc(in.faults, func(e *issue.Error) bool { return strings.HasPrefix(e.Expression, at) }) {
		return true
	}
	if ref == nil {
		in.fault(it.node, issue.BusinessRule, "subject", it.node.ResourceType()+"."+element+" is needed here: a Patient of this transaction, sent before, or named by an NHS number identifier")
	} else {
		in.fault(ref, issue.BusinessRule, "subject", someone)
	}
	return true
}

// sameSubject refuses a referral whose other resources are about somebody else, or do
// not say whom they are about: one person's scores must not end up with another.
func (in *intake) sameSubject(index *fhir.Index) {
	if in.patient == "" {
		return
	}
	number, numbers := "", []string(nil) // the person's, and those from before with it
	for _, it := range in.items {
		if it.id == in.patient {
			number, numbers = nhsNumberOf(it.node.All("identifier")), everyNumber(it.node)
			if it.before != nil {
				numbers = append(numbers, everyNumber(it.before)...)
			}
		}
	}
	if n := in.fetched["Patient/"+in.patient]; n != nil && number == "" {
		number, numbers = nhsNumberOf(n.All("identifier")), everyNumber(n)
	}
	known := func(named string) bool { return named != "" && slices.Contains(numbers, named) }
	for _, it := range in.items {
		element := aboutPatient[it.node.ResourceType()]
		if element == "" {
			continue
		}
		ref := it.node.Child(element)
		named := nhsNumberOf(ref.All("identifier"))
		same := known(named)
		if target := in.resolve(index, ref); target != nil {
			same = in.fetched["Patient/"+in.patient] == target
			for _, other := range in.items {
				same = same || other.node == target && other.id == in.patient
			}
			same = same && (named == "" || number == "" || known(named))
		}
		if !same {
			in.fault(ref, issue.BusinessRule, "subject", "this is about another person than the ServiceRequest; one message is about one Patient")
		}
	}
	for _, it := range in.items {
		eachReference(it.node, func(_, literal *fhir.Node) {
			stored := in.fetched[literal.Value]
			element := aboutPatient[stored.ResourceType()]
			if element == "" {
				return
			}
			about := stored.Child(element)
			if named := nhsNumberOf(about.All("identifier")); about.Text("reference") != "Patient/"+in.patient && !known(named) {
				in.fault(literal, issue.BusinessRule, "subject", "this leads to what was sent about another person than the one of the ServiceRequest; one message is about one Patient").With("got %q", literal.Value)
			}
		})
	}
}

// aboutPatient names the element that says whom a resource is about.
var aboutPatient = map[string]string{
	"Observation": "subject", "ServiceRequest": "subject", "Condition": "subject", "Flag": "subject", "DocumentReference": "subject",
	"QuestionnaireResponse": "subject", "Consent": "patient", "RelatedPerson": "patient",
}

// findPatient sets in.patient from a subject. A subject named only by an NHS number
// that is not known yet becomes a Patient with nothing but that number, when a
// referral is made; what is not known is not invented.
func (in *intake) findPatient(ctx context.Context, scope Scope, index *fhir.Index, subject *fhir.Node) error {
	if n := in.resolve(index, subject); n != nil {
		for _, it := range in.items {
			if it.node == n && n.ResourceType() == "Patient" {
				in.patient = it.id
				return nil
			}
		}
		if n.ResourceType() == "Patient" && in.fetched["Patient/"+n.Text("id")] == n {
			in.patient = n.Text("id")
			return nil
		}
		in.fault(subject, issue.BusinessRule, "subject", "the subject must be a Patient of this message or one sent before; a contained Patient has no record of its own")
		return nil
	}
	number := nhsNumberOf(subject.All("identifier"))
	if number == "" {
		if in.request == nil {
			in.fault(subject, issue.BusinessRule, "subject", someone)
		}
		return nil
	}
	for _, it := range in.items {
		if it.node.ResourceType() == "Patient" && (slices.Contains(everyNumber(it.node), number) || it.before != nil && slices.Contains(everyNumber(it.before), number)) {
			in.patient = it.id
			return nil
		}
	}
	v, err := in.patientByNumber(ctx, scope, number)
	if err != nil {
		return err
	}
	if v != nil {
		in.patient = v.ID
		n, err := parse(v.Body)
		in.fetched["Patient/"+v.ID] = n
		return err
	}
	if in.request == nil {
		in.fault(subject, issue.BusinessRule, "subject", "no Patient with this NHS number is known here for your organisation")
		return nil
	}
	n := fhir.Types(fhir.R4).New("Patient")
	n.Append("identifier", subject.Child("identifier").Clone())
	if display := subject.Text("display"); display != "" {
		n.Add("name").Set("text", display)
	}
	in.items = append(in.items, &item{node: n, made: true, id: in.s.Store.NewID(), number: 1})
	in.patient = in.items[len(in.items)-1].id
	in.keys = append(in.keys, Key{KeyPatient, in.sender, number, in.patient})
	in.notices = append(in.notices, issue.New(issue.Informational, "patient-unknown", "only the NHS number of the person is known here; send the Patient so that the service can reach them").Graded(issue.SeverityInformation).At(subject.Path()).On(subject.Position()))
	return nil
}

// join finds the open referral that resources without a ServiceRequest belong to.
func (in *intake) join(ctx context.Context, scope Scope, lone []*item) error {
	people := []string{in.patient}
	if n := in.person(); n != nil {
		people = append(people, linked(n, "replaces")...) // known by another number when they were made
	}
	var list []Record
	for _, id := range people {
		found, _, err := in.s.Store.Referrals(ctx, scope, Filter{Patient: id, Open: Yes, Page: Page{Count: 20}})
		if err != nil {
			return err
		}
		list = append(list, found...)
	}
	named, at := "", lone[0].node
	for _, it := range lone {
		for _, ref := range it.node.All("basedOn") {
			id := strings.TrimPrefix(ref.Text("reference"), "ServiceRequest/")
			if named != "" && id != named {
				in.fault(ref, issue.BusinessRule, "several-referrals", "the resources of one message belong to one referral; send one message for each")
				return nil
			}
			named, at = id, ref
		}
	}
	var matches []Record
	for _, r := range list {
		if named == "" || named == r.ServiceRequest {
			matches = append(matches, r)
		}
	}
	switch {
	case len(matches) == 1:
		in.joins = &matches[0]
	case len(matches) > 1:
		in.fault(at, issue.BusinessRule, "several-open-referrals", "the patient has several open referrals; name the ServiceRequest in basedOn")
	case named != "":
		in.fault(at, issue.BusinessRule, "no-open-referral", "basedOn names no open referral of this patient and this practice; correct it, or leave it out to join the one open referral")
	default:
		in.fault(at, issue.BusinessRule, "no-open-referral", "the patient has no open referral of this practice that this could join")
	}
	return nil
}
