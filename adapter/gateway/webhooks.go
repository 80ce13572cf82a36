package gateway

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// listPage is a page of a list. Next is the cursor of the page after this one, null on
// the last.
type listPage[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next"`
}

// webhookRoutes lists the webhooks API. It asks for the scopes of Subscription, which
// webhooks are in plain JSON.
func (g *gateway) webhookRoutes() []*route {
	const path = apiBase + "/webhooks"
	add := func(method, path string, letter byte, interaction string, body media, handle func(*exchange) error) *route {
		return &route{method: method, path: path, surface: surfaceAPI, resource: "Subscription", letter: letter, interactions: []string{interaction}, body: body, handle: handle}
	}
	return []*route{
		add(http.MethodPost, path, 'c', "create", mediaJSON, createWebhook),
		add(http.MethodGet, path, 's', "search-type", mediaNone, webhooks),
		add(http.MethodGet, path+"/:id", 'r', "read", mediaNone, webhook),
		add(http.MethodPatch, path+"/:id", 'u', "patch", mediaJSON, changeWebhook),
		add(http.MethodDelete, path+"/:id", 'd', "delete", mediaNone, removeWebhook),
		add(http.MethodPost, path+"/:id/pause", 'u', "update", mediaJSON, pauseWebhook),
		add(http.MethodPost, path+"/:id/resume", 'u', "update", mediaJSON, resumeWebhook),
		add(http.MethodPost, path+"/:id/test", 'u', "operation", mediaJSON, testWebhook),
		add(http.MethodPost, path+"/:id/rotate-secret", 'u', "update", mediaJSON, rotateSecret),
		add(http.MethodGet, path+"/:id/deliveries", 'r', "search-type", mediaNone, notices),
		add(http.MethodGet, path+"/:id/deliveries/:delivery", 'r', "read", mediaNone, notice),
		add(http.MethodPost, path+"/:id/deliveries/:delivery/replay", 'u', "operation", mediaJSON, replayNotice),
	}
}

// webhookID takes the id of a webhook out of the address.
func (x *exchange) webhookID() (string, error) {
	id := x.Param("id")
	if !validID(id) {
		return "", issue.New(issue.NotFound, "unknown-id", "there is no webhook with this id")
	}
	x.entity = "Webhook/" + id
	return id, nil
}

// sendWebhook answers with a webhook and its ETag.
func (x *exchange) sendWebhook(status int, w *referral.Webhook) error {
	x.Writer.Header().Set("ETag", etag(w.Version))
	return x.sendJSONStatus(status, w)
}

func createWebhook(x *exchange) error {
	var in referral.WebhookInput
	if err := decodeStrict(x.call.Body, &in); err != nil {
		return err
	}
	w, err := x.Operations.CreateWebhook(x.context(), x.call, in)
	if err != nil {
		return err
	}
	x.Writer.Header().Set("Location", x.BaseURL+apiBase+"/webhooks/"+w.ID)
	return x.sendWebhook(http.StatusCreated, w)
}

func webhook(x *exchange) error {
	id, err := x.webhookID()
	if err != nil {
		return err
	}
	w, err := x.Operations.Webhook(x.context(), x.call, id)
	if err != nil {
		return err
	}
	return x.sendWebhook(http.StatusOK, w)
}

func changeWebhook(x *exchange) error {
	id, err := x.webhookID()
	if err != nil {
		return err
	}
	version, err := x.ifMatch()
	if err != nil {
		return err
	}
	var in referral.WebhookInput
	if err := decodeStrict(x.call.Body, &in); err != nil {
		return err
	}
	w, err := x.Operations.ChangeWebhook(x.context(), x.call, id, version, in)
	if err != nil {
		return err
	}
	return x.sendWebhook(http.StatusOK, w)
}

func removeWebhook(x *exchange) error {
	id, err := x.webhookID()
	if err != nil {
		return err
	}
	if err := x.Operations.RemoveWebhook(x.context(), x.call, id); err != nil {
		return err
	}
	x.send(http.StatusNoContent, "", nil)
	return nil
}

// bare refuses a body that has members: these calls take none.
func (x *exchange) bare() (string, error) {
	id, err := x.webhookID()
	if err != nil {
		return "", err
	}
	return id, decodeStrict(x.call.Body, &struct{}{})
}

func pauseWebhook(x *exchange) error {
	id, err := x.bare()
	if err != nil {
		return err
	}
	w, err := x.Operations.PauseWebhook(x.context(), x.call, id)
	if err != nil {
		return err
	}
	return x.sendWebhook(http.StatusOK, w)
}

func resumeWebhook(x *exchange) error {
	id, err := x.bare()
	if err != nil {
		return err
	}
	w, err := x.Operations.ResumeWebhook(x.context(), x.call, id)
	if err != nil {
		return err
	}
	return x.sendWebhook(http.StatusOK, w)
}

