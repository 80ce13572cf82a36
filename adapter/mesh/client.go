package mesh

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"spadapter/adapter/issue"
)

// accept asks for the answers of version 2; errors of version 1 are read all the same.
const accept = "application/vnd.mesh.v2+json"

// The limits of what is read. An answer that is not a message is a list of 500 ids at most.
const (
	answerBytes  = 1 << 20
	defaultChunk = 20 << 20 // the limit from within HSCN; MESH takes 100 MB from the internet
	defaultBytes = 64 << 20
)

// Client speaks for one mailbox. URL, Mailbox, Password and SharedKey are demanded. It is
// safe for concurrent use. It prints as its mailbox, never with its secrets.
type Client struct {
	URL       string // of the service, such as "https://mesh-sync.spineservices.nhs.uk"
	Mailbox   string // our mailbox id
	Password  string // of the mailbox
	SharedKey string // of the environment

	Transport http.RoundTripper // nil for http.DefaultTransport; MESH demands a client certificate, see Files
	ChunkSize int               // bytes of one chunk, as sent; default 20 MiB
	Gzip      bool              // compress what is sent
	Largest   int               // bytes of a received message, decompressed; default 64 MiB

	Now   func() time.Time // default time.Now
	Nonce func() string    // a new UUID for each request; default a random one
}

// String gives the mailbox.
func (c *Client) String() string { return "MESH mailbox " + c.Mailbox }

// GoString keeps %#v from printing the secrets.
func (c *Client) GoString() string { return c.String() }

// LogValue keeps a log from printing the secrets.
func (c *Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Check says what is wrong with the settings. Errors: required, value.
func (c *Client) Check() error {
	if c.Mailbox == "" || c.Password == "" || c.SharedKey == "" {
		return issue.New(issue.Required, "mesh-settings", "MESH needs a mailbox, its password and the shared key of the environment")
	}
	if strings.ContainsAny(c.Mailbox, ":/? \r\n") {
		return issue.New(issue.Value, "mesh-settings", "a MESH mailbox id holds letters and digits alone")
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
		return issue.New(issue.Value, "mesh-settings", "the URL of MESH is https://HOST, without a path")
	}
	return nil
}

// request is one call of the API.
type request struct {
	method string
	path   string // from /messageexchange on, escaped, with its query
	header map[string]string
	body   []byte
}

// mailbox begins the path of what belongs to our mailbox.
func (c *Client) mailbox() string { return "/messageexchange/" + url.PathEscape(c.Mailbox) }

// do makes a call and gives the answer when its status is one of want, with a body that is
// limited to limit bytes and has to be closed. Redirects are not followed: they would hand
// the message to a place that nobody agreed.
func (c *Client) do(ctx context.Context, r request, want ...int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, strings.TrimRight(c.URL, "/")+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, issue.New(issue.Value, "mesh-settings", "the URL of MESH cannot be used").Because(err)
	}
	if r.body == nil {
		req.Body, req.ContentLength = nil, 0
	}
	now, nonce := time.Now, uuid.NewString
	if c.Now != nil {
		now = c.Now
	}
	if c.Nonce != nil {
		nonce = c.Nonce
	}
	req.Header.Set("Authorization", Authorization(c.Mailbox, c.Password, c.SharedKey, nonce(), "0", now()))
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", "gzip") // said by us, so that chunks are put together before they are unpacked
	req.Header.Set("User-Agent", "spadapter")
	for name, value := range r.header {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	client := http.Client{
		Transport:     c.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, network(ctx, err)
	}
	for _, status := range want {
		if resp.StatusCode == status {
			return resp, nil
		}
	}
	defer resp.Body.Close()
	return nil, refusal(resp, now)
}

// answer makes a call whose answer is JSON and reads it into v; nil for one without.
func (c *Client) answer(ctx context.Context, r request, v any, want ...int) error {
	resp, err := c.do(ctx, r, want...)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := unpacked(resp, answerBytes)
	if err != nil {
		return failed(ctx, err)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(body, v); err != nil {
		return issue.New(issue.Exception, "mesh-answer", "MESH answered success with something that is not its JSON").Because(err)
	}
	return nil
}

// failed keeps an issue as it is and names any other error of the network.
func failed(ctx context.Context, err error) error {
	if own := new(issue.Error); errors.As(err, &own) {
		return err
	}
	return network(ctx, err)
}

// whole reads all of r; too-long when it has more than limit bytes.
func whole(r io.Reader, limit int) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(body) > limit {
		err = issue.Newf(issue.TooLong, "mesh-limit", "what MESH sent is longer than %d bytes; it is not read further", limit)
	}
	return body, err
}
