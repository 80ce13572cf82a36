package delivery

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// meaning is what a status stands for when the partner says no more.
type meaning struct {
	issue issue.Type
	final bool // the message itself is refused
	words string
}

// meanings says of each status whether another try can help. What refuses the message
// is final. What refuses the caller (401, 403, 407) or the address (404 and 405
// without OperationOutcome, redirects) waits: people repair that within 72 hours, and
// the row need not be replayed by hand. A conflict waits too: servers answer 409 to a
// write that met another one.
var meanings = map[int]meaning{
	400: {issue.Invalid, true, "the recipient refused the message as malformed"},
	401: {issue.Login, false, "the recipient did not accept our login"},
	403: {issue.Forbidden, false, "the recipient does not allow us to send"},
	404: {issue.NotFound, true, "the recipient did not find what the message refers to"},
	405: {issue.NotSupported, true, "the recipient does not take transactions"},
	406: {issue.NotSupported, true, "the recipient does not answer in FHIR JSON"},
	407: {issue.Login, false, "the proxy did not accept our login"},
	408: {issue.Timeout, false, "the recipient did not read the message in time"},
	409: {issue.Conflict, false, "the message met a conflict at the recipient"},
	410: {issue.Deleted, true, "what the message refers to is gone at the recipient"},
	412: {issue.MultipleMatches, true, "a condition of the message does not hold at the recipient"},
	413: {issue.TooLong, true, "the message is too long for the recipient"},
	415: {issue.NotSupported, true, "the recipient does not take FHIR JSON"},
	421: {issue.Transient, false, "the recipient's server took the request for another's"},
	422: {issue.Processing, true, "the recipient refused the content of the message"},
	423: {issue.LockError, false, "the record is locked at the recipient"},
	425: {issue.LockError, false, "the recipient is still at work on an earlier try"},
	429: {issue.Throttled, false, "the recipient asks us to slow down"},
	500: {issue.Exception, false, "the recipient failed"},
	503: {issue.Transient, false, "the recipient is not available"},
	504: {issue.Timeout, false, "the recipient's server waited in vain for another"},
	507: {issue.NoStore, false, "the recipient has no room"},
}

// meant gives the meaning of a status, listed or not.
func meant(status int) meaning {
	if m, ok := meanings[status]; ok {
		return m
	}
	switch status / 100 {
	case 3:
		return meaning{issue.NotFound, false, "the recipient points to another address, which is not followed; correct the address among the partners"}
	case 4:
		return meaning{issue.Processing, true, "the recipient refused the message"}
	}
	return meaning{issue.Exception, false, "the recipient failed"}
}

// judge says whether the answer means delivered (nil). root is its body, nil when it
// was no FHIR JSON; sent is how many entries the transaction had, -1 when unknown.
//
// A status of 200 alone proves nothing: a login page, a proxy's greeting or an
// OperationOutcome comes with it too. Only a transaction-response with one good entry
// for each one sent does, or a 409 that says duplicate: an earlier try arrived.
func judge(status int, root *fhir.Node, sent int) (refused bool, err error) {
	if status/100 != 2 {
		return said(status, root, "")
	}
	switch {
	case root == nil:
		return false, issue.New(issue.Exception, "answer-not-fhir", "the recipient answered success with something that is not FHIR JSON")
	case root.ResourceType() == "OperationOutcome" && worst(root) != nil:
		// success that carries an error is a refusal in the wrong envelope
		return said(http.StatusUnprocessableEntity, root, "")
	case root.ResourceType() != "Bundle" || root.Text("type") != "transaction-response":
		return false, issue.New(issue.Exception, "answer-not-response", "the recipient answered success without a transaction-response, so what it did is not known")
	}
	list := root.All("entry")
	if sent >= 0 && len(list) != sent {
		return false, issue.Newf(issue.Incomplete, "answer-entries", "the recipient answered %d of %d entries", len(list), sent)
	}
	for i, entry := range list {
		place := "entry[" + strconv.Itoa(i) + "]"
		code, _, _ := strings.Cut(strings.TrimSpace(entry.Text("response", "status")), " ")
		status, convErr := strconv.Atoi(code)
		if convErr != nil || len(code) != 3 {
			return false, issue.Newf(issue.Incomplete, "answer-entries", "the recipient's answer has no status at %s", place)
		}
		if status/100 == 2 {
			continue
		}
		entryRefused, entryErr := said(status, entry.Descend("response", "outcome"), place)
		if entryErr == nil {
			continue
		}
		// a refusal outweighs what may be tried again; of equals the first is told
		if entryRefused {
			return true, entryErr
		}
		if err == nil {
			err = entryErr
		}
	}
	return false, err
}

// said joins what the status stands for with what the OperationOutcome, if it is one,
// says; nil when together they mean that the recipient has the message.
func said(status int, outcome *fhir.Node, place string) (refused bool, err error) {
	m := meant(status)
	told := worst(outcome)
	if told == nil {
		if status == http.StatusNotFound || status == http.StatusMethodNotAllowed {
			m = meaning{issue.NotFound, false, "there is no FHIR server at the recipient's address; correct it among the partners"}
		}
		return m.final, issue.New(m.issue, "answer-"+strconv.Itoa(status), sentence(m.words, place))
	}
	code := issue.Type(told.Text("code"))
	if (status == http.StatusConflict || status == http.StatusPreconditionFailed) && code == issue.Duplicate {
		return false, nil
	}
	if code.Valid() {
		m.issue = code
		m.final = m.final && !issue.Retryable(code)
	}
	if place == "" {
		place = location(told)
	}
	e := issue.New(m.issue, "answer-"+strconv.Itoa(status), sentence(m.words, place))
	return m.final, e.With("%s %s", told.Text("diagnostics"), told.Text("details", "text"))
}

func sentence(words, place string) string {
	if place == "" {
		return words
	}
	return words + ", at " + place
}

// worst is the first issue of an OperationOutcome that says duplicate, else the first
// that is an error or fatal, nil when there is none or outcome is something else.
func worst(outcome *fhir.Node) *fhir.Node {
	if outcome == nil || outcome.ResourceType() != "OperationOutcome" {
		return nil
	}
	var first *fhir.Node
	for _, i := range outcome.All("issue") {
		severity := issue.Severity(i.Text("severity"))
		if severity != issue.SeverityError && severity != issue.SeverityFatal {
			continue
		}
		if issue.Type(i.Text("code")) == issue.Duplicate {
			return i
		}
		if first == nil {
			first = i
		}
	}
	return first
}

// element is a plain path: names and indexes, so that no value can hide in it.
var element = regexp.MustCompile(`^[A-Za-z]+(\[\d{1,4}\])?(\.[A-Za-z]+(\[\d{1,4}\])?){0,12}$`)

// location is the element an issue names, "" when it names none or is not a plain path.
func location(told *fhir.Node) string {
	for _, name := range []string{"expression", "location"} {
		if path := told.Text(name); len(path) <= 120 && element.MatchString(path) {
			return path
		}
	}
	return ""
}
