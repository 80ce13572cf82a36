package gateway

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
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
	organisation := ""
	if p := x.call.Principal; p != nil && len(p.Organisations) == 1 {
		organisation = p.Organisations[0]
	}
	d, err := x.Conversions.Recognise(organisation, x.arrival(root, operation))
	if err != nil {
		return err
	}
	x.call.Dialect = d.Recognition.Name
	x.Writer.Header().Set(headerDialect, x.call.Dialect)
	return nil
}
