package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"spadapter/adapter/referral"
)

// worklistPage is the body of GET /api/v1/referrals. Next is the cursor of the page
// after this one, null on the last.
type worklistPage struct {
	Items []referral.View `json:"items"`
	Next  *string         `json:"next"`
}

// worklist is GET /api/v1/referrals: the referrals the caller may see.
func worklist(x *exchange) error {
	filter, err := parseFilter(x.query, x.codesOf)
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

// sendView answers with a referral. Its ETag is the version that If-Match takes and no
// promise that nothing else changed: activities, the person, a time that is over and what
// joined it are shown too and make no version. So there is no 304, whatever If-None-Match says.
func (x *exchange) sendView(v *referral.View) error {
	x.Writer.Header().Set("ETag", etag(v.Version))
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
