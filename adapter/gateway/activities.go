package gateway

import (
	"strconv"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// activities is GET /api/v1/activities: the sub-Tasks that the caller was sent as a
// provider, the oldest first. It takes open, count and cursor.
func activities(x *exchange) error {
	page, open := referral.Page{Count: pageDefault}, referral.Either
	var faults []*issue.Error
	for _, p := range x.query {
		if p.formal() {
			continue
		}
		switch p.key() {
		case "open":
			var ok bool
			if open, ok = wantedBy[p.value]; !ok {
				faults = append(faults, issue.New(issue.Value, "filter", "open must be true or false").At("http.open"))
			}
		case "count":
			n, err := strconv.Atoi(p.value)
			if err != nil || n < 1 {
				faults = append(faults, issue.New(issue.Value, "filter", "count must be a whole number from 1").At("http.count"))
			}
			page.Count = min(n, pageMax)
		case "cursor":
			if page.After = p.value; p.value == "" {
				faults = append(faults, issue.New(issue.Value, "filter", cursorMissing).At("http.cursor"))
			}
		default:
			faults = append(faults, issue.New(issue.Invalid, "filter-unknown", "the list of activities takes open, count and cursor").With("the parameter is %q", p.key()))
		}
	}
	if err := issue.Join(faults); err != nil {
		return err
	}
	list, next, err := x.Operations.Activities(x.context(), x.call, open, page)
	if err != nil {
		return err
	}
	out := listPage[referral.ActivityView]{Items: list}
	if next != "" {
		out.Next = &next
	}
	return x.sendJSON(out)
}

// activity is GET /api/v1/activities/{id}.
func activity(x *exchange) error {
	id, err := x.resourceID()
	if err != nil {
		return err
	}
	v, err := x.Operations.Activity(x.context(), x.call, id)
	if err != nil {
		return err
	}
	return x.sendActivity(v)
}

func (x *exchange) sendActivity(v *referral.ActivityView) error {
	x.Writer.Header().Set("ETag", etag(v.Version))
	return x.sendJSON(v)
}
