package mesh

import (
	"context"
	"net/http"
	"net/url"
)

// Tracking is what MESH knows of a message that we sent. Empty fields are not known.
type Tracking struct {
	ID          string `json:"message_id"`
	LocalID     string `json:"local_id"`
	Workflow    string `json:"workflow_id"`
	Status      string `json:"status"` // such as "accepted" or "acknowledged"
	Uploaded    string `json:"upload_timestamp"`
	Expires     string `json:"expiry_time"`
	Recipient   string `json:"recipient"` // mailbox that it was routed to
	ODS         string `json:"recipient_ods_code"`
	Event       string `json:"status_event"`
	Code        string `json:"status_code"`
	Description string `json:"status_description"`
}

// Track asks what became of a message that we sent. Errors: not-found; *Refusal; transient.
func (c *Client) Track(ctx context.Context, id string) (Tracking, error) {
	var t Tracking
	err := c.answer(ctx, request{method: http.MethodGet, path: c.mailbox() + "/outbox/tracking?messageID=" + url.QueryEscape(id)}, &t, http.StatusOK)
	return t, err
}

// Mailbox is one that takes messages of a workflow.
type Mailbox struct {
	ID   string `json:"mailbox_id"`
	Name string `json:"mailbox_name"`
}

// EndpointLookup gives the mailboxes of an organisation for a workflow, nil when it has
// none. Practices are not found so: their address is that of Practice. Errors: *Refusal;
// transient.
func (c *Client) EndpointLookup(ctx context.Context, ods, workflow string) ([]Mailbox, error) {
	var found struct {
		Results []struct {
			Mailbox
			Address     string `json:"address"`     // version 1
			Description string `json:"description"` // version 1
		} `json:"results"`
	}
	path := "/messageexchange/endpointlookup/" + url.PathEscape(ods) + "/" + url.PathEscape(workflow)
	if err := c.answer(ctx, request{method: http.MethodGet, path: path}, &found, http.StatusOK); err != nil {
		return nil, err
	}
	var list []Mailbox
	for _, r := range found.Results {
		if r.ID == "" {
			r.ID, r.Name = r.Address, r.Description
		}
		list = append(list, r.Mailbox)
	}
	return list, nil
}
