package referral

import (
	"context"
	"slices"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// A question to the practice is a Task of the practice, part of the Task of the referral,
// so that a GP system finds it among its own. It is no activity: the referral's own moves
// open, complete and cancel it, in their commit.

const (
	taskQuestion = "question" // codes of task-output
	taskAnswer   = "answer"
)

// inquire keeps the Task of a question in step with the referral: ask makes one, answer
// completes it, and whatever else happens to the referral ends it unanswered.
func (st *step) inquire(ctx context.Context, change *Change) error {
	if st.before.BusinessStatus == "info-requested" {
		if err := st.settle(ctx, change); err != nil {
			return err
		}
	}
	if st.in.Question == "" {
		return nil
	}
	r := *st.after
	r.ID = st.s.Store.NewID()
	t := st.s.newTask(&r, fhir.New(fhir.Types(fhir.R4).Type("ServiceRequest")))
	t.Status, t.BusinessStatus = fhir.NewBound[fhir.TaskStatus](StatusRequested), nil
	t.Code = st.s.concept(Coded{System: SystemTaskOutput, Code: taskQuestion})
	t.PartOf = []*fhir.Reference{fhir.NewReference("Task/" + st.after.ID)}
	t.Requester, t.Owner = st.s.reference(r.Owner), st.s.reference(r.Organisation)
	t.AuthoredOn = fhir.NewDateTime(st.at)
	input := &fhir.TaskInput{Type: t.Code}
	must(fhir.SetChoice(input, "value", fhir.NewString(st.in.Question)))
	t.Input = append(t.Input, input)
	return st.put(change, t, r.ID, 1)
}

// settle ends the questions that are open: with the answer of the practice, else because
// the referral went on without one.
func (st *step) settle(ctx context.Context, change *Change) error {
	found, err := st.s.Store.Search(ctx, Scope{Role: "operator"}, Query{Type: "Task", Page: Page{Count: 100}, Conditions: []Condition{
		{Param: "part-of", Kind: ParamRef, Values: []Value{{Text: "Task/" + st.after.ID}}},
		{Param: "status", Kind: ParamToken, Values: []Value{{AnySystem: true, Text: StatusRequested}}},
	}})
	if err != nil {
		return err
	}
	for _, v := range found.Versions {
		tree, err := parse(v.Body)
		if err != nil {
			return err
		}
		var t fhir.Task
		if err := fhir.Decode(tree, &t); err != nil {
			return err
		}
		switch {
		case codeOf(tree.Child("code"), SystemTaskOutput) != taskQuestion:
			continue
		case st.in.Answer != "":
			t.Status = fhir.NewBound[fhir.TaskStatus](StatusCompleted)
			t.Output = append(t.Output, st.s.output(taskAnswer, fhir.NewString(st.in.Answer)))
		default:
			t.Status = fhir.NewBound[fhir.TaskStatus](StatusCancelled)
			why := Coded{System: SystemBusinessStatus, Code: st.after.BusinessStatus, Text: "The referral went on without an answer."}
			if st.reason != "" {
				why.Code = st.reason
			}
			if st.in.Question != "" {
				why.Code, why.Text = "replaced", "Another question takes the place of this one."
			}
			t.StatusReason = st.s.concept(why)
		}
		t.LastModified = fhir.NewDateTime(st.at)
		if err := st.put(change, &t, v.ID, v.Number+1); err != nil {
			return err
		}
	}
	return nil
}

// put adds a version of the Task of a question to a change.
func (st *step) put(change *Change, t *fhir.Task, id string, number int) error {
	n, err := fhir.FromTyped(t)
	if err != nil {
		return err
	}
	r := st.after
	stamp(n, id, number, st.at)
	v := Version{Type: "Task", ID: id, Number: number, Organisation: r.Organisation, Updated: st.at, Referral: r.ID, Patient: r.Patient, Body: fhir.Encode(n)}
	v.Terms, v.From, v.To = terms(n)
	v.Terms = append(v.Terms, Term{Param: "owner", Value: r.Organisation}, Term{Param: "requester", Value: r.Owner})
	change.Versions = append(change.Versions, v)
	return st.s.emits("the Task of the question", ProfileQuestion, n)
}

// updateQuestion takes a new version of the Task of a question over FHIR: completed, with
// the answer as its output, is the move answer (T23) of the referral.
func (s *Service) updateQuestion(ctx context.Context, c Call, question *Version, version int, root *fhir.Node) (*Updated, error) {
	var move *Move
	var was *fhir.Node
	err := s.attempt(ctx, c, question.Referral, Input{}, func(st *step) (*Change, error) {
		var err error
		if was, err = st.current(ctx, "Task", question.ID, version); err != nil {
			return nil, err
		}
		if st.in.Answer, err = answerIn(was, root); err != nil || st.in.Answer == "" {
			return nil, err
		}
		if err := st.decide(taskAnswer); err != nil {
			faults := issue.All(err)
			for _, e := range faults {
				if e.Expression == "answer" {
					e.Expression = "Task.output.value"
				}
			}
			return nil, issue.Join(faults)
		}
		move = st.move
		return st.finish(ctx)
	})
	if err != nil {
		return nil, err
	}
	return s.updated(ctx, c, question.ID, was, root, move)
}

// answerIn reads the answer that was added to the Task of a question, "" where nothing
// changed.
func answerIn(was, is *fhir.Node) (string, error) {
	var faults []*issue.Error
	fault := func(rule, at, text string) {
		faults = append(faults, issue.New(issue.BusinessRule, rule, text).At("Task."+at))
	}
	changed := false
	for _, name := range elementsOf(was, is) {
		if slices.Contains(adapterOwn, name) || sameElements(was.All(name), is.All(name)) {
			continue
		}
		if changed = true; name != "status" && name != "output" {
			fault("immutable", name, name+" of a question never changes: send it back as it was; the answer is an output")
		}
	}
	outputs, ok := added(was.All("output"), is.All("output"))
	switch {
	case !changed:
		return "", nil
	case was.Text("status") != StatusRequested:
		fault("illegal-move", "status", "the question is "+was.Text("status")+": nothing that the caller may do follows")
	case is.Text("status") != StatusCompleted:
		fault("illegal-move", "status", "a question is answered, or left until the service goes on without an answer: send it completed, with the answer as an output")
	case !ok || len(outputs) != 1 || codeOf(outputs[0].Child("type"), SystemTaskOutput) != taskAnswer || outputs[0].Text("value") == "":
		fault("answer-output", "output", "a completed question has one output, with the type "+taskAnswer+" of "+SystemTaskOutput+" and the answer as valueString")
	case outputs[0].Child("value").Name != "valueString":
		fault("answer-output", "output.value", "an answer is in words: valueString")
	}
	if err := issue.Join(faults); err != nil {
		return "", err
	}
	return outputs[0].Text("value"), nil
}
