package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// play is the story of the demo, step by step.
type play struct {
	out     *terminal
	stage   *stage
	started time.Time
	step    int
	owner   string            // the link worker's token
	before  map[string]string // the scores that were sent, by code
}

// run plays the loop; the error is that of the first step that failed.
func (p *play) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	p.out.line("%s\n", p.out.paint(heading, "A social prescribing referral, from the GP to the link worker and back into the record"))
	for _, scene := range []func(context.Context) error{p.refer, p.work, p.settle} {
		if err := scene(ctx); err != nil {
			p.out.line("  %s %v", p.out.paint(bad, "failed:"), err)
			return err
		}
	}
	p.out.line("\n%s", p.out.paint(faint, fmt.Sprintf("The loop took %d ms.", time.Since(p.started).Milliseconds())))
	return nil
}

// tell prints one step.
func (p *play) tell(who, what string, details ...string) {
	p.step++
	p.out.line("%2d  %s  %s", p.step, p.out.paint(actor, pad(who, 11)), what)
	for _, d := range details {
		p.out.line("                 %s", p.out.paint(faint, d))
	}
}

// refer: the GP system sends the referral and looks at its Task.
func (p *play) refer(ctx context.Context) error {
	token, err := p.stage.token(auth.RoleRequester, demoPractice)
	if err != nil {
		return err
	}
	message := demoReferral()
	body, err := p.call(ctx, http.MethodPost, "/fhir/R4", token, message, nil, http.StatusOK)
	if err != nil {
		return err
	}
	receipt, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err != nil {
		return err
	}
	sent, err := fhir.Parse(fhir.Types(fhir.R4), message, fhir.Limits{})
	if err != nil {
		return err
	}
	p.before = scores(sent)
	p.tell("GP system", "POST /fhir/R4   a transaction of "+counts(sent), "reason: "+reasons(sent))
	task, request := "", ""
	for _, entry := range receipt.All("entry") {
		if o := entry.Descend("response", "outcome", "issue"); o != nil {
			task, request = o.Text("diagnostics"), entry.Text("response", "location")
		}
	}
	if receipt.Text("type") != "transaction-response" || task == "" {
		return errors.New("the receipt names no Task")
	}
	p.tell("adapter", "200 transaction-response: stored, "+fmt.Sprint(len(receipt.All("entry")))+" resources", request+"  ETag W/\"1\"", task)
	body, err = p.call(ctx, http.MethodGet, "/fhir/R4/"+task, token, nil, nil, http.StatusOK)
	if err != nil {
		return err
	}
	stored, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err != nil {
		return err
	}
	if stored.Text("status") != referral.StatusReceived {
		return fmt.Errorf("the Task is %q, not received", stored.Text("status"))
	}
	p.tell("GP system", "GET "+short(task)+"   status received, "+stored.Text("businessStatus", "coding", "code"), "owner: "+stored.Text("owner", "display"))
	// the same message again, as after a lost answer
	again, err := p.call(ctx, http.MethodPost, "/fhir/R4", token, message, nil, http.StatusOK)
	if err != nil {
		return err
	}
	repeat, err := fhir.Parse(fhir.Types(fhir.R4), again, fhir.Limits{})
	if err != nil || repeat.Text("id") != receipt.Text("id") || !bytes.Equal(fhir.Encode(repeat), fhir.Encode(receipt)) {
		return errors.New("the repeat was not answered like the first time")
	}
	p.tell("GP system", "POST /fhir/R4   the same again: the same answer, byte for byte; stored once")
	return nil
}

