package mesh

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"spadapter/adapter/issue"
)

// pages is how many pages of an inbox are read at most: half a million messages.
const pages = 1000

// Inbox gives the ids of all messages that wait for us, the oldest first, as far as MESH
// gives them so; nil when none waits. Errors: *Refusal; transient.
func (c *Client) Inbox(ctx context.Context) ([]string, error) {
	path := c.mailbox() + "/inbox"
	var ids []string
	for range pages {
		var page struct {
			Messages []string `json:"messages"`
			Links    struct {
				Next string `json:"next"`
			} `json:"links"`
		}
		if err := c.answer(ctx, request{method: http.MethodGet, path: path}, &page, http.StatusOK); err != nil {
			return nil, err
		}
		ids = append(ids, page.Messages...)
		if page.Links.Next == "" {
			return ids, nil
		}
		next, err := c.following(page.Links.Next)
		if err != nil {
			return nil, err
		}
		if next == path {
			break
		}
		path = next
	}
	return nil, issue.New(issue.Exception, "mesh-answer", "MESH gives an inbox without an end")
}

// following is the path of a link to the next page, which must stay in our inbox: the call
// proves who we are.
func (c *Client) following(link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil || u.EscapedPath() != c.mailbox()+"/inbox" {
		return "", issue.New(issue.Exception, "mesh-answer", "MESH gives a next page of the inbox that is somewhere else")
	}
	return u.EscapedPath() + "?" + u.RawQuery, nil
}

// Received is a message from the inbox, or the head of one.
type Received struct {
	ID          string
	From, To    string // mailboxes
	Workflow    string
	LocalID     string
	Subject     string // may name a person
	FileName    string
	Report      bool   // MESH says itself what became of a message of ours; there is no body
	Linked      string // of a Report: the id of that message
	Event       string // of a Report
	Code        string // of a Report: see Words
	Description string // of a Report, in MESH's words
	Body        []byte // as it was before it was compressed; nil of a head
}

func received(id string, h http.Header) *Received {
	m := &Received{ID: h.Get("mex-MessageID"), From: h.Get("mex-From"), To: h.Get("mex-To"), Workflow: h.Get("mex-WorkflowID"),
		LocalID: h.Get("mex-LocalID"), Subject: h.Get("mex-Subject"), FileName: h.Get("mex-FileName"),
		Report: strings.EqualFold(h.Get("mex-MessageType"), "REPORT"), Linked: h.Get("mex-LinkedMsgID"),
		Event: h.Get("mex-StatusEvent"), Code: h.Get("mex-StatusCode"), Description: h.Get("mex-StatusDescription")}
	if m.ID == "" {
		m.ID = id
	}
	if !m.Report {
		m.Event, m.Code, m.Description = "", "", "" // of data they only say that it is there
	}
	return m
}

func (c *Client) message(id string) string { return c.mailbox() + "/inbox/" + url.PathEscape(id) }

// Head says what kind of message waits, without taking it. Errors: not-found, deleted for
// one that was acknowledged; *Refusal; transient.
func (c *Client) Head(ctx context.Context, id string) (*Received, error) {
	resp, err := c.do(ctx, request{method: http.MethodHead, path: c.message(id)}, http.StatusOK, http.StatusPartialContent)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	return received(id, resp.Header), nil
}

// Receive takes a message with all its chunks. It stays in the inbox until it is
// acknowledged. Errors: not-found, deleted for one that was acknowledged, too-long,
// incomplete where a chunk is missing; *Refusal; transient.
func (c *Client) Receive(ctx context.Context, id string) (*Received, error) {
	limit := c.Largest
	if limit <= 0 {
		limit = defaultBytes
	}
	var m *Received
	var body []byte
	compressed, total := false, 1
	for n := 1; n <= total; n++ {
		path := c.message(id)
		if n > 1 {
			path += "/" + strconv.Itoa(n)
		}
		resp, err := c.do(ctx, request{method: http.MethodGet, path: path}, http.StatusOK, http.StatusPartialContent)
		if err != nil {
			return nil, err
		}
		part, err := whole(resp.Body, limit-len(body))
		resp.Body.Close()
		if err != nil {
			return nil, failed(ctx, err)
		}
		if n == 1 {
			m, compressed = received(id, resp.Header), packed(resp.Header)
			if total, err = chunks(resp.Header); err != nil {
				return nil, err
			}
		}
		if last := n == total; last != (resp.StatusCode == http.StatusOK) || packed(resp.Header) != compressed {
			return nil, issue.New(issue.Incomplete, "mesh-chunks", "the chunks that MESH sent do not make one message")
		}
		body = append(body, part...)
	}
	if compressed && len(body) > 0 {
		var err error
		if body, err = unpack(body, limit); err != nil {
			return nil, err
		}
	}
	if m.Body = body; !m.Report && len(body) == 0 {
		return nil, issue.New(issue.Incomplete, "mesh-chunks", "MESH sent a message without a body").Because(io.ErrUnexpectedEOF)
	}
	return m, nil
}

// chunks reads how many chunks a message has.
func chunks(h http.Header) (int, error) {
	value := h.Get("mex-Chunk-Range")
	if value == "" {
		return 1, nil
	}
	var n, total int
	if _, err := fmt.Sscanf(value, "%d:%d", &n, &total); err != nil || n != 1 || total < 1 || total > 10000 {
		return 0, issue.New(issue.Incomplete, "mesh-chunks", "MESH does not say how many chunks the message has")
	}
	return total, nil
}

// Acknowledge says that we have a message; MESH then forgets it. Doing so twice is no
// fault. Errors: not-found; *Refusal; transient.
func (c *Client) Acknowledge(ctx context.Context, id string) error {
	return c.answer(ctx, request{method: http.MethodPut, path: c.message(id) + "/status/acknowledged"}, nil, http.StatusOK)
}
