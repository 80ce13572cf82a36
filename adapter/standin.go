package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// standIn is a GP clinical system for the demo and the tests: a FHIR R4 server that
// takes transactions of conditional updates and creates, keeps what it is sent, and
// can be told to fail. It is real HTTP on a loopback port.
//
//	GET  /fhir/{type}, ?identifier=system|value    what it holds of a type, in the order received
//	GET  /fhir/{type}/{id}                         one resource
//	POST /fhir                                     a transaction, all or nothing
//
// Source: http://hl7.org/fhir/R4/http.html#transaction, #ccreate and #cond-update.
type standIn struct {
	now      func() time.Time
	server   *http.Server
	listener net.Listener

	mu       sync.Mutex
	token    string             // the bearer demanded of a transaction, "" for none
	faults   []standInFault     // one for each transaction to come, then it is well again
	held     map[string]*gpItem // "Task/1"
	order    []string           // keys of held, in the order created
	ids      map[string]int     // the last id given, by resource type
	requests []standInRequest
}

// gpItem is one resource of the GP record, in its current version.
type gpItem struct {
	node    *fhir.Node
	content string // the bytes without id and meta, to tell a true update from a repeat
	version int
	updated time.Time
}

// standInFault is a way to fail once. The zero value is no fault.
type standInFault struct {
	Delay  time.Duration // wait before anything else
	Late   bool          // do the work first: the message arrives and only the answer is lost
	Status int           // answer with this status
	Header http.Header   // with Status
	Body   string        // with Status
	Drop   bool          // close the connection without an answer
	Half   bool          // close it after half of the answer
}

// standInRequest is one transaction as it came.
type standInRequest struct {
	ID, Correlation string // X-Request-ID, X-Correlation-ID
	Body            []byte
}

// startStandIn starts a stand-in on a free loopback port.
func startStandIn() (*standIn, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &standIn{now: time.Now, listener: listener, held: map[string]*gpItem{}, ids: map[string]int{}}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.server.Serve(listener) }() // ends with Close
	return s, nil
}

// URL is the FHIR base.
func (s *standIn) URL() string { return "http://" + s.listener.Addr().String() + "/fhir" }

// Close stops the server at once.
func (s *standIn) Close() { _ = s.server.Close() }

// demand makes it ask for a bearer token from now on, "" for none.
func (s *standIn) demand(token string) { s.locked(func() { s.token = token }) }

// fail makes the next transactions fail, one for each fault.
func (s *standIn) fail(faults ...standInFault) {
	s.locked(func() { s.faults = append(s.faults, faults...) })
}

// received gives the transactions so far, refused ones included, in order.
func (s *standIn) received() (list []standInRequest) {
	s.locked(func() { list = slices.Clone(s.requests) })
	return list
}

func (s *standIn) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(strings.TrimSuffix(r.URL.Path, "/"), "/fhir")
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	switch {
	case ok && path == "" && r.Method == http.MethodPost:
		s.transaction(w, r)
	case ok && path != "" && len(parts) <= 2 && r.Method == http.MethodGet:
		s.get(w, parts, r.URL.Query())
	default:
		gpRespond(w, http.StatusNotFound, gpOutcome(issue.New(issue.NotFound, "", "there is nothing at this address")))
	}
}

