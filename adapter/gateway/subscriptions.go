package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// Source of these names: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/CapabilityStatement-backport-subscription-server-r4.html.
const (
	backportGuide      = "http://hl7.org/fhir/uv/subscriptions-backport/"
	backportProfile    = backportGuide + "StructureDefinition/backport-subscription"
	backportTopic      = backportGuide + "StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
	backportCapability = backportGuide + "CapabilityStatement/backport-subscription-server-r4"
)

var (
	statusOperation = &operation{name: "status", definition: backportGuide + "OperationDefinition/backport-subscription-status",
		inputs: []input{{name: "id", kind: "id", many: true}, {name: "status", kind: "code", many: true}}}
	eventsOperation = &operation{name: "events", definition: backportGuide + "OperationDefinition/backport-subscription-events",
		inputs: []input{{name: "eventsSinceNumber", kind: "string"}, {name: "eventsUntilNumber", kind: "string"}, {name: "content", kind: "code"}},
		notes:  "Gives at most 200 events, the first of those that were asked for."}
)

// subscriptionParams are what Subscriptions can be searched by.
var subscriptionParams = []referral.SearchParam{
	{Name: "_id", Type: "token", Definition: "http://hl7.org/fhir/SearchParameter/Resource-id"},
	{Name: "status", Type: "token", Definition: "http://hl7.org/fhir/SearchParameter/Subscription-status"},
	{Name: "url", Type: "uri", Definition: "http://hl7.org/fhir/SearchParameter/Subscription-url"},
	{Name: "criteria", Type: "string", Definition: "http://hl7.org/fhir/SearchParameter/Subscription-criteria"},
}

// subscriptionRoutes lists what is offered on Subscription.
func (g *gateway) subscriptionRoutes() []*route {
	const path = fhirBase + "/Subscription"
	add := func(method, path, interaction string, letter byte, body media, handle func(*exchange) error) *route {
		return &route{method: method, path: path, resource: "Subscription", letter: letter, interactions: []string{interaction}, body: body, handle: handle}
	}
	invoke := func(method, path string, body media, o *operation, handle func(*exchange) error) *route {
		r := add(method, path, "operation", 'r', body, handle)
		r.operation = o
		return r
	}
	return []*route{
		add(http.MethodPost, path, "create", 'c', mediaFHIR, createSubscription),
		add(http.MethodGet, path+"/:id", "read", 'r', mediaNone, readSubscription),
		add(http.MethodPut, path+"/:id", "update", 'u', mediaFHIR, updateSubscription),
		add(http.MethodDelete, path+"/:id", "delete", 'd', mediaNone, deleteSubscription),
		add(http.MethodGet, path, "search-type", 's', mediaNone, searchSubscriptions),
		add(http.MethodPost, path+"/_search", "search-type", 's', mediaForm, searchSubscriptions),
		invoke(http.MethodGet, path+"/$status", mediaNone, statusOperation, subscriptionStatus),
		invoke(http.MethodPost, path+"/$status", mediaFHIR, statusOperation, subscriptionStatus),
		invoke(http.MethodGet, path+"/:id/$status", mediaNone, statusOperation, subscriptionStatus),
		invoke(http.MethodPost, path+"/:id/$status", mediaFHIR, statusOperation, subscriptionStatus),
		invoke(http.MethodGet, path+"/:id/$events", mediaNone, eventsOperation, subscriptionEvents),
		invoke(http.MethodPost, path+"/:id/$events", mediaFHIR, eventsOperation, subscriptionEvents),
	}
}

// addSubscriptions states that Subscriptions are those of the backport guide, and on
// which topic.
func addSubscriptions(n *fhir.Node) {
	topic := n.Add("extension")
	topic.Set("url", backportTopic)
	topic.Set("valueCanonical", referral.TopicReferral)
	addText(n, "supportedProfile", backportProfile)
}

func createSubscription(x *exchange) error {
	root, err := x.resource()
	if err != nil {
		return err
	}
	v, err := x.Operations.CreateSubscription(x.context(), x.call, root)
	if err != nil {
		return err
	}
	return x.prefers(&referral.Response{Status: http.StatusCreated, ContentType: contentFHIR, ETag: etag(v.Number), Body: v.Body,
		Location: "Subscription/" + v.ID + "/_history/" + strconv.Itoa(v.Number)})
}

func readSubscription(x *exchange) error {
	id, err := x.resourceID()
	if err != nil {
		return err
	}
	v, err := x.Operations.Subscription(x.context(), x.call, id)
	if err != nil {
		return err
	}
	return x.sendVersion(v)
}

// updateSubscription is PUT. If-Match is heeded when it is sent; a Subscription has one
// owner, so that a client that does not know of versions is let in.
func updateSubscription(x *exchange) error {
	id, err := x.resourceID()
	if err != nil {
		return err
	}
	version := 0
	if x.Request.Header.Get("If-Match") != "" {
		if version, err = x.ifMatch(); err != nil {
			return err
		}
	}
	root, err := x.resource()
	if err != nil {
		return err
	}
	v, err := x.Operations.UpdateSubscription(x.context(), x.call, id, version, root)
	if err != nil {
		return err
	}
	return x.prefers(&referral.Response{Status: http.StatusOK, ContentType: contentFHIR, ETag: etag(v.Number), Body: v.Body})
}

func deleteSubscription(x *exchange) error {
	id, err := x.resourceID()
	if err != nil {
		return err
	}
	if err := x.Operations.RemoveSubscription(x.context(), x.call, id); err != nil {
		return err
	}
	x.send(http.StatusNoContent, "", nil)
	return nil
}

