package referral

import (
	"bytes"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// proposal is what a caller changed in a Task.
type proposal struct {
	was, is  *fhir.Node
	status   string
	business string       // the business status that was given, "" when it is the one before
	notes    []*fhir.Node // that were added
	outputs  []*fhir.Node // that were added
	table    []Move
}

// adapterOwn are the elements that this program keeps: what a caller sends in them is
// compared with nothing, since a client may send them back as it read them before.
var adapterOwn = []string{"id", "meta", "lastModified", "text"}

// moving are the elements in which a caller says which move it makes.
var moving = []string{"status", "businessStatus", "statusReason", "note", "output", "owner", "executionPeriod", "contained"}

// proposal compares a Task with the one before; nil when they say the same. Of what may
// never change it reports everything at once.
func (st *step) proposal(was, is *fhir.Node, table []Move) (*proposal, error) {
	var faults []*issue.Error
	fault := func(rule, at, text string) {
		faults = append(faults, issue.New(issue.BusinessRule, rule, text).At("Task."+at))
	}
	for _, name := range elementsOf(was, is) {
		if slices.Contains(adapterOwn, name) || slices.Contains(moving, name) || sameElements(was.All(name), is.All(name)) {
			continue
		}
		if name == "restriction" || name == "input" {
			fault("not-yours", name, "nobody but the adapter sets "+name+": send it back as it was")
			continue
		}
		fault("immutable", name, name+" never changes after the referral was received: send it back as it was, or send a new referral")
	}
	if !sameElements(was.All("owner"), is.All("owner")) && (was.Child("owner") != nil || odsOf(is.Child("owner").All("identifier")) != st.claimant()) {
		fault("immutable", "owner", "owner is set by the service that accepts, to itself; to hand over is the action transfer of the JSON API")
	}
	p := &proposal{was: was, is: is, status: is.Text("status"), table: table}
	var ok bool
	if p.notes, ok = added(was.All("note"), is.All("note")); !ok {
		fault("append-only", "note", "notes are only ever added to: send those before back as they were, and yours after them")
	}
	if p.outputs, ok = added(was.All("output"), is.All("output")); !ok {
		fault("append-only", "output", "outputs are only ever added to: send those before back as they were, and yours after them")
	}
	if len(p.outputs) > 0 && st.actor == ActorRequester {
		fault("not-yours", "output", "outputs are the service's: a requester sets none")
	}
	if len(faults) > 0 {
		return nil, issue.Join(faults)
	}
	if code := businessCode(is); code != businessCode(was) {
		p.business = code
	}
	if p.status == was.Text("status") && p.business == "" && len(p.notes)+len(p.outputs) == 0 && sameElements(was.All("statusReason"), is.All("statusReason")) {
		return nil, nil
	}
	return p, nil
}

// elementsOf lists the names of the elements of two resources, each once.
func elementsOf(list ...*fhir.Node) []string {
	var names []string
	for _, n := range list {
		for _, c := range n.Children {
			if name := c.ElementName(); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func literal(n *fhir.Node) string { return n.Value }

func sameElements(a, b []*fhir.Node) bool {
	return slices.EqualFunc(a, b, func(x, y *fhir.Node) bool {
		return bytes.Equal(canonicalForm(nil, x, literal), canonicalForm(nil, y, literal))
	})
}

// added gives what follows in a list that begins with another; false when it does not.
func added(was, is []*fhir.Node) ([]*fhir.Node, bool) {
	if len(is) < len(was) || !sameElements(was, is[:len(was)]) {
		return nil, false
	}
	return is[len(was):], true
}

// codeOf is the code of a system in a concept, "" when it has none.
func codeOf(concept *fhir.Node, system string) string {
	for _, c := range concept.All("coding") {
		if c.Text("system") == system {
			return c.Text("code")
		}
	}
	return ""
}

func businessCode(task *fhir.Node) string {
	return codeOf(task.Child("businessStatus"), SystemBusinessStatus)
}

// fits reports whether a row is what a caller proposes, fields and guards aside.
func (p *proposal) fits(m *Move, r *Record, actor Actor) bool {
	if m.Action == "" || m.Opens != OpensNothing || !m.By(actor) || !m.Starts(p.was.Text("status"), r.Asked()) || m.Leads(p.was.Text("status")) != p.status {
		return false
	}
	switch {
	case p.business == "":
		// what stays may be meant, and what follows from the reason or the outcome need not be said
		return p.status != p.was.Text("status") || len(m.Business) != 1 || slices.Contains(m.Business, businessCode(p.was))
	case m.Restores:
		return p.business == r.Former
	}
	return slices.Contains(m.Business, p.business)
}

// elementOfField is where in a Task stands what the JSON API calls a field.
var elementOfField = map[string]string{
	"reason": "statusReason", "channel": "statusReason", "result": "statusReason", "status": "businessStatus", "review_on": "executionPeriod.end", "requested_action": "output",
	"question": "note", "answer": "note", "note": "note", "sessions": "output", "outcome": "output",
}

// input reads from a Task what the JSON API takes with an action.
//
// The reason is statusReason; a contact has there a code of contact-channel and one of
// contact-result; the date to look again is the end of executionPeriod; question, answer
// and note are the notes that were added; the outcome is the outputs that were added, with
// scores and interventions as contained Observations and Procedures.
func (p *proposal) input(m *Move) Input {
	var in Input
	reason := p.is.Child("statusReason")
	if m.Reason && reason != nil {
		in.Reason = &Coded{Code: codeOf(reason, SystemBusinessStatus), Text: reason.Text("text")}
		if finer := codeOf(reason, SystemCloseReason); finer != "" {
			in.Reason.System, in.Reason.Code = SystemCloseReason, finer
		}
		if in.Reason.Code == "" {
			in.Reason.Code = p.business
		}
	}
	var words []string
	for _, n := range p.notes {
		words = append(words, n.Text("text"))
	}
	in.Note = strings.Join(words, "\n")
	for _, n := range p.notes {
		if audience := extension(n, extAudience); audience != "" && in.NoteAudience != ForService {
			in.NoteAudience = audience // joined they have the narrowest
		}
	}
	for _, field := range m.Requires {
		switch field {
		case "channel":
			in.Channel = codeOf(reason, canonical+"/CodeSystem/contact-channel")
		case "result":
			in.Result = codeOf(reason, canonical+"/CodeSystem/contact-result")
		case "status":
			in.Status = p.business
		case "question":
			in.Question, in.Note, in.NoteAudience = in.Note, "", ""
		case "answer":
			in.Answer, in.Note, in.NoteAudience = in.Note, "", ""
		case "requested_action":
			for _, o := range p.outputs {
				if codeOf(o.Child("type"), SystemTaskOutput) == "requested-action" {
					in.RequestedAction = o.Text("value")
				}
			}
		case "review_on":
			in.ReviewOn = p.is.Text("executionPeriod", "end")
		case "sessions":
			for _, o := range p.outputs {
				if codeOf(o.Child("type"), SystemTaskOutput) == "sessions" {
					in.Sessions = o.Text("value")
				}
			}
		case "outcome":
			in.Outcome = p.outcome(m)
		}
	}
	return in
}

// outcome reads the outputs that were added; nil when there are none.
func (p *proposal) outcome(m *Move) *Outcome {
	if len(p.outputs) == 0 {
		return nil
	}
	o := &Outcome{}
	if slices.Contains(m.Outcomes, p.business) {
		o.Status = p.business
	}
	contained := func(value *fhir.Node) *fhir.Node {
		for _, n := range p.is.All("contained") {
			if "#"+n.Text("id") == value.Text("reference") {
				return n
			}
		}
		return nil
	}
	for _, output := range p.outputs {
		value := output.Child("value")
		switch codeOf(output.Child("type"), SystemTaskOutput) {
		case "outcome":
			if status := codeOf(value, SystemBusinessStatus); status != "" {
				o.Status = status
			} else {
				o.Findings = append(o.Findings, coded(value))
			}
		case "requested-action":
			if value.Value != "none" {
				o.RequestedActions = append(o.RequestedActions, value.Value)
			}
		case "intervention":
			o.Interventions = append(o.Interventions, coded(contained(value).Child("code")))
		case "observation":
			n := contained(value)
			score := Score{Value: n.Text("value", "value"), Date: n.Text("effective")}
			for _, c := range n.Child("code").All("coding") {
				score.System, score.Code = c.Text("system"), c.Text("code")
			}
			o.Scores = append(o.Scores, score)
		}
	}
	return o
}

// coded is the first coding of a concept with its words.
func coded(concept *fhir.Node) Coded {
	c := Coded{Text: concept.Text("text")}
	if list := codings(concept); len(list) > 0 {
		c.System, c.Code, c.Display = list[0].System, list[0].Code, list[0].Display
	}
	return c
}
