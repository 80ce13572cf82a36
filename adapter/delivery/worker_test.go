package delivery

import (
	"bytes"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// route is a Route made of a function; it notes what it was given.
type route struct {
	mu   sync.Mutex
	sent []string
	now  map[string]int // sends under way by recipient
	most map[string]int
	send func(ctx context.Context, d referral.Delivery, try int) (Receipt, error)
}

func (r *route) Send(ctx context.Context, d referral.Delivery) (Receipt, error) {
	r.mu.Lock()
	if r.now == nil {
		r.now, r.most = map[string]int{}, map[string]int{}
	}
	r.sent = append(r.sent, d.ID)
	try := 0
	for _, id := range r.sent {
		if id == d.ID {
			try++
		}
	}
	r.now[d.Recipient]++
	r.most[d.Recipient] = max(r.most[d.Recipient], r.now[d.Recipient])
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.now[d.Recipient]--
		r.mu.Unlock()
	}()
	if r.send == nil {
		return Receipt{Status: 200}, nil
	}
	return r.send(ctx, d, try)
}

// all gives the ids sent so far, in order.
func (r *route) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

// start runs a Worker in the bubble of a test; the function returned ends it.
func start(t *testing.T, c Config) (stop func()) {
	t.Helper()
	if c.Rand == nil {
		c.Rand = func() float64 { return 0.5 } // no jitter
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func run(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestWorkerDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := &memory{}, &route{}
		q.put("r1", "A", 1)
		var seen []referral.Attempt
		stop := start(t, Config{Queue: q, Routes: map[string]Route{"test": r},
			Observe: func(_ referral.Delivery, a referral.Attempt) { seen = append(seen, a) }})
		synctest.Wait()
		stop()
		if q.count("A", referral.DeliveryDelivered) != 1 || len(seen) != 1 || seen[0].Number != 1 || seen[0].Status != 200 || seen[0].Issue != "" {
			t.Errorf("row %+v, attempts %+v", q.rows[0], seen)
		}
	})
}

func TestOrderPerReferral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &memory{}
		q.put("r1", "A", 3) // d1 d2 d3
		q.put("r2", "A", 1) // d4
		r := &route{send: func(_ context.Context, d referral.Delivery, try int) (Receipt, error) {
			if d.ID == "d1" && try < 3 {
				return Receipt{Status: 503}, issue.New(issue.Transient, "x", "away")
			}
			return Receipt{Status: 200}, nil
		}}
		stop := start(t, Config{Queue: q, Routes: map[string]Route{"test": r}})
		time.Sleep(time.Minute)
		stop()
		var first []string
		for _, id := range r.sent {
			if id != "d4" {
				first = append(first, id)
			}
		}
		if want := []string{"d1", "d1", "d1", "d2", "d3"}; !slices.Equal(first, want) {
			t.Errorf("sent %v, want %v: a later row must not overtake an earlier one", first, want)
		}
		if slices.Index(r.sent, "d4") > 1 {
			t.Errorf("sent %v: another referral waited", r.sent)
		}
	})
}

func TestRC06OneBadPartnerStopsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &memory{}
		for i := range 500 { // the bad one's rows have been due for longest
			q.put("bad"+string(rune(i)), "BAD", 1)
		}
		time.Sleep(time.Second)
		for i := range 40 {
			q.put("good"+string(rune(i)), "GOOD", 1)
		}
		r := &route{send: func(ctx context.Context, d referral.Delivery, _ int) (Receipt, error) {
			if d.Recipient == "BAD" {
				<-ctx.Done() // never answers
				return Receipt{}, ctx.Err()
			}
			time.Sleep(10 * time.Millisecond)
			return Receipt{Status: 200}, nil
		}}
		stop := start(t, Config{Queue: q, Routes: map[string]Route{"test": r}, Concurrency: 8, PerRecipient: 3, Hold: 100})
		time.Sleep(time.Second) // far below one timeout of the bad partner
		if n := q.count("GOOD", referral.DeliveryDelivered); n != 40 {
			t.Errorf("%d of 40 rows reached the good partner while the bad one hung", n)
		}
		stop()
		if r.most["BAD"] > 3 || r.most["GOOD"] > 3 {
			t.Errorf("sends at a time: %v, at most 3 each", r.most)
		}
	})
}

func TestBacklogBeyondWhatIsHeldIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &memory{}
		for i := range 1000 {
			q.put("r"+string(rune(i)), "A", 1)
		}
		r := &route{send: func(context.Context, referral.Delivery, int) (Receipt, error) {
			time.Sleep(50 * time.Millisecond)
			return Receipt{Status: 200}, nil
		}}
		stop := start(t, Config{Queue: q, Routes: map[string]Route{"test": r}, Hold: 50})
		time.Sleep(time.Hour)
		stop()
		if sent := r.all(); len(sent) != 1000 || q.count("A", referral.DeliveryDelivered) != 1000 {
			t.Errorf("%d sends for 1000 rows", len(sent))
		}
	})
}

func TestTwoWorkersShareAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &memory{}
		for i := range 100 {
			q.put("r"+string(rune('a'+i%26))+string(rune('a'+i/26)), "A", 1)
		}
		r := &route{send: func(context.Context, referral.Delivery, int) (Receipt, error) {
			time.Sleep(50 * time.Millisecond)
			return Receipt{Status: 200}, nil
		}}
		c := Config{Queue: q, Routes: map[string]Route{"test": r}}
		stopA, stopB := start(t, c), start(t, c)
		time.Sleep(10 * time.Second)
		stopA()
		stopB()
		if len(r.sent) != 100 || q.count("A", referral.DeliveryDelivered) != 100 {
			t.Errorf("%d sends for 100 rows", len(r.sent))
		}
	})
}

func TestRefusedIsDeadAtOnceAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &memory{}
		q.put("r1", "A", 2)
		var log bytes.Buffer
		r := &route{send: func(_ context.Context, d referral.Delivery, _ int) (Receipt, error) {
			if d.ID == "d1" {
				return Receipt{Status: 422, Refused: true}, issue.New(issue.CodeInvalid, "x", "refused").With("Betty Secret is wrong")
			}
			return Receipt{Status: 200}, nil
		}}
		stop := start(t, Config{Queue: q, Routes: map[string]Route{"test": r}, Log: slog.New(slog.NewJSONHandler(&log, nil))})
		synctest.Wait()
		stop()
		if d := q.row("d1"); d.State != referral.DeliveryDead || d.Problem != "code-invalid" || d.Attempts != 1 {
			t.Errorf("the refused row is %+v", d)
		}
		if d := q.row("d2"); d.State != referral.DeliveryDelivered {
			t.Errorf("the row after a dead one is %s: it must still go out", d.State)
		}
		line := log.String()
		for _, want := range []string{`"level":"ERROR"`, `"state":"dead"`, `"issue":"code-invalid"`, `"status":422`, `"recipient":"A"`, `"referral":"r1"`, `"duration_ms":`} {
			if !strings.Contains(line, want) {
				t.Errorf("the log lacks %s: %s", want, line)
			}
		}
		if strings.Contains(line, "Betty") {
			t.Errorf("the log quotes the message or the partner: %s", line)
		}
	})
}

func TestRunDrains(t *testing.T) {
	slow := func(ctx context.Context, _ referral.Delivery, _ int) (Receipt, error) {
		select {
		case <-time.After(5 * time.Second):
			return Receipt{Status: 200}, nil
		case <-ctx.Done():
			return Receipt{}, ctx.Err()
		}
	}
	run(t, "what is being sent is finished", func(t *testing.T) {
		q := &memory{}
		q.put("r1", "A", 2)
		stop := start(t, Config{Queue: q, Routes: map[string]Route{"test": &route{send: slow}}})
		synctest.Wait()
		stop()
		if q.row("d1").State != referral.DeliveryDelivered || q.row("d2").State != referral.DeliveryQueued {
			t.Errorf("rows %s, %s", q.row("d1").State, q.row("d2").State)
		}
	})
	run(t, "what takes too long is cut and stays queued", func(t *testing.T) {
		q := &memory{}
		q.put("r1", "A", 1)
		begin := time.Now()
		stop := start(t, Config{Queue: q, Routes: map[string]Route{"test": &route{send: slow}}, Drain: time.Second})
		synctest.Wait()
		stop()
		if d := q.row("d1"); d.State != referral.DeliveryQueued || d.Problem != "incomplete" || time.Since(begin) > 2*time.Second {
			t.Errorf("row %+v after %s", d, time.Since(begin))
		}
	})
}

func TestWakeDoesNotWaitForThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, wake := &memory{}, make(chan struct{}, 1)
		stop := start(t, Config{Queue: q, Routes: map[string]Route{"test": &route{}}, Wake: wake, Poll: time.Hour})
		synctest.Wait()
		q.put("r1", "A", 3)
		wake <- struct{}{}
		synctest.Wait() // no time passes
		if n := q.count("A", referral.DeliveryDelivered); n != 3 {
			t.Errorf("%d of 3 rows delivered after the wake-up", n)
		}
		close(wake)
		time.Sleep(time.Minute)
		if q.claimed() > 10 {
			t.Errorf("%d claims: a closed wake-up made the worker spin", q.claimed())
		}
		stop()
	})
}

func TestSupersededIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := &memory{}, &route{}
		q.put("r1", "A", 1)
		q.put("r2", "A", 1)
		fresh := func(_ context.Context, d referral.Delivery) (bool, error) {
			if d.ID != "d1" {
				return true, nil
			}
			q.mu.Lock() // as the referral service does, in its own commit
			defer q.mu.Unlock()
			q.row("d1").State = referral.DeliverySuperseded
			return false, nil
		}
		stop := start(t, Config{Queue: q, Routes: map[string]Route{"test": r}, Fresh: fresh})
		synctest.Wait()
		stop()
		if !slices.Equal(r.sent, []string{"d2"}) || q.row("d1").State != referral.DeliverySuperseded {
			t.Errorf("sent %v, d1 is %s", r.sent, q.row("d1").State)
		}
	})
}

func TestUnknownRouteWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &memory{}
		q.put("r1", "A", 1)
		stop := start(t, Config{Queue: q, Routes: map[string]Route{"other": &route{}}})
		synctest.Wait()
		stop()
		if d := q.row("d1"); d.State != referral.DeliveryQueued || d.Problem != "not-supported" {
			t.Errorf("row %+v", d)
		}
	})
}

func TestNewDemandsAQueueAndARoute(t *testing.T) {
	for _, c := range []Config{{}, {Queue: &memory{}}} {
		if _, err := New(c); !errors.Is(err, issue.Required) {
			t.Errorf("New(%+v) gave %v", c, err)
		}
	}
}

// Lifecycle invariant 6. The worker has no way to change one: all it can call of the
// world behind it is the Queue, whose calls take a Delivery and an Attempt, and of
// package referral it uses those two and the states of a delivery, nothing else.
func TestTransportFailureNeverChangesAClinicalStatus(t *testing.T) {
	q := reflect.TypeFor[Queue]()
	var calls []string
	for i := range q.NumMethod() {
		calls = append(calls, q.Method(i).Name)
	}
	if !slices.Equal(calls, []string{"Claim", "Finish"}) {
		t.Errorf("the queue has the calls %v", calls)
	}
	desk := reflect.TypeFor[Desk]()
	calls = nil
	for i := range desk.NumMethod() {
		calls = append(calls, desk.Method(i).Name)
	}
	if !slices.Equal(calls, []string{"Acknowledge", "Alone", "Overdue"}) {
		t.Errorf("the desk has the calls %v", calls)
	}
	allowed := []string{"Delivery", "Attempt", "DeliveryQueued", "DeliverySending", "DeliveryAwaiting", "DeliveryDelivered", "DeliveryDead",
		"Dispatch", "Acknowledgement", "Settled", "KindOfResponse", // what came back about a delivery, and the delivery that it settled
		"AcknowledgesUnknown", "AcknowledgesNothing",
		"Post", "PostOutcome", "PostDelivered", "PostFailed", "PostGone"} // messages to subscribers, who have no status in a referral
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "referral" && !slices.Contains(allowed, s.Sel.Name) {
				t.Errorf("%s uses referral.%s", f.Name(), s.Sel.Name)
			}
			return true
		})
	}
	// and of every failure, what is recorded is a state of the delivery
	w, err := New(Config{Queue: &memory{}, Routes: map[string]Route{"test": &route{}}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, err := range []error{context.DeadlineExceeded, context.Canceled, errors.New("x"), issue.New(issue.Login, "x", "x"), issue.New(issue.Invalid, "x", "x")} {
		for _, refused := range []bool{false, true} {
			a := w.record(referral.Delivery{Created: now}, now, Receipt{Refused: refused}, err)
			want := referral.DeliveryQueued
			if refused {
				want = referral.DeliveryDead
			}
			if a.State != want || a.Issue == "" || a.Details == "" {
				t.Errorf("%v, refused %v: %+v", err, refused, a)
			}
		}
	}
	// nor of what a carrier has taken, whose recipient has not said so yet
	if a := w.record(referral.Delivery{Created: now}, now, Receipt{Awaits: now.Add(time.Hour), Message: "m"}, nil); a.State != referral.DeliveryAwaiting || !a.Due.Equal(now.Add(time.Hour)) || a.Message != "m" {
		t.Errorf("accepted by the carrier: %+v", a)
	}
}
