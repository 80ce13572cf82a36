package referral

import (
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// The profiles that messages are held to, by their canonicals; conformance/README.md
// says what each is for.
const (
	ProfileRequest      = canonical + "/StructureDefinition/sp-referral-request"
	ProfileObservation  = canonical + "/StructureDefinition/sp-referral-observation"
	ProfilePatient      = canonical + "/StructureDefinition/sp-referral-patient"
	ProfileOrganization = canonical + "/StructureDefinition/sp-referral-organization"
	ProfileReferral     = canonical + "/StructureDefinition/sp-referral-bundle"
	ProfileActivity     = canonical + "/StructureDefinition/sp-activity"
	ProfileQuestion     = canonical + "/StructureDefinition/sp-question"
	ProfileTask         = canonical + "/StructureDefinition/sp-task"
	ProfileOutcome      = canonical + "/StructureDefinition/sp-outcome-bundle"
	ProfileBaRSResponse = canonical + "/StructureDefinition/sp-bars-response"
)

// received are the profiles of what a sender may send. A type without one is held to
// the base standard alone.
var received = map[string]string{
	"ServiceRequest": ProfileRequest, "Observation": ProfileObservation, "Patient": ProfilePatient, "Organization": ProfileOrganization,
}

// ProfileOf is the canonical of the profile that a resource of a type must fit to be
// taken in; "" when it is held to the base standard alone.
func ProfileOf(resourceType string) string { return received[resourceType] }

// Profiles lists the canonicals of all profiles that a Service asks for.
func Profiles() []string {
	return []string{ProfileRequest, ProfileObservation, ProfilePatient, ProfileOrganization, ProfileReferral, ProfileTask, ProfileActivity, ProfileQuestion, ProfileOutcome, ProfileBaRSResponse}
}

// ProfileLetter is the canonical of the profile that a GP Connect message is held to, by the
// name of its outlet.
func ProfileLetter(outlet string) string { return canonical + "/StructureDefinition/sp-" + outlet }

// Letters lists the canonicals of the profiles of letters, which are of STU3.
func Letters() []string {
	return []string{ProfileLetter(ConnectionDocument), ProfileLetter(ConnectionRecord)}
}

// emits holds what this program made to a profile of its own: "the Task", "the
// write-back". What it made wrong is its own mistake or that of a map that was put in,
// never the caller's, so that nothing is stored or sent.
//
// Errors: exception, rule "emitted-invalid", one for each fault, with the rule and the
// place in its words and no value of the message.
func (s *Service) emits(what, profile string, n *fhir.Node) error {
	if s.Conforms == nil {
		return nil
	}
	var out []*issue.Error
	for _, e := range issue.All(issue.Failures(s.Conforms(profile, n))) {
		// e.Diagnostics may hold values of the person: they go no further
		out = append(out, issue.Newf(issue.Exception, "emitted-invalid", "%s that was made here does not fit the profile %s, so nothing was stored or sent; correct the map that makes it, or report this. %s (%s)",
			what, profile[strings.LastIndexByte(profile, '/')+1:], e.Details, e.Rule).At(e.Expression))
	}
	return issue.Join(out)
}
