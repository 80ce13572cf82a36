package referral

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

// Submit takes in what stands or falls together: a transaction Bundle, or one resource
// of the CreateTypes. root was parsed from c.Body. The answer is durable when it returns; a
// repeat gets the stored answer of the first time, byte for byte. Response.Location is
// relative ("ServiceRequest/0190…/_history/1").
//
// Errors (all faults joined): structure, required, value, invariant from the checks;
// code-invalid, business-rule, not-supported from profiles and rules; forbidden when
// the sender is not one of the caller's organisations; conflict for a known key with
// other content (rule "repeat-differs"); multiple-matches for If-None-Exist.
func (s *Service) Submit(ctx context.Context, c Call, root *fhir.Node) (*Response, error) {
	if err := allowed(c, auth.RoleRequester, auth.RoleOperator); err != nil {
		return nil, err
	}
	sent := root
	if err := containsFew(root); err != nil {
		return s.again(ctx, c, sent, err)
	}
	root, from, err := s.receive(ctx, c, root)
	if err != nil {
		return s.again(ctx, c, sent, err)
	}
	// A Patient or a conditional create may appear between our look and our commit;
	// then the look is repeated. In each round one of those that race gets through.
	const maxRounds = 20
	for round := 0; ; round++ {
		change, response, err := s.decide(ctx, c, root, from)
		if err != nil {
			return s.again(ctx, c, root, err)
		}
		err = s.Store.Commit(ctx, change)
		var known *Repeat
		switch {
		case err == nil:
			return response, nil
		case !errors.As(err, &known) && !errors.Is(err, issue.Conflict):
			return nil, err
		case known != nil && known.Key.Kind != KeyPatient && known.Key.Kind != KeyConditional && c.Once:
			return nil, duplicate(known)
		case known != nil && known.Key.Kind != KeyPatient && known.Key.Kind != KeyConditional:
			return s.answerAgain(ctx, c, root, known, change.Keys)
		case round == maxRounds:
			return nil, issue.New(issue.LockError, "intake-race", "other messages about the same patient arrived at the same moment; send this one again")
		}
		if root, err = root.Reread(root.System()); err != nil { // what was decided changed the tree
			return nil, err
		}
	}
}

// again answers a message that is refused now and was answered before as it was then,
// whatever has changed since; err is why it is refused.
func (s *Service) again(ctx context.Context, c Call, root *fhir.Node, err error) (*Response, error) {
	if known, e := s.Store.Known(ctx, requestKeys(c)); e == nil && known != nil {
		if c.Once {
			return nil, duplicate(known)
		}
		return s.answerAgain(ctx, c, root, known, requestKeys(c))
	}
	return nil, err
}

// intake is one message on its way in.
type intake struct {
	s     *Service
	c     Call
	root  *fhir.Node
	from  *inlet // what made root of the message as it was sent, nil when it was sent so
	at    time.Time
	items []*item

	sender   string // ODS code of the sending organisation
	patient  string // id of the Patient the message is about, "" when none
	request  *item  // the ServiceRequest, nil when there is none
	joins    *Record
	fetched  map[string]*fhir.Node // stored resources that the message refers to, by Type/id
	foreign  map[string]string     // of them, whose data each is: ODS code by Type/id
	faults   []*issue.Error        // everything that refuses the message
	notices  []*issue.Error        // what the sender should know and is no fault
	keys     []Key
	referral string // id of the new referral
	filler   string // id of the normalised ServiceRequest
}

const (
	maxFaults  = 200 // told of one message
	maxEntries = 200 // of one transaction; a referral has about ten

	maxContained = 1000 // in one resource: what refers to them is looked for among all
)

// containsFew refuses a message with a resource that contains too many others.
func containsFew(root *fhir.Node) error {
	resources := []*fhir.Node{root}
	for _, entry := range root.All("entry") {
		if r := entry.Child("resource"); r != nil {
			resources = append(resources, r)
		}
	}
	for _, r := range resources {
		if len(r.All("contained")) > maxContained {
			return issue.Newf(issue.TooCostly, "too-many-contained", "a resource contains at most %d others; send them as entries, or in several messages", maxContained).At(r.Path()).On(r.Position())
		}
	}
	return nil
}

