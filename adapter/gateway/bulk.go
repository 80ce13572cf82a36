package gateway

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

const (
	maxBulk   = 100 // items of one request: each is a commit of its own
	bulkLanes = 8   // of them in work at the same time
)

// bulkBody is the body of a bulk action. Each item is read by itself, so that what is wrong
// with one does not touch the others.
type bulkBody struct {
	Items []json.RawMessage `json:"items"`
}

// bulkItem is one item: version is the one that the caller has seen, as If-Match of a single
// action, and input the body of one.
type bulkItem struct {
	ID      string         `json:"id"`
	Version int            `json:"version"`
	Input   referral.Input `json:"input"`
}

// bulkResult is what came of one item: the referral after the action, or the problem that
// a single action is answered with.
type bulkResult struct {
	ID       string          `json:"id"`
	Status   int             `json:"status"`
	Version  int             `json:"version,omitempty"`
	ETag     string          `json:"etag,omitempty"`
	Referral *referral.View  `json:"referral,omitempty"`
	Problem  json.RawMessage `json:"problem,omitempty"`
}

// bulkPage is the answer to a bulk action, with a result for each item in their order.
type bulkPage struct {
	Items []bulkResult `json:"items"`
}

// bulk is POST /api/v1/referrals/actions/{action}: the same action on many referrals, each
// as if it had come alone, in a commit of its own. The answer is 200 with one result for
// each item, in the order of the items. With an Idempotency-Key every item has a key of its
// own, so that a repeat gives the stored answers and tries what was refused again.
// With Prefer: return=minimal the results have no referral.
func bulk(x *exchange) error {
	if err := referral.KnownAction(x.Param("action")); err != nil {
		return err
	}
	var body bulkBody
	if err := decodeStrict(x.call.Body, &body); err != nil {
		return err
	}
	if err := oneEach(body.Items); err != nil {
		return err
	}
	x.counts(len(body.Items))
	calls := make([]referral.Call, len(body.Items))
	results := make([]bulkResult, len(body.Items))
	errs := make([]error, len(body.Items))
	lanes := make(chan struct{}, bulkLanes)
	var all sync.WaitGroup
	for i, raw := range body.Items {
		lanes <- struct{}{}
		all.Go(func() {
			defer func() { <-lanes }()
			results[i], calls[i], errs[i] = x.bulkOne(raw, x.Param("action"))
		})
	}
	all.Wait()
	for i, err := range errs {
		if err == nil {
			continue
		}
		issues := issue.All(err)
		if len(issues) > maxIssues {
			issues = capped(issues)
		}
		x.call, x.entity = calls[i], ""
		if validID(results[i].ID) {
			x.entity = x.route.resource + "/" + results[i].ID
		}
		if x.unrecorded == nil { // else the wait for a silent database would add up
			x.record(err)
		}
		results[i].Status = statusOfAll(issues)
		level := slog.LevelInfo
		if results[i].Status >= http.StatusInternalServerError {
			level = slog.LevelError
		}
		attrs := append([]slog.Attr{slog.Int("item", i), slog.Int("status", results[i].Status), slog.String("request_id", x.call.RequestID)}, refusalAttrs(err, results[i].Status)...)
		x.Logger.LogAttrs(x.context(), level, "bulk_item_refused", attrs...)
		results[i].Problem = problem(results[i].Status, x.call.RequestID, issues)
	}
	return x.sendJSON(bulkPage{results})
}

// bulkOne does one item.
func (x *exchange) bulkOne(raw json.RawMessage, action string) (out bulkResult, c referral.Call, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	c = x.call
	out.ID = idOf(raw)
	c.Body = raw
	if c.IdempotencyKey != "" {
		c.IdempotencyKey += "." + out.ID
	}
	var item bulkItem
	if bytes.TrimSpace(raw)[0] != '{' {
		return out, c, issue.New(issue.Structure, "json", "an item is an object with id, version and input")
	}
	if err := decodeStrict(raw, &item); err != nil {
		return out, c, err
	}
	if !validID(item.ID) {
		return out, c, issue.New(issue.NotFound, "unknown-id", "there is no resource with this id").At("id")
	}
	switch {
	case item.Version == 0:
		return out, c, issue.New(issue.Conflict, "if-match-missing", "give version, which is that of the referral that you have seen").At("version")
	case item.Version < 0:
		return out, c, issue.New(issue.Value, "if-match", "version is a whole number from 1").At("version")
	}
	if c.Body, err = json.Marshal(item.Input); err != nil { // what a key stands for: how it was spelled does not matter
		return out, c, err
	}
	v, err := x.Operations.Act(x.context(), c, item.ID, action, item.Version, item.Input)
	if err != nil {
		return out, c, err
	}
	out.Status, out.Version, out.ETag = http.StatusOK, v.Version, etag(v.Version)
	if x.prefer.returns != "minimal" {
		out.Referral = v
	}
	return out, c, nil
}

// oneEach refuses a list that is empty or too long, and one that names a referral twice:
// which of two changes goes first would be chance.
func oneEach(items []json.RawMessage) error {
	switch {
	case len(items) == 0:
		return issue.New(issue.Required, "bulk-empty", "items has at least one item: {id, version, input}").At("items")
	case len(items) > maxBulk:
		return issue.Newf(issue.TooCostly, "bulk-limit", "items has at most %d items; send several", maxBulk).At("items")
	}
	var faults []*issue.Error
	var seen []string
	for i, raw := range items {
		id := idOf(raw)
		if first := slices.Index(seen, id); first >= 0 && id != "" {
			faults = append(faults, issue.Newf(issue.Invalid, "bulk-duplicate", "this is the referral of items[%d] again; a referral may be there once, and nothing was done", first).At("items["+strconv.Itoa(i)+"].id"))
		}
		seen = append(seen, id)
	}
	return issue.Join(faults)
}

// idOf is the id of an item, "" when it has none; what else is wrong with it is told of the
// item itself.
func idOf(raw json.RawMessage) string {
	var item map[string]json.RawMessage
	var id string
	if json.Unmarshal(raw, &item) == nil && json.Unmarshal(item["id"], &id) == nil {
		return id
	}
	return ""
}
