package gateway

import (
	"bytes"
	"compress/gzip"
	"strings"
	"sync"
)

// compressFrom is the length below which compressing saves no packet.
const compressFrom = 1400

// gzipWriters write at the fastest level: FHIR JSON repeats itself so much that it
// shrinks to a sixth there already.
var gzipWriters = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // errs on an unknown level only
	return w
}}

// compressed gives body as the client takes it, and sets the header to match.
func (x *exchange) compressed(body []byte) []byte {
	if len(body) < compressFrom {
		return body
	}
	header := x.Writer.Header()
	header.Add("Vary", "Accept-Encoding")
	if !takesGzip(x.Request.Header.Values("Accept-Encoding")) {
		return body
	}
	out := bytes.NewBuffer(make([]byte, 0, len(body)/4))
	w := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(out)
	if _, err := w.Write(body); err != nil {
		return body
	}
	if err := w.Close(); err != nil {
		return body
	}
	header.Set("Content-Encoding", "gzip")
	return out.Bytes()
}

// takesGzip reads Accept-Encoding. Source: RFC 9110 section 12.5.3.
func takesGzip(lines []string) bool {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			coding, weight, _ := strings.Cut(part, ";")
			if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
				continue
			}
			q := strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			return strings.Trim(q, "0.") != "" || q == ""
		}
	}
	return false
}
