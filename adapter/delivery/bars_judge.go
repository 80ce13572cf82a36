package delivery

import (
	"maps"
	"net/http"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// codesBaRS are the codes of http-error-codes without the prefix that says who found the
// fault (SEND_, PROXY_, REC_), with the status that each stands for. TOO_EARLY is in the
// guide and in no code system; SERVICE_UNAVAILABLE is how examples write UNAVAILABLE.
// Source: https://fhir.nhs.uk/CodeSystem/http-error-codes.
var codesBaRS = map[string]int{
	"BAD_REQUEST": 400, "UNAUTHORIZED": 401, "FORBIDDEN": 403, "NOT_FOUND": 404, "METHOD_NOT_ALLOWED": 405, "NOT_ACCEPTABLE": 406,
	"TIMEOUT": 408, "CONFLICT": 409, "UNSUPPORTED_MEDIA_TYPE": 415, "UNPROCESSABLE_ENTITY": 422, "TOO_EARLY": 425,
	"TOO_MANY_REQUESTS": 429, "SERVER_ERROR": 500, "NOT_IMPLEMENTED": 501, "UNAVAILABLE": 503, "SERVICE_UNAVAILABLE": 503,
}

// meaningsBaRS are those of every FHIR server but for three. 409 that is no duplicate says
// that the receiver's data changed, which another try does not undo. Of 404 and 405 the
// answer is an OperationOutcome, else they are never looked up here.
var meaningsBaRS = func() map[int]meaning {
	m := maps.Clone(meanings)
	m[404] = meaning{issue.NotFound, true, "the recipient does not know the request that the message answers"}
	m[405] = meaning{issue.NotSupported, true, "the recipient does not take messages"}
	m[409] = meaning{issue.Conflict, true, "the recipient's data changed in the meantime"}
	m[501] = meaning{issue.NotSupported, true, "the recipient does not offer this"}
	return m
}()

// passing are the statuses after which a sender tries again.
// Source: BaRS Core 1.1, "Transactional integrity".
func passing(status int) bool {
	return status == 408 || status == 425 || status == 429 || status == 503 || status == 504
}

// judgeBaRS says whether an answer to $process-message means delivered (nil).
//
// Only an answer that repeats both ids of the request is one to this message: a login
// page, a proxy's greeting and an answer to somebody else do not. What it says is classified
// by its status, then by its code without prefix. A receiver that sends the request back
// as its answer is believed when it repeats the ids, because a live one does so.
func judgeBaRS(a reply, sent http.Header) (refused bool, err error) {
	for _, name := range []string{"X-Request-ID", "X-Correlation-ID"} {
		if !strings.EqualFold(strings.TrimSpace(a.header.Get(name)), sent.Get(name)) {
			return false, issue.Newf(issue.Incomplete, "answer-not-mirrored",
				"the recipient's answer (status %d) does not repeat %s, so it may be the answer to something else", a.Status, name)
		}
	}
	told := worst(a.root)
	status := a.Status
	if status/100 == 2 {
		switch {
		case told != nil:
			status = http.StatusUnprocessableEntity // success that carries an error is a refusal in the wrong envelope
		case a.root == nil && !a.empty:
			return false, issue.New(issue.Exception, "answer-not-fhir", "the recipient answered success with something that is not FHIR JSON")
		default:
			return false, nil
		}
	}
	if told == nil {
		m := meant(a.Status)
		return false, issue.New(m.issue, "answer-"+strconv.Itoa(a.Status), m.words+"; it says no more")
	}
	m, ok := meaningsBaRS[status]
	if !ok {
		m = meant(status)
	}
	code := issue.Type(told.Text("code"))
	if status == http.StatusConflict && code == issue.Duplicate {
		return false, nil // an earlier try arrived
	}
	if code.Valid() {
		m.issue = code
	}
	m.final = m.final && !passing(status) && !passing(codeOfBaRS(told))
	e := issue.New(m.issue, "answer-"+strconv.Itoa(a.Status), sentence(m.words, location(told)))
	return m.final, e.With("%s %s", told.Text("diagnostics"), told.Text("details", "text"))
}

// codeOfBaRS is the status that the code of an issue stands for, 0 for none.
func codeOfBaRS(told *fhir.Node) int {
	for _, c := range told.Child("details").All("coding") {
		if !strings.EqualFold(c.Text("system"), "https://fhir.nhs.uk/CodeSystem/http-error-codes") {
			continue
		}
		code := strings.ToUpper(c.Text("code"))
		for _, prefix := range []string{"SEND_", "PROXY_", "REC_"} {
			code = strings.TrimPrefix(code, prefix)
		}
		if status := codesBaRS[code]; status != 0 {
			return status
		}
	}
	return 0
}
