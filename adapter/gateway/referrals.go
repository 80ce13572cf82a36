package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// worklistPage is the body of GET /api/v1/referrals. Next is the cursor of the page
// after this one, null on the last.
type worklistPage struct {
	Items []referral.View `json:"items"`
	Next  *string         `json:"next"`
}

// worklist is GET /api/v1/referrals: the referrals the caller may see, oldest first.
func worklist(x *exchange) error {
	filter, err := parseFilter(x.query)
	if err != nil {
		return err
	}
	views, next, err := x.Operations.Worklist(x.context(), x.call, filter)
	if err != nil {
		return err
	}
	page := worklistPage{Items: views}
	if page.Items == nil {
		page.Items = []referral.View{}
	}
	if next != "" {
		page.Next = &next
		x.Writer.Header().Set("Link", "<"+x.BaseURL+apiBase+"/referrals?"+nextQuery(x.query, next)+`>; rel="next"`)
	}
	return x.sendJSON(page)
}

// view is GET /api/v1/referrals/{id}: one referral with its timeline.
func view(x *exchange) error {
	id, err := x.resourceID()
	if err != nil {
		return err
	}
	v, err := x.Operations.View(x.context(), x.call, id)
	if err != nil {
		return err
	}
	return x.sendView(v)
}

// sendView answers with a referral, or 304 when the client has this version of it.
func (x *exchange) sendView(v *referral.View) error {
	tag := etag(v.Version)
	x.Writer.Header().Set("ETag", tag)
	if x.Request.Method != http.MethodPost && x.unchanged(tag) {
		x.send(http.StatusNotModified, "", nil)
		return nil
	}
	return x.sendJSON(v)
}

func (x *exchange) sendJSON(value any) error { return x.sendJSONStatus(http.StatusOK, value) }

func (x *exchange) sendJSONStatus(status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	x.send(status, contentJSON, x.indented(body))
	return nil
}

// parseFilter reads the query of the worklist. Every parameter may stand once; one
// that is not known is refused, since leaving it out would show more than was asked for.
func parseFilter(params []parameter) (referral.Filter, error) {
	filter := referral.Filter{Page: referral.Page{Count: pageDefault}}
	var faults []*issue.Error
	seen := map[string]bool{}
	wrong := func(p parameter, details string) {
		faults = append(faults, issue.New(issue.Value, "filter", details).At("http."+p.name).With("%s is %.200q", p.name, p.value))
	}
	for _, p := range params {
		if p.formal() {
			continue
		}
		if seen[p.name] {
			wrong(p, "a parameter may be given once")
			continue
		}
		seen[p.name] = true
		switch p.key() {
		case "status":
			filter.Status = strings.Split(p.value, ",")
			if len(filter.Status) > maxAlternatives {
				wrong(p, "status names too many codes")
				continue
			}
			for _, status := range filter.Status {
				if !slices.Contains(taskStatuses(), status) {
					wrong(p, "status must be codes of Task.status with commas between: "+strings.Join(taskStatuses(), ", "))
					break
				}
			}
		case "owner":
			if filter.Owner = p.value; p.value == "" {
				wrong(p, "owner must name an organisation; leave the parameter out for all")
			}
		case "patient":
			if filter.Patient = strings.TrimPrefix(p.value, "Patient/"); filter.Patient == "" {
				wrong(p, "patient must be the id of a Patient; leave the parameter out for all")
			}
		case "open":
			if p.value != "true" && p.value != "false" {
				wrong(p, "open must be true or false")
			}
			filter.Open = p.value == "true"
		case "since":
			from, _, ok := fhir.Interval(p.value)
			if !ok {
				faults = append(faults, badDate("since", p.value))
			}
			filter.Since = from
		case "count":
			n, err := strconv.Atoi(p.value)
			if err != nil || n < 1 {
				wrong(p, "count must be a whole number from 1")
				continue
			}
			filter.Page.Count = min(n, pageMax)
		case "cursor":
			filter.Page.After = p.value
		default:
			faults = append(faults, issue.New(issue.Invalid, "filter-unknown", "the worklist takes status, owner, patient, open, since, count and cursor").With("the parameter is %q", p.key()))
		}
	}
	return filter, issue.Join(faults)
}

// taskStatuses are the codes of Task.status.
func taskStatuses() []string { return fhir.Types(fhir.R4).Type("Task").Element("status").Codes }

// nextQuery is the query of the page after, which begins at cursor.
func nextQuery(params []parameter, cursor string) string {
	var query strings.Builder
	for _, p := range params {
		if p.name != "cursor" {
			query.WriteString(url.QueryEscape(p.key()) + "=" + url.QueryEscape(p.value) + "&")
		}
	}
	return query.String() + "cursor=" + url.QueryEscape(cursor)
}
