package referral

import (
	"context"
	"crypto/sha1" // FHIR R4 wants it for Attachment.hash: it tells damage, and protects nothing
	"fmt"
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/summary"
)

// titles of summaries, by what is filed.
var titles = map[WriteBack]string{
	WriteNothing:    "Social prescribing: where it stands",
	WritePlan:       "Social prescribing: plan agreed",
	WriteOutcome:    "Social prescribing: outcome",
	WriteCorrection: "Social prescribing: corrected outcome",
	WriteMessage:    "Social prescribing: message to the practice",
	WriteClosure:    "Social prescribing: ended without an outcome",
	WriteRetraction: "Social prescribing: entered in error",
}

// The forms of a summary.
const (
	SummaryText = "text/plain; charset=utf-8"
	SummaryPDF  = "application/pdf"
)

// Summary gives what a referral came to as one document, in one of the forms. The owner
// and operators get everything that is recorded; the requester gets what the sharing
// level lets into the record.
//
// Errors: not-found; suppressed for a requester where the level allows no document.
func (s *Service) Summary(ctx context.Context, c Call, id, form string) (body []byte, version int, err error) {
	scope := s.scope(c)
	r, err := s.Store.Referral(ctx, scope, id)
	if err != nil {
		return nil, 0, err
	}
	a := &account{s: s, record: r, level: SharingFull, whole: true, at: r.Updated}
	if c.Principal.Role == auth.RoleRequester {
		a.level, a.whole = r.Sharing, false
		if !sharesAtLeast(r.Sharing, SharingSummary) {
			return nil, 0, issue.New(issue.Suppressed, "summary-withheld", "the sharing level "+r.Sharing+" of this referral allows no summary: what is shared are the codes in the Task and its outputs")
		}
	}
	if a.events, err = s.Store.Events(ctx, scope, id); err != nil {
		return nil, 0, err
	}
	if a.activities, err = s.Store.ActivitiesOf(ctx, id); err != nil {
		return nil, 0, err
	}
	patient, err := s.Store.Read(ctx, scope, "Patient", r.Patient)
	if err != nil {
		return nil, 0, err
	}
	if a.patient, err = parse(patient.Body); err != nil {
		return nil, 0, err
	}
	if a.content, err = s.content(r); err != nil {
		return nil, 0, err
	}
	later, err := s.Store.Joined(ctx, scope, []string{id})
	if err != nil {
		return nil, 0, err
	}
	if a.recorded, err = sent(a.content, later[id]); err != nil {
		return nil, 0, err
	}
	page := a.summary()
	if form == SummaryPDF {
		body, err = summary.PDF(page)
	} else {
		body = summary.Text(page)
	}
	if err != nil {
		return nil, 0, issue.New(issue.Exception, "summary-pdf", "the PDF could not be made; ask for text/plain").Because(err)
	}
	audit := s.audit(c, "read", "R", nil)
	audit.Organisation, audit.Entity, audit.Version, audit.Patient = r.Organisation, "Task/"+r.ID, r.Version, r.Patient
	return body, r.Version, s.record(ctx, audit)
}

// sent is what the practice sent about the person: with the request, and what joined the
// referral later. What the service recorded is not in it.
func sent(content *fhir.Node, later []Version) ([]*fhir.Node, error) {
	var list []*fhir.Node
	for _, entry := range content.All("entry") {
		list = append(list, entry.Child("resource"))
	}
	for i := range later {
		n, err := later[i].content()
		if err != nil {
			return nil, err
		}
		ours := slices.ContainsFunc(n.All("identifier"), func(i *fhir.Node) bool { return strings.HasPrefix(i.Text("system"), IDSystem) })
		if !ours {
			list = append(list, n)
		}
	}
	return list, nil
}

