package referral

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// FactsInput is what an operator has learned about a person. Members that are left out are not
// told about.
type FactsInput struct {
	NHSNumber  string          `json:"nhs_number"`
	Practice   string          `json:"practice,omitempty"`    // ODS code of the practice where the person is registered
	Deceased   json.RawMessage `json:"deceased,omitempty"`    // true, false, or the FHIR date or dateTime of death
	Restricted *bool           `json:"restricted,omitempty"`  // nobody may learn where the person is
	ReplacedBy string          `json:"replaced_by,omitempty"` // the NHS number that took the place of this one
	Source     string          `json:"source"`                // where the operator has it from, in words
	AsOf       string          `json:"as_of"`                 // FHIR date or dateTime since when it is so
}

// Informed is what came of facts.
type Informed struct {
	Persons   int      `json:"persons"`   // Patients, one for each organisation that knows the person
	Referrals int      `json:"referrals"` // of them
	Changed   []string `json:"changed"`   // members that are not as they were, at one of them at least, sorted; empty for none
	Older     []string `json:"older"`     // members that were not taken, because something newer is known, sorted; empty for none
}

// news are facts on their way in.
type news struct {
	c          Call // of the operator; zero for the Personal Demographics Service
	source     string
	at         time.Time
	practice   string
	deceased   *string // "" for alive, "true" for a death without date
	restricted *bool
	replacedBy string
	said       *Said // of the Personal Demographics Service
}

// clockSkew is how far ahead the clock of an operator may be.
const clockSkew = 5 * time.Minute

// Inform takes in what an operator has learned about a person, for every organisation that
// knows the person by that NHS number, one after the other. It may be said twice. Older facts
// never take the place of newer ones.
//
// Errors: forbidden for whoever is no operator; required and value at the member that lacks or
// is wrong; not-found for a number that nobody here knows; those of the store. What was done
// before an error stays, and is done when the same is said again.
func (s *Service) Inform(ctx context.Context, c Call, in FactsInput) (*Informed, error) {
	if err := allowed(c, auth.RoleOperator); err != nil {
		return nil, err
	}
	told, err := in.news(s.now())
	if err != nil {
		return nil, err
	}
	told.c = c
	people, err := s.peopleWith(ctx, in.NHSNumber)
	if err != nil {
		return nil, err
	}
	if len(people) == 0 {
		return nil, issue.New(issue.NotFound, "nhs-number-unknown", "nobody with this NHS number is known here").At("nhs_number")
	}
	out := &Informed{Changed: []string{}, Older: []string{}}
	for _, id := range people {
		changed, older, err := s.inform(ctx, id, told)
		if err != nil {
			return nil, err
		}
		out.Persons++
		out.Changed, out.Older = append(out.Changed, changed...), append(out.Older, older...)
		for page := (Page{Count: 200}); ; {
			list, next, err := s.Store.Referrals(ctx, Scope{Role: auth.RoleOperator}, Filter{Patient: id, Page: page})
			if err != nil {
				return nil, err
			}
			out.Referrals += len(list)
			if page.After = next; next == "" {
				break
			}
		}
	}
	for _, list := range []*[]string{&out.Changed, &out.Older} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return out, nil
}

// news checks what was given.
func (in *FactsInput) news(now time.Time) (*news, error) {
	var faults []*issue.Error
	fault := func(t issue.Type, at, words string) {
		faults = append(faults, issue.New(t, "facts", words).At(at))
	}
	n := &news{source: in.Source, practice: in.Practice, restricted: in.Restricted, replacedBy: in.ReplacedBy}
	if !NHSNumber(in.NHSNumber) {
		fault(issue.Value, "nhs_number", "nhs_number is ten digits, the last of them the check digit")
	}
	if in.Practice != "" && (len(in.Practice) < 3 || len(in.Practice) > 10 || strings.Trim(in.Practice, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "") {
		fault(issue.Value, "practice", "practice is an ODS code: 3 to 10 capital letters and digits")
	}
	if in.ReplacedBy != "" && (!NHSNumber(in.ReplacedBy) || in.ReplacedBy == in.NHSNumber) {
		fault(issue.Value, "replaced_by", "replaced_by is another NHS number: ten digits, the last of them the check digit")
	}
	if died, ok := in.death(); !ok {
		fault(issue.Value, "deceased", "deceased is true, false, or the date of death such as 2026-11-02")
	} else if n.deceased = died; died != nil && *died != "" {
		if from, _, dated := fhir.Interval(*died); dated && from.After(now.Add(clockSkew)) {
			fault(issue.Value, "deceased", "the date of death is in the future")
		}
	}
	if in.Practice == "" && in.Restricted == nil && in.ReplacedBy == "" && len(in.Deceased) == 0 {
		fault(issue.Required, "practice", "there is no fact: give practice, deceased, restricted or replaced_by")
	}
	if !visible(in.Source) || !fhir.Lexical("string", in.Source) || len(in.Source) > maxLine {
		fault(issue.Required, "source", "source says in words where the facts come from, in 400 characters at most")
	}
	from, _, ok := fhir.Interval(in.AsOf)
	if n.at = from; !ok {
		fault(issue.Value, "as_of", "as_of is the date or time since when it is so, such as 2026-11-02 or 2026-11-02T09:30:00Z")
	} else if from.After(now.Add(clockSkew)) {
		fault(issue.Value, "as_of", "as_of is in the future")
	}
	if in.Source == SourcePDS {
		fault(issue.Value, "source", "this source is for what the adapter looked up itself; say where you have it from")
	}
	return n, issue.Join(faults)
}

// death reads deceased: nil where nothing was told.
func (in *FactsInput) death() (*string, bool) {
	switch text := strings.TrimSpace(string(in.Deceased)); text {
	case "", "null":
		return nil, true
	case "true", "false":
		out := strings.TrimPrefix(text, "false")
		return &out, true
	}
	var date string
	if json.Unmarshal(in.Deceased, &date) != nil || !fhir.Lexical("dateTime", date) {
		return nil, false
	}
	return &date, true
}

// peopleWith lists the ids of the Patients of every organisation with an NHS number, those who
// had it before with them.
func (s *Service) peopleWith(ctx context.Context, number string) (ids []string, err error) {
	q := Query{Type: "Patient", Page: Page{Count: 200}, Conditions: []Condition{{Param: "identifier", Kind: ParamToken, Values: []Value{{System: SystemNHSNumber, Text: number}}}}}
	for {
		found, err := s.Store.Search(ctx, Scope{Role: auth.RoleOperator}, q)
		if err != nil {
			return nil, err
		}
		for i := range found.Versions {
			ids = append(ids, found.Versions[i].ID)
		}
		if q.Page.After = found.Next; found.Next == "" {
			slices.Sort(ids)
			return ids, nil
		}
	}
}

// inform makes facts those of one Patient, in one commit, and gives the members that changed and
// those of which something newer is known. It is decided again when something else changed
// the person in between. Errors: those of the store.
func (s *Service) inform(ctx context.Context, patient string, told *news) (changed, older []string, err error) {
	for round := 1; ; round++ {
		t, err := s.informing(ctx, patient, told)
		if err != nil {
			return nil, nil, err
		}
		change, err := t.change(ctx)
		if err != nil || change == nil {
			return t.changed, t.older, err
		}
		err = s.Store.Commit(ctx, change)
		if known, again := errors.AsType[*Repeat](err); err == nil || round == maxRounds || !errors.Is(err, issue.Conflict) && !(again && known.Key.Kind == KeyPatient) {
			return t.changed, t.older, err
		}
	}
}