// item is one resource to create.
type item struct {
	node        *fhir.Node
	entry       *fhir.Node // nil when the resource came alone
	fullURL     string
	ifNoneExist string
	condition   *Query // what that asks for, nil when it is none or asks for nothing that can be searched
	asked       string // and in which words, the same for every spelling
	id          string
	number      int      // version to write; 0 when an existing resource is used as it is
	found       bool     // the resource existed before
	current     *Version // the existing resource
	made        bool     // not sent: made from what the message says

	held   *Held      // of a Patient that is known: the origin of facts, nil when there are none
	before *fhir.Node // and what that Patient is
}

func (it *item) reference() string { return it.node.ResourceType() + "/" + it.id }

// begin is a message of which nothing is known yet.
func (s *Service) begin(c Call, root *fhir.Node) *intake {
	return &intake{s: s, c: c, root: root, at: s.now(), fetched: map[string]*fhir.Node{}, foreign: map[string]string{}}
}

// spoken is the dialect of the message, with the maps of its sender.
func (in *intake) spoken() *Dialect { return in.s.Dialect(in.sender, in.c.Dialect) }

// decide does everything up to the commit and touches nothing. Its errors are told at the
// elements of the message as it was sent.
func (s *Service) decide(ctx context.Context, c Call, root *fhir.Node, from *inlet) (*Change, *Response, error) {
	in := s.begin(c, root)
	in.from = from
	change, response, err := in.decide(ctx)
	if err != nil && from != nil {
		err = issue.Join(from.placed(ctx, issue.All(err)))
	}
	return change, response, err
}

func (in *intake) decide(ctx context.Context) (*Change, *Response, error) {
	in.examine()
	if err := in.identify(ctx); err != nil {
		return nil, nil, err
	}
	if len(in.faults) > 0 {
		return nil, nil, issue.Join(in.faults)
	}
	if in.request != nil && in.request.found {
		for _, it := range in.items {
			if it != in.request && it.number > 0 && aboutPatient[it.node.ResourceType()] != "" {
				in.fault(it.node, issue.BusinessRule, "referral-known", "the ServiceRequest is known already, so this would belong to no referral; send it by itself to join the open one, or leave it out")
			}
		}
		if len(in.faults) > 0 {
			return nil, nil, issue.Join(in.faults)
		}
		in.request = nil // If-None-Exist met it: no new referral
	}
	var content *fhir.Node
	if in.request != nil {
		var err error
		if content, err = in.convert(ctx); err != nil {
			return nil, nil, err
		}
	}
	in.notices = in.from.placed(ctx, in.notices)
	if in.from != nil {
		in.notices = append(slices.Clip(in.from.result.Issues), in.notices...)
	}
	in.notices = append(slices.Clip(in.c.Repairs), in.notices...)
	return in.compose(ctx, content)
}

