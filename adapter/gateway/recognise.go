package gateway

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

// headerDialect tells the sender as which dialect its message was read.
const headerDialect = "X-Referral-Dialect"

// tellsDialect reports whether a header tells of a dialect, by its name in lower case: those of
// the NHS API platform, of the Booking and Referral Standard and of the Spine.
func tellsDialect(name string) bool {
	return name == "use-context" || strings.HasPrefix(name, "nhsd-") || strings.HasPrefix(name, "ssp-")
}

// arrival is a message with what the way it came says of it.
func (x *exchange) arrival(root *fhir.Node, operation string) mapping.Arrival {
	a := mapping.Arrival{Root: root, Version: "4.0", Operation: operation}
	if root.System() == fhir.Types(fhir.STU3) {
		a.Version = "3.0"
	}
	for name := range x.Request.Header {
		if name = strings.ToLower(name); tellsDialect(name) {
			a.Headers = append(a.Headers, name)
		}
	}
	slices.Sort(a.Headers)
	return a
}

// recognise finds the dialect of a message that is to be taken in, and says it to the sender.
// operation is what was invoked, "" for an interaction.
//
// Errors: not-supported (rule dialect-unknown), with what was recognised and what was missing.
func (x *exchange) recognise(root *fhir.Node, operation string) error {
	if x.Conversions == nil {
		return nil
	}
	d, err := x.Conversions.Recognise(x.mapped(), x.arrival(root, operation))
	if err != nil {
		return err
	}
	x.call.Dialect = d.Recognition.Name
	x.Writer.Header().Set(headerDialect, x.call.Dialect)
	return nil
}

// mapped is the organisation whose maps hold for the caller, "" for everybody's.
func (x *exchange) mapped() string {
	if p := x.call.Principal; p != nil && len(p.Organisations) == 1 {
		return p.Organisations[0]
	}
	return ""
}

// misplaced adds to the refusal of a message which dialect it looks like, with what was recognised
// and what was missing, where that is another than is taken at this address.
func (x *exchange) misplaced(root *fhir.Node, refused error) error {
	if x.Conversions == nil {
		return refused
	}
	return issue.Join(append(issue.All(refused), issue.All(x.Conversions.Elsewhere(x.mapped(), x.arrival(root, "")))...))
}
