package store

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"spadapter/adapter/issue"
)

// cursor is where a list goes on: after the row with these values of its sort keys.
type cursor struct {
	Time   int64  `json:"t,omitempty"`
	ID     string `json:"i,omitempty"`
	Number int    `json:"n,omitempty"`
	Sort   string `json:"s,omitempty"`
}

const sumLength = 9 // bytes of digest in a cursor

// String makes a cursor opaque. list says which list it belongs to, so that it is
// refused in another. The digest finds mistakes and idle tampering; it is no secret,
// and needs to be none: whoever forges a cursor still sees only the rows in its scope.
func (c cursor) encode(list string) string {
	body, err := json.Marshal(c)
	if err != nil {
		return "" // a struct of two numbers and a string can be written
	}
	return base64.RawURLEncoding.EncodeToString(append(cursorSum(list, body), body...))
}

func decodeCursor(list, after string) (c cursor, given bool, err error) {
	if after == "" {
		return c, false, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(after)
	if err == nil && len(raw) > sumLength {
		sum, body := raw[:sumLength], raw[sumLength:]
		if string(sum) == string(cursorSum(list, body)) && json.Unmarshal(body, &c) == nil {
			c.ID, c.Sort = clean(c.ID), clean(c.Sort)
			return c, true, nil
		}
	}
	return c, false, issue.New(issue.Value, "page-cursor", "the page link is not one that this server gave for this search: start again without it")
}

func cursorSum(list string, body []byte) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "spadapter cursor 1\n%s\n", list)
	h.Write(body)
	return h.Sum(nil)[:sumLength]
}
