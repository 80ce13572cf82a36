package referral

import (
	"errors"
	"slices"
	"strings"

	"spadapter/adapter/issue"
)

// filters are the search-style conditions of a Subscription; all must hold.
type filters []map[string][]string

// filterParams are what events of the topic can be filtered by.
var filterParams = []string{"status", "business-status", "owner", "requester", "_id"}

func parseFilters(list []string) (out filters, err error) {
	var faults []error
	for _, text := range list {
		f, e := parseFilter(text)
		if e != nil {
			faults = append(faults, e)
			continue
		}
		out = append(out, f)
	}
	return out, errors.Join(faults...)
}

// parseFilter reads "Task?owner=Y99201&status=accepted,rejected". Organisations are named
// by ODS code, alone or behind its system and "|".
func parseFilter(text string) (map[string][]string, *issue.Error) {
	query, ok := strings.CutPrefix(text, "Task?")
	if !ok || query == "" {
		return nil, issue.New(issue.NotSupported, "subscription-filter", "a filter is Task? with the parameters "+strings.Join(filterParams, ", "))
	}
	out := map[string][]string{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name = strings.TrimSuffix(name, ":identifier")
		if !slices.Contains(filterParams, name) || value == "" || out[name] != nil {
			return nil, issue.New(issue.NotSupported, "subscription-filter", "a filter takes the parameters "+strings.Join(filterParams, ", ")+", each once and with a value")
		}
		for one := range strings.SplitSeq(value, ",") {
			if i := strings.LastIndexByte(one, '|'); i >= 0 {
				if (name == "owner" || name == "requester") && !isODSSystem(one[:i]) {
					return nil, issue.New(issue.NotSupported, "subscription-filter", "organisations are named by their ODS code, with the system "+SystemODS)
				}
				one = one[i+1:]
			}
			if name == "owner" || name == "requester" {
				one = strings.ToUpper(one)
			}
			out[name] = append(out[name], strings.TrimPrefix(one, "Task/"))
		}
	}
	return out, nil
}

// pass reports whether an event meets every condition.
func (f filters) pass(e HappeningData) bool {
	values := map[string]string{"status": e.To, "business-status": e.BusinessStatus, "owner": e.Owner, "requester": e.Requester, "_id": e.Referral}
	for _, one := range f {
		for name, allowed := range one {
			if !slices.Contains(allowed, values[name]) {
				return false
			}
		}
	}
	return true
}
