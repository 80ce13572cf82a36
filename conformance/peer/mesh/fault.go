package mesh

import (
	"net/http"
	"net/http/httptest"
	"strings"
)

// Fault is one way to misbehave, for the next calls that it fits.
type Fault struct {
	Method string // "" for all
	Path   string // a part of the path, "" for all
	Times  int    // how often, 1 when 0

	Late   bool            // do what was asked, and then misbehave
	Until  <-chan struct{} // answer only when it is closed, or the caller is gone
	Status int             // answer so
	Body   string          // with this body
	Drop   bool            // end the connection without an answer
	Half   bool            // end it in the middle of the answer
}

// Misbehave has the exchange do so once for each fault, in their order.
func (x *Exchange) Misbehave(list ...Fault) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range list {
		f.Times = max(f.Times, 1)
		x.faults = append(x.faults, &f)
	}
}

func (x *Exchange) faultFor(r *http.Request) *Fault {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range x.faults {
		if f.Times > 0 && (f.Method == "" || f.Method == r.Method) && strings.Contains(r.URL.Path, f.Path) {
			f.Times--
			return f
		}
	}
	return nil
}

func (f *Fault) serve(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	answer := httptest.NewRecorder()
	if f.Late || f.Half || f.Until != nil && f.Status == 0 && !f.Drop {
		serve(answer, r)
	}
	if f.Until != nil {
		select {
		case <-f.Until:
		case <-r.Context().Done():
		}
	}
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler)
	case f.Half:
		copyHeader(w, answer)
		w.Header().Set("Content-Length", "1000000")
		w.WriteHeader(answer.Code)
		body := answer.Body.Bytes()
		_, _ = w.Write(body[:len(body)/2]) // it is cut anyway
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body)) // a caller that is gone needs no answer
	default:
		copyHeader(w, answer)
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // as above
	}
}

func copyHeader(w http.ResponseWriter, from *httptest.ResponseRecorder) {
	for name, values := range from.Header() {
		w.Header()[name] = values
	}
}
