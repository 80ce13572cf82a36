package gateway

import (
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
	body, err := x.readBody()
	if err != nil {
		return unreadable(err, x.most())
	}
	x.call.Body = body
	return nil
}

// most is how many bytes the body may have, also after decompression.
func (x *exchange) most() int {
	if x.route.most > 0 {
		return min(x.route.most, x.Limits.Bytes)
	}
	return x.Limits.Bytes
}

var (
	errTooLarge = errors.New("gateway: the body is over the limit")
	errEncoding = errors.New("gateway: unknown content encoding")
)

// readBody gives the whole body, decompressed. The limit holds for what was sent and
// for what comes of it, so that a small body cannot become a large one.
func (x *exchange) readBody() ([]byte, error) {
	r, limit := x.Request, x.most()
	if r.ContentLength > int64(limit) {
		return nil, errTooLarge
	}
	sent := http.MaxBytesReader(x.Writer, r.Body, int64(limit))
	switch strings.ToLower(r.Header.Get("Content-Encoding")) {
	case "", "identity":
		return x.gather(sent, int(r.ContentLength))
	case "gzip", "x-gzip":
		reader := gzipReaders.Get().(*gzip.Reader)
		defer gzipReaders.Put(reader)
		if err := reader.Reset(sent); err != nil {
			return nil, err
		}
		return x.gather(reader, -1)
	}
	return nil, errEncoding
}

var gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}

// gather reads a body to its end and takes a place for it as it grows. length is -1 when
// it is not known.
func (x *exchange) gather(from io.Reader, length int) ([]byte, error) {
	limit := x.most()
	var body []byte
	for {
		size := min(max(2*cap(body), firstPiece), limit)
		if length >= 0 && (length <= trusted || length < size) {
			size = length
		}
		if err := x.admit(size-cap(body), size == length); err != nil {
			return nil, err
		}
		body = append(make([]byte, 0, size), body...)
		for len(body) < size {
			n, err := from.Read(body[len(body):size])
			body = body[:len(body)+n]
			switch {
			case err == io.EOF && len(body) < length:
				return nil, io.ErrUnexpectedEOF
			case err == io.EOF:
				x.place.settle(len(body))
				return body, nil
			case err != nil:
				return nil, err
			}
		}
		switch {
		case len(body) == length:
			return body, nil
		case size == limit:
			if n, err := io.ReadFull(from, make([]byte, 1)); n > 0 {
				return nil, errTooLarge
			} else if err != io.EOF {
				return nil, err
			}
			x.place.settle(len(body))
			return body, nil
		}
	}
}

// admit takes a place for n more bytes of the body. An entry of a batch needs none: its
// body is a part of that of the batch, and one that waited here would hold the batch's
// own place from those it waits for.
func (x *exchange) admit(n int, last bool) error {
	if x.reply != nil || n == 0 {
		return nil
	}
	x.place.of = x.admission
	return x.place.take(x.context(), n, last)
}

// unreadable makes an issue of what went wrong while a body was read.
func unreadable(err error, limit int) error {
	var corrupt flate.CorruptInputError
	var large *http.MaxBytesError
	var ours *issue.Error
	switch {
	case errors.As(err, &ours):
		return err
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
