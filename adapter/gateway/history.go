package gateway

import (
	"net/http"
	"strconv"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// history is GET [base]/[type]/[id]/_history and GET [base]/[type]/_history, with
// _count, _since and the cursor of a next link; newest first.
// Source: http://hl7.org/fhir/R4/http.html#history.
func history(x *exchange) error {
	path, id := x.route.resource, ""
	if x.route.interactions[0] == "history-instance" {
		var err error
		if id, err = x.resourceID(); err != nil {
			return err
		}
		path = x.entity
	}
	request, err := parseHistory(x.query, x.prefer.strict)
	if err != nil {
		return err
	}
	found, err := x.Operations.History(x.context(), x.call, x.route.resource, id, request.page)
	if err != nil {
		return err
	}
	versions, next, total := found.Versions, found.Next, found.Total
	for i, v := range versions {
		if v.Updated.Before(request.since) {
			// newest first: all that follow are older too
			versions, next, total = versions[:i], "", -1
			break
		}
	}
	self, nextURL := x.links(x.base+path+"/_history", request.used, next)
	b := newBundle("history", x.Now(), total, self, nextURL)
	for i := range versions {
		b.add(x.historyEntry(b, &versions[i]), versions[i].Body)
	}
	return x.sendStored(http.StatusOK, b.bytes())
}

// historyEntry says what happened to a resource with a version. A first version may
// also be the work of a transaction: history tells it as the create it amounts to.
func (x *exchange) historyEntry(b *bundle, v *referral.Version) *fhir.Node {
	entry := b.entry(x.fullURL(v))
	method, url, status := http.MethodPut, v.Type+"/"+v.ID, http.StatusOK
	switch {
	case v.Deleted:
		method, status = http.MethodDelete, http.StatusNoContent
	case v.Number == 1:
		method, url, status = http.MethodPost, v.Type, http.StatusCreated
	}
	request := entry.Add("request")
	request.Set("method", method)
	request.Set("url", url)
	response := entry.Add("response")
	response.Set("status", strconv.Itoa(status))
	response.Set("etag", etag(v.Number))
	response.Set("lastModified", instant(v.Updated))
	return entry
}

// historyRequest is what a history was asked for, and the parameters that were used.
type historyRequest struct {
	page  referral.Page
	since time.Time
	used  []parameter
}

func parseHistory(params []parameter, strict bool) (historyRequest, error) {
	var r historyRequest
	var faults []*issue.Error
	control := newPaging()
	for _, p := range params {
		switch {
		case p.formal() || p.value == "":
		case control.take(p, &faults):
		case p.name == "_since" && p.modifier == "":
			from, _, ok := fhir.Interval(p.value)
			if !ok {
				faults = append(faults, badDate("_since", p.value))
				continue
			}
			r.since = from
			r.used = append(r.used, p)
		case strict:
			faults = append(faults, unknownParameter(p))
		}
	}
	r.page = control.page
	r.used = append(r.used, control.used()...)
	return r, issue.Join(faults)
}