func searchSubscriptions(x *exchange) error {
	params, err := x.searched()
	if err != nil {
		return err
	}
	filter, used, err := parseSubscriptions(params, x.prefer.strict)
	if err != nil {
		return err
	}
	list, err := x.Operations.Subscriptions(x.context(), x.call, filter)
	if err != nil {
		return err
	}
	self, _ := pageLinks(x.base+"Subscription", used, "")
	b := newBundle("searchset", x.Now(), len(list), self, "")
	for i := range list {
		entry := b.entry(x.fullURL(&list[i]))
		entry.Add("search").Set("mode", "match")
		b.add(entry, list[i].Body)
	}
	return x.sendStored(http.StatusOK, b.bytes())
}

// parseSubscriptions reads a search. A parameter nobody knows is refused when strict.
func parseSubscriptions(params []parameter, strict bool) (f referral.SubscriptionFilter, used []parameter, err error) {
	var faults []*issue.Error
	for _, p := range params {
		known := slices.ContainsFunc(subscriptionParams, func(k referral.SearchParam) bool { return k.Name == p.name })
		switch {
		case p.formal() || p.name == "_count":
			continue
		case !known && strict:
			faults = append(faults, unknownParameter(p))
			continue
		case !known:
			continue
		case p.modifier != "" || p.value == "":
			faults = append(faults, issue.New(issue.Value, "search-empty", "this parameter needs a value, and takes no modifier").At("http."+p.name))
			continue
		}
		used = append(used, p)
		switch p.name {
		case "_id":
			f.IDs = append(f.IDs, strings.Split(p.value, ",")...)
		case "status":
			for one := range strings.SplitSeq(p.value, ",") {
				f.Status = append(f.Status, one[strings.LastIndexByte(one, '|')+1:])
			}
		case "url":
			f.URL = p.value
		case "criteria":
			f.Topic = p.value
		}
	}
	return f, used, issue.Join(faults)
}

// operationParams gives the primitive parameters of an operation, from the query or from
// a Parameters resource.
func (x *exchange) operationParams(o *operation) (map[string][]string, error) {
	out := map[string][]string{}
	var faults []*issue.Error
	take := func(name, value, at string) {
		i := slices.IndexFunc(o.inputs, func(in input) bool { return in.name == name })
		switch {
		case i < 0:
			faults = append(faults, issue.New(issue.Invalid, "operation-parameter", "$"+o.name+" has no such parameter").At(at).With("the parameter is %.200q", name))
		case value == "" || len(out[name]) > 0 && !o.inputs[i].many:
			faults = append(faults, issue.New(issue.Value, "operation-parameter", o.inputs[i].name+" needs one value").At(at))
		default:
			out[name] = append(out[name], value)
		}
	}
	for _, p := range x.query {
		if !p.formal() {
			for value := range strings.SplitSeq(p.value, ",") {
				take(p.key(), value, "http."+p.name)
			}
		}
	}
	if len(x.call.Body) > 0 {
		root, err := x.parse()
		if err == nil {
			err = issue.Failures(fhir.Check(root))
		}
		if err != nil {
			return nil, err
		}
		if root.ResourceType() != "Parameters" {
			return nil, issue.New(issue.Invalid, "resource-type", "the body must be a Parameters resource").At("resourceType")
		}
		for _, p := range root.All("parameter") {
			take(p.Text("name"), p.Text("value"), p.Path())
		}
	}
	return out, issue.Join(faults)
}

// subscriptionStatus is $status, of one Subscription or of those that are asked for.
func subscriptionStatus(x *exchange) error {
	params, err := x.operationParams(statusOperation)
	if err != nil {
		return err
	}
	filter := referral.SubscriptionFilter{IDs: params["id"], Status: params["status"]}
	path := "Subscription/$status"
	if x.Param("id") != "" {
		id, err := x.resourceID()
		if err != nil {
			return err
		}
		filter, path = referral.SubscriptionFilter{IDs: []string{id}}, "Subscription/"+id+"/$status"
	}
	list, err := x.Operations.SubscriptionStatus(x.context(), x.call, filter)
	if err != nil {
		return err
	}
	b := newBundle("searchset", x.Now(), len(list), x.base+path, "")
	for i := range list {
		entry := b.entry("urn:uuid:" + list[i].ID)
		entry.Add("search").Set("mode", "match")
		b.add(entry, list[i].Body)
	}
	return x.sendStored(http.StatusOK, b.bytes())
}

// subscriptionEvents is $events of one Subscription.
func subscriptionEvents(x *exchange) error {
	id, err := x.resourceID()
	if err != nil {
		return err
	}
	params, err := x.operationParams(eventsOperation)
	if err != nil {
		return err
	}
	number := func(name string) (int64, error) {
		if len(params[name]) == 0 {
			return 0, nil
		}
		n, err := strconv.ParseInt(params[name][0], 10, 64)
		if err != nil || n < 0 {
			return 0, issue.New(issue.Value, "operation-parameter", name+" must be the number of an event").At("http." + name)
		}
		return n, nil
	}
	from, err := number("eventsSinceNumber")
	if err != nil {
		return err
	}
	to, err := number("eventsUntilNumber")
	if err != nil {
		return err
	}
	content := ""
	if len(params["content"]) > 0 {
		content = params["content"][0]
	}
	body, err := x.Operations.SubscriptionEvents(x.context(), x.call, id, from, to, content)
	if err != nil {
		return err
	}
	return x.sendStored(http.StatusOK, body)
}
