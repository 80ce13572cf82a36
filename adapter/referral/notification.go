package referral

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// notification makes the Bundle of a delivery, as its reader may see it now.
func (s *Service) notification(ctx context.Context, p *Subscriber, d Delivery) (*Post, error) {
	set, err := settings[subscriptionSettings](p)
	if err != nil {
		return nil, err
	}
	var n notice
	if err := json.Unmarshal(d.Body, &n); err != nil {
		return nil, issue.New(issue.Exception, "stored-event", "a stored notification cannot be read").Because(err)
	}
	body, _, err := s.bundle(ctx, p, n, set.Content, d.ID, d.Created)
	if err != nil {
		return nil, err
	}
	post := &Post{URL: p.URL, ContentType: d.ContentType, Body: body, ID: d.ID, Timeout: time.Duration(set.Timeout) * time.Second}
	for _, line := range set.Header {
		name, value, _ := strings.Cut(line, ": ")
		post.Header = append(post.Header, [2]string{name, value})
	}
	return post, nil
}

// bundle makes a notification Bundle, and gives the resources that it shows. identity makes
// its ids, the same for every try.
// Source: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription-notification-r4.html.
func (s *Service) bundle(ctx context.Context, p *Subscriber, n notice, content, identity string, at time.Time) (body []byte, shown []Version, err error) {
	b := fhir.Types(fhir.R4).New("Bundle")
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(identity)).String()
	b.Set("id", id)
	profiled(b, "backport-subscription-notification-r4")
	b.Set("type", "history")
	b.Set("timestamp", at.UTC().Format(instant))
	status, err := s.status(p, n, content)
	if err != nil {
		return nil, nil, err
	}
	entry := b.Add("entry")
	entry.Set("fullUrl", "urn:uuid:"+id)
	status.Set("id", id)
	entry.Append("resource", status)
	answered(entry, "GET", s.Base+"Subscription/"+p.ID+"/$status")
	if content != contentFull {
		return fhir.Encode(b), shown, nil
	}
	for _, e := range n.Events {
		h, err := (Numbered{Body: e.Event}).happening()
		if err != nil {
			return nil, nil, err
		}
		// as the reader's right is now: what it may not see any more is named, not shown
		v, err := s.Store.ReadVersion(ctx, s.Partners.scope(&auth.Principal{Role: p.Role, Organisations: organisationsOf(p)}), "Task", h.Data.Referral, h.Data.Version)
		if errors.Is(err, issue.NotFound) || errors.Is(err, issue.Deleted) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if err := disclose(p.Role, v); err != nil {
			return nil, nil, err
		}
		task, err := parse(v.Body)
		if err != nil {
			return nil, nil, err
		}
		entry := b.Add("entry")
		entry.Set("fullUrl", s.Base+"Task/"+v.ID)
		entry.Append("resource", task)
		shown = append(shown, *v)
		method := "PUT"
		if v.Number == 1 {
			method = "POST"
		}
		answered(entry, method, "Task/"+v.ID)
	}
	return fhir.Encode(b), shown, nil
}

// profiled names the profile of the guide that a resource keeps to.
func profiled(n *fhir.Node, name string) {
	meta := n.Add("meta")
	profile, _ := meta.Type.Member("profile")
	meta.Append("profile", fhir.NewPrimitive(profile.Type, backport+name))
}

func organisationsOf(p *Subscriber) []string {
	if p.Organisation == "" {
		return nil
	}
	return []string{p.Organisation}
}

// answered adds what an entry of a history must have. Source: bdl-3 and bdl-4 of
// http://hl7.org/fhir/R4/bundle.html.
func answered(entry *fhir.Node, method, url string) {
	request := entry.Add("request")
	request.Set("method", method)
	request.Set("url", url)
	status := "200"
	if method == "POST" {
		status = "201"
		request.Set("url", "Task")
	}
	entry.Add("response").Set("status", status)
}

