package mesh_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"spadapter/adapter/mesh"
	peer "spadapter/conformance/peer/mesh"
)

// formula is the code of TestAuthorizationIsTheFormula.
const formula = "91ce57d292b4afebc92a2b3d20abde0d40efea0139603571aaf57b5bee425923"

func gzipped(text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(text) // a Buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// A client that breaks a rule is refused, and told which: each case breaks one.
func TestTheStandInHoldsCallersToTheRules(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(h http.Header)
		path   string // after the mailbox, "/outbox" when empty
		body   string // "x" when empty, none when "-"
		status int
		code   string
	}{
		{name: "all in order", status: 202},
		{name: "another's address", change: func(h http.Header) { h.Set("mex-From", theirs) }, status: 417, code: "07"},
		{name: "no sender", change: func(h http.Header) { h.Del("mex-From") }, status: 417, code: "07"},
		{name: "no address", change: func(h http.Header) { h.Del("mex-To") }, status: 417, code: "08"},
		{name: "no workflow", change: func(h http.Header) { h.Del("mex-WorkflowID") }, status: 400, code: "06"},
		{name: "no data", body: "-", status: 417, code: "02"},
		{name: "a report", change: func(h http.Header) { h.Set("mex-MessageType", "REPORT") }, status: 417, code: "11"},
		{name: "chunk 2 first", change: func(h http.Header) { h.Set("mex-Chunk-Range", "2:2") }, status: 417, code: "InvalidHeaderChunks"},
		{name: "chunk 0", change: func(h http.Header) { h.Set("mex-Chunk-Range", "0:2") }, status: 417, code: "InvalidHeaderChunks"},
		{name: "no numbers", change: func(h http.Header) { h.Set("mex-Chunk-Range", "one") }, status: 417, code: "InvalidHeaderChunks"},
		{name: "too many chunks in one", change: func(h http.Header) { h.Set("mex-Chunk-Range", "1:0") }, status: 417, code: "InvalidHeaderChunks"},
		{name: "deflate", change: func(h http.Header) { h.Set("Content-Encoding", "deflate") }, status: 422},
		{name: "gzip that is none", change: func(h http.Header) { h.Set("Content-Encoding", "gzip") }, status: 422},
		{name: "a practice by mailbox", change: func(h http.Header) { h.Set("mex-To", theirs) }, status: 417, code: "12"},
		{name: "an address with dashes", change: func(h http.Header) { h.Set("mex-To", "GPPROVIDER_9990000018_1950-04-01_Synthetic") }, status: 400, code: "06"},
		{name: "year first", change: func(h http.Header) { h.Set("mex-To", "GPPROVIDER_9990000018_19500401_Synthetic") }, status: 400, code: "06"},
		{name: "no surname", change: func(h http.Header) { h.Set("mex-To", "GPPROVIDER_9990000018_01041950_") }, status: 400, code: "06"},
		{name: "a local id that is no ODS code", change: func(h http.Header) { h.Set("mex-LocalID", "one two") }, status: 400, code: "06"},
		{name: "a free subject", change: func(h http.Header) { h.Set("mex-Subject", "Outcome") }, status: 400, code: "06"},
		{name: "a subject too long", change: func(h http.Header) { h.Set("mex-Subject", strings.Repeat("x", 501)) }, status: 400, code: "06"},
		{name: "an unknown mailbox", change: func(h http.Header) { h.Set("mex-To", "X26NONE"); h.Set("mex-WorkflowID", "OTHER") }, status: 417, code: "12"},
		{name: "a workflow it does not take", change: func(h http.Header) { h.Set("mex-To", "X26OTHER"); h.Set("mex-WorkflowID", "ANOTHER") }, status: 417, code: "17"},
		{name: "a chunk of nothing", path: "/outbox/NONE/2", change: func(h http.Header) { h.Set("mex-Chunk-Range", "2:2") }, status: 404, code: "20"},
		{name: "an address that is none", path: "/outbox/x/y/z", status: 404},
	} {
		for _, version := range []string{"1", "2"} {
			x, _, client := exchange(t, peer.Config{})
			x.Register(peer.Mailbox{ID: "X26OTHER", Workflows: []string{"OTHER"}})
			h := http.Header{"Accept": {"application/vnd.mesh.v" + version + "+json"}}
			for name, value := range map[string]string{"mex-From": ours, "mex-To": toPractice().To, "mex-WorkflowID": document, "mex-LocalID": "A99901",
				"mex-Subject": subject, "mex-Chunk-Range": "1:1"} {
				h.Set(name, value)
			}
			if c.change != nil {
				c.change(h)
			}
			status, answer := call(t, client, http.MethodPost, "/messageexchange/"+ours+or(c.path, "/outbox"), h, strings.TrimPrefix(or(c.body, "x"), "-"))
			key := map[string]string{"1": `"errorCode":`, "2": `"code":`}[version]
			if status != c.status || c.code != "" && !strings.Contains(answer, key+`"`+c.code+`"`) {
				t.Errorf("%s, version %s: %d %s", c.name, version, status, answer)
			}
			if broken := len(x.Refused()) > 0; broken != (c.status >= 400) {
				t.Errorf("%s: refused %v", c.name, x.Refused())
			}
		}
	}
}

