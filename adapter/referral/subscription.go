package referral

import (
	"context"
	"encoding/json"
	"errors"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// TopicReferral is the one topic: every change of a referral's Task.
const TopicReferral = canonical + "/SubscriptionTopic/referral-task"

// The extensions of the guide that are read here.
// Source: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/artifacts.html.
const (
	backport          = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
	extPayloadContent = backport + "backport-payload-content"
	extFilter         = backport + "backport-filter-criteria"
	extHeartbeat      = backport + "backport-heartbeat-period"
	extTimeout        = backport + "backport-timeout"
	extMaxCount       = backport + "backport-max-count"
	extChannelType    = backport + "backport-channel-type"
)

// How much a notification holds.
const (
	contentEmpty  = "empty"
	contentIDOnly = "id-only"
	contentFull   = "full-resource"
)

const (
	leastHeartbeat = 10  // seconds
	mostTimeout    = 60  // seconds
	mostCount      = 100 // events in one notification
	hiddenValue    = "(not shown)"
)

// subscriptionSettings is what a Subscription asks for.
type subscriptionSettings struct {
	Resource json.RawMessage `json:"resource"` // as sent, but for what the server decides
	Filters  []string        `json:"filters,omitempty"`
	Content  string          `json:"content"`
	MaxCount int             `json:"max_count,omitempty"`
	Timeout  int             `json:"timeout,omitempty"` // seconds
	Header   []string        `json:"header,omitempty"`
}

// CreateSubscription makes a Subscription, status requested: it becomes active when its
// address has accepted a handshake, else error. The answer is the resource as stored.
//
// Errors (all faults joined): those of fhir.Check; required, value, not-supported and
// business-rule for what is asked; forbidden.
func (s *Service) CreateSubscription(ctx context.Context, c Call, root *fhir.Node) (*Version, error) {
	organisation, err := reader(c, "")
	if err != nil {
		return nil, err
	}
	now := s.now()
	p := &Subscriber{ID: s.Store.NewID(), Kind: KindSubscription, Organisation: organisation, Role: c.Principal.Role, Client: c.Principal.Client, Version: 1,
		Created: now, Updated: now, Beat: now}
	if err := s.setSubscription(c, p, root); err != nil {
		return nil, err
	}
	if err := s.fewEnough(ctx, p); err != nil {
		return nil, err
	}
	if err := s.Store.AddSubscriber(ctx, p, s.auditSubscriber(c, "create", "C", p), s.handshake(p)...); err != nil {
		return nil, err
	}
	return s.subscriptionVersion(p)
}

// UpdateSubscription replaces a Subscription; version is what If-Match named, 0 for
// whichever is current. Status off stops it; any other asks for a new handshake, after
// which it goes on where it was. Errors: not-found, conflict (rule "version-conflict"),
// those of CreateSubscription.
func (s *Service) UpdateSubscription(ctx context.Context, c Call, id string, version int, root *fhir.Node) (*Version, error) {
	p, err := s.own(ctx, c, KindSubscription, id)
	if err != nil {
		return nil, err
	}
	if version != 0 && p.Version != version {
		return nil, issue.Newf(issue.Conflict, "version-conflict", "the Subscription has changed: its version is now %d; read it again", p.Version)
	}
	if root.Text("id") != id {
		return nil, issue.New(issue.Invalid, "resource-id", "the id of the resource must be the one in the address").At("Subscription.id")
	}
	p.Version++
	p.Updated = s.now()
	if err := s.setSubscription(c, p, root); err != nil {
		return nil, err
	}
	if p.Reached, err = s.kept(ctx, p); err != nil {
		return nil, err
	}
	order := LaneRevived
	if p.Status == SubscriberOff {
		order = LaneDropped
	}
	if err := s.Store.ChangeSubscriber(ctx, p, order, s.auditSubscriber(c, "update", "U", p), s.handshake(p)...); err != nil {
		return nil, err
	}
	return s.subscriptionVersion(p)
}

// handshake is the first thing that goes to a Subscription, before anything that waits
// for it. It is tried once.
func (s *Service) handshake(p *Subscriber) []Delivery {
	if p.Status != SubscriberRequested {
		return nil
	}
	d := s.delivery(p, p.Updated, noticeHandshake, "", mustJSON(notice{Type: noticeHandshake, Since: p.Sent})).after(0, 0)
	d.Expires = d.Created
	return []Delivery{d}
}

// setSubscription reads what a Subscription asks for.
func (s *Service) setSubscription(c Call, p *Subscriber, root *fhir.Node) error {
	if err := issue.Failures(fhir.Check(root)); err != nil {
		return err
	}
	if root.ResourceType() != "Subscription" {
		return issue.New(issue.Invalid, "resource-type", "the body must be a Subscription").At("resourceType")
	}
	var faults []*issue.Error
	fault := func(n *fhir.Node, t issue.Type, text string) {
		e := issue.New(t, "subscription", text).At(n.Path())
		faults = append(faults, e.On(n.Position()))
	}
	set := subscriptionSettings{}
	channel := root.Child("channel")
	if root.Text("criteria") != TopicReferral {
		fault(root.Child("criteria"), issue.NotSupported, "criteria must be the canonical of a topic that is offered: "+TopicReferral)
	}
	for _, e := range extensions(root.Child("criteria"), extFilter) {
		set.Filters = append(set.Filters, e.Text("value"))
		if _, err := parseFilter(e.Text("value")); err != nil {
			faults = append(faults, err.At(e.Path()))
		}
	}
	if channel.Text("type") != "rest-hook" || len(extensions(channel.Child("type"), extChannelType)) > 0 {
		fault(channel.Child("type"), issue.NotSupported, "channel.type must be rest-hook")
	}
	payload := channel.Child("payload")
	if p.URL = channel.Text("endpoint"); p.URL == "" {
		fault(channel, issue.Required, "channel needs an endpoint: the address that is told")
	} else if e := s.address(p.URL); e != nil {
		faults = append(faults, e.At(channel.Child("endpoint").Path()))
	}
	switch media := channel.Text("payload"); media {
	case "application/fhir+json", "application/json", "json":
	default:
		at := payload
		if at == nil {
			at = channel
		}
		fault(at, issue.NotSupported, "channel.payload must be application/fhir+json")
	}
	switch content := extensions(payload, extPayloadContent); {
	case len(content) != 1:
		fault(channel, issue.Required, "channel.payload needs one extension "+extPayloadContent+" with empty, id-only or full-resource")
	default:
		set.Content = content[0].Text("value")
		switch {
		case !slices.Contains([]string{contentEmpty, contentIDOnly, contentFull}, set.Content):
			fault(content[0], issue.CodeInvalid, "the payload content is empty, id-only or full-resource")
		case set.Content == contentFull && !c.Principal.Allows("Task", 'r'):
			fault(content[0], issue.Forbidden, "full-resource needs the scope system/Task.r")
		}
	}
	number := func(url string, least, most int) int {
		list := extensions(channel, url)
		if len(list) == 0 {
			return 0
		}
		n, err := strconv.Atoi(list[0].Text("value"))
		if err != nil || n < least || n > most || len(list) > 1 {
			fault(list[0], issue.Value, "there must be one value, from "+strconv.Itoa(least)+" to "+strconv.Itoa(most))
		}
		return n
	}
	p.Heartbeat = time.Duration(number(extHeartbeat, leastHeartbeat, 7*24*3600)) * time.Second
	set.Timeout = number(extTimeout, 1, mostTimeout)
	set.MaxCount = number(extMaxCount, 1, mostCount)
	before, err := settings[subscriptionSettings](p)
	if p.Settings != nil && err != nil {
		return err
	}
	for _, h := range channel.All("header") {
		line, ok := headerLine(h.Text(), before.Header)
		if !ok {
			fault(h, issue.Value, "a header is Name: value, and none that the sending itself sets")
		}
		set.Header = append(set.Header, line)
	}
	p.Status, p.Problem, p.Ends = SubscriberRequested, "", time.Time{}
	if root.Text("status") == SubscriberOff {
		p.Status = SubscriberOff
	}
	if end := root.Child("end"); end != nil {
		if p.Ends, _, _ = fhir.Interval(end.Value); !p.Ends.After(p.Updated) {
			fault(end, issue.Value, "end lies in the past")
		}
	}
	kept := root.Clone()
	for _, name := range []string{"id", "meta", "status", "error"} {
		kept.Remove(name)
	}
	set.Resource = fhir.Encode(kept)
	p.Settings = mustJSON(set)
	return issue.Join(faults)
}

// headerLine checks a header that is to be sent along. One whose value is hidden keeps
// the value that it had before.
func headerLine(text string, before []string) (string, bool) {
	name, value, found := strings.Cut(text, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !found || name == "" || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) ||
		strings.ContainsAny(name, " \t\"(),/:;<=>?@[\\]{}") {
		return "", false
	}
	switch canonical := textproto.CanonicalMIMEHeaderKey(name); canonical {
	case "Host", "Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Connection", "Upgrade", "Te", "Trailer", "Keep-Alive", "Expect",
		"Proxy-Authorization", "Proxy-Connection", "User-Agent":
		return "", false
	default:
		name = canonical
	}
	if value == hiddenValue {
		for _, line := range before {
			if strings.HasPrefix(line, name+": ") {
				return line, true
			}
		}
		return "", false
	}
	return name + ": " + value, true
}

// extensions gives the extensions of an element with that URL.
func extensions(n *fhir.Node, url string) (list []*fhir.Node) {
	for _, e := range n.All("extension") {
		if e.Text("url") == url {
			list = append(list, e)
		}
	}
	return list
}

// subscriptionVersion is a Subscription as it is shown. What its headers say is not.
func (s *Service) subscriptionVersion(p *Subscriber) (*Version, error) {
	set, err := settings[subscriptionSettings](p)
	if err != nil {
		return nil, err
	}
	root, err := parse(set.Resource)
	if err != nil {
		return nil, err
	}
	stamp(root, p.ID, p.Version, p.Updated)
	root.Set("status", p.Status)
	if p.Problem != "" {
		root.Set("error", problemWords[p.Problem])
	}
	for i, h := range root.Child("channel").All("header") {
		name, _, _ := strings.Cut(set.Header[i], ":")
		h.Value = name + ": " + hiddenValue
	}
	return &Version{Type: "Subscription", ID: p.ID, Number: p.Version, Organisation: p.Organisation, Updated: p.Updated, Body: fhir.Encode(root)}, nil
}

var problemWords = map[string]string{
	ProblemGone:          "The endpoint answered 410 Gone. Update the Subscription to ask for a new handshake.",
	ProblemUndeliverable: "A notification could not be delivered until its time was over. Update the Subscription to ask for a new handshake; $events gives what was missed.",
	ProblemPruned:        "Events that were still to be told are not kept any more. Read the referrals afresh, then update the Subscription to ask for a new handshake.",
	ProblemHandshake:     "The endpoint did not accept the handshake. Update the Subscription to ask for a new one.",
}

// Subscription gives one Subscription. Errors: not-found.
func (s *Service) Subscription(ctx context.Context, c Call, id string) (*Version, error) {
	p, err := s.own(ctx, c, KindSubscription, id)
	if err != nil {
		return nil, err
	}
	if err := s.record(ctx, s.auditSubscriber(c, "read", "R", p)); err != nil {
		return nil, err
	}
	return s.subscriptionVersion(p)
}

// RemoveSubscription forgets a Subscription. Errors: not-found.
func (s *Service) RemoveSubscription(ctx context.Context, c Call, id string) error {
	p, err := s.own(ctx, c, KindSubscription, id)
	if err != nil {
		return err
	}
	return s.Store.RemoveSubscriber(ctx, p, s.auditSubscriber(c, "delete", "D", p))
}

// SubscriptionFilter selects Subscriptions; empty fields do not filter.
type SubscriptionFilter struct {
	IDs    []string
	Status []string
	URL    string // of the endpoint
	Topic  string // canonical
}

func (f SubscriptionFilter) pass(p *Subscriber) bool {
	return (len(f.IDs) == 0 || slices.Contains(f.IDs, p.ID)) && (len(f.Status) == 0 || slices.Contains(f.Status, p.Status)) &&
		(f.URL == "" || f.URL == p.URL) && (f.Topic == "" || f.Topic == TopicReferral)
}

// subscriptions finds those of the caller's audiences that a filter passes; there are
// few of each, see maxSubscribers.
func (s *Service) subscriptions(ctx context.Context, c Call, f SubscriptionFilter) ([]Subscriber, error) {
	organisations := c.Principal.Organisations
	if c.Principal.Role == auth.RoleOperator {
		organisations = []string{""}
	}
	var out []Subscriber
	for _, organisation := range organisations {
		list, _, err := s.Store.Subscribers(ctx, audience(c.Principal.Role, organisation), KindSubscription, Page{Count: maxSubscribers})
		if err != nil {
			return nil, err
		}
		for i := range list {
			if f.pass(&list[i]) {
				out = append(out, list[i])
			}
		}
	}
	a := s.audit(c, "search-type", "E", nil)
	a.Entity = "Subscription"
	return out, s.record(ctx, a)
}

// Subscriptions finds the Subscriptions of the caller's organisations, the oldest first.
func (s *Service) Subscriptions(ctx context.Context, c Call, f SubscriptionFilter) ([]Version, error) {
	list, err := s.subscriptions(ctx, c, f)
	if err != nil {
		return nil, err
	}
	var out []Version
	for i := range list {
		v, err := s.subscriptionVersion(&list[i])
		if err != nil {
			return nil, err
		}
		out = append(out, *v)
	}
	return out, nil
}

// filters are the search-style conditions of a Subscription; all must hold.
type filters []map[string][]string

// filterParams are what events of the topic can be filtered by.
var filterParams = []string{"status", "business-status", "owner", "requester", "_id"}

func parseFilters(list []string) (out filters, err error) {
	var faults []error
	for _, text := range list {
		f, e := parseFilter(text)
		if e != nil {
			faults = append(faults, e)
			continue
		}
		out = append(out, f)
	}
	return out, errors.Join(faults...)
}

// parseFilter reads "Task?owner=Y99201&status=accepted,rejected". Organisations are named
// by ODS code, alone or behind its system and "|".
func parseFilter(text string) (map[string][]string, *issue.Error) {
	query, ok := strings.CutPrefix(text, "Task?")
	if !ok || query == "" {
		return nil, issue.New(issue.NotSupported, "subscription-filter", "a filter is Task? with the parameters "+strings.Join(filterParams, ", "))
	}
	out := map[string][]string{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name = strings.TrimSuffix(name, ":identifier")
		if !slices.Contains(filterParams, name) || value == "" || out[name] != nil {
			return nil, issue.New(issue.NotSupported, "subscription-filter", "a filter takes the parameters "+strings.Join(filterParams, ", ")+", each once and with a value")
		}
		for one := range strings.SplitSeq(value, ",") {
			if i := strings.LastIndexByte(one, '|'); i >= 0 {
				if (name == "owner" || name == "requester") && !isODSSystem(one[:i]) {
					return nil, issue.New(issue.NotSupported, "subscription-filter", "organisations are named by their ODS code, with the system "+SystemODS)
				}
				one = one[i+1:]
			}
			if name == "owner" || name == "requester" {
				one = strings.ToUpper(one)
			}
			out[name] = append(out[name], strings.TrimPrefix(one, "Task/"))
		}
	}
	return out, nil
}

// pass reports whether an event meets every condition.
func (f filters) pass(e HappeningData) bool {
	values := map[string]string{"status": e.To, "business-status": e.BusinessStatus, "owner": e.Owner, "requester": e.Requester, "_id": e.Referral}
	for _, one := range f {
		for name, allowed := range one {
			if !slices.Contains(allowed, values[name]) {
				return false
			}
		}
	}
	return true
}
