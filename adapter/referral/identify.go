package referral

import (
	"context"
	"net/url"
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
