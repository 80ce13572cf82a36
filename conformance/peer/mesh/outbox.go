package mesh

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var control = regexp.MustCompile(`[\x00-\x1f\x7f]`)

// The forms that GP Connect demands of what goes to a practice.
// Source: GP Connect Send Document and Update Record, MESH headers.
var (
	addressForm = regexp.MustCompile(`^GPPROVIDER_\d{10}_\d{8}_.+$`)
	localForm   = regexp.MustCompile(`^[A-Z0-9]{3,12}$`)
	subjectForm = regexp.MustCompile(`^.+ for .+, NHS Number: \d{10}, seen at .+, ODS code: [A-Z0-9]{3,12}, version \d+$`)
	toPractices = []string{"GPCONNECT_SEND_DOCUMENT", "GPCONNECT_UPDATE_RECORD", "GPFED_CONSULT_REPORT"}
)

// send takes a message or the first chunk of one. The lock is held.
func (x *Exchange) send(b *box, r *http.Request, body []byte, version int) reply {
	h := r.Header
	malformed := func(broken string) reply {
		return refused(http.StatusBadRequest, broken, "TRANSFER", "06", "MalformedControlFile")
	}
	for name, most := range map[string]int{"mex-To": 100, "mex-WorkflowID": 300, "mex-LocalID": 300, "mex-Subject": 500, "mex-FileName": 300, "mex-Chunk-Range": 20} {
		if v := h.Get(name); control.MatchString(v) || len([]rune(v)) > most {
			return malformed(name + " is too long or has control characters")
		}
	}
	switch from, to, workflow := h.Get("mex-From"), h.Get("mex-To"), h.Get("mex-WorkflowID"); {
	case from != b.ID:
		return refused(http.StatusExpectationFailed, "mex-From is the mailbox of the sender", "SEND", "07", "Invalid From Address in the control file")
	case to == "":
		return refused(http.StatusExpectationFailed, "mex-To is missing", "SEND", "08", "TO_DTS missing")
	case workflow == "":
		return malformed("mex-WorkflowID is missing")
	case h.Get("mex-MessageType") != "" && h.Get("mex-MessageType") != "DATA":
		return refused(http.StatusExpectationFailed, "mex-MessageType is DATA", "SEND", "11", "Invalid Message Type for the transfer")
	case len(body) == 0:
		return refused(http.StatusExpectationFailed, "there is no body", "COLLECT", "02", "Data file is missing or inaccessible.")
	case len(body) > x.config.Chunk:
		return refused(http.StatusRequestEntityTooLarge, "the chunk is too large", "", "", "")
	}
	encoding := h.Get("Content-Encoding")
	if encoding != "" && (encoding != "gzip" || unpacked(body, encoding) == nil) {
		return refused(http.StatusUnprocessableEntity, "Content-Encoding is gzip or nothing", "", "", "")
	}
	n, total, ok := chunkRange(h.Get("mex-Chunk-Range"))
	if !ok || n != 1 {
		return refused(http.StatusExpectationFailed, "mex-Chunk-Range is 1:n", "SEND", "InvalidHeaderChunks", "Invalid chunk values sent in mex-Chunk-Range header")
	}
	m := Message{From: b.ID, Address: h.Get("mex-To"), Workflow: h.Get("mex-WorkflowID"), LocalID: h.Get("mex-LocalID"),
		Subject: h.Get("mex-Subject"), FileName: h.Get("mex-FileName"), Encoding: encoding, State: "uploading", Chunks: make([][]byte, total)}
	if toPractice(m.Workflow) {
		switch {
		case !strings.HasPrefix(m.Address, "GPPROVIDER_"): // a practice is found by the person
			return unregistered("a practice is addressed by GPPROVIDER_")
		case !addressForm.MatchString(m.Address) || !birthDate(m.Address):
			return malformed("mex-To is GPPROVIDER_<NHS number>_<DDMMYYYY>_<surname>")
		case !localForm.MatchString(m.LocalID):
			return malformed("mex-LocalID is the ODS code of the sender")
		case !subjectForm.MatchString(m.Subject):
			return malformed("mex-Subject names title, person, NHS number, place, ODS code and version")
		}
	} else if to := x.boxes[m.Address]; to == nil {
		return unregistered("the mailbox is not known")
	} else if m.To = to.ID; !to.takes(m.Workflow) {
		return refused(http.StatusExpectationFailed, "the workflow is not registered for the mailbox", "SEND", "17", "Workflow ID not registered for mailbox")
	}
	m.Chunks[0] = body
	id := x.add(m)
	a := reply{status: http.StatusAccepted, json: map[string]any{"messageID": id}}
	if version == 2 {
		a.json = map[string]any{"message_id": id}
	}
	if total == 1 {
		a.then = x.accepted(x.messages[id])
	}
	return a
}

