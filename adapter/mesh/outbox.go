package mesh

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"spadapter/adapter/issue"
)

// Message is what is put in the outbox.
type Message struct {
	To          string // mailbox, or an address such as that of Practice
	Workflow    string // says what kind of message it is
	LocalID     string // "" for none
	Subject     string // "" for none
	FileName    string // "" for none
	ContentType string // "" for application/octet-stream
	Body        []byte // not empty
}

// Sent is how far a message came.
type Sent struct {
	ID     string // given by MESH; "" while it has not taken the first chunk
	Chunks int    // how many there are
	Done   int    // how many MESH has taken
}

// Whole reports whether MESH has all of the message.
func (s Sent) Whole() bool { return s.ID != "" && s.Done == s.Chunks }

// chunkTries is how often one chunk after the first is sent before Send gives up.
const chunkTries = 3

var control = regexp.MustCompile(`[\x00-\x1f\x7f]`)

// lengths are the most characters that MESH takes in a header.
var lengths = map[string]int{"mex-To": 100, "mex-WorkflowID": 300, "mex-LocalID": 300, "mex-Subject": 500, "mex-FileName": 300}

// headers gives the headers of m. Errors: required, value, too-long: what MESH would refuse.
func (m Message) headers(from string) (map[string]string, error) {
	if m.To == "" || m.Workflow == "" || len(m.Body) == 0 {
		return nil, issue.New(issue.Required, "mesh-message", "a MESH message has an address, a workflow and a body")
	}
	contentType := m.ContentType
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	h := map[string]string{
		"mex-From": from, "mex-To": m.To, "mex-WorkflowID": m.Workflow, "mex-LocalID": m.LocalID, "mex-Subject": m.Subject,
		"mex-FileName": m.FileName, "mex-MessageType": "DATA", "mex-Version": "1.0", "Content-Type": contentType,
	}
	for name, value := range h {
		if control.MatchString(value) {
			return nil, issue.Newf(issue.Value, "mesh-message", "the header %s may not hold control characters", name)
		}
		if most := lengths[name]; most > 0 && len([]rune(value)) > most {
			return nil, issue.Newf(issue.TooLong, "mesh-message", "the header %s has more than %d characters", name, most)
		}
	}
	return h, nil
}

// Send puts a message in the outbox, in as many chunks as it needs. The first is sent
// once: MESH makes a message of each. A later one that was not taken is sent again a few
// times, since it keeps its number. With an error Sent says how far it came, and Resume
// goes on from there.
//
// Errors: required, value and too-long for what MESH would refuse; *Refusal; transient and
// below where no full answer came: MESH may have the message then.
func (c *Client) Send(ctx context.Context, m Message) (Sent, error) {
	return c.Resume(ctx, m, Sent{})
}

// Resume goes on with a message after the chunks that MESH has taken. m must be the one
// that was sent before, and the settings of c the same.
func (c *Client) Resume(ctx context.Context, m Message, s Sent) (Sent, error) {
	headers, err := m.headers(c.Mailbox)
	if err != nil {
		return s, err
	}
	size := c.ChunkSize
	if size <= 0 {
		size = defaultChunk
	}
	s.Chunks = (len(m.Body) + size - 1) / size
	chunk := func(n int) []byte {
		part := m.Body[(n-1)*size : min(n*size, len(m.Body))]
		if c.Gzip {
			return pack(part)
		}
		return part
	}
	if c.Gzip {
		headers["Content-Encoding"] = "gzip"
	}
	if s.ID == "" {
		headers["mex-Chunk-Range"] = fmt.Sprintf("1:%d", s.Chunks)
		var taken struct {
			V1 string `json:"messageID"`
			V2 string `json:"message_id"`
		}
		if err := c.answer(ctx, request{http.MethodPost, c.mailbox() + "/outbox", headers, chunk(1)}, &taken, http.StatusAccepted); err != nil {
			return s, err
		}
		if s.ID, s.Done = taken.V2+taken.V1, 1; s.ID == "" || taken.V1 != "" && taken.V2 != "" {
			return Sent{Chunks: s.Chunks}, issue.New(issue.Exception, "mesh-answer", "MESH accepted the message and did not say under which id")
		}
	}
	for s.Done < s.Chunks {
		n := s.Done + 1
		header := map[string]string{"mex-From": c.Mailbox, "mex-Chunk-Range": fmt.Sprintf("%d:%d", n, s.Chunks),
			"Content-Type": "application/octet-stream", "Content-Encoding": headers["Content-Encoding"]}
		path := c.mailbox() + "/outbox/" + url.PathEscape(s.ID) + "/" + strconv.Itoa(n)
		var err error
		for range chunkTries {
			if err = c.answer(ctx, request{http.MethodPost, path, header, chunk(n)}, nil, http.StatusAccepted); err == nil || !again(ctx, err) {
				break
			}
		}
		if err != nil {
			return s, err
		}
		s.Done = n
	}
	return s, nil
}

// again reports whether a call that changes nothing the second time may help.
func again(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	refused, ok := errors.AsType[*Refusal](err)
	return !ok || refused.Status/100 == 5
}

// Practice is the address by which MESH finds the mailbox of the practice where a person is
// registered. birth is YYYY-MM-DD. Errors: value for what cannot be part of one.
func Practice(nhsNumber, birth, surname string) (string, error) {
	if len(nhsNumber) != 10 || strings.Trim(nhsNumber, "0123456789") != "" {
		return "", issue.New(issue.Value, "mesh-address", "the address of a practice needs an NHS number of ten digits")
	}
	if !dateForm.MatchString(birth) {
		return "", issue.New(issue.Value, "mesh-address", "the address of a practice needs a birth date with year, month and day")
	}
	surname = strings.TrimSpace(surname)
	if surname == "" || control.MatchString(surname) {
		return "", issue.New(issue.Value, "mesh-address", "the address of a practice needs a surname")
	}
	return "GPPROVIDER_" + nhsNumber + "_" + birth[8:] + birth[5:7] + birth[:4] + "_" + surname, nil
}

var dateForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
