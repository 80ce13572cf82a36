package gateway

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"spadapter/adapter/issue"
)

// trusted is the length of a body for which memory is set aside on the word of its
// Content-Length; a longer one gets memory as it arrives.
const trusted = 256 << 10

// receive reads the body that the route wants into the call.
func (x *exchange) receive() error {
	want, r := x.route.body, x.Request
	x.call.ContentType = r.Header.Get("Content-Type")
	if x.call.ContentType == "" && r.ContentLength == 0 && want != mediaFHIR && want != mediaMessage {
		return nil // an action or a search may need no body
	}
	if !want.takes(x.call.ContentType) {
		return issue.Newf(issue.NotSupported, "media-type", "the body must be %s in UTF-8, and Content-Type must say so", want.wanted()).At("http.Content-Type")
	}
	body, err := readBody(x.Writer, r, x.Limits.Bytes)
	if err != nil {
		return unreadable(err, x.Limits.Bytes)
	}
	x.call.Body = body
	return nil
}

var (
	errTooLarge = errors.New("gateway: the body is over the limit")
	errEncoding = errors.New("gateway: unknown content encoding")
)

// readBody gives the whole body, decompressed. The limit holds for what was sent and
// for what comes of it, so that a small body cannot become a large one.
func readBody(w http.ResponseWriter, r *http.Request, limit int) ([]byte, error) {
	if r.ContentLength > int64(limit) {
		return nil, errTooLarge
	}
	sent := http.MaxBytesReader(w, r.Body, int64(limit))
	switch strings.ToLower(r.Header.Get("Content-Encoding")) {
	case "", "identity":
		if n := r.ContentLength; n >= 0 && n <= trusted {
			body := make([]byte, n)
			_, err := io.ReadFull(sent, body)
			return body, err
		}
		return io.ReadAll(sent)
	case "gzip", "x-gzip":
		return gunzip(sent, limit)
	}
	return nil, errEncoding
}

var gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}

func gunzip(sent io.Reader, limit int) ([]byte, error) {
	reader := gzipReaders.Get().(*gzip.Reader)
	defer gzipReaders.Put(reader)
	if err := reader.Reset(sent); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	n, err := body.ReadFrom(io.LimitReader(reader, int64(limit)+1))
	if n > int64(limit) {
		return nil, errTooLarge
	}
	return body.Bytes(), err
}

// unreadable makes an issue of what went wrong while a body was read.
func unreadable(err error, limit int) error {
	var corrupt flate.CorruptInputError
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, errTooLarge), errors.As(err, &large):
		return issue.Newf(issue.TooLong, "body-limit", "the body is too large; at most %d bytes are accepted, also after decompression", limit)
	case errors.Is(err, errEncoding):
		return issue.New(issue.NotSupported, "media-type", "the body may be compressed with gzip or not at all").At("http.Content-Encoding")
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return issue.New(issue.Structure, "body-gzip", "the body is not what gzip makes").Because(err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return issue.New(issue.Structure, "body-incomplete", "the body ended before its announced length").Because(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return issue.New(issue.Timeout, "body-timeout", "the body did not arrive in time").Because(err)
	}
	// such as a chunk whose length is no number; net/http has no names for these
	return issue.New(issue.Structure, "body-unreadable", "the body cannot be read as it was sent").Because(err)
}
