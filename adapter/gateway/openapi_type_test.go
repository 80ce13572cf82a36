package gateway

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/directory"
	"spadapter/adapter/referral"
)

// goTypes says which Go type each schema of the document is of. A type of an answer has
// exactly the properties of its schema, and those that are always written are required; of
// a type that is read, required is what cannot be left out.
var goTypes = map[string]goType{
	"Problem": answers[problemDetails](), "ProblemError": answers[problemError](),
	"Referral": answers[referral.View](), "ReferralPage": answers[worklistPage](),
	"Received": answers[referral.Received](), "Remark": answers[referral.Remark](),
	"Party": answers[referral.Party](), "Person": answers[referral.Person](), "Need": answers[referral.Need](),
	"Finding": answers[referral.Finding](), "Note": answers[referral.Note](), "Action": answers[referral.Action](),
	"Step": answers[referral.Step](), "Links": answers[referral.Links](), "Attached": answers[referral.Attached](),
	"Concept": answers[referral.Concept](), "Detail": answers[referral.Detail](), "Withheld": answers[referral.Withheld](),
	"Identity": answers[referral.Identity](), "HumanName": answers[referral.HumanName](), "Address": answers[referral.Address](), "ContactPoint": answers[referral.ContactPoint](),
	"Practice": answers[referral.Practice](), "Referrer": answers[referral.Referrer](), "Relation": answers[referral.Relation](), "Carer": answers[referral.Carer](),
	"Statement": answers[referral.Statement](), "Attachment": answers[referral.Attachment](), "Answer": answers[referral.Answer](),
	"Requirements": answers[referral.Requirements](), "Communication": answers[referral.Communicate](), "PersonLanguage": answers[referral.Language](),
	"Safeguarding": answers[referral.Safeguarding](), "Consents": answers[referral.Consents](), "Consent": answers[referral.ConsentView](),
	"Other": answers[referral.Other](), "Withdrawn": answers[referral.Withdrawn](),
	"BulkPage": answers[bulkPage](), "BulkResult": answers[bulkResult](),
	"Activity": answers[referral.ActivityView](), "ActivityPage": answers[listPage[referral.ActivityView]](), "ActivityPerson": answers[referral.Contact](),
	"Ledger": answers[referral.Ledger](), "LedgerCursors": answers[referral.LedgerCursors](), "LedgerCount": answers[referral.LedgerCount](),
	"LedgerEntry": answers[referral.LedgerEntry](), "LedgerOutcome": answers[referral.LedgerOutcome](),
	"Event": answers[referral.Happening](), "EventData": answers[referral.HappeningData](), "EventActor": answers[referral.ActingParty](),
	"Webhook": answers[referral.Webhook](), "WebhookPage": answers[listPage[referral.Webhook]](),
	"Delivery": answers[referral.Notice](), "DeliveryPage": answers[listPage[referral.Notice]](), "DeliveryTry": answers[referral.NoticeTry](),
	"Service": answers[directory.View](), "ServicePage": answers[servicesPage](), "Code": answers[directory.Code](),
	"ServiceOrganisation": answers[directory.OrganisationView](), "ServiceLocation": answers[directory.LocationView](),
	"Schedule": answers[directory.ScheduleView](), "Cost": answers[directory.CostView](), "CostOption": answers[directory.CostOption](),
	"Language": answers[directory.Language](), "ServiceContact": answers[directory.Contact](), "Term": answers[directory.Term](),
	"Token": answers[auth.Grant](), "TokenRefusal": answers[refusedToken](), "SMARTConfiguration": answers[smartConfiguration](),
	"Feed": answers[directory.FeedView](), "Near": answers[directory.Near](), "Point": answers[directory.Point](),

	"Input": reads[referral.Input](), "Coded": reads[referral.Coded](), "Score": reads[referral.Score](), "Signpost": reads[referral.Signpost](),
	"ActivityInput": reads[referral.ActivityInput](), "Plan": reads[referral.Plan](), "Outcome": reads[referral.Outcome](),
	"NoteInput": reads[referral.NoteInput](), "AttachmentInput": reads[referral.AttachmentInput](), "SharingInput": reads[referral.SharingInput](), "ConsentInput": reads[referral.ConsentInput](),
	"BulkInput": reads[bulkBody](), "BulkItem": reads[bulkItem](),
	"WebhookInput": reads[referral.WebhookInput](), "Rotation": reads[referral.Rotation](), "Nothing": reads[struct{}](),
}

// goType is the Go type of a schema.
type goType struct {
	of   reflect.Type
	read bool // from requests; it may be written too
}

func answers[T any]() goType { return goType{reflect.TypeFor[T](), false} }
func reads[T any]() goType   { return goType{reflect.TypeFor[T](), true} }

// untyped are the schemas of what no Go type stands for.
var untyped = []string{
	"Status",                                                  // written as text by health
	"EventPage",                                               // written as text by eventsPage; the exchanges of the tests hold it
	"Followed",                                                // written as text where a referral is opened again or handed over
	"Begun", "NoteAdded", "AttachmentAdded", "SharingChanged", // data of events, whose types are referral's own; likewise
	"WebhookChange", // a WebhookInput, without what is set only when it is made
}

