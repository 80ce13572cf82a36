package referral

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// maxReferences bounds how many stored resources one message may refer to.
const maxReferences = 50

// identify finds out who sends, whom the message is about, and what of it is already
// here, and gives every resource its logical id. Faults of the message go to
// in.faults; the error is one of the database.
func (in *intake) identify(ctx context.Context) error {
	scope := in.s.scope(in.c)
	index := fhir.NewIndex(in.root)
	if err := in.fetch(ctx, scope, index); err != nil {
		return err
	}
	in.findSender(index)
	if len(in.faults) > 0 {
		return nil
	}
	// from here on only the sender's data count
	scope = Scope{Role: auth.RoleRequester, Organisations: []string{in.sender}}
	for i, it := range in.items {
		it.number = 1
		var err error
		if it.ifNoneExist != "" {
			err = in.condition(ctx, scope, it)
		}
		if err == nil && !it.found && it.node.ResourceType() == "Patient" {
			err = in.knownPatient(ctx, scope, it)
		}
		if err != nil {
			return err
		}
		if it.id == "" {
			it.id = in.s.Store.NewID()
		}
		if it.fullURL == "" && in.root.ResourceType() == "Bundle" {
			it.fullURL = canonical + "/entry/" + strconv.Itoa(i)
		}
	}
	return in.subject(ctx, scope, index)
}

// fetch reads the stored resources that the message refers to, and those they refer to.
func (in *intake) fetch(ctx context.Context, scope Scope, index *fhir.Index) error {
	system := in.root.System()
	var failed error
	get := func(literal *fhir.Node, target fhir.Literal, deep bool) *fhir.Node {
		key := target.Type + "/" + target.ID
		if in.fetched[key] != nil || failed != nil {
			return nil
		}
		if len(in.fetched) >= maxReferences {
			in.fault(literal, issue.TooCostly, "too-many-references", "the message refers to more stored resources than are read for one message")
			return nil
		}
		v, err := in.s.Store.Read(ctx, scope, target.Type, target.ID)
		if err == nil {
			var n *fhir.Node
			if n, err = parse(v.Body); err == nil {
				in.fetched[key] = n
				return n
			}
		}
		if !errors.Is(err, issue.NotFound) {
			failed = err
		} else if !deep {
			in.fault(literal, issue.BusinessRule, "reference-unknown", "the reference leads nowhere: no such resource is known here for your organisation; send it in the same transaction or correct the reference").
				With("got %q", literal.Value)
		}
		return nil
	}
	for _, it := range in.items {
		eachReference(it.node, func(ref, literal *fhir.Node) {
			if index.Resolve(literal.Value, ref) != nil || strings.HasPrefix(literal.Value, "#") {
				return
			}
			target, ok := fhir.ParseReference(system, literal.Value)
			switch {
			case !ok, target.Base != "": // reported by Check, or on another server
			case target.URN != "" && in.root.ResourceType() != "Bundle":
				in.fault(literal, issue.BusinessRule, "reference-unknown", "a urn: reference can only lead to an entry of the same Bundle").With("got %q", literal.Value)
			case target.Query != "":
				in.fault(literal, issue.NotSupported, "conditional-reference", "conditional references are not supported; refer by identifier or to a resource sent before")
			case target.ID != "":
				if n := get(literal, target, false); n != nil {
					eachReference(n, func(_, deeper *fhir.Node) {
						if t, ok := fhir.ParseReference(system, deeper.Value); ok && t.ID != "" && t.Base == "" && worthFetching[t.Type] {
							get(deeper, t, true)
						}
					})
				}
			}
		})
	}
	return failed
}

// worthFetching are the types that say who asks and who is asked.
var worthFetching = map[string]bool{"Practitioner": true, "PractitionerRole": true, "Organization": true}

// eachReference visits every Reference with a literal reference below n.
func eachReference(n *fhir.Node, visit func(ref, literal *fhir.Node)) {
	for _, child := range n.Children {
		if child.Type != nil && child.Type.Name == "Reference" {
			if literal := child.Child("reference"); literal != nil && literal.HasValue() {
				visit(child, literal)
			}
		}
		if len(child.Children) > 0 {
			eachReference(child, visit)
		}
	}
}

