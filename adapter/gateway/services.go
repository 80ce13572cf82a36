package gateway

import (
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/directory"
	"spadapter/adapter/issue"
)

// servicesPage is the body of GET /api/v1/services. Next is the cursor of the page after
// this one, null on the last; near says from where distances are.
type servicesPage struct {
	Items []directory.View     `json:"items"`
	Next  *string              `json:"next"`
	Near  *directory.Near      `json:"near,omitempty"`
	Feeds []directory.FeedView `json:"feeds"`
}

// services is GET /api/v1/services: what can be prescribed.
func services(x *exchange) error {
	search, err := parseServices(x.query)
	if err != nil {
		return err
	}
	list, err := x.Directory.Search(x.context(), search)
	if err != nil {
		x.forgetPostcode(err)
		return err
	}
	if err := x.Directory.Record(x.context(), x.call, "search-type", "E", directory.TypeService); err != nil {
		return err
	}
	page := servicesPage{Items: list.Services, Near: list.Near, Feeds: list.Feeds}
	if page.Items == nil {
		page.Items = []directory.View{}
	}
	if page.Feeds == nil {
		page.Feeds = []directory.FeedView{}
	}
	if list.Next != "" {
		page.Next = &list.Next
		x.Writer.Header().Set("Link", "<"+x.BaseURL+apiBase+"/services?"+nextQuery(x.query, list.Next)+`>; rel="next"`)
	}
	return x.sendJSON(page)
}

// forgetPostcode keeps a whole postcode that was refused out of the audit: it may be that
// of the person whom the search is for.
func (x *exchange) forgetPostcode(err error) {
	if !slices.ContainsFunc(issue.All(err), func(e *issue.Error) bool { return e.Rule == "near-postcode" }) {
		return
	}
	var query strings.Builder
	for _, p := range x.query {
		if p.name == "near" {
			p.value = "(not kept)"
		}
		query.WriteString("&" + p.key() + "=" + p.value)
	}
	x.call.Query = audited(strings.TrimPrefix(query.String(), "&"))
}

// oneService is GET /api/v1/services/{id}.
func oneService(x *exchange) error {
	id, err := x.resourceID()
	if err != nil {
		return err
	}
	v, err := x.Directory.Service(x.context(), id)
	if err != nil {
		return err
	}
	if err := x.Directory.Record(x.context(), x.call, "read", "R", x.entity); err != nil {
		return err
	}
	return x.sendJSON(v)
}

// serviceStatuses are what status may be.
var serviceStatuses = []string{"active", "inactive", "defunct", "temporarily-closed", directory.StatusWithdrawn}

// maxWithinKM is further than any two places of the United Kingdom are apart.
const maxWithinKM = 2000

// parseServices reads the query. Every parameter may stand once, and one that is not
// known is refused, since leaving it out would show more than was asked for. Codes are
// for the domain to judge.
func parseServices(params []parameter) (directory.Search, error) {
	s := directory.Search{MaxPence: -1, Count: pageDefault}
	var faults []*issue.Error
	seen := map[string]bool{}
	for _, p := range params {
		if p.formal() {
			continue
		}
		wrong := func(details string) {
			faults = append(faults, issue.New(issue.Value, "filter", details).At("http."+p.name).With("%s is %.200q", p.name, p.value))
		}
		take, known := serviceParams[p.key()]
		switch {
		case !known:
			faults = append(faults, issue.New(issue.Invalid, "filter-unknown", "services are found by "+strings.Join(serviceParamNames, ", ")).With("the parameter is %.200q", p.key()))
		case seen[p.name]:
			wrong("a parameter may be given once; alternatives have commas between them")
		case strings.TrimSpace(p.value) == "":
			wrong(p.name + " has no value; give one, or leave the parameter out")
		default:
			if details := take(&s, p.value); details != "" {
				wrong(details)
			}
		}
		seen[p.name] = true
	}
	if s.WithinKM > 0 && s.Near == "" && !seen["near"] {
		faults = append(faults, issue.New(issue.Value, "filter", "within_km needs near: from where?").At("http.within_km"))
	}
	return s, issue.Join(faults)
}

var serviceParamNames = []string{"need", "kind", "day", "free", "max_cost", "accessibility", "language", "q", "near", "within_km", "status", "organisation", "count", "cursor"}

// serviceParams read one parameter each, and say what is wrong with it.
var serviceParams = map[string]func(s *directory.Search, value string) string{
	"need":          func(s *directory.Search, v string) string { return alternativesInto(&s.Needs, v) },
	"kind":          func(s *directory.Search, v string) string { return alternativesInto(&s.Kinds, v) },
	"accessibility": func(s *directory.Search, v string) string { return alternativesInto(&s.Accessibility, v) },
	"language":      func(s *directory.Search, v string) string { return alternativesInto(&s.Languages, v) },
	"day": func(s *directory.Search, v string) string {
		details := alternativesInto(&s.Days, strings.ToUpper(v))
		return among(details, s.Days, directory.Weekdays, "day must be days with commas between: ")
	},
	"status": func(s *directory.Search, v string) string {
		return among(alternativesInto(&s.Statuses, v), s.Statuses, serviceStatuses, "status must be codes with commas between: ")
	},
	"free": func(s *directory.Search, v string) string {
		if s.Free = v == "true"; v != "true" {
			return "free can only be true; leave it out for all services"
		}
		return ""
	},
	"max_cost": func(s *directory.Search, v string) string {
		pence, ok := directory.Pence(v)
		if s.MaxPence = pence; !ok {
			return "max_cost must be pounds, such as 5 or 3.50"
		}
		return ""
	},
	"near": func(s *directory.Search, v string) string { s.Near = v; return "" },
	"within_km": func(s *directory.Search, v string) string {
		km, err := strconv.ParseFloat(v, 64)
		if s.WithinKM = km; err != nil || !(km > 0 && km <= maxWithinKM) {
			s.WithinKM = 0
			return "within_km must be a number above 0 and at most " + strconv.Itoa(maxWithinKM)
		}
		return ""
	},
	"q": func(s *directory.Search, v string) string {
		if s.Text = v; len(v) > 500 {
			return "q may have at most 500 bytes"
		}
		return ""
	},
	"organisation": func(s *directory.Search, v string) string {
		if s.Organisation = v; !validID(v) {
			return "organisation must be the id of an organisation of the directory"
		}
		return ""
	},
	"count": func(s *directory.Search, v string) string {
		n, err := strconv.Atoi(v)
		if s.Count = min(n, pageMax); err != nil || n < 1 {
			return "count must be a whole number from 1"
		}
		return ""
	},
	"cursor": func(s *directory.Search, v string) string {
		if s.After = v; v == "" {
			return cursorMissing
		}
		return ""
	},
}

// maxServiceValues bounds the alternatives of one parameter: there are fewer codes.
const maxServiceValues = 50

func alternativesInto(list *[]string, value string) string {
	for v := range strings.SplitSeq(value, ",") {
		if v = strings.TrimSpace(v); v != "" && !slices.Contains(*list, v) {
			*list = append(*list, v)
		}
	}
	switch {
	case len(*list) > maxServiceValues:
		return "at most " + strconv.Itoa(maxServiceValues) + " alternatives"
	case len(*list) == 0:
		return "there is no value between the commas"
	}
	return ""
}

func among(details string, list, known []string, words string) string {
	for _, v := range list {
		if details == "" && !slices.Contains(known, v) {
			return words + strings.Join(known, ", ")
		}
	}
	return details
}
