package main

import (
	"context"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/gateway"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
	"spadapter/adapter/referral"
)

// verdict is what would become of one message as it stands, and of each referral in it as one
// of social prescribing.
type verdict struct {
	Folder   string `json:"folder"`
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"` // in an NDJSON file
	Referral bool   `json:"referral"`       // it holds a ServiceRequest or ReferralRequest, or cannot be read
	Type     string `json:"type,omitempty"` // version of FHIR and resource type
	outcome
	Supplied []suppliedVerdict `json:"supplied,omitempty"` // one for each referral, where that was asked for

	input int
}

// suppliedVerdict is what would become of a referral with what it lacks.
type suppliedVerdict struct {
	Part  string   `json:"part,omitempty"`  // which of several referrals: its place in the Bundle
	Added []string `json:"added,omitempty"` // what was put in
	outcome
	Content *outcome `json:"content,omitempty"` // of a message that $process-message refuses: what would become of it without that
}

// judge takes messages in as the adapter does, and keeps nothing.
type judge struct {
	artefacts *artefacts
	validator *validator
	config    referral.Config
}

// newJudge makes one. empty is a database that nothing is written to.
func newJudge(compiled *artefacts, empty referral.Store) (*judge, error) {
	v, _, err := newValidator(compiled)
	if err != nil {
		return nil, err
	}
	return &judge{artefacts: compiled, validator: v, config: referral.Config{
		Store: empty, Instruments: compiled.instruments, Terminology: compiled.codes, Dialect: compiled.dialect,
		Outlet:   func(string, string) (referral.Outlet, bool) { return referral.Outlet{}, false },
		Response: func(string, string) (referral.Outlet, bool) { return referral.Outlet{}, false },
		Base:     "https://adapter.example/fhir/R4/", Invariants: compiled.invariants.Validate, Conforms: compiled.conforms,
	}}, nil
}

// looking is a database that takes a change and does not keep it.
type looking struct {
	referral.Store
	change *referral.Change
}

func (l *looking) Commit(_ context.Context, c *referral.Change) error {
	l.change = c
	return nil
}

// judge gives the verdict of a message; with supply also that of each referral in it, with
// what it lacks.
func (j *judge) judge(ctx context.Context, d convertMessage, supply bool) verdict {
	v := verdict{Line: d.line, input: d.input, Referral: true}
	err := d.err
	var root *fhir.Node
	if err == nil {
		root, err = j.read(d.body)
	}
	if err != nil {
		v.refuse(err)
		if supply {
			v.Supplied = []suppliedVerdict{{outcome: v.outcome}}
		}
		return v
	}
	v.Type = strings.TrimSpace(releaseName(root.System()) + " " + root.ResourceType())
	requests := requestsOf(root)
	v.Referral = len(requests) > 0
	if supply {
		for i, r := range requests {
			v.Supplied = append(v.Supplied, j.asSupplied(ctx, root, i))
			if len(requests) > 1 {
				v.Supplied[i].Part = strings.TrimSuffix(strings.TrimPrefix(r.Path(), "Bundle."), ".resource")
			}
		}
	}
	v.outcome = j.outcome(ctx, root, d.body, "", true)
	return v
}

// asSupplied gives the verdict of one referral with what it lacks.
func (j *judge) asSupplied(ctx context.Context, root *fhir.Node, request int) suppliedVerdict {
	var s suppliedVerdict
	if err := root.Faults(); err != nil && root.System() == fhir.Types(fhir.R4) { // writing it anew would hide them
		s.refuse(err)
		return s
	}
	copied, err := root.Reread(root.System())
	if err != nil {
		s.refuse(err)
		return s
	}
	made, added := j.supplied(copied, request)
	body := fhir.Encode(made)
	s.Added = added
	take := func(gate bool) outcome {
		root, err := fhir.Read(made.System(), body, fhir.Limits{Bytes: maxDocument})
		if err != nil {
			var o outcome
			o.refuse(err)
			return o
		}
		chosen := ""
		if id := requestsOf(root)[request].Child("identifier"); id.Text("value") != "" {
			chosen = id.Text("system") + "|" + id.Text("value")
		}
		return j.outcome(ctx, root, body, chosen, gate)
	}
	s.outcome = take(true)
	if s.Verdict == becameNothing && root.Text("type") == "message" {
		if content := take(false); content.Rule != s.Rule {
			s.Content = &content
		}
	}
	return s
}

// outcome takes a message in. chosen is the identifier of the referral that is meant; gate is
// whether a message is asked what $process-message asks of it first. root is changed.
func (j *judge) outcome(ctx context.Context, root *fhir.Node, body []byte, chosen string, gate bool) (o outcome) {
	call := referral.Call{RequestID: "verdict", ContentType: "application/fhir+json", Body: body}
	if root.System() == fhir.Types(fhir.STU3) {
		call.Repairs = fhir.Repair(root)
	}
	arrival := arrivalOf(root)
	dialect, err := j.artefacts.library.Recognise("", arrival)
	if err != nil {
		o.refuse(err)
		return o
	}
	o.Dialect = dialect.Recognition.Name
	call.Dialect = o.Dialect
	if arrival.Operation != "" && gate {
		if err := j.decided(root); err != nil {
			o.refuse(err)
			return o
		}
	}
	if call.Repairs, err = dialect.Recognition.Take(arrival, chosen, call.Repairs); err != nil {
		o.refuse(err)
		return o
	}
	change, err := j.submit(ctx, root, call)
	switch {
	case err != nil:
		o.refuse(err)
	case change.Referral == nil:
		o.Verdict = becameOther
	default:
		o.accept(change)
	}
	return o
}

