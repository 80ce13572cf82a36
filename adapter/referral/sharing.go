package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// SystemSharing is the code system of the sharing levels.
const SystemSharing = canonical + "/CodeSystem/sharing-level"

// sharingLevels are the levels, least first.
var sharingLevels = []string{SharingNone, SharingCodes, SharingSummary, SharingFull}

// SharingInput is a new sharing level of a referral.
type SharingInput struct {
	Level   string        `json:"level"`             // none, codes-only, summary or full
	Reason  string        `json:"reason"`            // in words; both parties read it
	Consent *ConsentInput `json:"consent,omitempty"` // needed to raise the level
}

// ConsentInput is the consent of the person to share more, given after the level that is
// raised was set.
type ConsentInput struct {
	GivenOn string `json:"given_on"`           // FHIR dateTime, to the day or finer
	GivenBy string `json:"given_by,omitempty"` // person, which it is without it, or representative
	Name    string `json:"name,omitempty"`     // of the representative, and what makes them one
	How     string `json:"how"`                // spoken, written or electronic
}

// shared is what an event says of a change of the sharing level.
type shared struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Reason  string `json:"reason"`
	Consent string `json:"consent,omitempty"` // "Consent/0190…"
}

func sharedOf(e *Event) (v shared) {
	_ = json.Unmarshal(e.Data, &v) // asked of its own events alone
	return v
}

// SetSharing changes the sharing level of a referral. It is lowered at any time, also after
// the end, and raised by the service that owns it or an operator, by a new consent, which is
// kept as a FHIR Consent with a Provenance.
// What waits to be sent is made again at the level that holds when it is sent; what was
// sent before, and what the practice could read before, is not taken back.
//
// Errors: those of Act; required (rule "consent-needed") to raise it without consent;
// business-rule (rule "consent-old") for a consent from before the level was set, (rule
// "sharing-raised") for a practice that raises it.
func (s *Service) SetSharing(ctx context.Context, c Call, id string, version int, in SharingInput) (*View, error) {
	return s.edit(ctx, c, "sharing", id, version, Input{}, func(st *step) (*Change, error) { return st.setSharing(ctx, in) })
}

// sharingNotice says what a lower level does not do; "" while none is lower than the one before.
func sharingNotice(events []Event) string {
	for _, e := range slices.Backward(events) {
		if e.Move != moveSharing {
			continue
		}
		if v := sharedOf(&e); !sharesAtLeast(v.To, v.From) {
			return "The level was lowered from " + v.From + " to " + v.To + ". It holds for whatever is sent from now on, also for what waits already; what was sent before, and what the practice could read here before, is not taken back."
		}
		break
	}
	return ""
}

// sharingMove stands in a Provenance for a row of the life-cycle table.
var sharingMove = Move{ID: moveSharing}