// document makes the summary that goes to the record with a move, as text and as PDF;
// nil when the move files none. Below the level that shares one it is the service's own,
// until the level is raised. events has the event of the move at its end; wrong is what
// the move takes back.
func (st *step) document(events []Event, content *fhir.Node, recorded []*fhir.Node, wrong []*outcomeResource) (*outcomeResource, error) {
	if !st.move.Writes.files() {
		return nil, nil
	}
	if st.move.Writes == WriteRetraction && !slices.ContainsFunc(wrong, func(o *outcomeResource) bool { return o.kind == "DocumentReference" }) {
		return nil, nil // no summary is anywhere that this could take back
	}
	o := &outcomeResource{kind: "DocumentReference", role: "summary", least: SharingSummary, id: st.s.Store.NewID()}
	level := pageLevel(st.after.Sharing)
	if err := st.write(o, events, content, recorded, level); err != nil {
		return nil, err
	}
	if level != SharingFull {
		o.typed.(*fhir.DocumentReference).Meta = &fhir.Meta{Tag: []*fhir.Coding{fhir.NewCoding(SystemSharing, level, "")}}
	}
	return o, nil
}

// pageLevel is the level that a summary is written at: one below has none of its own.
func pageLevel(level string) string {
	if !sharesAtLeast(level, SharingSummary) {
		return SharingSummary
	}
	return level
}

// write fills a summary document at a sharing level.
func (st *step) write(o *outcomeResource, events []Event, content *fhir.Node, recorded []*fhir.Node, level string) error {
	r := st.after
	a := &account{s: st.s, record: r, events: events, activities: st.activities, patient: st.patient, content: content, recorded: recorded, level: level, at: st.at}
	page := a.summary()
	pdf, err := summary.PDF(page)
	if err != nil {
		return issue.New(issue.Exception, "summary-pdf", "the PDF of the summary could not be made").Because(err)
	}
	attachment := func(form string, data []byte) *fhir.DocumentContent {
		hash := sha1.Sum(data)
		return &fhir.DocumentContent{Attachment: &fhir.Attachment{
			ContentType: &fhir.MediaType{Value: form}, Data: &fhir.Base64Binary{Value: data},
			Title: fhir.NewString(page.Title), Creation: fhir.NewDateTime(st.at),
			Size: &fhir.UnsignedInt{Value: uint32(len(data))}, Hash: &fhir.Base64Binary{Value: hash[:]},
		}}
	}
	o.typed = &fhir.DocumentReference{
		Identifier: []*fhir.Identifier{fhir.NewIdentifier(IDSystem+"documentreference", o.id)}, Status: fhir.NewBound[fhir.DocumentReferenceStatus]("current"),
		Type: fhir.NewConcept("", "", "", page.Title), Subject: fhir.NewReference("Patient/" + r.Patient), Date: fhir.NewInstant(st.at),
		Author: []*fhir.Reference{st.s.reference(st.author())}, Description: fhir.NewString(page.Title),
		Content: []*fhir.DocumentContent{attachment(SummaryText, summary.Text(page)), attachment(SummaryPDF, pdf)},
		Context: &fhir.DocumentContext{Related: []*fhir.Reference{fhir.NewReference("ServiceRequest/" + r.ServiceRequest)}},
	}
	return nil
}

// retell gives a summary document in the words of a sharing level, where it was written at
// another one. It tells what was known when it was made, and keeps everything else.
func (st *step) retell(ctx context.Context, o *outcomeResource, old, content *fhir.Node, level string) (*fhir.Node, error) {
	made := labelOf(old)
	if made == "" {
		made = SharingFull
	}
	if level = pageLevel(level); made == level {
		return old, nil
	}
	events, err := st.s.Store.Events(ctx, st.scope, st.after.ID)
	if err != nil {
		return nil, err
	}
	first, err := st.s.Store.ReadVersion(ctx, Scope{Role: auth.RoleOperator}, o.kind, o.id, 1)
	if err != nil {
		return nil, err
	}
	// ids are made in the order of what they name
	events = slices.DeleteFunc(events, func(e Event) bool { return e.ID > o.id })
	then := *st.after
	then.Version, then.Since = 0, first.Updated
	for _, e := range events {
		if e.Activity == "" {
			then.Status, then.BusinessStatus = e.To, e.BusinessStatus
		}
		if e.Activity == "" && e.Move != "T03" && e.Move != "T21" && e.Move != "T25" { // those make no version
			then.Version++
		}
	}
	later, err := st.later(ctx)
	if err != nil {
		return nil, err
	}
	recorded, err := sent(content, later)
	if err != nil {
		return nil, err
	}
	past := *st
	past.after, past.at = &then, first.Updated
	again := &outcomeResource{kind: o.kind, id: o.id}
	if err := past.write(again, events, content, recorded, level); err != nil {
		return nil, err
	}
	n, err := fhir.FromTyped(again.typed)
	if err != nil {
		return nil, err
	}
	fresh := old.Clone()
	fresh.Remove("content")
	for _, c := range n.All("content") {
		fresh.Append("content", c)
	}
	label(fresh, level, SharingFull)
	return fresh, nil
}

