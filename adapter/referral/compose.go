package referral

import (
	"context"
	"strconv"
	"strings"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

const (
	contentJSON = "application/fhir+json; charset=utf-8"
	instant     = "2006-01-02T15:04:05.000Z07:00"
)

// compose makes the one Change of a message, and what its sender is answered.
func (in *intake) compose(ctx context.Context, content *fhir.Node) (*Change, *Response, error) {
	change := &Change{Organisation: in.sender, At: in.at}
	keys := requestKeys(in.c)
	if in.request != nil {
		in.referral, in.filler = in.s.Store.NewID(), in.s.Store.NewID()
		hash, named := contentHash(content), len(keys) > 0
		for _, id := range in.request.node.All("identifier") {
			if value := id.Text("value"); value != "" {
				keys, named = append(keys, Key{KeyNatural, in.sender, id.Text("system") + "|" + value, hash}), true
			}
		}
		if !named {
			// nothing names this request: what it says is all there is to tell a repeat by
			keys = append(keys, Key{KeyNatural, in.sender, "content|" + hash, hash})
		}
	}
	change.Keys = append(keys, in.keys...)
	change.Message = &Message{
		ID: in.s.Store.NewID(), Client: in.c.Principal.Client, Dialect: in.spoken().Name,
		ContentType: in.c.ContentType, Body: in.c.Body, SHA256: hexHash(in.c.Body),
	}
	if content != nil {
		if err := in.refer(change, content); err != nil {
			return nil, nil, err
		}
	} else if in.joins != nil {
		if err := in.joined(ctx, change); err != nil {
			return nil, nil, err
		}
	}
	held := in.keepFacts(ctx)
	if r := change.Referral; r != nil && in.request != nil { // it was made of what the message says
		for _, at := range held {
			if at.Patient == r.Patient {
				r.Registered = strings.TrimPrefix(at.Practice, r.Organisation)
			}
		}
	}
	change.Registered = in.registrations(ctx) // references lead to the message itself, until they are linked
	in.link(in.root, fhir.NewIndex(in.root))
	if err := in.labelled(ctx, change); err != nil {
		return nil, nil, err
	}
	for _, it := range in.items {
		if it.number == 0 {
			continue
		}
		v := Version{Type: it.node.ResourceType(), ID: it.id, Number: it.number, Updated: in.at, Patient: in.patient, Referral: in.referral}
		switch v.Type {
		case "Patient":
			// a Patient belongs to all its referrals; each of them names it
			v.Patient, v.Referral = it.id, ""
		default:
			if aboutPatient[v.Type] == "" {
				v.Patient = ""
			}
		}
		v.Terms, v.From, v.To = terms(it.node)
		if in.joins != nil && aboutPatient[v.Type] != "" {
			v.Terms = append(v.Terms, referralTerm(in.referral))
		}
		stamp(it.node, it.id, it.number, in.at)
		v.Body = fhir.Encode(it.node)
		change.Versions = append(change.Versions, v)
	}
	if content != nil {
		change.Versions = append(change.Versions, in.origin(change.Versions, change.Message))
	}
	a := in.s.audit(in.c, "create", "C", nil)
	a.Organisation, a.Patient, a.Actor = in.sender, in.patient, in.sender
	if in.root.ResourceType() == "Bundle" {
		a.Interaction = "transaction"
	}
	if len(in.items) > 0 {
		a.Entity, a.Version = in.items[0].reference(), in.items[0].number
	}
	if in.request != nil {
		a.Entity, a.Version = "Task/"+in.referral, 1
	}
	change.Audits = []Audit{a}
	response := in.answer()
	if in.c.Answers != nil {
		response = in.c.Answers(in.stored())
	}
	change.Response = response
	return change, response, nil
}

// joined gives the referral that Observations join its next version, so that whoever
// watches the Task or its ETag learns of them; they are inputs of the Task.
func (in *intake) joined(ctx context.Context, change *Change) error {
	r := *in.joins
	in.referral = r.ID
	stored, err := in.s.Store.Read(ctx, Scope{Role: auth.RoleRequester, Organisations: []string{in.sender}}, "Task", r.ID)
	if err != nil {
		return err
	}
	tree, err := parse(stored.Body)
	if err != nil {
		return err
	}
	var task fhir.Task
	if err := fhir.Decode(tree, &task); err != nil {
		return err
	}
	for _, it := range in.items {
		if kind := it.node.ResourceType(); aboutPatient[kind] != "" && it.number > 0 {
			input := &fhir.TaskInput{Type: in.s.concept(Coded{System: SystemTaskOutput, Code: "joined", Display: "Sent after the request"})}
			ref := fhir.NewReference(it.reference())
			ref.Type, ref.Identifier = fhir.NewURI(kind), fhir.NewIdentifier(IDSystem+strings.ToLower(kind), it.id)
			if own := it.node.Child("identifier"); own.Text("value") != "" {
				ref.Identifier = fhir.NewIdentifier(own.Text("system"), own.Text("value"))
			}
			must(fhir.SetChoice(input, "value", ref))
			task.Input = append(task.Input, input)
		}
	}
	if !r.RiskTold {
		var later []*fhir.Node
		for _, it := range in.items {
			if it.number > 0 {
				later = append(later, it.node)
			}
		}
		r.RiskTold = in.s.risky(later)
		r.Risk = r.Risk || r.RiskTold
	}
	r.Version, r.Updated = r.Version+1, in.at
	task.LastModified = fhir.NewDateTime(in.at)
	next, err := fhir.FromTyped(&task)
	if err != nil {
		return err
	}
	change.Referral = &r
	version, err := in.s.taskVersion(&r, next)
	if err != nil {
		return err
	}
	change.Versions = append(change.Versions, version)
	change.Events = []Event{{ID: in.s.Store.NewID(), Referral: r.ID, Move: "observation", From: r.Status, To: r.Status,
		BusinessStatus: r.BusinessStatus, Actor: in.sender, Role: in.c.Principal.Role, At: in.at}}
	in.s.announce(change)
	return nil
}

// referralTerm finds what belongs to a referral and is not in its content.
func referralTerm(referral string) Term { return Term{Param: "_referral", Value: referral} }

// refer adds the new referral: its record, its Task, the normalised ServiceRequest and
// the first two events.
func (in *intake) refer(change *Change, content *fhir.Node) error {
	owner, pool := in.owner()
	if len(in.faults) > 0 {
		return issue.Join(in.faults)
	}
	in.settle(content)
	r := &Record{
		ID: in.referral, Organisation: in.sender, Owner: owner, Pool: pool, Version: 1, Status: StatusReceived,
		BusinessStatus: row("T03").Business[0], Since: in.at, Patient: in.patient, ServiceRequest: in.request.id, Filler: in.filler,
		Sharing: in.s.Sharing, Dialect: in.spoken().Name, Created: in.at, Updated: in.at, Content: fhir.Encode(content),
	}
	r.Due = in.s.Rules.due(r.Status, r.BusinessStatus, false, in.at, "")
	r.Remind = in.s.Rules.looks(r.Status, r.BusinessStatus, in.at, in.at)
	in.s.glance(r, content)
	change.Referral = r
	task, err := fhir.FromTyped(in.s.newTask(r, in.request.node))
	if err != nil {
		return err
	}
	version, err := in.s.taskVersion(r, task)
	if err != nil {
		return err
	}
	change.Versions = append(change.Versions, version)
	for _, entry := range content.All("entry") {
		if n := entry.Child("resource"); n.Text("id") == in.filler {
			change.Versions = append(change.Versions, Version{
				Type: "ServiceRequest", ID: in.filler, Number: 1, Updated: in.at, Body: fhir.Encode(n),
				Referral: r.ID, Patient: in.patient, Hidden: true,
			})
		}
	}
	for _, id := range []string{"T02", "T03"} {
		m := row(id)
		e := Event{ID: in.s.Store.NewID(), Referral: r.ID, Move: id, From: m.From[0], To: m.To, At: in.at, BusinessStatus: r.BusinessStatus}
		if m.By(ActorRequester) {
			e.Actor, e.Role = in.sender, auth.RoleRequester
		}
		if id == "T02" {
			e.Data = in.begun()
		}
		change.Events = append(change.Events, e)
	}
	in.s.announce(change)
	return nil
}

// owner decides who the referral goes to: the performer, else the service affiliated
// with the practice, else a pool.
func (in *intake) owner() (owner, pool string) {
	index := fhir.NewIndex(in.root)
	for _, ref := range in.request.node.All("performer") {
		ods := in.organisation(index, ref)
		if ods == "" {
			continue
		}
		if _, known := in.s.Partners.organisations[ods]; !known {
			in.fault(ref, issue.BusinessRule, "performer-unknown", "the performer is not a service that receives referrals here; correct its ODS code, or leave performer out").
				With("ODS code %q", ods)
		}
		return ods, ""
	}
	return in.s.Partners.route(in.sender)
}

// settle gives the entries of the normalised referral their logical ids, and turns the
// references between them and to the original into relative ones.
func (in *intake) settle(content *fhir.Node) {
	ids := make(map[string]string, len(in.items))
	for _, it := range in.items {
		ids[it.fullURL] = it.reference()
	}
	entries := content.All("entry")
	for _, entry := range entries {
		url := entry.Text("fullUrl")
		if stored, ok := strings.CutPrefix(url, canonical+"/stored/"); ok {
			ids[url] = stored
		} else if ids[url] == "" {
			ids[url] = "ServiceRequest/" + in.filler
		}
	}
	index := fhir.NewIndex(content)
	at := make(map[*fhir.Node]string, len(entries))
	for _, entry := range entries {
		at[entry.Child("resource")] = ids[entry.Text("fullUrl")]
	}
	eachReference(content, func(ref, literal *fhir.Node) {
		if to := ids[literal.Value]; to != "" {
			literal.Value = to
		} else if to := at[index.Resolve(literal.Value, ref)]; to != "" {
			literal.Value = to
		}
	})
	for _, entry := range entries {
		resource := entry.Child("resource")
		_, id, _ := strings.Cut(at[resource], "/")
		entry.Set("fullUrl", "urn:uuid:"+id)
		if id == in.filler {
			stamp(resource, id, 1, in.at)
		} else {
			prepend(resource, "id", id)
		}
	}
}

// link turns the references inside the message into references to the stored resources.
func (in *intake) link(root *fhir.Node, index *fhir.Index) {
	at := make(map[*fhir.Node]string, len(in.items))
	for _, it := range in.items {
		at[it.node] = it.reference()
	}
	for _, it := range in.items {
		eachReference(it.node, func(ref, literal *fhir.Node) {
			if to := at[index.Resolve(literal.Value, ref)]; to != "" && !strings.HasPrefix(literal.Value, "#") {
				literal.Value = to
			}
		})
	}
}

// stamp gives a resource its id and the meta that the server keeps.
func stamp(n *fhir.Node, id string, number int, at time.Time) {
	if n.Child("meta") == nil {
		prepend(n, "meta", "")
	}
	meta := n.Child("meta")
	meta.Set("versionId", strconv.Itoa(number))
	meta.Set("lastUpdated", at.Format(instant))
	prepend(n, "id", id)
}

// prepend puts an element first, replacing what is there; with an empty text it stays
// an object to fill.
func prepend(n *fhir.Node, name, text string) {
	n.Remove(name)
	c := n.Add(name)
	if text != "" {
		n.Set(name, text)
	}
	copy(n.Children[1:], n.Children[:len(n.Children)-1])
	n.Children[0] = c
}
