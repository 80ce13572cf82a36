package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
)

// BaRS is what is offered of the Booking and Referral Standard. Social prescribing is no use
// case of it that is nationally assured; whatever is told of the offer says so.
// Source: BaRS guide 1.8.2 (Core 1.1.6, API 1.1.0).
type BaRS struct {
	Services       []string     // DoS service ids that messages may be for; at least one
	UseCases       []string     // codes of usecases-categories-bars that are taken, in any case
	Versions       []string     // versions of messages that are taken: "1" is every 1.x, "1.1" every 1.1.x
	NumberRequired bool         // refuses a referral of a person without NHS number
	UpdateActive   bool         // lets an update with the status active withdraw a cancellation that was asked for
	Definitions    []*fhir.Node // the MessageDefinitions that a message must fit; read only

	offered []*fhir.Node // Definitions with who and what they are offered for
	working inWork
}

// notAssured is said wherever the offer is described.
const notAssured = "Social prescribing is not a nationally assured use case of the Booking and Referral Standard (BaRS): agree the use case and the services with each partner."

// The systems of the standard.
// Source: package uk.nhsdigital.bars.r4 1.37.0.
const (
	barsPath       = fhirBase + "/$process-message"
	systemDoS      = "https://fhir.nhs.uk/Id/dos-service-id"
	systemEvent    = "https://fhir.nhs.uk/CodeSystem/message-events-bars"
	systemReason   = "https://fhir.nhs.uk/CodeSystem/message-reason-bars"
	systemCategory = "https://fhir.nhs.uk/CodeSystem/message-category-servicerequest"
	systemUseCase  = "https://fhir.nhs.uk/CodeSystem/usecases-categories-bars"
	profileMessage = "https://fhir.nhs.uk/StructureDefinition/BARSBundleMessage"
)

// processMessageOperation is $process-message of FHIR, as BaRS has it: always synchronous.
// Source: http://hl7.org/fhir/R4/messageheader-operation-process-message.html.
var processMessageOperation = &operation{
	name: "process-message", definition: "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message",
	notes: "Takes the messages of BaRS about referrals, as the body itself and always synchronously; async and response-url are not looked at. " + notAssured,
}

// barsRoutes lists what is offered of BaRS.
func (g *gateway) barsRoutes() []*route {
	if g.BaRS == nil {
		return nil
	}
	g.BaRS.offer()
	const definitions = fhirBase + "/MessageDefinition"
	return []*route{
		{method: http.MethodPost, path: barsPath, bars: true, interactions: []string{"operation"}, operation: processMessageOperation, roles: requesters, body: mediaFHIR, handle: processMessage},
		{method: http.MethodGet, path: definitions + "/:id", resource: "MessageDefinition", interactions: []string{"read"}, handle: readArtefact},
		{method: http.MethodGet, path: definitions, resource: "MessageDefinition", interactions: []string{"search-type"}, handle: searchArtefacts},
		{method: http.MethodPost, path: definitions + "/_search", resource: "MessageDefinition", interactions: []string{"search-type"}, body: mediaForm, handle: searchArtefacts},
	}
}

// offer says in the definitions which services and use cases they are offered for.
func (b *BaRS) offer() {
	b.offered = nil
	for _, d := range b.Definitions {
		d = d.Clone()
		for _, c := range []struct {
			system string
			codes  []string
		}{{systemDoS, b.Services}, {systemUseCase, b.UseCases}} {
			for _, code := range c.codes {
				context := d.Add("useContext")
				kind := context.Add("code")
				kind.Set("system", "http://terminology.hl7.org/CodeSystem/usage-context-type")
				kind.Set("code", "workflow")
				coding := context.Add("valueCodeableConcept").Add("coding")
				coding.Set("system", c.system)
				coding.Set("code", code)
			}
		}
		b.offered = append(b.offered, d)
	}
}

// serves reports whether a target, system|value in one of its spellings, is one of ours.
func (b *BaRS) serves(target string) bool {
	system, value, ok := strings.Cut(target, "|")
	if !ok || !isDoS(system) {
		return false
	}
	for _, s := range b.Services {
		if s == strings.TrimSpace(value) {
			return true
		}
	}
	return false
}

// isDoS reports whether a system is that of the ids of the Directory of Services, in one of
// the spellings that are published.
func isDoS(system string) bool {
	return strings.EqualFold(strings.Replace(system, "http://", "https://", 1), systemDoS)
}

// takes reports whether a version is one that is taken.
func (b *BaRS) takes(version string) bool {
	for _, v := range b.Versions {
		if versionWithin(version, v) {
			return true
		}
	}
	return false
}

// takesMajor reports whether the major version of one is that of one that is taken.
func (b *BaRS) takesMajor(version string) bool {
	major, ok := numbers(version)
	if !ok {
		return false
	}
	for _, v := range b.Versions {
		if of, ok := numbers(v); ok && of[0] == major[0] {
			return true
		}
	}
	return false
}

// versionWithin reports whether a version is one that a shorter one stands for: 1.1.0 is within 1.1
// and 1. What follows a hyphen, as in 1.0.0-alpha, names an edition of it.
func versionWithin(version, of string) bool {
	have, ok := numbers(version)
	want, known := numbers(of)
	if !ok || !known || len(have) < len(want) {
		return false
	}
	for i := range want {
		if have[i] != want[i] {
			return false
		}
	}
	return true
}

// numbers takes a version apart. False when it is none.
func numbers(version string) ([]int, bool) {
	version, _, _ = strings.Cut(version, "-")
	var out []int
	for part := range strings.SplitSeq(version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}
