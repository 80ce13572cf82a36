package referral

import (
	"context"
	"slices"
	"strings"

	"spadapter/adapter/issue"
)

// TypeAudit is the resource type of the audit. Records are not stored as resources: they
// are made of the audit when somebody asks.
const TypeAudit = "AuditEvent"

// Audits is a part of the audit. Total counts the whole list when it was asked for, -1 otherwise.
type Audits struct {
	List  []Audit
	Next  string
	Total int
}

// auditParams are what audit records are found by.
// Source: http://hl7.org/fhir/R4/auditevent.html#search.
var auditParams = []SearchParam{
	token("action", "AuditEvent-action"),
	{Name: "agent", Kind: ParamOwner, Type: "reference", Definition: definitions + "AuditEvent-agent"},
	token("altid", "AuditEvent-altid"),
	{Name: "date", Kind: ParamDate, Type: "date", Definition: definitions + "AuditEvent-date"},
	{Name: "entity", Kind: ParamRef, Type: "reference", Definition: definitions + "AuditEvent-entity"},
	token("outcome", "AuditEvent-outcome"),
	{Name: "patient", Kind: ParamPatient, Type: "reference", Definition: definitions + "AuditEvent-patient"},
	token("subtype", "AuditEvent-subtype"),
	token("type", "AuditEvent-type"),
}

// auditSystems are the code systems of the tokens.
var auditSystems = map[string]string{
	"action": systemAction, "outcome": systemOutcome, "subtype": systemInteraction, "type": systemEventType, "altid": SystemClient,
}

// searchAudits finds audit records as AuditEvents. That it was asked is recorded under the
// patients that were asked for.
func (s *Service) searchAudits(ctx context.Context, c Call, q Query) (Found, error) {
	out := Found{Total: -1}
	conditions, possible := auditConditions(q.Conditions)
	var found Audits
	if possible {
		var err error
		if found, err = s.Store.Audits(ctx, s.scope(c), Query{Conditions: conditions, Page: q.Page}); err != nil {
			return out, err
		}
	} else if q.Page.Count == 0 {
		found.Total = 0
	}
	a := s.audit(c, "search-type", "E", nil)
	a.Entity = TypeAudit
	for i := range found.List {
		v, err := s.auditVersion(c, &found.List[i])
		if err != nil {
			return out, err
		}
		out.Versions = append(out.Versions, v)
		for _, condition := range conditions {
			if condition.Kind == ParamPatient {
				found.List[i].about(condition.Values, &a)
			}
		}
	}
	out.Next = found.Next
	if q.Page.Count == 0 {
		out.Total = found.Total
	}
	return out, s.record(ctx, a)
}

// about names in a record those of some patients that another record is about.
func (a *Audit) about(asked []Value, in *Audit) {
	list := append([]Shown{{a.Organisation, []string{a.Patient}}}, a.Shown...)
	for _, shown := range list {
		for _, p := range shown.Patients {
			if p != "" && slices.ContainsFunc(asked, func(v Value) bool { return v.Text == p }) {
				in.shows(shown.Organisation, p)
			}
		}
	}
}

// auditConditions spells conditions as the store takes them; possible is false when no
// record can meet them.
func auditConditions(list []Condition) (out []Condition, possible bool) {
	for _, c := range list {
		if c.Kind == ParamRef && !slices.ContainsFunc(c.Values, func(v Value) bool { return !strings.HasPrefix(v.Text, "Patient/") }) {
			// whatever is about a Patient has it as an entity
			values := slices.Clone(c.Values)
			for i := range values {
				values[i].Text = strings.TrimPrefix(values[i].Text, "Patient/")
			}
			c = Condition{Param: "patient", Kind: ParamPatient, Values: values}
		}
		if c.Kind != ParamToken {
			out = append(out, c)
			continue
		}
		var values []Value
		every := false
		for _, v := range c.Values {
			if v.AnySystem || v.System == auditSystems[c.Param] {
				every = every || v.AnyCode || c.Param == "type" && v.Text == "rest"
				values = append(values, Value{Text: v.Text})
			}
		}
		switch {
		case every:
		case len(values) == 0 || c.Param == "type":
			return nil, false
		default:
			out = append(out, Condition{Param: c.Param, Kind: ParamToken, Values: values})
		}
	}
	return out, true
}

// readAudit gives one audit record as an AuditEvent. Errors: not-found.
func (s *Service) readAudit(ctx context.Context, c Call, id string) (*Version, error) {
	found, err := s.Store.Audits(ctx, s.scope(c), Query{Conditions: []Condition{{Param: "_id", Kind: ParamID, Values: []Value{{Text: id}}}}, Page: Page{Count: 1}})
	if err == nil && len(found.List) == 0 {
		err = issue.New(issue.NotFound, "not-found", "there is no such resource, or none that you may see")
	}
	if err != nil {
		return nil, err
	}
	v, err := s.auditVersion(c, &found.List[0])
	if err != nil {
		return nil, err
	}
	a := s.audit(c, "read", "R", nil)
	a.Entity, a.Organisation, a.Patient = TypeAudit+"/"+id, found.List[0].Organisation, found.List[0].Patient
	return &v, s.record(ctx, a)
}
