package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// search is GET [base]/[type]?… and POST [base]/[type]/_search, whose parameters may
// stand in the body, in the address, or in both.
// Source: http://hl7.org/fhir/R4/search.html, http://hl7.org/fhir/R4/http.html#search.
func search(x *exchange) error {
	params, err := x.searched()
	if err != nil {
		return err
	}
	request, err := parseSearch(x.route.resource, x.Operations.SearchParams, x.base, params, x.prefer.strict)
	if err != nil {
		return err
	}
	for _, other := range request.others {
		if !x.call.Principal.Allows(other, 's') {
			return missingScope(other, 's')
		}
	}
	found, err := x.Operations.Search(x.context(), x.call, request.query)
	if err != nil {
		return err
	}
	next := found.Next
	if request.query.Page.Count == 0 {
		next = "" // only the total was asked for
	}
	self, nextURL := x.links(x.base+x.route.resource, request.used, next)
	total := found.Total
	if !request.query.Total {
		total = -1
	}
	b := newBundle("searchset", x.Now(), total, self, nextURL)
	add := func(mode string, list []referral.Version) {
		for i := range list {
			entry := b.entry(x.fullURL(&list[i]))
			entry.Add("search").Set("mode", mode)
			b.add(entry, list[i].Body)
		}
	}
	add("match", found.Versions)
	add("include", found.Included)
	if found.More {
		request.ignored = append(request.ignored, issue.New(issue.Incomplete, "search-included", "there is more to include than one page takes; ask for fewer with _count, or search for the included type by itself").Graded(issue.SeverityWarning))
	}
	if len(request.ignored) > 0 && request.query.Page.Count > 0 {
		entry := fhir.New(fhir.Types(fhir.R4).Type("Bundle.entry"))
		entry.Add("search").Set("mode", "outcome")
		b.add(entry, fhir.Encode(outcome(request.ignored)))
	}
	return x.sendStored(http.StatusOK, b.bytes())
}

// searched gives the parameters of a search, those of the address first.
func (x *exchange) searched() ([]parameter, error) {
	if len(x.call.Body) == 0 {
		return x.query, nil
	}
	form, err := splitQuery(string(x.call.Body))
	if err != nil {
		return nil, err
	}
	if wish := x.wish(form); wish != "" {
		x.choose(wish)
	}
	if x.unwanted != nil {
		return nil, x.unwanted
	}
	// audit keeps what was looked for, wherever it stood
	x.call.Query = audited(strings.TrimPrefix(x.Request.URL.RawQuery+"&"+string(x.call.Body), "&"))
	return append(x.query, form...), nil
}

// links are the pageLinks of a search or history, which ask for the format that the
// client asked for in the address.
func (x *exchange) links(address string, used []parameter, cursor string) (self, next string) {
	if x.wished != "" {
		used = append(slices.Clip(used), parameter{name: "_format", value: x.wished})
	}
	return pageLinks(address, used, cursor)
}

// pageLinks gives the address of this page, with the parameters that were really
// used, and of the next, "" when there is none.
// Source: http://hl7.org/fhir/R4/search.html#conformance, #paging.
func pageLinks(address string, used []parameter, cursor string) (self, next string) {
	var query strings.Builder
	var current string
	for _, p := range used {
		if p.name == cursorParameter {
			current = p.value
			continue
		}
		query.WriteString("&" + url.QueryEscape(p.key()) + "=" + url.QueryEscape(p.value))
	}
	link := func(cursor string) string {
		text := query.String()
		if cursor != "" {
			text += "&" + cursorParameter + "=" + url.QueryEscape(cursor)
		}
		if text == "" {
			return address
		}
		return address + "?" + text[1:]
	}
	if cursor != "" {
		next = link(cursor)
	}
	return link(current), next
}
