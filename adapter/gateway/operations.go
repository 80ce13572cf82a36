package gateway

import (
	"context"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// Operations is what the gateway asks of the domain: the methods of
// referral.Service and the tables that say what is stored, created and searched. They are
// functions so that a test replaces just the one it is about.
type Operations struct {
	Submit      func(ctx context.Context, c referral.Call, root *fhir.Node) (*referral.Response, error)
	Read        func(ctx context.Context, c referral.Call, resourceType, id string) (*referral.Version, error)
	ReadVersion func(ctx context.Context, c referral.Call, resourceType, id string, number int) (*referral.Version, error)
	History     func(ctx context.Context, c referral.Call, resourceType, id string, p referral.Page) (referral.Found, error)
	Search      func(ctx context.Context, c referral.Call, q referral.Query) (referral.Found, error)
	Worklist    func(ctx context.Context, c referral.Call, f referral.Filter) ([]referral.View, string, error)
	View        func(ctx context.Context, c referral.Call, id string) (*referral.View, error)
	Act         func(ctx context.Context, c referral.Call, id, action string, version int, in referral.Input) (*referral.View, error)
	Refused     func(ctx context.Context, c referral.Call, interaction, entity string, err error) error

	ResourceTypes func() []string
	CreateTypes   func() []string
	SearchParams  func(resourceType string) []referral.SearchParam
}

// OperationsOf gives the operations of a service.
func OperationsOf(s *referral.Service) Operations {
	return Operations{
		Submit: s.Submit, Read: s.Read, ReadVersion: s.ReadVersion, History: s.History, Search: s.Search,
		Worklist: s.Worklist, View: s.View, Act: s.Act, Refused: s.Refused,
		ResourceTypes: referral.ResourceTypes, CreateTypes: referral.CreateTypes, SearchParams: referral.SearchParams,
	}
}
