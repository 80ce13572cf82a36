package mesh

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// ServeHTTP answers a call.
func (x *Exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f := x.faultFor(r); f != nil {
		f.serve(w, r, x.serve)
		return
	}
	x.serve(w, r)
}

// reply is an answer: a rule that was broken, or a success.
type reply struct {
	status int
	broken string // our words for the test, "" for a success
	event  string // of an error
	code   string
	words  string
	id     string // of a message
	json   any
	header map[string]string
	body   []byte
	then   func()
}

func refused(status int, broken, event, code, words string) reply {
	return reply{status: status, broken: broken, event: event, code: code, words: words}
}

func (x *Exchange) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller is gone
	}
	version := 1
	if strings.Contains(r.Header.Get("Accept"), "application/vnd.mesh.v2+json") {
		version = 2
	}
	x.mu.Lock()
	a := x.route(r, body, version)
	x.calls[r.Method]++
	if a.broken != "" {
		x.refused = append(x.refused, strconv.Itoa(a.status)+" "+a.broken)
	}
	x.mu.Unlock()
	// a practice may answer before the sender knows that it has the message
	if a.then != nil {
		a.then()
	}
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	if a.broken != "" {
		if version == 2 {
			a.json = map[string]any{"message_id": a.id, "detail": []any{map[string]any{"event": a.event, "code": a.code, "msg": a.words}}}
		} else {
			a.json = map[string]any{"messageID": a.id, "errorEvent": a.event, "errorCode": a.code, "errorDescription": a.words}
		}
		if a.status == http.StatusForbidden || a.code == "" {
			a.json = nil
		}
	}
	if a.json != nil {
		a.body, _ = json.Marshal(a.json) // maps of texts and numbers
		w.Header().Set("Content-Type", "application/vnd.mesh.v"+strconv.Itoa(version)+"+json")
	}
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.body) // a caller that is gone needs no answer
	}
}

// route finds what a call asks for. The lock is held.
func (x *Exchange) route(r *http.Request, body []byte, version int) reply {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/messageexchange/")
	if !ok {
		return refused(http.StatusNotFound, "an address that is none", "", "", "")
	}
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i], _ = url.PathUnescape(parts[i]) // the server has checked it
	}
	named := parts[0]
	if named == "endpointlookup" {
		named = ""
	}
	caller, broken := x.authorised(r, named)
	if broken != "" {
		return refused(http.StatusForbidden, broken, "", "", "")
	}
	b := x.boxes[caller]
	is := func(method string, shape ...string) bool {
		if r.Method != method || len(shape) != len(parts) {
			return false
		}
		for i, s := range shape {
			if s != "" && parts[i] != s {
				return false
			}
		}
		return true
	}
	switch {
	case is("GET", "endpointlookup", "", ""):
		return x.lookup(parts[1], parts[2], version)
	case is("POST", ""):
		return b.handshake(r)
	case is("POST", "", "outbox"):
		return x.send(b, r, body, version)
	case is("GET", "", "outbox", "tracking"):
		return x.track(b, r.URL.Query().Get("messageID"))
	case is("POST", "", "outbox", "", ""):
		return x.chunk(b, r, parts[2], parts[3], body)
	case is("GET", "", "inbox"):
		return x.inbox(b, r, version)
	case is("GET", "", "inbox", ""), is("HEAD", "", "inbox", ""):
		return x.collect(b, parts[2], "1")
	case is("GET", "", "inbox", "", ""):
		return x.collect(b, parts[2], parts[3])
	case is("PUT", "", "inbox", "", "status", "acknowledged"):
		return x.acknowledge(b, parts[2])
	}
	return refused(http.StatusNotFound, "no such call", "", "", "")
}

func (b *box) handshake(r *http.Request) reply {
	for _, name := range []string{"mex-ClientVersion", "mex-OSName", "mex-OSVersion"} {
		if r.Header.Get(name) == "" {
			return refused(http.StatusBadRequest, "a handshake has "+name, "TRANSFER", "06", "MalformedControlFile")
		}
	}
	b.handshakes++
	return reply{status: http.StatusOK, json: map[string]any{"mailboxId": b.ID}}
}

func (x *Exchange) lookup(ods, workflow string, version int) reply {
	list := []any{}
	for _, b := range x.boxes {
		if b.ODS == ods && b.takes(workflow) {
			if version == 2 {
				list = append(list, map[string]any{"mailbox_id": b.ID, "mailbox_name": "Mailbox of " + b.ODS})
			} else {
				list = append(list, map[string]any{"address": b.ID, "description": "Mailbox of " + b.ODS, "endpoint_type": "MESH"})
			}
		}
	}
	return reply{status: http.StatusOK, json: map[string]any{"query_id": "q", "results": list}}
}

func unpacked(body []byte, encoding string) []byte {
	if encoding != "gzip" {
		return body
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	out, err := io.ReadAll(r)
	if err != nil {
		return nil
	}
	return out
}