// work: the link worker takes the referral through to its outcome.
func (p *play) work(ctx context.Context) error {
	var err error
	if p.owner, err = p.stage.token(auth.RoleOwner, demoService); err != nil {
		return err
	}
	body, err := p.call(ctx, http.MethodGet, "/api/v1/referrals?status=received", p.owner, nil, nil, http.StatusOK)
	if err != nil {
		return err
	}
	var worklist struct{ Items []referral.View }
	if err := json.Unmarshal(body, &worklist); err != nil || len(worklist.Items) != 1 {
		return fmt.Errorf("the worklist has %d referrals, not one", len(worklist.Items))
	}
	v := worklist.Items[0]
	p.tell("link worker", "GET /api/v1/referrals   one referral waits", v.Person.Name+", born "+v.Person.BirthDate+"; needs "+needs(v)+"; "+fmt.Sprint(len(v.Scores))+" scores",
		"note: "+firstNote(v))
	for _, a := range []struct {
		action, told string
		in           referral.Input
	}{
		{"accept", "accepts", referral.Input{}},
		{"contact", "records a contact attempt", referral.Input{Channel: "telephone", Result: "no-answer"}},
		{"contact", "reaches the person", referral.Input{Channel: "telephone", Result: "reached", Note: "Prefers mornings; would like company on the first visit."}},
		{"plan", "agrees a plan", referral.Input{ReviewOn: time.Now().AddDate(0, 1, 0).Format(time.DateOnly), Plan: &referral.Plan{
			Summary: "Lunch club on Tuesdays, help with the landlord about damp.", Goals: []string{"Meet people every week", "A dry home"},
			Actions: []string{"Go to the lunch club together the first time", "Housing advice appointment"}, Agreed: true,
		}}},
		{"complete", "completes with an outcome", referral.Input{Outcome: &referral.Outcome{
			Status: "goals-met",
			Findings: []referral.Coded{
				{Code: "1230392000", Display: "Not feeling lonely"}, {Code: "185960001", Display: "Housing problem solved"},
			},
			Interventions: []referral.Coded{{Code: "710911006", Display: "Referral to housing service"}},
			Scores: []referral.Score{
				{Instrument: "ons4-satisfaction", Value: "7"}, {Instrument: "ons4-worthwhile", Value: "8"},
				{Instrument: "ons4-happy", Value: "7"}, {Instrument: "ons4-anxious", Value: "3"}, {Instrument: "swemwbs", Value: "25"},
			},
			Summary: "Goes to the lunch club every week. The landlord has mended the damp.",
		}}},
	} {
		headers := map[string]string{"If-Match": fmt.Sprintf("W/%q", fmt.Sprint(v.Version))}
		body, err := p.call(ctx, http.MethodPost, "/api/v1/referrals/"+v.ID+"/actions/"+a.action, p.owner, mustJSON(a.in), headers, http.StatusOK)
		if err != nil {
			return err
		}
		v = referral.View{}
		if err := json.Unmarshal(body, &v); err != nil {
			return err
		}
		var next []string
		for _, n := range v.AllowedActions {
			next = append(next, n.Name)
		}
		detail := "next: " + strings.Join(next, ", ")
		if len(next) == 0 {
			detail = "the referral is closed"
		}
		p.tell("link worker", fmt.Sprintf("POST …/actions/%s   %s", a.action, a.told), fmt.Sprintf("status %s, %s, version %d", v.Status, v.BusinessStatus, v.Version), detail)
	}
	return nil
}

// settle: the outcome arrives in the GP record.
func (p *play) settle(ctx context.Context) error {
	for p.stage.gp.task(referral.StatusCompleted) == nil {
		select {
		case <-ctx.Done():
			return errors.New("the outcome did not reach the GP system in time")
		case <-time.After(20 * time.Millisecond):
		}
	}
	p.tell("adapter", "POST "+p.stage.gp.URL()+"   the outcome, one transaction Bundle, from the outbox")
	return p.record(ctx)
}

// call makes one request and demands a status.
func (p *play) call(ctx context.Context, method, path, token string, body []byte, headers map[string]string, want int) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, p.stage.app.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if strings.HasPrefix(path, "/fhir") {
		request.Header.Set("Accept", "application/fhir+json")
		request.Header.Set("Content-Type", "application/fhir+json")
	} else {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != want {
		return nil, fmt.Errorf("%s %s answered %s: %s", method, path, response.Status, answer)
	}
	return answer, nil
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
