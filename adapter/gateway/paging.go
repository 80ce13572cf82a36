package gateway

import (
	"strconv"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// cursorParameter carries a place in a list from one page to the next. What is in it
// is the store's business.
const cursorParameter = "_cursor"

// The length of a page: without _count, and at most. A page of 200 referrals is
// about 1 MiB.
const (
	pageDefault = 50
	pageMax     = 200
)

// paging collects the parameters that say which part of a list is wanted.
type paging struct {
	page referral.Page
	seen map[string]bool
}

func newPaging() *paging {
	return &paging{page: referral.Page{Count: pageDefault}, seen: map[string]bool{}}
}

// take uses p when it is one of _count and _cursor, and reports whether it is.
func (c *paging) take(p parameter, faults *[]*issue.Error) bool {
	if p.modifier != "" || p.name != "_count" && p.name != cursorParameter {
		return false
	}
	if c.seen[p.name] {
		*faults = append(*faults, issue.Newf(issue.Value, "search-repeated", "%s may be given once", p.name).At("http."+p.name))
		return true
	}
	c.seen[p.name] = true
	if p.name == cursorParameter {
		c.page.After = p.value
		return true
	}
	n, err := strconv.Atoi(p.value)
	if err != nil || n < 0 {
		*faults = append(*faults, issue.New(issue.Value, "search-count", "_count must be a whole number from 0").At("http._count").With("_count is %q", p.value))
		return true
	}
	c.page.Count = min(n, pageMax)
	return true
}

// used gives the parameters for the self link: the count that really held.
func (c *paging) used() []parameter {
	list := []parameter{{name: "_count", value: strconv.Itoa(c.page.Count)}}
	if c.page.After != "" {
		list = append(list, parameter{name: cursorParameter, value: c.page.After})
	}
	return list
}
