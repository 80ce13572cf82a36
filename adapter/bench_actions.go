package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/referral"
)

// benchAction is one action of the path that a link worker takes a referral along.
type benchAction struct {
	name, body string
	status     string // of the referral after it
	writes     bool   // whether it queues a write-back at the sharing level that is the default
}

// benchPath is a whole support, from the acceptance to the outcome. Each action begins at
// the version that the one before it led to, and the first one at version 1.
var benchPath = []benchAction{
	{"accept", `{}`, referral.StatusAccepted, false},
	{"contact", `{"channel":"telephone","result":"reached","note":"Prefers mornings; would like company on the first visit."}`, referral.StatusInProgress, false},
	{"plan", `{"plan":{"summary":"Lunch club on Tuesdays, help with the landlord about damp.","goals":["Meet people every week","A dry home"],` +
		`"actions":["Go to the lunch club together the first time","Housing advice appointment"],"agreed_with_person":true}}`, referral.StatusInProgress, true},
	{"progress", `{"status":"support-ongoing","note":"Has been to the lunch club twice."}`, referral.StatusInProgress, false},
	{"complete", `{"outcome":{"status":"goals-met","findings":[{"code":"1230392000","display":"Not feeling lonely"},{"code":"185960001","display":"Housing problem solved"}],` +
		`"interventions":[{"code":"710911006","display":"Referral to housing service"}],"scores":[{"instrument":"ons4-satisfaction","value":"7"},` +
		`{"instrument":"ons4-worthwhile","value":"8"},{"instrument":"ons4-happy","value":"7"},{"instrument":"ons4-anxious","value":"3"},{"instrument":"swemwbs","value":"25"}],` +
		`"summary":"Goes to the lunch club every week. The landlord has mended the damp."}}`, referral.StatusCompleted, true},
}

// actions measures what link workers do: referrals are taken in, and each action of the
// path is then made on all of them before the next one begins, so that every action is
// measured by itself and at the full number of connections.
func (c *benchCmd) actions(ctx context.Context, l *load) (measured, error) {
	before, err := l.completed(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the adapter how many referrals are completed: %w", err)
	}
	done := c.showProgress(l, "requests", (c.Referrals+c.Warmup)*(len(benchPath)+1))
	defer done()
	referrals := l.takeIn(ctx, c.Warmup+c.Referrals)
	warm := referrals[:min(c.Warmup, len(referrals))]
	rest := referrals[len(warm):]
	for i := range benchPath {
		l.act(ctx, i, warm)
	}
	if err := l.filed(ctx); err != nil {
		return nil, err
	}
	l.every = c.pause()
	report := &actionsReport{Rate: c.Rate, Database: l.server.database, connections: c.Concurrency, referrals: len(rest)}
	for i := range benchPath {
		use, began := l.server.usage(ctx), time.Now()
		latencies := l.act(ctx, i, rest)
		took := time.Since(began)
		if err := l.filed(ctx); err != nil {
			return nil, err
		}
		report.add(benchPath[i].name, latencies, took, l.server.usage(ctx).since(use))
	}
	done()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	after, err := l.completed(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the adapter how many referrals are completed: %w", err)
	}
	if want := report.acknowledged(len(benchPath)-1) + len(warm); after-before < want || after-before > want+l.failures.count() {
		l.failures.add(fmt.Errorf("%d completions were acknowledged, %d are stored", want, after-before))
	}
	report.finish(l)
	return report, nil
}

// completed asks how many referrals of the practice are completed.
func (l *load) completed(ctx context.Context) (int, error) {
	return l.tasks(ctx, "&status="+referral.StatusCompleted)
}

// takeIn sends n referrals, and gives the ids of those that were acknowledged.
func (l *load) takeIn(ctx context.Context, n int) []string {
	ids := make([][]string, l.workers)
	l.each(ctx, n, func(worker int) func(int, time.Time) error {
		s := sender{load: l}
		return func(_ int, due time.Time) error {
			if _, err := s.send(ctx, due); err != nil {
				return err
			}
			_, rest, _ := bytes.Cut(s.answer.Bytes(), []byte(`"diagnostics":"Task/`))
			id, _, found := bytes.Cut(rest, []byte(`"`))
			if !found {
				return errors.New("the receipt names no Task")
			}
			ids[worker] = append(ids[worker], string(id))
			return nil
		}
	})
	return slices.Concat(ids...)
}

