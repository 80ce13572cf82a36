package referral

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Demographics is where a person is looked up by NHS number.
type Demographics interface {
	// Look gives what is known of the person now; Same and nothing else where that is what it
	// was with the etag. Errors: not-found and deleted for a number that names nobody, conflict
	// for an answer about somebody else; whatever else is a fault of the service.
	Look(ctx context.Context, number, etag string) (*Demography, error)
}

// Demography is what is known of a person elsewhere.
type Demography struct {
	Number     string // NHS number of the person now
	ETag       string
	Same       bool
	Practice   string // ODS code, "" when none is told
	Deceased   string // FHIR date or dateTime, or "true"; "" when no death is told
	Restricted bool
	BirthDate  string   // FHIR date, "" when none is told
	Names      []string // family and given names, in lower case
}

// batch is how many persons one look finds.
const batch = 50

// LookUp looks up persons with open referrals who were not looked up for Config.AskEvery,
// those who never were first, and gives how many it asked about. Where the service is away it
// stops; what one person's look brings is no error. Errors: those of the store; those of
// Demographics that are a fault of the service.
func (s *Service) LookUp(ctx context.Context) (n int, err error) {
	list, err := s.Store.Unasked(ctx, s.now().Add(-s.AskEvery), batch)
	if err != nil {
		return 0, err
	}
	for _, id := range list {
		v, err := s.Store.Read(ctx, Scope{Role: auth.RoleOperator}, "Patient", id)
		if errors.Is(err, issue.NotFound) {
			continue // it was removed meanwhile
		}
		if err == nil {
			// asked for the whole, so that a service that says "unchanged" for ever is found out
			err = s.look(ctx, v, "")
		}
		if err != nil && !settled(err) {
			return n, err
		}
		n++
	}
	return n, nil
}

// settled reports whether an answer is about the person, and asking again does not mend it.
func settled(err error) bool {
	return errors.Is(err, issue.NotFound) || errors.Is(err, issue.Deleted) || errors.Is(err, issue.Conflict) || errors.Is(err, issue.Value)
}

// known looks the person of a delivery up, just before it is sent. While the service is away
// what was answered lately holds, for Config.TrustFor; without that the delivery waits.
// Errors: those of Demographics, which make it wait; those of the store.
func (s *Service) known(ctx context.Context, patient string) error {
	if s.Demographics == nil {
		return nil
	}
	v, err := s.Store.Read(ctx, Scope{Role: auth.RoleOperator}, "Patient", patient)
	if err != nil {
		return err
	}
	held, err := s.Store.Held(ctx, patient)
	if err != nil {
		return err
	}
	err = s.look(ctx, v, held.ETag)
	if err == nil || settled(err) || held.Problem != "" {
		return err
	}
	if !held.Answered.IsZero() && s.now().Sub(held.Answered) < s.TrustFor {
		return nil
	}
	return err
}

// look asks about one person and takes in what is answered.
func (s *Service) look(ctx context.Context, v *Version, etag string) error {
	n, err := v.content()
	if err != nil {
		return err
	}
	held, err := s.Store.Held(ctx, v.ID)
	if err != nil {
		return err
	}
	asked := *held
	asked.Asked, asked.Problem = s.now(), ""
	number := nhsNumberOf(n.All("identifier"))
	if number == "" {
		asked.Problem = string(issue.Required)
		return s.Store.Asked(ctx, v.Organisation, asked)
	}
	got, err := s.Demographics.Look(ctx, number, etag)
	if err == nil && !got.Same {
		if err = samePerson(n, got, number); err == nil {
			err = s.heard(ctx, v.ID, held, got, number, asked.Asked)
		}
	}
	if err != nil {
		if !settled(err) {
			return err // of the service or the store: the person is asked about again
		}
		asked.Problem, asked.ETag = string(issue.All(err)[0].Type), ""
		return errors.Join(err, s.Store.Asked(ctx, v.Organisation, asked))
	}
	if asked.Answered = asked.Asked; !got.Same {
		asked.ETag = got.ETag
	}
	return s.Store.Asked(ctx, v.Organisation, asked)
}

// samePerson refuses what is said of somebody else. Under the number that was asked for, the
// date of birth or a name must agree where both are known. Under another one, which took its
// place, the date of birth and a name must: an answer says of itself that it replaces a number,
// and who is wrongly joined to another gets the record of that one.
func samePerson(patient *fhir.Node, got *Demography, asked string) error {
	born, names := patient.Text("birthDate"), []string{}
	for _, name := range patient.All("name") {
		for _, part := range append(name.All("given"), name.Child("family")) {
			if part != nil && part.Value != "" {
				names = append(names, strings.ToLower(part.Value))
			}
		}
	}
	sameBirth := born != "" && born == got.BirthDate
	sameName := slices.ContainsFunc(names, func(name string) bool { return slices.Contains(got.Names, name) })
	switch {
	case got.Number != asked && !(sameBirth && sameName):
		return issue.New(issue.Conflict, "person-replaced", "the Personal Demographics Service answers with another NHS number, for somebody whose date of birth or names differ: an operator decides, and says so in POST /api/v1/facts")
	case got.Number == asked && born != "" && got.BirthDate != "" && !sameBirth && len(names) > 0 && len(got.Names) > 0 && !sameName:
		return issue.New(issue.Conflict, "person-differs", "the Personal Demographics Service knows somebody else by this NHS number: neither date of birth nor a name is that of the person here; trace the person")
	}
	return nil
}

// heard takes in an answer: what is not as it was said the last time is news, as of now. That
// nothing is said of a death or a restriction takes back no more than what was said before.
func (s *Service) heard(ctx context.Context, patient string, held *Held, got *Demography, asked string, at time.Time) error {
	said := Said{got.Practice, got.Deceased != "", got.Restricted}
	was := Said{}
	if held.Said != nil {
		was = *held.Said
	}
	told := &news{source: SourcePDS, at: at, said: &said}
	if said.Practice == "" {
		said.Practice = was.Practice // of a restricted person none is told, which is no news
	}
	if said.Practice != was.Practice {
		told.practice = said.Practice
	}
	if said.Deceased != was.Deceased {
		told.deceased = &got.Deceased
	}
	if said.Restricted != was.Restricted {
		told.restricted = &said.Restricted
	}
	if got.Number != asked {
		told.replacedBy = got.Number
	}
	_, _, err := s.inform(ctx, patient, told)
	return err
}