// optionalInput are the fields that are read, have no omitempty, and may be left out all
// the same.
var optionalInput = []string{"BulkItem.input", "WebhookInput.description", "WebhookInput.organisation", "Rotation.overlap"}

func TestOpenAPIHasTheTypes(t *testing.T) {
	schemas := complete(t).OpenAPI.root.at("components", "schemas")
	for _, name := range schemas.names {
		d, typed := goTypes[name]
		if !typed {
			if !slices.Contains(untyped, name) {
				t.Errorf("nothing says of which Go type the schema %s is", name)
			}
			continue
		}
		compared{t: t, schemas: schemas, read: d.read}.object(name, schemas.at(name), d.of)
		if closed := schemas.at(name).values["additionalProperties"] == false; closed != d.read {
			t.Errorf("%s allows other properties: %v; what is read refuses them, answers may get more", name, !closed)
		}
	}
	for name := range goTypes {
		if schemas.at(name) == nil {
			t.Errorf("there is no schema %s", name)
		}
	}
}

// compared is a schema that is held beside a Go type.
type compared struct {
	t       *testing.T
	schemas *ordered
	read    bool
}

// property is a member of a struct as encoding/json sees it.
type property struct {
	name  string
	typ   reflect.Type
	empty bool // omitempty
}

func properties(of reflect.Type) (out []property) {
	for i := range of.NumField() {
		f := of.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			out = append(out, properties(f.Type)...)
		case name == "-" || !f.IsExported():
		case name == "":
			out = append(out, property{name: f.Name, typ: f.Type})
		default:
			out = append(out, property{name, f.Type, strings.Contains(options, "omitempty")})
		}
	}
	return out
}

// object compares an object with a struct.
func (c compared) object(at string, schema *ordered, of reflect.Type) {
	c.t.Helper()
	var required []string
	list, _ := schema.values["required"].([]any)
	for _, name := range list {
		required = append(required, name.(string))
	}
	known := schema.at("properties").orEmpty()
	seen := map[string]bool{}
	for _, p := range properties(of) {
		seen[p.name] = true
		place := at + "." + p.name
		s := known.at(p.name)
		if s == nil {
			c.t.Errorf("%s is in %v, and not in the document", place, of)
			continue
		}
		want := !p.empty && !slices.Contains(optionalInput, place)
		if got := slices.Contains(required, p.name); got != want {
			c.t.Errorf("%s is required: %v, want %v", place, got, want)
		}
		pointer := p.typ.Kind() == reflect.Pointer
		typ := p.typ
		if pointer {
			typ = typ.Elem()
		}
		nullable := pointer && !p.empty && !c.read
		c.value(place, s, typ, nullable)
	}
	for _, name := range known.names {
		if !seen[name] {
			c.t.Errorf("%s.%s is in the document, and not in %v", at, name, of)
		}
	}
	for _, name := range required {
		if known.values[name] == nil {
			c.t.Errorf("%s requires %s, which is no property", at, name)
		}
	}
}

// value compares a schema with the type of a field.
func (c compared) value(at string, s *ordered, of reflect.Type, nullable bool) {
	c.t.Helper()
	if of == reflect.TypeFor[json.RawMessage]() {
		return // what is in it is for whoever wrote it; the exchanges of the tests hold it
	}
	if any, is := s.values["anyOf"].([]any); is {
		if !nullable || len(any) != 2 || any[1].(*ordered).text("type") != "null" {
			c.t.Errorf("%s may be null, and is never", at)
		}
		s, nullable = any[0].(*ordered), false
	}
	if name, is := strings.CutPrefix(s.text("$ref"), "#/components/schemas/"); is {
		if nullable {
			c.t.Errorf("%s may be null, and the document does not say so", at)
		}
		if d := goTypes[name]; d.of != of {
			c.t.Errorf("%s is a %s, which is %v, want %v", at, name, d.of, of)
		}
		return
	}
	want, format := "", ""
	switch of.Kind() {
	case reflect.String:
		want = "string"
	case reflect.Bool:
		want = "boolean"
	case reflect.Int, reflect.Int64:
		want = "integer"
	case reflect.Float64:
		want = "number"
	case reflect.Slice:
		want = "array"
	case reflect.Struct:
		if want = "object"; of == reflect.TypeFor[time.Time]() {
			want, format = "string", "date-time"
		}
	}
	got := []any{s.values["type"]}
	if list, is := s.values["type"].([]any); is {
		got = list
	}
	if got[0] != want || slices.Contains(got, "null") != nullable {
		c.t.Errorf("%s has the type %v, want %s, null %v", at, got, want, nullable)
	}
	if format != "" && s.text("format") != format {
		c.t.Errorf("%s has the format %q, want %s", at, s.text("format"), format)
	}
	switch want {
	case "array":
		items := of.Elem()
		if s.at("items") == nil {
			c.t.Errorf("%s has no items", at)
			return
		}
		c.value(at+"[]", s.at("items"), items, false)
	case "object":
		c.object(at, s, of)
	}
}
