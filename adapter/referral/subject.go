package referral

import (
	"context"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// knownPatient makes a Patient whose NHS number is known in this organisation the next
// version of that Patient, or nothing when it says the same.
func (in *intake) knownPatient(ctx context.Context, scope Scope, it *item) error {
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
	if old, err := parse(v.Body); err != nil {
		return err
	} else if sameContent(old, it.node) {
		it.number = 0
	}
	return nil
}

// patientByNumber finds the one Patient with an NHS number in the sending organisation,
// nil when there is none. The key that makes it the only one also names it, so that
// this is one look at a unique index, for every referral that comes in.
func (in *intake) patientByNumber(ctx context.Context, scope Scope, number string) (*Version, error) {
	known, err := in.s.Store.Known(ctx, []Key{{Kind: KeyPatient, Scope: in.sender, Value: number}})
	if err != nil || known == nil {
		return nil, err
	}
	return in.s.Store.Read(ctx, scope, "Patient", known.Key.Hash)
}

// subject finds the Patient the message is about and, for Observations that come
// without a ServiceRequest, the referral they join.
func (in *intake) subject(ctx context.Context, scope Scope, index *fhir.Index) error {
	var lone []*item
	for _, it := range in.items {
		if it.node.ResourceType() == "Observation" && in.request == nil {
			lone = append(lone, it)
		}
	}
	switch {
	case in.request != nil:
		subject := in.request.node.Child("subject")
		if err := in.findPatient(ctx, scope, index, subject); err != nil {
			return err
		}
		in.sameSubject(index)
		if in.patient == "" && len(in.faults) == 0 {
			in.fault(subject, issue.BusinessRule, "subject", "the subject must be a Patient: of this transaction, sent before, or named by an NHS number identifier")
		}
	case len(lone) > 0:
		for _, it := range lone {
			subject := it.node.Child("subject")
			if subject == nil {
				in.fault(it.node, issue.BusinessRule, "subject", "an Observation that joins a referral needs a subject: a Patient sent before, or an NHS number identifier")
				return nil
			}
			before := in.patient
			if err := in.findPatient(ctx, scope, index, subject); err != nil {
				return err
			}
			if before != "" && in.patient != before {
				in.fault(subject, issue.BusinessRule, "subject", "the Observations of one message are about one Patient")
			}
		}
		if len(in.faults) == 0 {
			return in.join(ctx, scope, lone[0])
		}
	}
	return nil
}

// sameSubject refuses a referral whose other resources are about somebody else, or do
// not say whom they are about: one person's scores must not end up with another.
func (in *intake) sameSubject(index *fhir.Index) {
	if in.patient == "" {
		return
	}
	number := ""
	for _, it := range in.items {
		if it.id == in.patient {
			number = nhsNumberOf(it.node.All("identifier"))
		}
	}
	if n := in.fetched["Patient/"+in.patient]; n != nil && number == "" {
		number = nhsNumberOf(n.All("identifier"))
	}
	for _, it := range in.items {
		element := aboutPatient[it.node.ResourceType()]
		if element == "" {
			continue
		}
		ref := it.node.Child(element)
		if ref == nil {
			in.fault(it.node, issue.BusinessRule, "subject", it.node.ResourceType()+"."+element+" is needed here: name the Patient of the referral")
			continue
		}
		named := nhsNumberOf(ref.All("identifier"))
		same := number != "" && named == number
		if target := in.resolve(index, ref); target != nil {
			same = target.Text("id") == in.patient && target.ResourceType() == "Patient"
			for _, other := range in.items {
				same = same || other.node == target && other.id == in.patient
			}
			same = same && (named == "" || number == "" || named == number)
		}
		if !same {
			in.fault(ref, issue.BusinessRule, "subject", "this is about another person than the ServiceRequest; one message is about one Patient")
		}
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
			if it.node == n {
				in.patient = it.id
			}
		}
		if n.ResourceType() == "Patient" && in.patient == "" {
			in.patient = n.Text("id")
		}
		return nil
	}
	number := nhsNumberOf(subject.All("identifier"))
	if number == "" {
		return nil
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

// join finds the open referral that an Observation belongs to.
func (in *intake) join(ctx context.Context, scope Scope, it *item) error {
	list, _, err := in.s.Store.Referrals(ctx, scope, Filter{Patient: in.patient, Open: true, Page: Page{Count: 20}})
	if err != nil {
		return err
	}
	var named []string
	for _, ref := range it.node.All("basedOn") {
		named = append(named, strings.TrimPrefix(ref.Text("reference"), "ServiceRequest/"))
	}
	var matches []Record
	for _, r := range list {
		take := len(named) == 0
		for _, id := range named {
			take = take || id == r.ServiceRequest
		}
		if take {
			matches = append(matches, r)
		}
	}
	switch len(matches) {
	case 1:
		in.joins = &matches[0]
	case 0:
		if len(named) > 0 {
			in.fault(it.node.Child("basedOn"), issue.BusinessRule, "no-open-referral", "basedOn names no open referral of this patient and this practice; correct it, or leave it out to join the one open referral")
			break
		}
		in.fault(it.node, issue.BusinessRule, "no-open-referral", "the patient has no open referral of this practice that the Observation could join")
	default:
		in.fault(it.node, issue.BusinessRule, "several-open-referrals", "the patient has several open referrals; name the ServiceRequest in basedOn")
	}
	return nil
}