// Of the chunks after the first.
func TestTheStandInHoldsChunksToTheRules(t *testing.T) {
	for name, c := range map[string]struct {
		number, chunkRange, encoding string
		status                       int
	}{
		"in order":             {"2", "2:3", "gzip", 202},
		"another number":       {"2", "3:3", "gzip", 417},
		"another total":        {"2", "2:4", "gzip", 417},
		"no range":             {"2", "", "gzip", 417},
		"one left out":         {"3", "3:3", "gzip", 417},
		"the first again":      {"1", "1:3", "gzip", 417},
		"the encoding changed": {"2", "2:3", "", 417},
	} {
		x, _, client := exchange(t, peer.Config{})
		first := http.Header{}
		for name, value := range map[string]string{"mex-From": ours, "mex-To": toPractice().To, "mex-WorkflowID": document, "mex-LocalID": "A99901",
			"mex-Subject": subject, "mex-Chunk-Range": "1:3", "Content-Encoding": "gzip"} {
			first.Set(name, value)
		}
		if status, answer := call(t, client, http.MethodPost, "/messageexchange/"+ours+"/outbox", first, string(gzipped([]byte("x")))); status != 202 {
			t.Fatal(status, answer)
		}
		id := x.Messages(ours)[0].ID
		h := http.Header{}
		for name, value := range map[string]string{"mex-Chunk-Range": c.chunkRange, "Content-Encoding": c.encoding} {
			if value != "" {
				h.Set(name, value)
			}
		}
		if status, answer := call(t, client, http.MethodPost, "/messageexchange/"+ours+"/outbox/"+id+"/"+c.number, h, string(gzipped([]byte("y")))); status != c.status {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
}

// What belongs to another mailbox is forbidden, and what there is not is not found.
func TestTheStandInKeepsMailboxesApart(t *testing.T) {
	x, _, client := exchange(t, peer.Config{})
	id := x.Put(peer.Message{From: ours, To: theirs, Workflow: "W"}, []byte("x"))
	for path, want := range map[string]int{
		"GET /inbox/" + id: 403, "PUT /inbox/" + id + "/status/acknowledged": 403, "GET /inbox/NONE": 404, "PUT /inbox/NONE/status/acknowledged": 404,
		"GET /outbox/tracking?messageID=NONE": 404, "GET /outbox/tracking?messageID=" + id: 200, "GET /inbox": 200, "DELETE /inbox/" + id: 404,
	} {
		method, rest, _ := strings.Cut(path, " ")
		if status, answer := call(t, client, method, "/messageexchange/"+ours+rest, nil, ""); status != want {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	if status, _ := call(t, client, http.MethodGet, "/messageexchange/"+theirs+"/inbox", nil, ""); status != 403 {
		t.Errorf("the inbox of another: %d", status)
	}
}

// call makes a call that Client would not make, with its proof.
func call(t *testing.T, c *mesh.Client, method, path string, h http.Header, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range h {
		r.Header[name] = values
	}
	r.Header.Set("Authorization", mesh.Authorization(c.Mailbox, c.Password, c.SharedKey, uuid.NewString(), "0", at))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.String()
}

func or(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}
