package gateway

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/directory"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// Directory is the directory of services as the gateway offers it, to every caller alike:
// nothing in it is about a person or belongs to an organisation.
type Directory struct {
	*directory.Directory

	// Record audits an access that was answered. entity is "Type/id" or "Type".
	Record func(ctx context.Context, c referral.Call, interaction, action, entity string) error
}

const definitions = "http://hl7.org/fhir/SearchParameter/"

// directoryParams are what the entries of the directory can be searched by, beside what
// the stored resources of the same types are.
// Source: http://hl7.org/fhir/R4/healthcareservice.html#search, location.html#search,
// organization.html#search.
var directoryParams = map[string][]referral.SearchParam{
	directory.TypeService: {
		{Name: directory.ParamActive, Kind: referral.ParamToken, Type: "token", Definition: definitions + "HealthcareService-active"},
		{Name: directory.ParamLocation, Kind: referral.ParamRef, Type: "reference", Definition: definitions + "HealthcareService-location"},
		{Name: "name", Kind: referral.ParamString, Type: "string", Definition: definitions + "HealthcareService-name"},
		{Name: directory.ParamOrganisation, Kind: referral.ParamRef, Type: "reference", Definition: definitions + "HealthcareService-organization"},
		{Name: directory.ParamServiceType, Kind: referral.ParamToken, Type: "token", Definition: definitions + "HealthcareService-service-type"},
	},
	directory.TypeLocation: {
		{Name: "name", Kind: referral.ParamString, Type: "string", Definition: definitions + "Location-name"},
		{Name: nearParameter, Kind: referral.ParamID, Type: "special", Definition: definitions + "Location-near"},
	},
	directory.TypeOrganisation: {
		{Name: directory.ParamActive, Kind: referral.ParamToken, Type: "token", Definition: definitions + "Organization-active"},
		{Name: "name", Kind: referral.ParamString, Type: "string", Definition: definitions + "Organization-name"},
	},
}

const nearParameter = "near"

// bothParams are those that stored resources are found by as well. A search by any other
// finds entries of the directory alone.
var bothParams = []string{"_id", "_lastUpdated", directory.ParamIdentifier}

// over lays the directory over the operations: its entries are read and found as if they
// were stored among the resources of their types, and before these.
func (d *Directory) over(o Operations) Operations {
	stored := o
	o.SearchParams = func(kind string) []referral.SearchParam {
		list := stored.SearchParams(kind)
		if directoryParams[kind] != nil {
			for i := range list {
				list[i].Modifiers = nil // the directory knows none
			}
		}
		return append(list, directoryParams[kind]...)
	}
	o.Read = func(ctx context.Context, c referral.Call, kind, id string) (*referral.Version, error) {
		v, err := d.entry(ctx, c, "read", kind, id)
		if v == nil && err == nil {
			return stored.Read(ctx, c, kind, id)
		}
		return v, err
	}
	o.ReadVersion = func(ctx context.Context, c referral.Call, kind, id string, number int) (*referral.Version, error) {
		v, err := d.entry(ctx, c, "vread", kind, id)
		switch {
		case v == nil && err == nil:
			return stored.ReadVersion(ctx, c, kind, id, number)
		case err == nil && v.Number != number:
			return nil, issue.New(issue.NotFound, "unknown-version", "of an entry of the directory only the current version is kept")
		}
		return v, err
	}
	o.History = func(ctx context.Context, c referral.Call, kind, id string, p referral.Page) (referral.Found, error) {
		if id != "" {
			v, err := d.entry(ctx, c, "history-instance", kind, id)
			if err != nil {
				return referral.Found{}, err
			}
			if v != nil {
				return referral.Found{Versions: []referral.Version{*v}, Total: 1}, nil
			}
		}
		return stored.History(ctx, c, kind, id, p)
	}
	o.Search = func(ctx context.Context, c referral.Call, q referral.Query) (referral.Found, error) {
		if directoryParams[q.Type] == nil {
			return stored.Search(ctx, c, q)
		}
		return d.search(ctx, c, q, stored.Search)
	}
	return o
}