// author is whose document it is: the service, or the requester while there is none.
func (st *step) author() string {
	if st.after.Owner != "" {
		return st.after.Owner
	}
	return st.after.Organisation
}

// summary fills the page.
func (a *account) summary() *summary.Summary {
	s, r, t := a.s, a.record, a.tell()
	p := person(a.patient, a.at)
	number := patientNumber(r, a.content)
	if number == "" {
		number = p.NHSNumber
	}
	page := &summary.Summary{Title: titles[t.kind], At: a.at}
	service := r.Owner
	if service == "" {
		service = r.Organisation
	}
	page.Author = s.Partners.Organisation(service).Name
	page.Running = strings.Join(nonEmpty(p.Name, "born "+day(p.BirthDate), "NHS number "+spaced(number)), ", ")
	page.Footer = fmt.Sprintf("Referral %s, version %d, %s, spadapter", r.ID, r.Version, minute(a.at))
	if a.whole {
		page.Lead = []string{"Copy of the service, with everything that is recorded. The record of the practice gets the sharing level " + r.Sharing + "."}
	} else {
		page.Lead = []string{"For the record of the person's practice, from the social prescribing service. Written on " + dayOf(a.at) + "."}
	}
	add := func(heading string, lines ...string) {
		page.Sections = append(page.Sections, summary.Section{Heading: heading, Lines: nonEmpty(lines...)})
	}
	switch {
	case t.kind == WriteRetraction:
		page.Requested = []string{"Disregard what was filed for this referral: it was entered in error."}
		page.Lead = append(page.Lead, "This takes the place of every summary of this referral.")
	case t.kind == WriteMessage:
		page.Requested = t.asks()
	case t.kind == WriteCorrection && t.replaced != nil:
		page.Requested = t.outcome.in.Outcome.RequestedActions
		page.Lead = append(page.Lead, "This replaces the summary of the outcome recorded on "+minute(t.replaced.At)+".")
	case t.outcome != nil:
		page.Requested = t.outcome.in.Outcome.RequestedActions
	case t.question != "":
		page.Requested = []string{"Answer the question of the service: " + t.question}
	}
	if a.letter && !sharesAtLeast(a.level, SharingSummary) {
		return a.coded(page, t)
	}
	add("Person", labelled("Name", p.Name), labelled("Date of birth", day(p.BirthDate)), labelled("NHS number", spaced(number)))
	add("Referral", a.referral()...)
	if t.kind == WriteRetraction {
		add("Entered in error", append([]string{a.reason(t.last)}, a.filed(t)...)...)
		return page
	}
	if t.kind == WriteMessage && t.last.Reason != "" {
		add("Message", a.reason(t.last))
	}
	add("Outcome", a.result(t)...)
	add("Needs", a.needs(t)...)
	add("What was done", a.done(t)...)
	var outcome *Outcome
	if t.outcome != nil {
		outcome = t.outcome.in.Outcome
		add("Scores, first and last", s.scoreTexts(s.pairs(a.recorded, outcome), outcome)...)
	}
	add("Risks", a.risks()...)
	if a.whole {
		add("Notes", a.notes(t)...)
	}
	add("Withheld", a.withheld(t)...)
	add("Not in this message", a.leftOut()...)
	if t.kind == WriteCorrection && t.replaced != nil {
		add("Correction", a.correction(t)...)
	}
	return page
}