// split finds the resources to create and checks how they are asked for.
func (in *intake) split() {
	if in.root.ResourceType() != "Bundle" {
		in.items = []*item{{node: in.root, ifNoneExist: in.c.IfNoneExist}}
	} else {
		if kind := in.root.Text("type"); kind != "transaction" && in.root.Child("type") != nil {
			in.fault(in.root.Child("type"), issue.NotSupported, "bundle-type", "only a transaction or a batch can be posted here")
		}
		if e := in.root.Child("entry"); e == nil {
			in.fault(in.root, issue.Required, "bundle-empty", "the Bundle has no entry; send at least one resource")
		}
		entries := in.root.All("entry")
		if len(entries) > maxEntries {
			in.fault(in.root, issue.TooCostly, "too-many-entries", "a transaction has at most 200 entries; send several")
			return
		}
		for _, entry := range entries {
			if entry.Kind != fhir.Object {
				continue // reported by Check
			}
			resource, method, url := entry.Child("resource"), entry.Child("request").Child("method"), entry.Text("request", "url")
			switch {
			case method != nil && method.Value != "POST":
				in.fault(method, issue.NotSupported, "bundle-method", "only POST entries are accepted in a transaction")
				continue
			case resource == nil:
				in.fault(entry, issue.Required, "bundle-resource", "an entry with POST needs a resource")
				continue
			case method != nil && strings.TrimPrefix(url, "/") != resource.ResourceType():
				in.fault(entry.Descend("request", "url"), issue.Value, "bundle-url", "request.url of a POST is the type of the resource")
			}
			in.items = append(in.items, &item{node: resource, entry: entry, fullURL: entry.Text("fullUrl"), ifNoneExist: entry.Text("request", "ifNoneExist")})
		}
	}
	for _, it := range in.items {
		// an absolute URL of this server is the relative reference it stands for
		eachReference(it.node, func(_, literal *fhir.Node) {
			if local, ok := strings.CutPrefix(literal.Value, in.s.Base); ok && in.s.Base != "" {
				literal.Value = local
			}
		})
		switch {
		case it.node.Type != nil && !slices.Contains(accepted, it.node.ResourceType()):
			in.fault(it.node, issue.NotSupported, "type-not-accepted", "a "+it.node.ResourceType()+" cannot be created here; accepted are "+strings.Join(accepted, ", "))
		case it.node.ResourceType() == "ServiceRequest" && in.request != nil:
			in.fault(it.node, issue.NotSupported, "one-referral", "a transaction carries one ServiceRequest; send a batch or several transactions for several referrals")
		case it.node.ResourceType() == "ServiceRequest":
			in.request = it
		}
	}
}

func (in *intake) fault(n *fhir.Node, t issue.Type, rule, text string) *issue.Error {
	if n == nil {
		n = in.root
	}
	e := issue.New(t, rule, text)
	if len(in.faults) >= maxFaults {
		return e // enough to mend a message; more would only cost
	}
	_ = e.At(n.Path()).On(n.Position())
	in.faults = append(in.faults, e)
	return e
}

// validate runs the invariants of the base standard and our intake profiles, so that
// the sender learns everything at once. Of a malformed tree the profiles are asked
// too, and what they say of an element that Check has faulted is left out.
func (in *intake) validate(wellFormed bool) {
	var faulted []string
	for _, e := range in.faults {
		faulted = append(faulted, e.Expression)
	}
	known := func(e *issue.Error) bool {
		return !wellFormed && slices.ContainsFunc(faulted, func(path string) bool {
			return path == e.Expression || strings.HasPrefix(path, e.Expression+".") || strings.HasPrefix(e.Expression, path+".") ||
				strings.HasPrefix(path, e.Expression+"[")
		})
	}
	note := func(err error) {
		for _, e := range issue.All(err) {
			if known(e) {
				continue
			}
			if e.Rule == RuleIdentified && in.request == nil {
				// a Patient by itself may be anybody; a referral must say who it is
				e = e.Graded(issue.SeverityWarning)
			}
			if e.Failure() {
				in.faults = append(in.faults, e)
			} else {
				in.notices = append(in.notices, e)
			}
		}
	}
	if wellFormed && in.s.Invariants != nil {
		note(in.s.Invariants(in.root))
	}
	for _, it := range in.items {
		if p := ProfileOf(it.node.ResourceType()); p != "" && in.s.Conforms != nil {
			note(in.s.Conforms(p, it.node))
		}
	}
}

// convert runs the dialect's map on the message and what it refers to.
func (in *intake) convert(ctx context.Context) (*fhir.Node, error) {
	source, err := in.source()
	if err != nil {
		return nil, err
	}
	result, err := in.s.convert(ctx, in.c, in.sender, in.spoken().Intake,
		mapping.Input{Source: source, Identity: in.sender + "|" + hexHash(in.c.Body), Now: in.at})
	if err != nil {
		return nil, err
	}
	if err := in.s.emits("the normalised referral", ProfileReferral, result.Target); err != nil {
		return nil, err
	}
	in.notices = append(in.notices, result.Issues...)
	return result.Target, nil
}
