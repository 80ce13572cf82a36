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
	Submit        func(ctx context.Context, c referral.Call, root *fhir.Node) (*referral.Response, error)
	Processed     func(ctx context.Context, c referral.Call) error
	Revoke        func(ctx context.Context, c referral.Call, r referral.Revocation) (*referral.Response, error)
	Read          func(ctx context.Context, c referral.Call, resourceType, id string) (*referral.Version, error)
	ReadVersion   func(ctx context.Context, c referral.Call, resourceType, id string, number int) (*referral.Version, error)
	History       func(ctx context.Context, c referral.Call, resourceType, id string, p referral.Page) (referral.Found, error)
	Search        func(ctx context.Context, c referral.Call, q referral.Query) (referral.Found, error)
	Worklist      func(ctx context.Context, c referral.Call, f referral.Filter) ([]referral.View, string, error)
	View          func(ctx context.Context, c referral.Call, id string) (*referral.View, error)
	Summary       func(ctx context.Context, c referral.Call, id, form string) ([]byte, int, error)
	Act           func(ctx context.Context, c referral.Call, id, action string, version int, in referral.Input) (*referral.View, error)
	AddNote       func(ctx context.Context, c referral.Call, id string, version int, in referral.NoteInput) (*referral.View, error)
	AddAttachment func(ctx context.Context, c referral.Call, id string, version int, in referral.AttachmentInput) (*referral.View, error)
	SetSharing    func(ctx context.Context, c referral.Call, id string, version int, in referral.SharingInput) (*referral.View, error)
	Activities    func(ctx context.Context, c referral.Call, open referral.Wanted, p referral.Page) ([]referral.ActivityView, string, error)
	Activity      func(ctx context.Context, c referral.Call, id string) (*referral.ActivityView, error)
	ActActivity   func(ctx context.Context, c referral.Call, id, action string, version int, in referral.Input) (*referral.ActivityView, error)
	Update        func(ctx context.Context, c referral.Call, resourceType, id string, version int, root *fhir.Node) (*referral.Updated, error)
	Inform        func(ctx context.Context, c referral.Call, in referral.FactsInput) (*referral.Informed, error)
	Ledger        func(ctx context.Context, c referral.Call, q referral.LedgerQuery) (*referral.Ledger, error)
	Refused       func(ctx context.Context, c referral.Call, interaction, entity string, err error) error
	Accessed      func(ctx context.Context, c referral.Call, interaction, action, entity string) error

	EventOperations // offered where Follow is given

	ResourceTypes func() []string
	CreateTypes   func() []string
	UpdateTypes   func() []string
	SearchParams  func(resourceType string) []referral.SearchParam
}

// OperationsOf gives the operations of a service.
func OperationsOf(s *referral.Service) Operations {
	return Operations{
		Submit: s.Submit, Processed: s.Processed, Revoke: s.Revoke, Read: s.Read, ReadVersion: s.ReadVersion, History: s.History, Search: s.Search,
		Worklist: s.Worklist, View: s.View, Summary: s.Summary, Act: s.Act, AddNote: s.AddNote, AddAttachment: s.AddAttachment, SetSharing: s.SetSharing, Activities: s.Activities, Activity: s.Activity, ActActivity: s.ActActivity, Update: s.Update, Ledger: s.Ledger, Inform: s.Inform, Refused: s.Refused, Accessed: s.Accessed,
		EventOperations: EventOperations{
			Follow: s.Follow, CreateWebhook: s.CreateWebhook, Webhooks: s.Webhooks, Webhook: s.Webhook, ChangeWebhook: s.ChangeWebhook,
			RemoveWebhook: s.RemoveWebhook, PauseWebhook: s.PauseWebhook, ResumeWebhook: s.ResumeWebhook, RotateSecret: s.RotateSecret,
			TestWebhook: s.TestWebhook, Notices: s.Notices, Notice: s.Notice, ReplayNotice: s.ReplayNotice,
			CreateSubscription: s.CreateSubscription, Subscription: s.Subscription, UpdateSubscription: s.UpdateSubscription,
			RemoveSubscription: s.RemoveSubscription, Subscriptions: s.Subscriptions, SubscriptionStatus: s.SubscriptionStatus,
			SubscriptionEvents: s.SubscriptionEvents,
		},
		ResourceTypes: referral.ResourceTypes, CreateTypes: referral.CreateTypes, UpdateTypes: referral.UpdateTypes, SearchParams: referral.SearchParams,
	}
}

// EventOperations are what the gateway asks of the domain about events and those who
// are told of them.
type EventOperations struct {
	Follow func(c referral.Call, organisation string, after int64) (*referral.Follower, error)

	CreateWebhook func(ctx context.Context, c referral.Call, in referral.WebhookInput) (*referral.Webhook, error)
	Webhooks      func(ctx context.Context, c referral.Call, organisation string, p referral.Page) ([]referral.Webhook, string, error)
	Webhook       func(ctx context.Context, c referral.Call, id string) (*referral.Webhook, error)
	ChangeWebhook func(ctx context.Context, c referral.Call, id string, version int, in referral.WebhookInput) (*referral.Webhook, error)
	RemoveWebhook func(ctx context.Context, c referral.Call, id string) error
	PauseWebhook  func(ctx context.Context, c referral.Call, id string) (*referral.Webhook, error)
	ResumeWebhook func(ctx context.Context, c referral.Call, id string) (*referral.Webhook, error)
	RotateSecret  func(ctx context.Context, c referral.Call, id string, in referral.Rotation) (*referral.Webhook, error)
	TestWebhook   func(ctx context.Context, c referral.Call, id string) (*referral.Notice, error)
	Notices       func(ctx context.Context, c referral.Call, id string, state referral.DeliveryState, p referral.Page) ([]referral.Notice, string, error)
	Notice        func(ctx context.Context, c referral.Call, id, delivery string) (*referral.Notice, error)
	ReplayNotice  func(ctx context.Context, c referral.Call, id, delivery string) (*referral.Notice, error)

	CreateSubscription func(ctx context.Context, c referral.Call, root *fhir.Node) (*referral.Version, error)
	Subscription       func(ctx context.Context, c referral.Call, id string) (*referral.Version, error)
	UpdateSubscription func(ctx context.Context, c referral.Call, id string, version int, root *fhir.Node) (*referral.Version, error)
	RemoveSubscription func(ctx context.Context, c referral.Call, id string) error
	Subscriptions      func(ctx context.Context, c referral.Call, f referral.SubscriptionFilter) ([]referral.Version, error)
	SubscriptionStatus func(ctx context.Context, c referral.Call, f referral.SubscriptionFilter) ([]referral.Version, error)
	SubscriptionEvents func(ctx context.Context, c referral.Call, id string, from, to int64, content string) ([]byte, error)
}
