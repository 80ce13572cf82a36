package referral

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

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
	in.ownOnly()
	if len(in.faults) > 0 {
		return nil
	}
	// from here on only the sender's data count
	scope = Scope{Role: auth.RoleRequester, Organisations: []string{in.sender}}
	for i, it := range in.items {
		it.number = 1
		var err error
		if it.condition != nil {
			err = in.meet(ctx, scope, it)
		}
		if err == nil && !it.found && it.node.ResourceType() == "Patient" && !in.twice(i) {
			err = in.knownPatient(ctx, scope, index, it)
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

// ownOnly refuses references to what another organisation sent, also when the caller
// speaks for both: the data of one do not become part of a referral of the other.
func (in *intake) ownOnly() {
	if in.sender == "" {
		return
	}
	for _, it := range in.items {
		eachReference(it.node, func(_, literal *fhir.Node) {
			if ods := in.foreign[literal.Value]; ods != "" && ods != in.sender {
				in.fault(literal, issue.BusinessRule, "reference-unknown", "the reference leads nowhere: no such resource is known here for the sending organisation").
					With("got %q", literal.Value)
			}
		})
	}
}

// twice refuses the same person twice in one message.
func (in *intake) twice(i int) bool {
	number := nhsNumberOf(in.items[i].node.All("identifier"))
	for _, before := range in.items[:i] {
		if number != "" && before.node.ResourceType() == "Patient" && nhsNumberOf(before.node.All("identifier")) == number {
			in.fault(in.items[i].node, issue.BusinessRule, "patient-twice", "two Patients of one message have the same NHS number; send the person once")
			return true
		}
	}
	return false
}

// condition reads If-None-Exist, and refuses what decides nothing.
// Source: http://hl7.org/fhir/R4/http.html#ccreate.
func (in *intake) condition(it *item) {
	at := it.conditionAt()
	query, err := url.ParseQuery(strings.TrimPrefix(it.ifNoneExist, "?"))
	q := Query{Type: it.node.ResourceType(), Page: Page{Count: 2}}
	for name, values := range query {
		if name != "identifier" {
			in.fault(at, issue.NotSupported, "if-none-exist", "a conditional create is decided by identifier=system|value only")
			return
		}
		for _, v := range values {
			system, value, bar := strings.Cut(v, "|")
			if !bar {
				system, value = "", v
			}
			if value == "" || strings.ContainsAny(v, `\,`) {
				in.fault(at, issue.Value, "if-none-exist", "If-None-Exist needs one identifier=system|value, with a value and without escapes")
				return
			}
			if !slices.ContainsFunc(it.node.All("identifier"), func(i *fhir.Node) bool {
				return i.Text("value") == value && (!bar || i.Text("system") == system)
			}) {
				in.fault(at, issue.BusinessRule, "if-none-exist", "the resource itself does not have the identifier that If-None-Exist names, so that a second one could not be told")
				return
			}
			q.Conditions = append(q.Conditions, Condition{Param: name, Kind: ParamToken, Values: []Value{{System: system, Text: value, AnySystem: !bar}}})
		}
	}
	if err != nil || len(q.Conditions) == 0 {
		in.fault(at, issue.Value, "if-none-exist", "If-None-Exist is a search such as identifier=system|value")
		return
	}
	it.condition, it.asked = &q, query.Encode()
}

// conditionAt is the element with the condition of a resource, or the resource itself.
func (it *item) conditionAt() *fhir.Node {
	if it.entry != nil {
		return it.entry.Descend("request", "ifNoneExist")
	}
	return it.node
}

// meet applies If-None-Exist: nothing found creates, one found is used, several refuse.
// Source: http://hl7.org/fhir/R4/http.html#ccreate.
func (in *intake) meet(ctx context.Context, scope Scope, it *item) error {
	found, err := in.s.Store.Search(ctx, scope, *it.condition)
	if err != nil {
		return err
	}
	switch len(found.Versions) {
	case 0:
		// what was made by this condition and has lost the identifier since is still it
		key := Key{Kind: KeyConditional, Scope: in.sender, Value: it.node.ResourceType() + "?" + it.asked}
		known, err := in.s.Store.Known(ctx, []Key{key})
		if err != nil {
			return err
		}
		if known == nil {
			it.id = in.s.Store.NewID()
			key.Hash = it.id
			in.keys = append(in.keys, key)
			return nil
		}
		v, err := in.s.Store.Read(ctx, scope, it.node.ResourceType(), known.Key.Hash)
		if err != nil {
			return err
		}
		it.id, it.number, it.current, it.found = v.ID, 0, v, true
	case 1:
		it.id, it.number, it.current, it.found = found.Versions[0].ID, 0, &found.Versions[0], true
	default:
		in.fault(it.conditionAt(), issue.MultipleMatches, "if-none-exist-many", "several resources match If-None-Exist")
	}
	return nil
}
