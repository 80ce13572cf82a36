package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"spadapter/adapter/referral"
)

// Results stand in the order of the items however long each takes, no more are in work at
// once than there are lanes, and one that fails here is answered as a fault of ours while
// the others go on.
func TestBulkKeepsOrderAndBounds(t *testing.T) {
	var inWork, most atomic.Int32
	full := make(chan struct{})
	w := newWorld(t, func(o *Operations) {
		o.Act = func(_ context.Context, c referral.Call, id, _ string, version int, _ referral.Input) (*referral.View, error) {
			n := inWork.Add(1)
			defer inWork.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			if n == bulkLanes && most.Load() == bulkLanes {
				select {
				case <-full:
				default:
					close(full)
				}
			}
			<-full // until every lane is taken
			if id == "i13" {
				panic("Dorothy")
			}
			if want := "many." + id; c.IdempotencyKey != want {
				return nil, fmt.Errorf("the key is %q", c.IdempotencyKey)
			}
			v := someReferral(id, version+1)
			return &v, nil
		}
	})
	var items []string
	for i := range 40 {
		items = append(items, fmt.Sprintf(`{"id":"i%d","version":%d}`, i, i+1))
	}
	rec := w.do("POST", "/api/v1/referrals/actions/accept", `{"items":[`+strings.Join(items, ",")+`]}`, "as lw", "Content-Type: application/json", "Idempotency-Key: many")
	wants(t, rec, 200, "")
	var page struct{ Items []bulkResult }
	if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil || len(page.Items) != 40 {
		t.Fatalf("%v %s", err, rec.Body)
	}
	for i, r := range page.Items {
		if i == 13 {
			if r.ID != "i13" || r.Status != 500 || r.Referral != nil || strings.Contains(string(r.Problem), "Dorothy") {
				t.Errorf("%+v %s", r, r.Problem)
			}
			continue
		}
		if r.ID != fmt.Sprint("i", i) || r.Status != 200 || r.Version != i+2 || r.Referral.ID != r.ID {
			t.Errorf("item %d is %+v %s", i, r, r.Problem)
		}
	}
	if n := most.Load(); n != bulkLanes {
		t.Errorf("%d items were in work at once", n)
	}
	if len(w.refused) != 1 || w.refused[0].entity != "Task/i13" || w.refused[0].call.IdempotencyKey != "many.i13" {
		t.Errorf("refused are %+v", w.refused)
	}
	if !strings.Contains(w.log.String(), "bulk_test.go") || strings.Contains(w.log.String(), "Dorothy") {
		t.Errorf("the log says %s", w.log)
	}
}