// referral says who referred, when, and to whom.
func (a *account) referral() []string {
	s, r := a.s, a.record
	written := dayOf(r.Created)
	for _, n := range a.recorded {
		if n.Text("id") == r.Filler && n.Text("authoredOn") != "" {
			written = day(n.Text("authoredOn"))
		}
	}
	lines := []string{"Referred on " + written + " by " + s.organisationText(r.Organisation)}
	if r.Owner == "" {
		return append(lines, "Service: none has accepted it")
	}
	contact := "not known here"
	if known := s.Partners.Organisation(r.Owner).Contact; len(known) > 0 {
		contact = strings.Join(known, ", ")
	}
	return append(lines, "Social prescribing service: "+s.organisationText(r.Owner), "Contact: "+contact)
}

// result is how it ended, or where it stands, with codes.
func (a *account) result(t tale) []string {
	s := a.s
	var lines []string
	switch {
	case t.outcome != nil:
		o := t.outcome.in.Outcome
		lines = append(lines, s.display(SystemBusinessStatus, o.Status)+", recorded on "+dayOf(t.outcome.At))
		lines = append(append(lines, o.Summary), s.codedAll(o.Findings)...)
	case t.kind == WriteClosure:
		lines = append(lines, a.reason(t.last)+". Recorded on "+dayOf(t.last.At))
		if filed := s.filing(t.last.Reason); filed != nil {
			lines = append(lines, "Coded as "+s.coded(*filed))
		}
	default:
		lines = append(lines, s.display(SystemBusinessStatus, a.record.BusinessStatus)+", since "+dayOf(a.record.Since))
	}
	return append(lines, a.response()...)
}

// reason is why an event happened, in words.
func (a *account) reason(h happened) string {
	words := a.s.display(SystemBusinessStatus, h.Reason)
	if why := h.in.Reason; why != nil {
		if why.System == SystemCloseReason {
			words += ", " + a.s.display(SystemCloseReason, why.Code)
		}
		if why.Text != "" {
			words += ": " + why.Text
		}
	}
	return strings.TrimSuffix(words, ".")
}

// filed lists what was filed before it was found to be in error.
func (a *account) filed(t tale) []string {
	var lines []string
	for _, h := range t.filed[:len(t.filed)-1] {
		lines = append(lines, "Taken back: "+titles[h.writes()]+", of "+minute(h.At))
	}
	return lines
}

// withheld says what the sharing level keeps from this document.
func (a *account) withheld(t tale) []string {
	if a.level == SharingFull {
		if a.whole {
			return nil
		}
		return []string{"Nothing at sharing level " + a.level + "."}
	}
	var what []string
	if t.plan != nil {
		if p := t.plan.in.Plan; p.Matters != "" || p.Contingency != "" || len(p.Strengths)+len(p.Goals)+len(p.Actions) > 0 {
			what = append(what, "details of the plan")
		}
	}
	if len(t.contacts) > 0 {
		what = append(what, "the single contacts")
	}
	if len(what) == 0 {
		return []string{"Nothing at sharing level " + a.level + "."}
	}
	return []string{"At sharing level " + a.level + ": " + strings.Join(what, ", ") + "."}
}

// labelled is a value with what it is; what is not known is said.
func labelled(label, value string) string {
	if value == "" {
		value = "not known here"
	}
	return label + ": " + value
}

// nonEmpty gives the texts that say something.
func nonEmpty(texts ...string) []string {
	return slices.DeleteFunc(texts, func(text string) bool { return text == "" || text == "born " || text == "NHS number " })
}

// spaced is an NHS number as it is written for people: 3, 3 and 4 digits.
func spaced(number string) string {
	if _, err := strconv.ParseUint(number, 10, 64); err != nil || len(number) != 10 {
		return number
	}
	return number[:3] + " " + number[3:6] + " " + number[6:]
}
