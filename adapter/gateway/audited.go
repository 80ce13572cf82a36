package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"spadapter/adapter/referral"
)

// maxAudited bounds the bytes of a query that the audit keeps.
const maxAudited = 2048

// audited is a query as the audit keeps it. A long one is cut, and the hash of the
// whole tells it from others that begin alike.
func audited(query string) string {
	if len(query) <= maxAudited {
		return query
	}
	sum := sha256.Sum256([]byte(query))
	mark := "…sha256:" + hex.EncodeToString(sum[:])
	return strings.ToValidUTF8(query[:maxAudited-len(mark)], "") + mark
}

// invoked is what the audit calls what was asked for: an interaction, or an operation with
// its dollar sign.
func (x *exchange) invoked() string {
	switch {
	case x.interaction != "":
		return x.interaction
	case x.route.operation != nil:
		return "$" + x.route.operation.name
	}
	return x.route.interactions[0]
}

// address is where the request comes from, as far as a proxy that is trusted says so.
func (x *exchange) address() string {
	if at := origin(x.Request, x.Protection.Proxies); at.IsValid() {
		return at.String()
	}
	return ""
}

// actions are what interactions do to data; the others, and operations, execute.
// Source: http://hl7.org/fhir/R4/valueset-audit-event-action.html.
var actions = map[string]string{"create": "C", "read": "R", "vread": "R", "update": "U", "patch": "U", "delete": "D"}

// access records the access, unless the domain has: that of an artefact, an operation on
// one, a batch beside its entries, or a wait for events in vain. What is open to
// everybody leaves no record.
func (x *exchange) access() error {
	if x.recorded.Load() || x.route.open || x.Operations.Accessed == nil {
		return nil
	}
	action, entity := actions[x.invoked()], x.entity
	if action == "" {
		action = "E"
	}
	if entity == "" {
		entity = x.route.resource
	}
	x.recorded.Store(true)
	return x.Operations.Accessed(x.context(), x.call, x.invoked(), action, entity)
}

// anonymousRecords is how many refusals of unknown callers are audited in a second.
const anonymousRecords = 20

// auditRoutes lists what is offered on the audit itself, which is not stored as resources.
func auditRoutes() []*route {
	const path, kind = fhirBase + "/" + referral.TypeAudit, referral.TypeAudit
	return []*route{
		{method: http.MethodGet, path: path + "/:id", resource: kind, letter: 'r', interactions: []string{"read"}, handle: read},
		{method: http.MethodGet, path: path, resource: kind, letter: 's', interactions: []string{"search-type"}, handle: search},
		{method: http.MethodPost, path: path + "/_search", resource: kind, letter: 's', interactions: []string{"search-type"}, body: mediaForm, handle: search},
	}
}
