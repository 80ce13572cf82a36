package gateway

import (
	"strconv"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// ledger is GET /api/v1/ledger: the loops that are open for too long, of what the caller
// may see. It takes count, and overdue and undelivered, the cursors of its next.
func ledger(x *exchange) error {
	q := referral.LedgerQuery{Count: pageMax}
	var faults []*issue.Error
	for _, p := range x.query {
		if p.formal() {
			continue
		}
		switch p.key() {
		case "count":
			n, err := strconv.Atoi(p.value)
			if err != nil || n < 1 {
				faults = append(faults, issue.New(issue.Value, "filter", "count must be a whole number from 1").At("http.count"))
			}
			q.Count = min(n, pageMax)
		case "overdue":
			q.Cursor.Overdue = p.value
		case "undelivered":
			q.Cursor.Undelivered = p.value
		default:
			faults = append(faults, issue.New(issue.Invalid, "filter-unknown", "the ledger takes count, overdue and undelivered").With("the parameter is %q", p.key()))
		}
	}
	if err := issue.Join(faults); err != nil {
		return err
	}
	l, err := x.Operations.Ledger(x.context(), x.call, q)
	if err != nil {
		return err
	}
	return x.sendJSON(l)
}
