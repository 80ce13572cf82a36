package referral

import (
	"context"

	"spadapter/adapter/fhir"
)

// Submit takes a message in: a transaction or batch Bundle, or one ServiceRequest,
// Observation, Patient, Practitioner, PractitionerRole or Organization to create.
// root was parsed from c.Body. The answer is durable when it returns; a repeat gets
// the stored answer of the first time, byte for byte. Response.Location is relative
// ("ServiceRequest/0190…/_history/1").
//
// Errors (all faults joined): structure, required, value, invariant from the checks;
// code-invalid, business-rule, not-supported from profiles and rules; forbidden when
// the sender is not one of the caller's organisations; conflict for a known key with
// other content (rule "repeat-differs"); multiple-matches for If-None-Exist.
func (s *Service) Submit(ctx context.Context, c Call, root *fhir.Node) (*Response, error) {
	panic("in work")
}

// Read gives the current version of a resource the caller may see.
// Errors: not-found, deleted.
func (s *Service) Read(ctx context.Context, c Call, resourceType, id string) (*Version, error) {
	panic("in work")
}

// ReadVersion gives one version of a resource. Errors: not-found, deleted.
func (s *Service) ReadVersion(ctx context.Context, c Call, resourceType, id string, number int) (*Version, error) {
	panic("in work")
}

// History gives the versions of a resource (id set) or of a type, newest first.
func (s *Service) History(ctx context.Context, c Call, resourceType, id string, p Page) (Found, error) {
	panic("in work")
}

// Search finds current resources. Errors: value for a bad cursor.
func (s *Service) Search(ctx context.Context, c Call, q Query) (Found, error) {
	panic("in work")
}

// Worklist gives the referrals the caller may see, oldest first, without timelines.
func (s *Service) Worklist(ctx context.Context, c Call, f Filter) (list []View, next string, err error) {
	panic("in work")
}

// View gives one referral with its timeline. Errors: not-found.
func (s *Service) View(ctx context.Context, c Call, id string) (*View, error) {
	panic("in work")
}

// Act makes a move of the life cycle. version is what If-Match named and must be the
// current one. The answer is the referral after the move.
//
// Errors: not-found; not-supported for an unknown action; conflict (rule
// "version-conflict") for a stale version; business-rule for an illegal move, naming
// the legal ones; forbidden for the wrong role; required and value for the input.
func (s *Service) Act(ctx context.Context, c Call, id, action string, version int, in Input) (*View, error) {
	panic("in work")
}

// Refused records a call that was answered with an error.
func (s *Service) Refused(ctx context.Context, c Call, interaction, entity string, err error) error {
	panic("in work")
}

// SearchParams lists what Search can find by for a resource type, in alphabetical
// order; nil for a type that cannot be searched.
func SearchParams(resourceType string) []SearchParam { panic("in work") }

// SearchParam is one search parameter that the CapabilityStatement offers.
type SearchParam struct {
	Name       string
	Kind       ParamKind
	Type       string // token, string, reference or date
	Definition string // canonical of the SearchParameter
	Targets    []string
}

// ResourceTypes lists the types that are stored, in alphabetical order.
func ResourceTypes() []string { panic("in work") }

// Service is the domain at work.
type Service struct{}