func rotateSecret(x *exchange) error {
	id, err := x.webhookID()
	if err != nil {
		return err
	}
	var in referral.Rotation
	if err := decodeStrict(x.call.Body, &in); err != nil {
		return err
	}
	w, err := x.Operations.RotateSecret(x.context(), x.call, id, in)
	if err != nil {
		return err
	}
	return x.sendWebhook(http.StatusOK, w)
}

func testWebhook(x *exchange) error {
	id, err := x.bare()
	if err != nil {
		return err
	}
	n, err := x.Operations.TestWebhook(x.context(), x.call, id)
	if err != nil {
		return err
	}
	return x.sendNotice(id, n)
}

// sendNotice answers with a delivery that was just queued.
func (x *exchange) sendNotice(id string, n *referral.Notice) error {
	x.Writer.Header().Set("Location", x.BaseURL+apiBase+"/webhooks/"+id+"/deliveries/"+n.ID)
	return x.sendJSONStatus(http.StatusAccepted, n)
}

func webhooks(x *exchange) error {
	organisation := ""
	page, err := parseList(x.query, "organisation", &organisation)
	if err != nil {
		return err
	}
	list, next, err := x.Operations.Webhooks(x.context(), x.call, strings.ToUpper(organisation), page)
	if err != nil {
		return err
	}
	return sendList(x, "/webhooks", list, next)
}

func notices(x *exchange) error {
	id, err := x.webhookID()
	if err != nil {
		return err
	}
	state := ""
	page, err := parseList(x.query, "state", &state)
	if err != nil {
		return err
	}
	switch referral.DeliveryState(state) {
	case "", referral.DeliveryQueued, referral.DeliverySending, referral.DeliveryDelivered, referral.DeliveryDead, referral.DeliverySuperseded:
	default:
		return issue.New(issue.Value, "filter", "state is queued, sending, delivered, dead or superseded").At("http.state")
	}
	list, next, err := x.Operations.Notices(x.context(), x.call, id, referral.DeliveryState(state), page)
	if err != nil {
		return err
	}
	return sendList(x, "/webhooks/"+id+"/deliveries", list, next)
}

// noticeID takes the ids of a webhook and of a delivery to it out of the address.
func (x *exchange) noticeID() (id, delivery string, err error) {
	if id, err = x.webhookID(); err != nil {
		return "", "", err
	}
	if delivery = x.Param("delivery"); !validID(delivery) {
		return "", "", issue.New(issue.NotFound, "unknown-id", "there is no such delivery to this webhook")
	}
	return id, delivery, nil
}

func notice(x *exchange) error {
	id, delivery, err := x.noticeID()
	if err != nil {
		return err
	}
	n, err := x.Operations.Notice(x.context(), x.call, id, delivery)
	if err != nil {
		return err
	}
	return x.sendJSON(n)
}

func replayNotice(x *exchange) error {
	id, delivery, err := x.noticeID()
	if err != nil {
		return err
	}
	if err := decodeStrict(x.call.Body, &struct{}{}); err != nil {
		return err
	}
	n, err := x.Operations.ReplayNotice(x.context(), x.call, id, delivery)
	if err != nil {
		return err
	}
	return x.sendNotice(id, n)
}

// sendList answers with a page of a list, and a link to the next.
func sendList[T any](x *exchange, path string, list []T, next string) error {
	page := listPage[T]{Items: list}
	if page.Items == nil {
		page.Items = []T{}
	}
	if next != "" {
		page.Next = &next
		x.Writer.Header().Set("Link", "<"+x.BaseURL+apiBase+path+"?"+nextQuery(x.query, next)+`>; rel="next"`)
	}
	return x.sendJSON(page)
}

// parseList reads count, cursor and one parameter more, each given once.
func parseList(params []parameter, name string, value *string) (referral.Page, error) {
	page := referral.Page{Count: pageDefault}
	var faults []*issue.Error
	seen := map[string]bool{}
	for _, p := range params {
		if p.formal() {
			continue
		}
		wrong := func(details string) {
			faults = append(faults, issue.New(issue.Value, "filter", details).At("http."+p.name).With("%s is %.200q", p.name, p.value))
		}
		if seen[p.key()] {
			wrong("a parameter may be given once")
			continue
		}
		seen[p.key()] = true
		switch p.key() {
		case "count":
			n, err := strconv.Atoi(p.value)
			if err != nil || n < 1 {
				wrong("count must be a whole number from 1")
			}
			page.Count = min(n, pageMax)
		case "cursor":
			if page.After = p.value; p.value == "" {
				wrong(cursorMissing)
			}
		case name:
			*value = p.value
		default:
			faults = append(faults, issue.New(issue.Invalid, "filter-unknown", "this list takes "+name+", count and cursor").With("the parameter is %.200q", url.QueryEscape(p.key())))
		}
	}
	return page, issue.Join(faults)
}
