package mesh

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

func (x *Exchange) inbox(b *box, r *http.Request, version int) reply {
	page := x.config.Page
	query := r.URL.Query()
	if most, err := strconv.Atoi(query.Get("max_results")); err == nil && most > 0 {
		page = min(page, most)
	}
	list := x.waiting(b.ID)
	all := len(list)
	after := query.Get("continue_from")
	for after != "" && len(list) > 0 && list[0] <= after {
		list = list[1:]
	}
	links := map[string]any{"self": "/messageexchange/" + b.ID + "/inbox"}
	if len(list) > page {
		list = list[:page]
		links["next"] = "/messageexchange/" + b.ID + "/inbox?" + url.Values{"continue_from": {list[page-1]}, "max_results": {strconv.Itoa(page)}}.Encode()
	}
	if version == 1 {
		return reply{status: http.StatusOK, json: map[string]any{"messages": list}}
	}
	return reply{status: http.StatusOK, json: map[string]any{"messages": list, "links": links, "approx_inbox_count": all}}
}

// collect gives a chunk, or the whole of a message. The lock is held.
func (x *Exchange) collect(b *box, id, number string) reply {
	m := x.messages[id]
	switch {
	case m == nil || m.State == "uploading":
		return unknown(id)
	case m.To != b.ID:
		return refused(http.StatusForbidden, "the message is for another", "", "", "")
	case m.State != "accepted":
		return refused(http.StatusGone, "the message was acknowledged", "SEND", "Message already accepted", "Message no longer available for download")
	}
	h := map[string]string{"mex-From": m.From, "mex-To": m.To, "mex-WorkflowID": m.Workflow, "mex-LocalID": m.LocalID, "mex-Subject": m.Subject,
		"mex-FileName": m.FileName, "mex-MessageID": m.ID, "mex-Version": "1.0", "mex-AddressType": "ALL"}
	for name, value := range h {
		if value == "" {
			delete(h, name)
		}
	}
	if m.Report {
		h["mex-MessageType"], h["mex-LinkedMsgID"], h["mex-StatusCode"] = "REPORT", m.Linked, m.Code
		h["mex-StatusEvent"], h["mex-StatusDescription"], h["mex-StatusSuccess"] = "SEND", m.Says, "ERROR"
		return reply{status: http.StatusOK, header: h}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(m.Chunks) {
		return unknown(id)
	}
	h["mex-MessageType"], h["mex-StatusCode"], h["mex-StatusEvent"], h["mex-StatusSuccess"] = "DATA", "00", "TRANSFER", "SUCCESS"
	h["mex-Chunk-Range"] = fmt.Sprintf("%d:%d", n, len(m.Chunks))
	h["Content-Type"] = "application/octet-stream"
	if m.Encoding != "" {
		h["Content-Encoding"], h["mex-Content-Compressed"] = m.Encoding, "Y"
	}
	status := http.StatusOK
	if n < len(m.Chunks) {
		status = http.StatusPartialContent
	}
	return reply{status: status, header: h, body: m.Chunks[n-1]}
}

func (x *Exchange) acknowledge(b *box, id string) reply {
	m := x.messages[id]
	switch {
	case m == nil:
		return unknown(id)
	case m.To != b.ID:
		return refused(http.StatusForbidden, "the message is for another", "", "", "")
	}
	if m.State == "accepted" {
		m.State = "acknowledged"
	}
	return reply{status: http.StatusOK, json: map[string]any{"messageId": id}}
}