func (st *step) setSharing(ctx context.Context, in SharingInput) (*Change, error) {
	if st.actor != ActorOperator {
		if err := st.belongs(); err != nil {
			return nil, err
		}
	}
	before := st.before.Sharing
	if err := st.checkSharing(ctx, &in); err != nil {
		return nil, err
	}
	after := *st.before
	after.Sharing = in.Level
	st.after, st.move, st.when = &after, &sharingMove, st.at
	data := shared{From: before, To: in.Level, Reason: in.Reason}
	var consent *outcomeResource
	if in.Consent != nil {
		consent = &outcomeResource{kind: "Consent", id: st.s.Store.NewID()}
		data.Consent = "Consent/" + consent.id
	}
	var held []*Event // what the practice may read from now on
	if sharesAtLeast(in.Level, leastShared) && !sharesAtLeast(before, leastShared) {
		levels := readable(st.before, st.events)
		for i := range st.events {
			if e := &st.events[i]; !sharesAtLeast(levels[e.ID], leastShared) && (e.Move == moveNote && noteOf(e).Audience != ForService || e.Move == moveAttachment && attachedOf(e).Audience != ForService) && e.Role != "requester" {
				held = append(held, e)
			}
		}
	}
	var task *fhir.Task
	change, err := st.amend(ctx, moveSharing, data, func(t *fhir.Task) {
		task = t
		for _, e := range held {
			if n := noteOf(e); e.Move == moveNote {
				at := slices.IndexFunc(st.events, func(old Event) bool { return old.ID == n.Replaces })
				words := n.Note
				if at >= 0 {
					words = correction(&st.events[at]) + words
				}
				t.Note = append(t.Note, st.s.annotation(words, n.Audience, e.Actor, e.At))
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for _, e := range held {
		if e.Move == moveAttachment {
			v, err := st.release(ctx, e)
			if err != nil {
				return nil, err
			}
			change.Versions = append(change.Versions, v)
		}
	}
	if !sharesAtLeast(before, in.Level) {
		more, err := st.raised(ctx, task)
		if err != nil {
			return nil, err
		}
		change.Versions = append(change.Versions, more...)
		if err := st.s.endanger(st.after, more); err != nil {
			return nil, err
		}
		change.Endangers = st.after.RiskTold && !st.before.RiskTold
	}
	var made []*outcomeResource
	if consent != nil {
		consent.version = st.consent(consent.id, &in)
		change.Versions = append(change.Versions, consent.version)
		made = append(made, consent)
	}
	st.in.Note = in.Reason // what a Provenance says why
	proof, err := st.provenance(made, nil)
	if err != nil {
		return nil, err
	}
	change.Versions = append(change.Versions, proof)
	return st.finished(change)
}

// checkSharing says what is wrong with a new level.
func (st *step) checkSharing(ctx context.Context, in *SharingInput) error {
	r := st.before
	var faults []*issue.Error
	fault := func(t issue.Type, rule, field, text string) {
		faults = append(faults, issue.New(t, rule, text).At(field))
	}
	raised := slices.Contains(sharingLevels, in.Level) && !sharesAtLeast(r.Sharing, in.Level)
	switch {
	case r.Status == StatusInError:
		fault(issue.BusinessRule, "referral-ended", "level", "the referral was entered in error: nothing of it is shared")
	case in.Level == "":
		fault(issue.Required, "field-required", "level", "give the new level: one of "+strings.Join(sharingLevels, ", "))
	case !slices.Contains(sharingLevels, in.Level):
		fault(issue.CodeInvalid, "field-code", "level", "level is one of "+strings.Join(sharingLevels, ", "))
	case in.Level == r.Sharing:
		fault(issue.BusinessRule, "sharing-same", "level", "this is the level already")
	case raised && st.actor == ActorRequester:
		// who would read more does not decide alone that they may
		fault(issue.BusinessRule, "sharing-raised", "level", "a practice lowers the level; the service that owns the referral raises it, with a new consent of the person: ask the service to")
	case raised && in.Consent == nil:
		fault(issue.Required, "consent-needed", "consent", "to share more needs a new consent of the person: ask them, and send consent with given_on and how")
	case !raised && in.Consent != nil:
		fault(issue.Value, "field-not-allowed", "consent", "to share less needs no consent; leave it out")
	}
	if in.Reason == "" {
		fault(issue.Required, "field-required", "reason", "say why the level changes")
	}
	for _, e := range (&Input{Note: in.Reason}).texts() {
		faults = append(faults, e.At("reason"))
	}
	if in.Consent != nil && raised && st.actor != ActorRequester {
		since, err := st.levelSince(ctx)
		if err != nil {
			return err
		}
		faults = append(faults, st.checkConsent(in.Consent, since)...)
	}
	return issue.Join(faults)
}

// checkConsent says what is wrong with a consent to overrule a level that was set at since.
func (st *step) checkConsent(in *ConsentInput, since time.Time) []*issue.Error {
	var faults []*issue.Error
	fault := func(t issue.Type, rule, field, text string) {
		faults = append(faults, issue.New(t, rule, text).At("consent."+field))
	}
	from, to, ok := fhir.Interval(in.GivenOn)
	switch {
	case in.GivenOn == "":
		fault(issue.Required, "field-required", "given_on", "say when the consent was given")
	case !ok || len(in.GivenOn) < len(time.DateOnly) || !fhir.Lexical("dateTime", in.GivenOn):
		fault(issue.Value, "field-date", "given_on", "given_on is a day, YYYY-MM-DD, or a time with seconds and offset")
	case from.After(st.at.Add(time.Minute)):
		fault(issue.Value, "field-date", "given_on", "given_on lies in the future")
	case !to.After(since):
		fault(issue.BusinessRule, "consent-old", "given_on", "this consent is older than the level that holds now, which it cannot overrule: ask the person again")
	case len(in.GivenOn) == len(time.DateOnly) && from.Add(-time.Hour).Before(since): // in summer a day begins an hour earlier here
		fault(issue.Value, "consent-time", "given_on", "the level that holds now was set on this day: give the time of the consent too, with seconds and offset, so that it is plain which came last")
	}
	switch in.GivenBy {
	case "", "person":
		if in.GivenBy = "person"; in.Name != "" {
			fault(issue.Value, "field-not-allowed", "name", "name is of a representative; the person is known")
		}
	case "representative":
		if in.Name == "" {
			fault(issue.Required, "field-required", "name", "say who the representative is, and what makes them one")
		} else if !fhir.Lexical("string", in.Name) || len([]rune(in.Name)) > maxLine {
			fault(issue.Value, "field-text", "name", fmt.Sprintf("name has at most %d characters, a visible one among them, and no control characters", maxLine))
		}
	default:
		fault(issue.CodeInvalid, "field-code", "given_by", "given_by is one of person, representative")
	}
	if ways := []string{"spoken", "written", "electronic"}; in.How == "" {
		fault(issue.Required, "field-required", "how", "say how the consent was given: one of "+strings.Join(ways, ", "))
	} else if !slices.Contains(ways, in.How) {
		fault(issue.CodeInvalid, "field-code", "how", "how is one of "+strings.Join(ways, ", "))
	}
	return faults
}

// levelSince is when the sharing level was last set, here or in a referral that this one
// takes the place of, whose level it began with: a consent counts from then on.
func (st *step) levelSince(ctx context.Context) (time.Time, error) {
	since := st.written()
	line, err := st.s.lineage(ctx, st.before)
	if err != nil {
		return since, err
	}
	// some may have been another service's
	events, err := st.s.Store.EventsOf(ctx, Scope{Role: auth.RoleOperator}, line)
	if err != nil {
		return since, err
	}
	for _, id := range line {
		for i := range events[id] {
			if e := &events[id][i]; e.Move == moveSharing && e.At.After(since) {
				since = e.At
			}
		}
	}
	return since, nil
}

// consent makes the Consent that a level is raised by.
// Source: http://hl7.org/fhir/R4/consent.html.
func (st *step) consent(id string, in *SharingInput) Version {
	r, said := st.after, in.Consent
	const acts = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
	n := fhir.Types(fhir.R4).New("Consent")
	coded := func(element, system, code, display string) {
		c := n.Add(element).Add("coding")
		c.Set("system", system)
		c.Set("code", code)
		c.Set("display", display)
	}
	named := n.Add("identifier")
	named.Set("system", IDSystem+"consent")
	named.Set("value", id)
	n.Set("status", "active")
	coded("scope", "http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy", "Privacy Consent")
	coded("category", acts, "IDSCL", "information disclosure")
	n.Add("patient").Set("reference", "Patient/"+r.Patient)
	n.Set("dateTime", said.GivenOn)
	if by := n.Add("performer"); said.GivenBy == "person" {
		by.Set("reference", "Patient/"+r.Patient)
	} else {
		by.Set("display", said.Name)
	}
	if ods := st.party(); ods != "" {
		who := n.Add("organization")
		who.Set("type", "Organization")
		identifier := who.Add("identifier")
		identifier.Set("system", SystemODS)
		identifier.Set("value", ods)
	}
	n.Add("sourceAttachment").Set("title", "Consent, "+said.How)
	coded("policyRule", acts, "OPTIN", "opt-in")
	provision := n.Add("provision")
	provision.Set("type", "permit")
	level := provision.Add("code").Add("coding")
	level.Set("system", SystemSharing)
	level.Set("code", in.Level)
	data := provision.Add("data")
	data.Set("meaning", "related")
	data.Add("reference").Set("reference", "ServiceRequest/"+r.ServiceRequest)
	stamp(n, id, 1, st.at)
	v := Version{Type: "Consent", ID: id, Number: 1, Updated: st.at, Referral: r.ID, Patient: r.Patient, Body: fhir.Encode(n)}
	v.Terms, v.From, v.To = terms(n)
	return v
}