func unregistered(broken string) reply {
	return refused(http.StatusExpectationFailed, broken, "SEND", "12", "Unregistered to address")
}

func toPractice(workflow string) bool {
	for _, w := range toPractices {
		if w == workflow {
			return true
		}
	}
	return false
}

func birthDate(address string) bool {
	_, err := time.Parse("02012006", strings.Split(address, "_")[2])
	return err == nil
}

// chunkRange reads "n:total"; nothing is one of one.
func chunkRange(text string) (n, total int, ok bool) {
	if text == "" {
		return 1, 1, true
	}
	a, b, found := strings.Cut(text, ":")
	n, err := strconv.Atoi(a)
	total, other := strconv.Atoi(b)
	return n, total, found && err == nil && other == nil && 0 < n && n <= total && total <= 1000
}

// chunk takes a further chunk. The lock is held.
func (x *Exchange) chunk(b *box, r *http.Request, id, number string, body []byte) reply {
	expectation := func(broken string) reply {
		a := refused(http.StatusExpectationFailed, broken, "SEND", "InvalidHeaderChunks", "Invalid chunk values sent in mex-Chunk-Range header")
		a.id = id
		return a
	}
	m := x.messages[id]
	switch {
	case m == nil:
		return unknown(id)
	case m.From != b.ID:
		return refused(http.StatusForbidden, "the message is another's", "", "", "")
	}
	n, total, ok := chunkRange(r.Header.Get("mex-Chunk-Range"))
	switch {
	case r.Header.Get("mex-Chunk-Range") == "" || !ok || strconv.Itoa(n) != number || total != len(m.Chunks):
		return expectation("mex-Chunk-Range names this chunk and as many as the first did")
	case m.State != "uploading":
		return refused(http.StatusLocked, "the message is whole", "", "", "")
	case r.Header.Get("Content-Encoding") != m.Encoding:
		return expectation("the encoding is not changed between chunks")
	case n == 1 || m.Chunks[n-2] == nil:
		return expectation("chunks come in order")
	case len(body) == 0 || len(body) > x.config.Chunk:
		return refused(http.StatusRequestEntityTooLarge, "the chunk is too large, or empty", "", "", "")
	case m.Encoding == "gzip" && unpacked(body, m.Encoding) == nil:
		return expectation("the chunk is no gzip")
	}
	m.Chunks[n-1] = body // the same one again replaces itself
	a := reply{status: http.StatusAccepted, json: map[string]any{"message_id": id, "block": fmt.Sprint(n)}}
	if n == total {
		a.then = x.accepted(m)
	}
	return a
}

func (x *Exchange) track(b *box, id string) reply {
	m := x.messages[id]
	if m == nil || m.From != b.ID {
		return unknown(id)
	}
	t := map[string]any{"message_id": m.ID, "local_id": m.LocalID, "workflow_id": m.Workflow, "filename": m.FileName, "recipient": m.To,
		"upload_timestamp": m.At.UTC().Format(time.RFC3339), "expiry_time": m.At.Add(x.config.Keep).UTC().Format(time.RFC3339),
		"status": m.State, "status_success": m.State != "error"}
	if to := x.boxes[m.To]; to != nil {
		t["recipient_ods_code"] = to.ODS
	}
	return reply{status: http.StatusOK, json: t}
}

func unknown(id string) reply {
	a := refused(http.StatusNotFound, "the message is not known", "RECEIVE", "20", "Message does not exist")
	a.id = id
	return a
}