func (s *standIn) transaction(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 10<<20))
	if err != nil {
		return // the sender is gone
	}
	var fault standInFault
	var token string
	s.locked(func() {
		s.requests = append(s.requests, standInRequest{r.Header.Get("X-Request-ID"), r.Header.Get("X-Correlation-ID"), body})
		if token = s.token; len(s.faults) > 0 {
			fault, s.faults = s.faults[0], s.faults[1:]
		}
	})
	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
			return
		}
	}
	if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
		gpRespond(w, http.StatusUnauthorized, gpOutcome(issue.New(issue.Login, "", "a bearer token is demanded")))
		return
	}
	status, answer := http.StatusOK, []byte(nil)
	if fault.Late || fault.Status == 0 && !fault.Drop {
		if response, err := s.work(body); err != nil {
			status, answer = gpStatus(err), gpOutcome(err)
		} else {
			answer = fhir.Encode(response)
		}
	}
	switch {
	case fault.Drop:
		panic(http.ErrAbortHandler) // net/http's own way to cut a connection
	case fault.Status != 0:
		for name, values := range fault.Header {
			w.Header()[name] = values
		}
		gpRespond(w, fault.Status, []byte(fault.Body))
	case fault.Half:
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		gpRespond(w, status, answer[:len(answer)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		gpRespond(w, status, answer)
	}
}

func (s *standIn) work(body []byte) (*fhir.Node, error) {
	root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err == nil {
		err = fhir.Check(root)
	}
	if err != nil {
		return nil, err
	}
	if root.ResourceType() != "Bundle" || root.Text("type") != "transaction" {
		return nil, issue.New(issue.NotSupported, "", "only a transaction Bundle can be posted here")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transact(root)
}

// gpStep is what one entry of a transaction comes to.
type gpStep struct {
	entry *fhir.Node
	key   string // "Task/1"
	write bool   // create it, or give it a new version
}

// transact decides every entry before it keeps any, so that a transaction holds as a
// whole or not at all.
func (s *standIn) transact(root *fhir.Node) (*fhir.Node, error) {
	var steps []gpStep
	taken := map[string]bool{}  // resources that an entry is about
	keys := map[string]string{} // fullUrl → "Task/1"
	for _, entry := range root.All("entry") {
		method, address := entry.Text("request", "method"), entry.Text("request", "url")
		name, query, conditional := strings.Cut(address, "?")
		resource := entry.Child("resource")
		if method == "POST" {
			query = strings.TrimPrefix(entry.Text("request", "ifNoneExist"), "?")
			conditional = query != ""
		}
		if resource == nil || resource.ResourceType() != name || method != "POST" && !(method == "PUT" && conditional) {
			return nil, issue.New(issue.NotSupported, "", "an entry must be a create or a conditional update of its own type").At(entry.Path())
		}
		step := gpStep{entry: entry, write: true}
		if conditional {
			matches, err := s.match(name, query)
			switch {
			case err != nil:
				return nil, err
			case len(matches) > 1:
				return nil, issue.New(issue.MultipleMatches, "", "the condition of an entry fits several resources").At(entry.Path())
			case len(matches) == 1:
				step.key, step.write = matches[0], method == "PUT"
			}
		}
		if step.key == "" {
			s.ids[name]++ // a refused transaction leaves a gap, as servers do
			step.key = name + "/" + strconv.Itoa(s.ids[name])
		}
		if taken[step.key] {
			return nil, issue.New(issue.Invariant, "", "two entries are about the same resource").At(entry.Path())
		}
		taken[step.key] = true
		if url := entry.Text("fullUrl"); url != "" {
			keys[url] = step.key
		}
		steps = append(steps, step)
	}
	response := fhir.Types(fhir.R4).New("Bundle")
	response.Set("type", "transaction-response")
	now := s.now().UTC().Truncate(time.Millisecond)
	for _, step := range steps {
		status := "200 OK"
		if step.write && s.keep(step.key, step.entry.Child("resource"), keys, now) {
			status = "201 Created"
		}
		item := s.held[step.key]
		version := strconv.Itoa(item.version)
		r := response.Add("entry").Add("response")
		r.Set("status", status)
		r.Set("location", step.key+"/_history/"+version)
		r.Set("etag", `W/"`+version+`"`)
		r.Set("lastModified", item.updated.Format("2006-01-02T15:04:05.000Z07:00"))
	}
	return response, nil
}

// keep stores a resource under key, with references into the transaction led to where
// they now are. created is false for a new version, and for an update that says
// nothing new, which makes no version.
func (s *standIn) keep(key string, resource *fhir.Node, keys map[string]string, now time.Time) (created bool) {
	n := resource.Clone()
	n.Remove("id")
	n.Remove("meta")
	gpRewrite(n, keys)
	content := string(fhir.Encode(n))
	item := s.held[key]
	switch {
	case item == nil:
		created = true
		item = &gpItem{}
		s.held[key] = item
		s.order = append(s.order, key)
	case item.content == content:
		return false
	}
	item.node, item.content, item.version, item.updated = n, content, item.version+1, now
	_, id, _ := strings.Cut(key, "/")
	n.Set("id", id)
	meta := n.Add("meta")
	meta.Set("versionId", strconv.Itoa(item.version))
	meta.Set("lastUpdated", now.Format("2006-01-02T15:04:05.000Z07:00"))
	return created
}

func gpRewrite(n *fhir.Node, keys map[string]string) {
	if n.Type != nil && slices.Contains([]string{"uri", "url"}, n.Type.Name) || n.Name == "reference" && n.Kind == fhir.String {
		if key, ok := keys[n.Value]; ok {
			n.Value = key
		}
	}
	for _, c := range n.Children {
		gpRewrite(c, keys)
	}
}

// match finds the resources of a type by identifier=system|value, the one condition
// it knows, in the order created.
func (s *standIn) match(resourceType, query string) (keys []string, err error) {
	values, err := url.ParseQuery(query)
	if err != nil || len(values) > 1 || len(values) == 1 && len(values["identifier"]) != 1 {
		return nil, issue.New(issue.NotSupported, "", "the only condition known here is one identifier")
	}
	system, value, both := strings.Cut(values.Get("identifier"), "|")
	if !both {
		system, value = "", system
	}
	for _, key := range s.order {
		if !strings.HasPrefix(key, resourceType+"/") {
			continue
		}
		fits := len(values) == 0
		for _, i := range s.held[key].node.All("identifier") {
			fits = fits || i.Text("value") == value && (!both || i.Text("system") == system)
		}
		if fits {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func (s *standIn) get(w http.ResponseWriter, parts []string, query url.Values) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(parts) == 2 {
		if item := s.held[strings.Join(parts, "/")]; item != nil {
			w.Header().Set("ETag", fmt.Sprintf(`W/"%d"`, item.version))
			gpRespond(w, http.StatusOK, fhir.EncodeIndent(item.node))
			return
		}
		gpRespond(w, http.StatusNotFound, gpOutcome(issue.New(issue.NotFound, "", "there is no such resource")))
		return
	}
	keys, err := s.match(parts[0], query.Encode())
	if err != nil {
		gpRespond(w, gpStatus(err), gpOutcome(err))
		return
	}
	b := fhir.Types(fhir.R4).New("Bundle")
	b.Set("type", "searchset")
	b.Set("total", strconv.Itoa(len(keys)))
	for _, key := range keys {
		e := b.Add("entry")
		e.Set("fullUrl", s.URL()+"/"+key)
		e.Append("resource", s.held[key].node.Clone())
		e.Add("search").Set("mode", "match")
	}
	gpRespond(w, http.StatusOK, fhir.EncodeIndent(b))
}

func gpRespond(w http.ResponseWriter, status int, body []byte) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/fhir+json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a sender that is gone needs no answer
}

// gpStatus is the status of a refused transaction.
func gpStatus(err error) int {
	switch {
	case errors.Is(err, issue.MultipleMatches):
		return http.StatusPreconditionFailed
	case errors.Is(err, issue.NotSupported):
		return http.StatusUnprocessableEntity
	}
	return http.StatusBadRequest
}

func gpOutcome(err error) []byte {
	o := fhir.Types(fhir.R4).New("OperationOutcome")
	for _, e := range issue.All(err) {
		i := o.Add("issue")
		i.Set("severity", "error")
		i.Set("code", string(e.Type))
		i.Set("diagnostics", e.Details)
		i.Set("expression", e.Expression)
	}
	return fhir.Encode(o)
}