// decided asks of a message what $process-message does, of an adapter whose settings are those
// that it has without a file and that offers the services that the message is for. That a
// message takes a request back, or answers one, is no fault of it, and no referral either.
func (j *judge) decided(root *fhir.Node) error {
	b := gateway.BaRS{UseCases: []string{suppliedUseCase}, Versions: []string{"1"}, Definitions: j.artefacts.messages}
	for _, e := range root.All("entry") {
		for _, d := range e.Child("resource").All("destination") {
			_, service, _ := strings.Cut(d.Text("endpoint"), "|")
			b.Services = append(b.Services, service)
		}
	}
	refers, err := b.Decide(root)
	if err == nil && !refers {
		return issue.New(issue.NotFound, "message-unknown", "the message takes back a request that was never sent")
	}
	return err
}

// read parses a message, in the version of FHIR that most of its resources are of.
func (j *judge) read(body []byte) (*fhir.Node, error) {
	limits := fhir.Limits{Bytes: maxDocument}
	root, err := fhir.Read(fhir.Types(fhir.R4), body, limits)
	if err != nil {
		return nil, err
	}
	if r4, stu3 := j.validator.evidence(root); stu3 > r4 {
		return root.Reread(fhir.Types(fhir.STU3))
	}
	return root, nil
}

// messageHeaders are the headers that a message of the Booking and Referral Standard comes with.
// Source: BaRS API 1.9, headers.
var messageHeaders = []string{"nhsd-end-user-organisation", "nhsd-target-identifier", "use-context"}

// arrivalOf is the message as it comes by the way that it is made for.
func arrivalOf(root *fhir.Node) mapping.Arrival {
	a := mapping.Arrival{Root: root, Version: "4.0"}
	if root.System() == fhir.Types(fhir.STU3) {
		a.Version = "3.0"
	}
	if root.ResourceType() == "Bundle" && root.Text("type") == "message" {
		a.Operation, a.Headers = "process-message", messageHeaders
	}
	return a
}

// anybody is the organisation of a caller whose message names none.
const anybody = "Z99099"

// submit takes a message in, from a caller who speaks for the organisations that it names.
func (j *judge) submit(ctx context.Context, root *fhir.Node, call referral.Call) (*referral.Change, error) {
	named := organisationsOf(root, nil)
	change, err := j.from(ctx, root, call, named)
	if slices.ContainsFunc(issue.All(err), func(e *issue.Error) bool { return e.Rule == "sender-unknown" }) {
		if again, e := root.Reread(root.System()); e == nil {
			return j.from(ctx, again, call, []string{anybody})
		}
	}
	return change, err
}

func (j *judge) from(ctx context.Context, root *fhir.Node, call referral.Call, organisations []string) (*referral.Change, error) {
	if len(organisations) == 0 {
		organisations = []string{anybody}
	}
	look := &looking{Store: j.config.Store}
	config := j.config
	config.Store = look
	partners, err := partnersOf(organisations)
	if err != nil {
		return nil, err
	}
	config.Partners = partners
	call.Principal = &auth.Principal{Client: "verdict", Organisations: organisations, Role: auth.RoleRequester}
	if _, err := referral.NewService(config).Submit(ctx, call, root); err != nil {
		return nil, err
	}
	if look.change == nil {
		return &referral.Change{}, nil
	}
	return look.change, nil
}

// partnersOf makes partners of organisations: which are is a setting, and nothing of a message.
func partnersOf(organisations []string) (*referral.Partners, error) {
	r4 := fhir.Types(fhir.R4)
	bundle := r4.New("Bundle")
	bundle.Set("type", "collection")
	for _, ods := range organisations {
		n := r4.New("Organization")
		n.Set("id", strings.ToLower(ods))
		id := n.Add("identifier")
		id.Set("system", referral.SystemODS)
		id.Set("value", ods)
		n.Set("name", ods)
		bundle.Add("entry").Append("resource", n)
	}
	return referral.LoadPartners(bundle)
}

// organisationsOf lists the ODS codes that a message names, sorted.
func organisationsOf(n *fhir.Node, found []string) []string {
	if system, value := n.Text("system"), n.Text("value"); system != "" && value != "" {
		if ods, ok := referral.ODSCode(system + "|" + value); ok && !slices.Contains(found, ods) {
			found = append(found, ods)
		}
	}
	for _, c := range n.Children {
		found = organisationsOf(c, found)
	}
	slices.Sort(found)
	return found
}
