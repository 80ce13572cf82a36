package delivery

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// A process that dies after the partner answered and before the attempt was recorded.
// Source: lifecycle R20.
func TestR20KillBetweenSendAndFinishSendsAgainWithTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := &memory{lost: 1 << 30}, &route{}
		q.put("r1", "A", 1)
		c := Config{Queue: q, Routes: map[string]Route{"test": r}, Lease: 2 * time.Minute}
		kill := start(t, c)
		synctest.Wait()
		kill()
		if q.count("A", referral.DeliverySending) != 1 {
			t.Fatal("the attempt was recorded")
		}
		q.lost = 0
		stop := start(t, c)
		time.Sleep(119 * time.Second)
		if sent := r.all(); len(sent) != 1 {
			t.Errorf("sent %v: again before the lease ran out", sent)
		}
		time.Sleep(5 * time.Second)
		stop()
		if !slices.Equal(r.sent, []string{"d1", "d1"}) || q.count("A", referral.DeliveryDelivered) != 1 {
			t.Errorf("sent %v, row %+v", r.sent, q.rows[0])
		}
	})
}

func TestDeadAfter72HoursNeverSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &memory{}
		q.put("r1", "A", 1)
		begin := time.Now()
		r := &route{send: func(context.Context, referral.Delivery, int) (Receipt, error) {
			return Receipt{Status: 503}, issue.New(issue.Transient, "x", "away")
		}}
		stop := start(t, Config{Queue: q, Routes: map[string]Route{"test": r}, Poll: 10 * time.Second})
		time.Sleep(80 * time.Hour)
		stop()
		last := q.attempts[len(q.attempts)-1]
		if q.rows[0].State != referral.DeliveryDead || last.State != referral.DeliveryDead || last.Issue != "transient" {
			t.Errorf("row %s, last attempt %+v", q.rows[0].State, last)
		}
		if age := last.At.Sub(begin); age < Lifetime || age > Lifetime+time.Minute {
			t.Errorf("the last try was %s after the first", age)
		}
		if len(q.attempts) != 43 {
			t.Errorf("%d tries in 72 hours; the comment of Backoff says 43", len(q.attempts))
		}
	})
}

func TestPanicInARouteIsAFailedAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &memory{}
		q.put("r1", "A", 1)
		q.put("r2", "B", 1)
		var log bytes.Buffer
		r := &route{send: func(_ context.Context, d referral.Delivery, try int) (Receipt, error) {
			if d.Recipient == "A" && try == 1 {
				panic("Betty Secret")
			}
			return Receipt{Status: 200}, nil
		}}
		stop := start(t, Config{Queue: q, Routes: map[string]Route{"test": r}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		time.Sleep(10 * time.Second)
		stop()
		if q.count("A", referral.DeliveryDelivered) != 1 || q.count("B", referral.DeliveryDelivered) != 1 || q.row("d1").Attempts != 2 {
			t.Errorf("rows %+v", *q.rows[0])
		}
		if strings.Contains(log.String(), "Betty") {
			t.Error("the log quotes the value of the panic")
		}
	})
}

func TestDatabaseAwayWorkerWaitsAndContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, r := &memory{}, &route{}
		q.put("r1", "A", 1)
		q.set(issue.New(issue.NoStore, "db", "away"))
		stop := start(t, Config{Queue: q, Routes: map[string]Route{"test": r}})
		time.Sleep(10 * time.Minute)
		if q.claimed() > 30 {
			t.Errorf("%d claims in 10 minutes: a database that is away was hammered", q.claimed())
		}
		q.set(nil)
		time.Sleep(31 * time.Second)
		stop()
		if q.count("A", referral.DeliveryDelivered) != 1 {
			t.Error("the worker did not come back with the database")
		}
	})
}

func TestDatabaseAwayAfterTheSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &memory{}
		q.put("r1", "A", 1)
		r := &route{send: func(context.Context, referral.Delivery, int) (Receipt, error) {
			q.set(issue.New(issue.Timeout, "db", "away"))
			return Receipt{Status: 200}, nil
		}}
		stop := start(t, Config{Queue: q, Routes: map[string]Route{"test": r}})
		time.Sleep(20 * time.Second)
		q.set(nil)
		time.Sleep(30 * time.Second)
		stop()
		if len(r.sent) != 1 || q.count("A", referral.DeliveryDelivered) != 1 {
			t.Errorf("sent %v: a send whose record only had to wait was repeated", r.sent)
		}
	})
}
