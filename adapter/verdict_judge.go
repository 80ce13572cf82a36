package main

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
	"spadapter/adapter/referral"
)

// What can become of a message.
const (
	becameReferral = "converted"
	becameLess     = "losses"
	becameNothing  = "refused"
	becameOther    = "kept" // and no referral
)

// verdict is what would become of one message.
type verdict struct {
	Folder   string   `json:"folder"`
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"`    // in an NDJSON file
	Referral bool     `json:"referral"`          // it holds a ServiceRequest or ReferralRequest, or cannot be read
	Dialect  string   `json:"dialect,omitempty"` // as which it was recognised
	Type     string   `json:"type,omitempty"`    // version of FHIR and resource type
	Verdict  string   `json:"verdict"`
	Rule     string   `json:"rule,omitempty"`    // the first that refused it
	Element  string   `json:"element,omitempty"` // where
	Reason   string   `json:"reason,omitempty"`  // in words
	Losses   []string `json:"losses,omitempty"`  // elements that are not in the result
	Issues   int      `json:"issues"`            // all that were told

	input int
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
	partners, err := loadPartners("")
	if err != nil {
		return nil, err
	}
	return &judge{artefacts: compiled, validator: v, config: referral.Config{
		Store: empty, Partners: partners, Instruments: compiled.instruments, Terminology: compiled.codes, Dialect: compiled.dialect,
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

// judge gives the verdict of a message.
func (j *judge) judge(ctx context.Context, d convertMessage) verdict {
	v := verdict{Line: d.line, input: d.input, Referral: true}
	err := d.err
	var root *fhir.Node
	if err == nil {
		root, err = j.read(d.body)
	}
	if err != nil {
		v.refuse(err)
		return v
	}
	v.Referral, v.Type = holdsReferral(root), strings.TrimSpace(releaseName(root.System())+" "+root.ResourceType())
	call := referral.Call{RequestID: "verdict", ContentType: "application/fhir+json", Body: d.body}
	if root.System() == fhir.Types(fhir.STU3) {
		call.Repairs = fhir.Repair(root)
	}
	arrival := arrivalOf(root)
	dialect, err := j.artefacts.library.Recognise("", arrival)
	if err != nil {
		v.refuse(err)
		return v
	}
	v.Dialect = dialect.Recognition.Name
	call.Dialect = v.Dialect
	if call.Repairs, err = dialect.Recognition.Take(arrival, "", call.Repairs); err != nil {
		v.refuse(err)
		return v
	}
	change, err := j.submit(ctx, root, call)
	switch {
	case err != nil:
		v.refuse(err)
	case change.Referral == nil:
		v.Verdict = becameOther
	default:
		v.accept(change)
	}
	return v
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

// holdsReferral reports whether a message holds a request for a service, by itself or in an
// entry of its Bundle.
func holdsReferral(root *fhir.Node) bool {
	switch root.ResourceType() {
	case "ServiceRequest", "ReferralRequest":
		return true
	case "Bundle":
		return slices.ContainsFunc(root.All("entry"), func(e *fhir.Node) bool {
			n := e.Child("resource")
			return n != nil && holdsReferral(n)
		})
	}
	return false
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
	call.Principal = &auth.Principal{Client: "verdict", Organisations: organisations, Role: auth.RoleRequester}
	if _, err := referral.NewService(config).Submit(ctx, call, root); err != nil {
		return nil, err
	}
	if look.change == nil {
		return &referral.Change{}, nil
	}
	return look.change, nil
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

// refuse keeps the first reason in the order of the text.
func (v *verdict) refuse(err error) {
	v.Verdict = becameNothing
	list := issue.All(err)
	v.Issues = len(list)
	if len(list) == 0 {
		v.Reason = err.Error()
		return
	}
	first := slices.MinFunc(list, func(a, b *issue.Error) int {
		return cmp.Or(compareFailure(a, b), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(a.Expression, b.Expression), strings.Compare(a.Rule, b.Rule))
	})
	v.Rule, v.Element, v.Reason = first.Rule, first.Expression, first.Details
}

// compareFailure puts what refuses before what only warns.
func compareFailure(a, b *issue.Error) int {
	switch {
	case a.Failure() == b.Failure():
		return 0
	case a.Failure():
		return -1
	}
	return 1
}

// accept lists what was lost of a message that became a referral.
func (v *verdict) accept(change *referral.Change) {
	v.Verdict = becameReferral
	for _, event := range change.Events {
		var data struct{ Received *referral.Received }
		if len(event.Data) == 0 || json.Unmarshal(event.Data, &data) != nil || data.Received == nil {
			continue
		}
		v.Issues += len(data.Received.Issues)
		for _, remark := range data.Received.Issues {
			if lossy(remark.Rule) {
				v.Verdict = becameLess
				v.Losses = append(v.Losses, cmp.Or(remark.Expression, remark.Rule))
			}
		}
	}
}

// lossy reports whether a remark says that something of the message is not in the result. A
// code that no ConceptMap has is there as it was sent.
func lossy(rule string) bool { return rule == "map-unread" || rule == "map-reference" }
