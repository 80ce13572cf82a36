package gateway

import (
	"fmt"
	"strings"
)

// stated says for the CapabilityStatement what the limits are: R4 has no element for them but
// the documentation of the server.
// Source: http://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.rest.documentation.
func (g *gateway) stated() string {
	p := &g.Protection
	var list []string
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf("- "+format, args...)) }
	add("A body has at most %d bytes, also after decompression, %d levels of nesting and %d elements; a transaction or a batch has at most %d entries.", g.Limits.Bytes, g.Limits.Depth, g.Limits.Nodes, maxEntries)
	add("A query has at most %d characters and %d parameters, a search at most %d conditions with %d alternatives in all, and one step over a reference; an address has at most %d characters, a header %d fields.", maxQuery, maxParameters, maxConditions, maxAlternatives, maxURL, maxFields)
	add("A page has %d resources without _count, and at most %d.", pageDefault, pageMax)
	if p.Rate > 0 {
		add("A client may send %g requests a second in the long run and %d in one moment; each entry of a Bundle counts as one. Beyond that the answer is 429 with Retry-After.", p.Rate, p.Burst)
	}
	if p.ClientAtOnce > 0 {
		add("A client may have %d requests in work at the same time; more wait a moment, then the answer is 429.", p.ClientAtOnce)
	}
	if p.Timeout > 0 {
		add("A request is answered within %s once its body is here, else with 503 and Retry-After.", p.Timeout)
	}
	return "Limits:\n\n" + strings.Join(list, "\n") + "\n\nPast its limit a request is refused with the limit named, as too-costly, too-long or throttled."
}