// resolve finds the resource a Reference leads to, in the message or fetched.
func (in *intake) resolve(index *fhir.Index, ref *fhir.Node) *fhir.Node {
	literal := ref.Text("reference")
	if literal == "" {
		return nil
	}
	if n := index.Resolve(literal, ref); n != nil {
		return n
	}
	return in.fetched[literal]
}

// organisation finds the ODS code of the organisation a Reference names, directly or
// through a PractitionerRole or HealthcareService; "" when it names none.
func (in *intake) organisation(index *fhir.Index, ref *fhir.Node) string {
	if ref == nil {
		return ""
	}
	if ods := odsOf(ref.All("identifier")); ods != "" {
		return ods
	}
	switch n := in.resolve(index, ref); n.ResourceType() {
	case "Organization":
		return odsOf(n.All("identifier"))
	case "PractitionerRole":
		return in.organisation(index, n.Child("organization"))
	case "HealthcareService":
		return in.organisation(index, n.Child("providedBy"))
	}
	return ""
}

// findSender decides whose message this is: the requester's organisation, which must be
// one the caller speaks for; when the message names none, the caller's only one.
func (in *intake) findSender(index *fhir.Index) {
	var named *fhir.Node
	for _, it := range in.items {
		var candidates []*fhir.Node
		switch it.node.ResourceType() {
		case "ServiceRequest":
			candidates = it.node.All("requester")
		case "Patient":
			candidates = it.node.All("managingOrganization")
		case "Observation":
			if in.request == nil {
				candidates = it.node.All("performer")
			}
		}
		for _, ref := range candidates {
			if ods := in.organisation(index, ref); ods != "" && (in.sender == "" || it == in.request) {
				in.sender, named = ods, ref
			}
		}
	}
	who := in.c.Principal
	switch {
	case in.sender == "" && len(who.Organisations) == 1:
		in.sender = who.Organisations[0]
	case in.sender == "":
		n := in.root
		if in.request != nil {
			n = in.request.node
		}
		in.fault(n, issue.BusinessRule, "sender-unknown", "the message names no sending organisation and the caller speaks for several; give ServiceRequest.requester an organisation with an ODS code")
	case !who.SpeaksFor(in.sender):
		in.fault(named, issue.Forbidden, "sender", "the caller may not send for the organisation that the message names").With("ODS code %q", in.sender)
	}
}

// condition applies If-None-Exist: nothing found creates, one found is used, several refuse.
// Source: http://hl7.org/fhir/R4/http.html#ccreate.
func (in *intake) condition(ctx context.Context, scope Scope, it *item) error {
	at := it.node
	if it.entry != nil {
		at = it.entry.Descend("request", "ifNoneExist")
	}
	query, err := url.ParseQuery(strings.TrimPrefix(it.ifNoneExist, "?"))
	q := Query{Type: it.node.ResourceType(), Page: Page{Count: 2}}
	for name, values := range query {
		if name != "identifier" {
			in.fault(at, issue.NotSupported, "if-none-exist", "a conditional create is decided by identifier=system|value only")
			return nil
		}
		for _, v := range values {
			system, value, _ := strings.Cut(v, "|")
			q.Conditions = append(q.Conditions, Condition{Param: name, Kind: ParamToken, Values: []Value{{System: system, Text: value, AnySystem: !strings.Contains(v, "|")}}})
		}
	}
	if err != nil || len(q.Conditions) == 0 {
		in.fault(at, issue.Value, "if-none-exist", "If-None-Exist is a search such as identifier=system|value")
		return nil
	}
	found, err := in.s.Store.Search(ctx, scope, q)
	if err != nil {
		return err
	}
	switch len(found.Versions) {
	case 0:
		in.keys = append(in.keys, Key{KeyConditional, in.sender, it.node.ResourceType() + "?" + query.Encode(), ""})
	case 1:
		it.id, it.number, it.current, it.found = found.Versions[0].ID, 0, &found.Versions[0], true
	default:
		in.fault(at, issue.MultipleMatches, "if-none-exist-many", "several resources match If-None-Exist")
	}
	return nil
}

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
		it.id = in.s.Store.NewID()
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
		in.fault(it.node, issue.BusinessRule, "no-open-referral", "the patient has no open referral of this practice that the Observation could join")
	default:
		in.fault(it.node, issue.BusinessRule, "several-open-referrals", "the patient has several open referrals; name the ServiceRequest in basedOn")
	}
	return nil
}