// entry gives an entry as a version; nil without error when the directory has none.
func (d *Directory) entry(ctx context.Context, c referral.Call, interaction, kind, id string) (*referral.Version, error) {
	// its ids are UUIDv5, those of stored resources UUIDv7
	if directoryParams[kind] == nil || len(id) != 36 || id[14] != '5' {
		return nil, nil
	}
	e, err := d.Store.Entry(ctx, kind, id)
	if errors.Is(err, issue.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := d.version(e)
	if err != nil {
		return nil, err
	}
	return v, d.Record(ctx, c, interaction, "R", kind+"/"+id)
}

func (d *Directory) version(e *directory.Entry) (*referral.Version, error) {
	n, err := d.Resource(e)
	if err != nil {
		return nil, err
	}
	return &referral.Version{Type: e.Type, ID: e.ID, Number: e.Version, Updated: e.Updated, Body: fhir.Encode(n)}, nil
}

// Cursors say in which of the two lists they are.
const (
	inDirectory = "d."
	inStored    = "s."
)

// search finds entries of the directory, then stored resources where both can be found.
func (d *Directory) search(ctx context.Context, c referral.Call, q referral.Query, stored func(context.Context, referral.Call, referral.Query) (referral.Found, error)) (referral.Found, error) {
	dq, both, err := directoryQuery(q)
	if err != nil {
		return referral.Found{}, err
	}
	out := referral.Found{Total: -1}
	room := q.Page.Count
	after, second := strings.CutPrefix(q.Page.After, inStored)
	if second {
		q.Page.After = after
	} else {
		dq.After, q.Page.After = strings.TrimPrefix(q.Page.After, inDirectory), ""
		found, err := d.Store.Find(ctx, dq)
		if err != nil {
			return out, err
		}
		for _, e := range found.Entries {
			v, err := d.version(e)
			if err != nil {
				return out, err
			}
			out.Versions = append(out.Versions, *v)
		}
		room -= len(out.Versions)
		out.Total = found.Total
		if found.Next != "" {
			out.Next, room = inDirectory+found.Next, 0
		}
	}
	if !both {
		return out, d.Record(ctx, c, "search-type", "E", q.Type)
	}
	if q.Total && second { // the total of a page in the stored list counts the directory's as well
		count := dq
		count.Count, count.After = 0, ""
		found, err := d.Store.Find(ctx, count)
		if err != nil {
			return out, err
		}
		out.Total = found.Total
	}
	if q.Page.Count > 0 {
		q.Page.Count = max(room, 1) // one tells whether the list goes on there
	}
	more, err := stored(ctx, c, q)
	if err != nil {
		return out, err
	}
	switch {
	case room > 0:
		out.Versions = append(out.Versions, more.Versions...)
		if more.Next != "" {
			out.Next = inStored + more.Next
		}
	case out.Next == "" && len(more.Versions) > 0:
		out.Next = inStored
	}
	if out.Total >= 0 && more.Total >= 0 {
		out.Total += more.Total
	} else {
		out.Total = -1
	}
	return out, nil
}

// directoryQuery makes the search of the directory; both says that stored resources can
// meet the conditions too. Errors: value, invalid.
func directoryQuery(q referral.Query) (dq directory.Query, both bool, err error) {
	dq = directory.Query{Type: q.Type, Pence: -1, Count: q.Page.Count, Total: q.Total}
	both = true
	var faults []*issue.Error
	for _, c := range q.Conditions {
		if !slices.Contains(bothParams, c.Param) {
			both = false
		}
		if fault := addCondition(&dq, c); fault != nil {
			faults = append(faults, fault)
		}
	}
	return dq, both, issue.Join(faults)
}

func addCondition(dq *directory.Query, c referral.Condition) *issue.Error {
	single := func() *issue.Error {
		if len(c.Values) == 1 {
			return nil
		}
		return issue.Newf(issue.Invalid, "search-alternatives", "%s takes one value here", c.Param).At("http." + c.Param)
	}
	switch {
	case c.Param == nearParameter:
		if err := single(); err != nil {
			return err
		}
		return addNear(dq, c.Values[0].Text)
	case c.Kind == referral.ParamID:
		ids := []string{}
		for _, v := range c.Values {
			if dq.IDs == nil || slices.Contains(dq.IDs, v.Text) {
				ids = append(ids, v.Text)
			}
		}
		dq.IDs = ids
	case c.Kind == referral.ParamUpdated:
		if err := single(); err != nil {
			return err
		}
		return addUpdated(dq, c.Values[0])
	case c.Kind == referral.ParamString:
		if err := single(); err != nil {
			return err
		}
		if dq.Name != "" {
			return issue.Newf(issue.Invalid, "search-repeated", "%s may be given once", c.Param).At("http." + c.Param)
		}
		dq.Name = strings.Join(strings.Fields(c.Values[0].Text), " ")
	default:
		where := directory.Condition{Param: dq.Type + "." + c.Param}
		for _, v := range c.Values {
			where.Values = append(where.Values, termOf(c, v))
		}
		dq.Where = append(dq.Where, where)
	}
	return nil
}

// termOf is the term that a value asks for: a code, system|code, system|, or an id.
func termOf(c referral.Condition, v referral.Value) string {
	switch {
	case c.Kind == referral.ParamRef:
		_, id, _ := strings.Cut(v.Text, "/")
		return id
	case v.AnySystem:
		return v.Text
	case v.AnyCode:
		return v.System + "|"
	}
	return v.System + "|" + v.Text
}

func addUpdated(dq *directory.Query, v referral.Value) *issue.Error {
	switch v.Prefix {
	case "", "eq":
		dq.Since, dq.Before = v.From, v.To
	case "ge":
		dq.Since = v.From
	case "gt":
		dq.Since = v.To
	case "le":
		dq.Before = v.To
	case "lt":
		dq.Before = v.From
	default:
		return issue.New(issue.Invalid, "search-prefix", "_lastUpdated takes the prefixes eq, gt, lt, ge, le here").At("http._lastUpdated")
	}
	return nil
}

// nearUnits are the units of near in metres, "" for none given: kilometres, as R4 says.
var nearUnits = map[string]float64{"": 1000, "km": 1000, "m": 1, "[mi_us]": 1609.347, "[mi_i]": 1609.344}

// addNear reads latitude|longitude|distance|units.
// Source: http://hl7.org/fhir/R4/location.html#search.
func addNear(dq *directory.Query, text string) *issue.Error {
	parts := strings.Split(text, "|")
	wrong := issue.New(issue.Value, "search-near", "near must be latitude|longitude|distance|units, such as 53.80|-1.55|5|km; units are km, m or [mi_i]").
		At("http."+nearParameter).With("near is %.100q", text)
	if len(parts) < 2 || len(parts) > 4 {
		return wrong
	}
	p, ok := directory.ParsePoint(parts[0], parts[1])
	if !ok {
		return wrong
	}
	dq.Near = &p
	if len(parts) == 2 {
		return nil
	}
	unit := ""
	if len(parts) == 4 {
		unit = parts[3]
	}
	metres, known := nearUnits[unit]
	distance, err := strconv.ParseFloat(parts[2], 64)
	if !known || err != nil || !(distance > 0 && distance < 1e6) {
		return wrong
	}
	dq.Within = distance * metres
	return nil
}