// status makes the Parameters that say how a Subscription stands.
// Source: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription-status-r4.html.
func (s *Service) status(p *Subscriber, n notice, content string) (*fhir.Node, error) {
	root := fhir.Types(fhir.R4).New("Parameters")
	profiled(root, "backport-subscription-status-r4")
	add := func(name, member, text string) {
		parameter := root.Add("parameter")
		parameter.Set("name", name)
		parameter.Set(member, text)
	}
	subscription := root.Add("parameter")
	subscription.Set("name", "subscription")
	subscription.Add("valueReference").Set("reference", s.Base+"Subscription/"+p.ID)
	if content != contentEmpty {
		add("topic", "valueCanonical", TopicReferral)
	}
	add("status", "valueCode", p.Status)
	add("type", "valueCode", n.Type)
	add("events-since-subscription-start", "valueString", strconv.FormatInt(n.Since, 10))
	for _, e := range n.Events {
		h, err := (Numbered{Body: e.Event}).happening()
		if err != nil {
			return nil, err
		}
		parameter := root.Add("parameter")
		parameter.Set("name", "notification-event")
		part := func(name string) *fhir.Node {
			one := parameter.Add("part")
			one.Set("name", name)
			return one
		}
		part("event-number").Set("valueString", strconv.FormatInt(e.Number, 10))
		part("timestamp").Set("valueInstant", h.Time.UTC().Format(instant))
		if content != contentEmpty {
			part("focus").Add("valueReference").Set("reference", s.Base+"Task/"+h.Data.Referral)
		}
	}
	if p.Problem != "" {
		parameter := root.Add("parameter")
		parameter.Set("name", "error")
		parameter.Add("valueCodeableConcept").Set("text", problemWords[p.Problem])
	}
	return root, nil
}

// SubscriptionStatus is the $status of the caller's Subscriptions that a filter passes:
// one Parameters for each. Errors: not-found when ids are given and none is known.
func (s *Service) SubscriptionStatus(ctx context.Context, c Call, f SubscriptionFilter) ([]Version, error) {
	list, err := s.subscriptions(ctx, c, f)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 && len(f.IDs) > 0 {
		return nil, issue.New(issue.NotFound, "not-found", "there is no such subscription, or none that you may see")
	}
	var out []Version
	for i := range list {
		p := &list[i]
		n, err := s.status(p, notice{Type: noticeStatus, Since: p.Sent}, contentIDOnly)
		if err != nil {
			return nil, err
		}
		id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(p.ID+"/$status")).String()
		n.Set("id", id)
		out = append(out, Version{Type: "Parameters", ID: id, Body: fhir.Encode(n)})
	}
	return out, nil
}

// maxQueried is how many events one $events gives.
const maxQueried = 200

// SubscriptionEvents is $events: the notification Bundle of the events that a
// Subscription was told of, or should have been, from one of its numbers to another,
// both included; 0 leaves an end open. content is how much it shows, "" as the
// Subscription says. At most maxQueried events are given, the first ones.
//
// Errors: not-found; value for a content that does not exist; deleted when the events
// are not kept any more; forbidden for full-resource without the right to read Tasks.
func (s *Service) SubscriptionEvents(ctx context.Context, c Call, id string, from, to int64, content string) ([]byte, error) {
	p, err := s.own(ctx, c, KindSubscription, id)
	if err != nil {
		return nil, err
	}
	set, err := settings[subscriptionSettings](p)
	if err != nil {
		return nil, err
	}
	switch content {
	case "":
		content = set.Content
	case contentEmpty, contentIDOnly, contentFull:
	default:
		return nil, issue.New(issue.CodeInvalid, "subscription", "content is empty, id-only or full-resource").At("content")
	}
	if content == contentFull && !c.Principal.Allows("Task", 'r') {
		return nil, issue.New(issue.Forbidden, "scope", "full-resource needs the scope system/Task.r")
	}
	n := notice{Type: noticeQuery, Since: p.Sent}
	from = max(from, 1)
	if to == 0 || to > p.Sent {
		to = p.Sent
	}
	numbers, err := s.Store.Numbers(ctx, p.ID, from, to, maxQueried)
	if err != nil {
		return nil, err
	}
	if from <= to && numbers[from] == 0 {
		return nil, issue.New(issue.Deleted, "events-pruned", "the events with these numbers are not kept any more: read the referrals afresh")
	}
	for number := from; numbers[number] != 0; number++ {
		feed, err := s.Store.Feed(ctx, AudienceOf(p), numbers[number]-1, 1)
		if err != nil {
			return nil, err
		}
		n.Events = append(n.Events, noticeEvent{number, feed.Events[0].Body})
	}
	body, shown, err := s.bundle(ctx, p, n, content, s.Store.NewID(), s.now())
	if err != nil {
		return nil, err
	}
	a := s.auditSubscriber(c, "events", "E", p)
	for i := range shown {
		a.shows(shown[i].Organisation, shown[i].Patient)
	}
	return body, s.record(ctx, a)
}
