package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

// Conversions gives the dialects that hold for an organisation, its own among them or in
// the place of everybody's. organisation is an ODS code in upper case, "" for everybody's.
type Conversions interface {
	Dialects(organisation string) []*mapping.Dialect // sorted by name
	Dialect(organisation, name string) *mapping.Dialect
	Recognise(organisation string, a mapping.Arrival) (*mapping.Dialect, error)
	Elsewhere(organisation string, a mapping.Arrival) error
	RecogniseDocument(organisation string, root *fhir.Node, chosen string) (*mapping.Dialect, *fhir.Node, []*issue.Error, error)
	Way(organisation string, d *mapping.Dialect) []*mapping.Dialect // what a message of it goes through, d first
}

// maxSteps bounds the trace in one answer, and the list of what was lost: a step takes
// about 500 bytes, and a message of a hundred entries some thousand steps.
const maxSteps = 10_000

// organisation is whose dialects hold: the one that was named, which must be the
// caller's, or the only one the caller speaks for. An operator may name any, and has
// everybody's without a name.
//
// Errors: required when the caller speaks for several; forbidden for another's.
func (x *exchange) organisation(in inputs) (string, error) {
	p := x.call.Principal
	g := in.one("organisation")
	switch {
	case g != nil:
		if p.Role != auth.RoleOperator && !p.SpeaksFor(g.text) {
			return "", g.fault(issue.Forbidden, "organisation", "your client is not registered for this organisation").With("the organisation is %.100q", g.text)
		}
		return strings.ToUpper(g.text), nil
	case len(p.Organisations) == 1:
		return p.Organisations[0], nil
	case len(p.Organisations) > 1 && p.Role != auth.RoleOperator:
		return "", issue.New(issue.Required, "organisation", "your client speaks for several organisations; say in organisation, with its ODS code, for which one the message is converted").At("Parameters.parameter")
	}
	return "", nil
}

// message is a resource that was given to be converted, read for the map that takes it.
type message struct {
	root  *fhir.Node
	bytes []byte // as it was sent
}

// message reads a given resource once more, in the FHIR version that the map takes. Its
// elements keep the lines and columns of the request, and are named from the resource on.
func (x *exchange) message(g *given, m *mapping.Map) (message, error) {
	system := sourceSystem(m)
	if g.whole && system == g.node.System() {
		return message{g.node, x.call.Body}, nil
	}
	root, err := g.node.Reread(system)
	if err != nil {
		return message{}, err
	}
	return message{root, []byte(root.Source())}, nil
}

// input is a message as a map takes it. Without an identity the organisation and the
// bytes make one, as they do when a message is taken in: the ids are the same then.
func (x *exchange) input(m message, in inputs, organisation string, trace bool) mapping.Input {
	identity := in.text("identity")
	if identity == "" {
		sum := sha256.Sum256(m.bytes)
		identity = organisation + "|" + hex.EncodeToString(sum[:])
	}
	return mapping.Input{Source: m.root, Identity: identity, Now: x.Now(), Trace: trace}
}

// makesNothing is the error for a map whose first group has no target.
func makesNothing() error {
	return issue.New(issue.NotSupported, "map-entry", "the first group of this map has no target; there is nothing to return")
}

// addResults appends what the transforms of one message made, where it comes from, and what was
// lost. What was cut is said first, because the last of many issues are not listed.
func (x *exchange) addResults(out outputs, results []*mapping.Result) {
	var issues []*issue.Error
	lost, left := false, maxSteps
	for _, result := range results {
		lost = lost || len(result.Unread) > 0
	}
	if !lost {
		issues = append(issues, issue.New(issue.Informational, "no-loss", "every element of the message was read by a rule; nothing was lost").Graded(issue.SeverityInformation))
	}
	for i, result := range results {
		if len(result.Trace) > left {
			result.Trace = result.Trace[:left]
			issues = append(issues, issue.Newf(issue.Informational, "trace-cut", "the trace is longer; only its first %d steps are listed", maxSteps).Graded(issue.SeverityInformation))
		}
		left -= len(result.Trace)
		if len(result.Unread) > maxSteps {
			result.Unread = result.Unread[:maxSteps]
			issues = append(issues, issue.Newf(issue.Informational, "unread-cut", "more elements were lost; only the first %d are listed", maxSteps).Graded(issue.SeverityInformation))
		}
		work := result.Parameters() // names the elements of the result from its root, so before it hangs
		if i == len(results)-1 {
			out.resource("return", result.Target)
		}
		for _, p := range work.All("parameter") {
			switch p.Text("name") {
			case "trace":
				out.Append("parameter", p)
			case "unread":
				if x.reply != nil || i > 0 { // lines and columns of a text that the sender never saw
					p.Children = slices.DeleteFunc(p.Children, func(part *fhir.Node) bool { name := part.Text("name"); return name == "line" || name == "column" })
				}
				out.Append("parameter", p)
			}
		}
		issues = append(issues, result.Issues...)
	}
	if x.reply != nil {
		issues = unplaced(issues)
	}
	out.resource("outcome", outcome(capped(issues)))
}

// sourceSystem is the type system of what a map takes, R4 where its first source has no
// type that can be told.
func sourceSystem(m *mapping.Map) *fhir.System {
	if types := m.Sources(); len(types) > 0 && types[0] != nil {
		return types[0].System()
	}
	return fhir.Types(fhir.R4)
}
