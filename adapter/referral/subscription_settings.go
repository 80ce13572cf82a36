package referral

import (
	"encoding/json"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
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