// act makes one action of the path on each referral, and gives the latency of each that
// was acknowledged.
func (l *load) act(ctx context.Context, at int, referrals []string) []time.Duration {
	action := &benchPath[at]
	results := make([][]time.Duration, l.workers)
	l.each(ctx, len(referrals), func(worker int) func(int, time.Time) error {
		a := linkWorker{load: l, action: action, version: at + 1}
		return func(i int, due time.Time) error {
			took, err := a.make(ctx, referrals[i], due, i%sampleEvery == 0)
			if err != nil {
				return fmt.Errorf("%s: %w", action.name, err)
			}
			results[worker] = append(results[worker], took)
			if l.gp != nil && action.writes {
				l.queued.Add(1)
			}
			return nil
		}
	})
	return slices.Concat(results...)
}

// linkWorker is one connection with the buffer that it uses again.
type linkWorker struct {
	*load
	action  *benchAction
	version int // of the referral before the action
	answer  bytes.Buffer
}

// make makes the action. The time is from when it was due until the answer
// is read; the error says why it is not acknowledged. With whole the answer is parsed.
func (a *linkWorker) make(ctx context.Context, id string, due time.Time, whole bool) (time.Duration, error) {
	target, err := url.Parse(a.server.url + "/api/v1/referrals/" + id + "/actions/" + a.action.name)
	if err != nil {
		return 0, err
	}
	request := (&http.Request{
		Method: http.MethodPost, URL: target, Host: target.Host, ContentLength: int64(len(a.action.body)), Body: io.NopCloser(strings.NewReader(a.action.body)),
		Header: http.Header{
			"Authorization": {"Bearer " + a.server.ownerToken}, "Content-Type": {"application/json"}, "Accept": {"application/json"},
			"If-Match": {fmt.Sprintf(`W/"%d"`, a.version)},
		},
	}).WithContext(ctx)
	a.answer.Reset()
	response, err := a.client.Do(request)
	if err == nil {
		_, err = a.answer.ReadFrom(response.Body)
		_ = response.Body.Close() // read to its end already
	}
	took := time.Since(due)
	if err != nil {
		return 0, err
	}
	if response.StatusCode != http.StatusOK {
		return 0, problem(response.StatusCode, a.answer.Bytes())
	}
	if want := fmt.Sprintf(`W/"%d"`, a.version+1); response.Header.Get("ETag") != want {
		return 0, fmt.Errorf("status 200, but the ETag is %q and not %s", response.Header.Get("ETag"), want)
	}
	if !whole {
		return took, nil
	}
	var v referral.View
	if err := json.Unmarshal(a.answer.Bytes(), &v); err != nil {
		return 0, fmt.Errorf("the answer is no referral: %w", err)
	}
	if v.ID != id {
		return 0, errors.New("the answer is another referral")
	}
	if v.Status != a.action.status {
		return 0, fmt.Errorf("the referral is %q after it, not %s", v.Status, a.action.status)
	}
	return took, nil
}

// problem makes an error of a refusal, with what it says.
// Source: https://www.rfc-editor.org/rfc/rfc9457.
func problem(status int, body []byte) error {
	var said struct{ Title, Detail string }
	if json.Unmarshal(body, &said) != nil {
		return fmt.Errorf("status %d", status)
	}
	return fmt.Errorf("status %d %s: %s", status, said.Title, said.Detail)
}

// filed waits until the GP record has what the actions so far queued; a running adapter
// sends it elsewhere. What does not arrive is a failure of the run.
func (l *load) filed(ctx context.Context) error {
	if l.gp == nil {
		return nil
	}
	for end := time.Now().Add(60 * time.Second); l.gp.filed.Load() < l.queued.Load(); {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(end):
			l.failures.add(fmt.Errorf("%d write-backs were queued, %d have arrived", l.queued.Load(), l.gp.filed.Load()))
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}
