package pds

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is what a Server does instead of a right answer, Times times (0 for ever).
type Fault struct {
	Status     int           // answers with it, and an OperationOutcome
	RetryAfter int           // seconds, with Status
	Delay      time.Duration // waits first
	Half       bool          // breaks off in the middle of the body
	Other      string        // answers with the person of this number, as if that were the one
	StaleETag  bool          // says that nothing changed, whatever was asked with
	Elsewhere  string        // redirects there
	Times      int
}

// Server is the stand-in. Its zero value is not usable: see New. Safe for concurrent use.
type Server struct {
	tokens *tokens

	mu       sync.Mutex
	persons  map[string]Person
	versions map[string]int
	faults   []Fault
	asked    map[string]int
	headers  []http.Header
}

// New makes a Server without persons. keys is the public JWK set of the client whose
// assertions it takes; nil demands no token.
func New(keys []byte, client string) *Server {
	return &Server{tokens: newTokens(keys, client), persons: map[string]Person{}, versions: map[string]int{}, asked: map[string]int{}}
}

// Put adds a person, or makes a new version of one.
func (s *Server) Put(p Person) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.persons[p.Number] = p
	s.versions[p.Number]++
}

// Fail adds a fault, after those that are to come.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// Mend ends all faults.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Asked counts how often a number was asked for.
func (s *Server) Asked(number string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[number]
}

// Headers are those of every request for a person, in order.
func (s *Server) Headers() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]http.Header{}, s.headers...)
}

// Revoke makes every token that was given out invalid.
func (s *Server) Revoke() { s.tokens.revoke() }

var patient = regexp.MustCompile(`/Patient/([^/]*)$`)

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/oauth2/token") {
		s.tokens.serve(w, r)
		return
	}
	m := patient.FindStringSubmatch(r.URL.Path)
	if m == nil || r.Method != http.MethodGet {
		refuse(w, http.StatusNotFound, "not-found", "UNSUPPORTED_SERVICE")
		return
	}
	for _, name := range []string{"X-Request-ID", "X-Correlation-ID"} {
		if v := r.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	number := m[1]
	s.mu.Lock()
	s.asked[number]++
	s.headers = append(s.headers, r.Header.Clone())
	fault := s.fault()
	p, known := s.persons[number]
	for known && p.ReplacedBy != "" {
		p, known = s.persons[p.ReplacedBy]
	}
	if fault.Other != "" {
		p, known = s.persons[fault.Other]
	}
	version := s.versions[p.Number]
	s.mu.Unlock()
	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
			return
		}
	}
	tag := `W/"` + strconv.Itoa(version) + `"`
	switch {
	case fault.Elsewhere != "":
		http.Redirect(w, r, fault.Elsewhere, http.StatusTemporaryRedirect)
	case fault.Status != 0:
		if fault.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(fault.RetryAfter))
		}
		refuse(w, fault.Status, "exception", "UNABLE_TO_CALL_SERVICE")
	case !s.tokens.good(r.Header.Get("Authorization")):
		refuse(w, http.StatusUnauthorized, "forbidden", "ACCESS_DENIED")
	case r.Header.Get("X-Request-ID") == "":
		refuse(w, http.StatusBadRequest, "structure", "MISSING_VALUE")
	case len(number) != 10:
		refuse(w, http.StatusBadRequest, "value", "INVALID_RESOURCE_ID")
	case !known:
		refuse(w, http.StatusNotFound, "not_found", "RESOURCE_NOT_FOUND")
	case p.Invalid:
		refuse(w, http.StatusNotFound, "not_found", "INVALIDATED_RESOURCE")
	case fault.StaleETag, r.Header.Get("If-None-Match") == tag && p.Number == number:
		w.WriteHeader(http.StatusNotModified)
	default:
		body, _ := json.Marshal(p.resource(version)) // maps and texts
		w.Header().Set("Content-Type", "application/fhir+json")
		w.Header().Set("ETag", tag)
		if fault.Half {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			body = body[:len(body)/2]
		}
		_, _ = w.Write(body) // a client that is gone is the client's business
	}
}

// fault is the one that is due, without effect when there is none.
func (s *Server) fault() Fault {
	if len(s.faults) == 0 {
		return Fault{}
	}
	f := s.faults[0]
	if f.Times > 0 {
		if s.faults[0].Times--; s.faults[0].Times == 0 {
			s.faults = s.faults[1:]
		}
	}
	return f
}

// refuse answers with an OperationOutcome as the API has it.
func refuse(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/fhir+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"resourceType": "OperationOutcome", "issue": []any{map[string]any{
		"severity": "error", "code": code, "details": map[string]any{"coding": []any{map[string]any{
			"system": "https://fhir.nhs.uk/R4/CodeSystem/Spine-ErrorOrWarningCode", "version": "1", "code": detail}}}}}})
}
