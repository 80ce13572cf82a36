package directory

import (
	"bytes"
	"context"
	"encoding/json"
	"io"

	"spadapter/adapter/issue"
)

// Page is a part of a list of services. Totals are -1 when the feed does not say.
type Page struct {
	Number     int // as the feed numbers it, 0 when it does not
	Contents   []json.RawMessage
	TotalItems int
	TotalPages int
	Last       bool // the feed says that this is the last
}

// Source is where services come from: a feed over HTTP, or a file.
type Source interface {
	// Unchanged reports whether the feed says of itself that nothing is new.
	Unchanged(ctx context.Context) (bool, error)
	// Page gives part n of the list, from 1; without Contents behind the end.
	Page(ctx context.Context, n int) (*Page, error)
	// Details gives one service with all its parts, as JSON. Errors: not-found.
	Details(ctx context.Context, id string) ([]byte, error)
	// State is what a later Source needs to say whether it is Unchanged; "" for nothing.
	State() string
}

// envelope is a page of HSDS. Source: HSDS-UK 3.0, openapi.json, Page.
type envelope struct {
	TotalItems *int              `json:"total_items"`
	TotalPages *int              `json:"total_pages"`
	PageNumber *int              `json:"page_number"`
	LastPage   *bool             `json:"last_page"`
	Contents   []json.RawMessage `json:"contents"`
	Content    []json.RawMessage `json:"content"` // of version 1
}

// ReadPage reads a page of a list: the envelope of HSDS, or a bare array, which is the
// whole list. Errors: structure.
func ReadPage(body []byte) (*Page, error) {
	p := &Page{TotalItems: -1, TotalPages: -1}
	body = bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\uFEFF"))
	if len(body) > 0 && body[0] == '[' {
		p.Last = true
		if err := json.Unmarshal(body, &p.Contents); err != nil {
			return nil, noPage(err)
		}
		return p, nil
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, noPage(err)
	}
	if e.Contents == nil {
		e.Contents = e.Content
	}
	if e.Contents == nil && (e.TotalItems == nil || *e.TotalItems != 0) {
		return nil, noPage(nil)
	}
	p.Contents = e.Contents
	if e.TotalItems != nil {
		p.TotalItems = *e.TotalItems
	}
	if e.TotalPages != nil {
		p.TotalPages = *e.TotalPages
	}
	if e.PageNumber != nil {
		p.Number = *e.PageNumber
	}
	p.Last = e.LastPage != nil && *e.LastPage
	return p, nil
}

func noPage(err error) error {
	return issue.New(issue.Structure, "feed-page", "this is no page of services: HSDS has an object with contents, total_items, total_pages and page_number").Because(err)
}

// filePart is how many services of a file make a page.
const filePart = 500

// File is the Source of a file: a page of services, an array of them, or one service.
// It is read as it goes, so that its size does not matter.
type File struct {
	decoder *json.Decoder
	single  json.RawMessage
	begun   bool
	ended   bool
}

// NewFile reads services from r.
func NewFile(r io.Reader) *File { return &File{decoder: json.NewDecoder(r)} }

// Unchanged is always false: a file says nothing of itself.
func (f *File) Unchanged(context.Context) (bool, error) { return false, nil }

// State is always "".
func (f *File) State() string { return "" }

// Details finds nothing: what a file has of a service is all there is.
func (f *File) Details(context.Context, string) ([]byte, error) {
	return nil, issue.New(issue.NotFound, "feed-details", "a file has no further details")
}

// Page gives the next part; the number does not matter. Errors: structure.
func (f *File) Page(ctx context.Context, _ int) (*Page, error) {
	p := &Page{TotalItems: -1, TotalPages: -1}
	if !f.begun {
		f.begun = true
		if err := f.begin(); err != nil {
			return nil, err
		}
	}
	if f.single != nil {
		p.Contents, p.Last, f.single = []json.RawMessage{f.single}, true, nil
		return p, nil
	}
	for !f.ended && len(p.Contents) < filePart {
		if err := ctx.Err(); err != nil {
			return nil, issue.New(issue.Timeout, "feed-read", "reading was interrupted").Because(err)
		}
		if !f.decoder.More() {
			f.ended = true
			if _, err := f.decoder.Token(); err != nil { // the bracket, or a file that was cut off
				return nil, noFile(err)
			}
			break
		}
		var raw json.RawMessage
		if err := f.decoder.Decode(&raw); err != nil {
			return nil, noFile(err)
		}
		p.Contents = append(p.Contents, raw)
	}
	p.Last = f.ended
	return p, nil
}

// begin reads up to the first service.
func (f *File) begin() error {
	token, err := f.decoder.Token()
	if err != nil {
		return noFile(err)
	}
	switch token {
	case json.Delim('['):
		return nil
	case json.Delim('{'):
	default:
		return noFile(nil)
	}
	members := map[string]json.RawMessage{}
	for f.decoder.More() {
		name, err := f.decoder.Token()
		if err != nil {
			return noFile(err)
		}
		if name == "contents" || name == "services" {
			if open, err := f.decoder.Token(); err != nil || open != json.Delim('[') {
				return noFile(err)
			}
			return nil
		}
		var raw json.RawMessage
		if err := f.decoder.Decode(&raw); err != nil {
			return noFile(err)
		}
		members[name.(string)] = raw
	}
	if _, err := f.decoder.Token(); err != nil {
		return noFile(err)
	}
	if members["id"] == nil || members["name"] == nil {
		return noFile(nil)
	}
	f.single, err = json.Marshal(members)
	f.ended = true
	return err
}

func noFile(err error) error {
	return issue.New(issue.Structure, "feed-file", "the file holds no services: it must be a page of services (contents), an array of them, or one service, in JSON").Because(err)
}
