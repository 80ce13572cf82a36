package mesh

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"

	"spadapter/adapter/issue"
)

// pack compresses one chunk. Each is a stream of its own, so that the chunks put together
// are one too, and that a chunk that is sent again has the same bytes.
func pack(chunk []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(chunk) // a Buffer takes everything
	_ = w.Close()
	return out.Bytes()
}

// unpack takes apart one or several streams that follow each other. Errors: too-long above
// limit bytes, incomplete where it ends too soon or is none.
func unpack(packed []byte, limit int) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, notPacked(err)
	}
	out, err := whole(r, limit)
	if err != nil {
		if _, own := err.(*issue.Error); own {
			return nil, err
		}
		return nil, notPacked(err)
	}
	return out, nil
}

func notPacked(err error) *issue.Error {
	return issue.New(issue.Incomplete, "mesh-gzip", "what MESH sent as gzip cannot be unpacked").Because(err)
}

func packed(h http.Header) bool {
	return strings.EqualFold(strings.TrimSpace(h.Get("Content-Encoding")), "gzip")
}

// unpacked reads a body of at most limit bytes, as it was before it was compressed.
func unpacked(resp *http.Response, limit int) ([]byte, error) {
	body, err := whole(resp.Body, limit)
	if err != nil || len(body) == 0 || !packed(resp.Header) {
		return body, err
	}
	return unpack(body, limit)
}
