package referral

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/summary"
)

// Systems of what a letter carries.
const (
	SystemITKResponse = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-ResponseCodes-1"
	systemHeading     = "https://fhir.nhs.uk/CodeSystem/RecordStandardHeadings"
	systemMailbox     = IDSystem + "mesh-mailbox"
	systemURI         = "urn:ietf:rfc:3986"
)

// letters are the outlets whose report is a letter: a numbered message around one document.
func (o *Outlet) letter() bool { return o.Name == ConnectionDocument || o.Name == ConnectionRecord }

// documentTypes are the SNOMED CT document types by what is written.
// Source: the PRSB standard for the naming of documents, by way of GP Connect Send Document.
var documentTypes = map[WriteBack]Coded{WritePlan: {System: SystemSNOMED, Code: "734163000", Display: "Care plan (record artifact)"}}

var usualDocument = Coded{System: SystemSNOMED, Code: "371531000", Display: "Report of clinical encounter (record artifact)"}

// letter makes a report a letter: it gets the number of the message and the time, the
// Organization that sends it with its mailbox, the ITK response code beside the business
// status, and in the place of the documents of the record the one that is written for it,
// with the documents that it replaces. A record gets the words of each heading as well.
//
// Errors: those of the store; exception when the PDF cannot be made.
func (st *step) letter(ctx context.Context, b *fhir.Node, outlet Outlet, identity, recipient string, number int, content *fhir.Node, level levels) (*fhir.Node, error) {
	a, err := st.told(ctx, number, content, level)
	if err != nil {
		return nil, err
	}
	t := a.tell()
	page := a.summary()
	document, err := st.page(ctx, page, t.kind, recipient, number)
	if err != nil {
		return nil, err
	}
	out := fhir.Types(fhir.R4).New("Bundle")
	name(out, systemURI, "urn:uuid:"+identity)
	out.Set("type", "collection")
	out.Set("timestamp", st.at.Format(instant))
	add := func(n *fhir.Node) {
		entry := out.Add("entry")
		entry.Set("fullUrl", "urn:uuid:"+uuid.NewSHA1(letters, []byte(identity+strconv.Itoa(len(out.All("entry"))))).String())
		entry.Append("resource", n)
	}
	for _, entry := range b.All("entry") {
		n := entry.Child("resource")
		switch n.ResourceType() {
		case "DocumentReference":
			continue // of the record; the letter has its own
		case "Task":
			if said := st.s.response(a.record.BusinessStatus); said != nil && t.kind != WriteRetraction {
				coding := n.Child("businessStatus").Add("coding")
				coding.Set("system", said.System)
				coding.Set("code", said.Code)
				coding.Set("display", said.Display)
			}
			n.Remove("output") // some lead to the documents; the letter tells them in words
		case "Patient":
			if nhsNumberOf(st.patient.All("identifier")) != "" {
				n = st.patient.Clone() // a letter is routed by what is known of the person now
			}
			for _, other := range []string{"generalPractitioner", "managingOrganization", "link", "contact"} {
				n.Remove(other)
			}
			official(n)
		}
		kept := out.Add("entry")
		kept.Set("fullUrl", entry.Text("fullUrl"))
		kept.Append("resource", n.Clone())
	}
	add(st.sender(outlet, a.record))
	if outlet.Name == ConnectionRecord {
		for _, n := range impressions(page, a.record) {
			add(n)
		}
	}
	add(document)
	return parse(fhir.Encode(out))
}

// official gives a Patient without an official name the one that is used: the practice
// knows the person by it, and letters are routed by the family name.
func official(patient *fhir.Node) {
	var used *fhir.Node
	for _, n := range patient.All("name") {
		switch use := n.Text("use"); {
		case use == "official" && n.Text("period", "end") == "":
			return
		case used == nil && (use == "" || use == "usual" || use == "official") && n.Text("family") != "":
			used = n
		}
	}
	if used != nil {
		used.Set("use", "official")
	}
}

// letters is the namespace of the numbers of documents: UUIDv5 of "https://spadapter.example/fhir/letter".
var letters = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://spadapter.example/fhir/letter"))

// documentNumber is the number of the document that tells a recipient of a version of a
// Task. It is the same however often the message is made again.
func documentNumber(referral, recipient string, version int) string {
	return "urn:uuid:" + uuid.NewSHA1(letters, []byte(referral+" "+recipient+" "+strconv.Itoa(version))).String()
}

func name(n *fhir.Node, system, value string) {
	i := n.Add("identifier")
	i.Set("system", system)
	i.Set("value", value)
}

// told is the account of a referral as it was at a version of its Task.
func (st *step) told(ctx context.Context, number int, content *fhir.Node, level levels) (*account, error) {
	events := st.history
	if events == nil {
		var err error
		if events, err = st.s.Store.Events(ctx, Scope{Role: auth.RoleOperator}, st.after.ID); err != nil {
			return nil, err
		}
	}
	activities := st.activities
	if activities == nil {
		var err error
		if activities, err = st.s.Store.ActivitiesOf(ctx, st.after.ID); err != nil {
			return nil, err
		}
	}
	then := *st.after
	then.Version = 0
	for i, e := range events {
		if e.Activity != "" {
			continue
		}
		if e.BusinessStatus != then.BusinessStatus || e.To != then.Status {
			then.Status, then.BusinessStatus, then.Since = e.To, e.BusinessStatus, e.At
		}
		if e.Move != "T03" && e.Move != "T21" && e.Move != "T25" { // those make no version
			then.Version++
		}
		if then.Version == number && e.Move != "T02" {
			events = events[:i+1]
			break
		}
	}
	later, err := st.s.joined(ctx, Scope{Role: auth.RoleOperator}, []Record{*st.before})
	if err != nil {
		return nil, err
	}
	recorded, err := sent(content, later[st.before.ID])
	if err != nil {
		return nil, err
	}
	a := &account{s: st.s, record: &then, events: events, activities: activities, patient: st.patient, content: content, recorded: recorded,
		level: level.now, letter: true, at: st.at}
	if a.level == SharingNone {
		a.level = SharingCodes // of a retraction: that it was in error, and no more
	}
	return a, nil
}

// page is the document of a letter, with the numbers of those that it replaces.
func (st *step) page(ctx context.Context, page *summary.Summary, kind WriteBack, recipient string, number int) (*fhir.Node, error) {
	replaced, version, err := st.replaced(ctx, kind, recipient, number)
	if err != nil {
		return nil, err
	}
	page.Lead = append(page.Lead, "Version "+strconv.Itoa(version)+" of this document.")
	pdf, err := summary.PDF(page)
	if err != nil {
		return nil, issue.New(issue.Exception, "summary-pdf", "the PDF of the summary could not be made").Because(err)
	}
	n := fhir.Types(fhir.R4).New("DocumentReference")
	n.Add("meta").Set("versionId", strconv.Itoa(version))
	own := n.Add("masterIdentifier")
	own.Set("system", systemURI)
	own.Set("value", documentNumber(st.after.ID, recipient, number))
	n.Set("status", "current")
	typ, ok := documentTypes[kind]
	if !ok {
		typ = usualDocument
	}
	concept := n.Add("type")
	coding := concept.Add("coding")
	coding.Set("system", typ.System)
	coding.Set("code", typ.Code)
	coding.Set("display", typ.Display)
	concept.Set("text", page.Title)
	n.Set("date", st.at.Format(instant))
	for _, number := range replaced {
		r := n.Add("relatesTo")
		r.Set("code", "replaces")
		i := r.Add("target").Add("identifier")
		i.Set("system", systemURI)
		i.Set("value", number)
	}
	form, err := fhir.FromTyped(&fhir.DocumentReference{Content: []*fhir.DocumentContent{{Attachment: &fhir.Attachment{
		ContentType: &fhir.MediaType{Value: SummaryPDF}, Data: &fhir.Base64Binary{Value: pdf}, Title: fhir.NewString(page.Title),
	}}}})
	if err != nil {
		return nil, err
	}
	for _, c := range form.All("content") {
		n.Append("content", c)
	}
	return n, nil
}

// replaced gives the numbers of the documents that a letter takes the place of, the oldest
// first, and its own version: a correction that of the outcome before it, a retraction all
// that the recipient has. What never went out by letter cannot be replaced, and what still
// waits goes out first.
func (st *step) replaced(ctx context.Context, kind WriteBack, recipient string, number int) (numbers []string, version int, err error) {
	if kind != WriteCorrection && kind != WriteRetraction {
		return nil, 1, nil
	}
	list, err := st.s.Store.Outbox(ctx, st.after.ID)
	if err != nil {
		return nil, 0, err
	}
	slices.SortStableFunc(list, func(a, b Delivery) int { return a.Facts.Task - b.Facts.Task })
	last, lost := "", false // the outcome before, and whether no correction could replace it
	for _, d := range list {
		// what was refused or lost is in no record that a correction could replace; it may be
		// in one all the same, so that it is taken back where all is
		went := d.reached() && (d.State != DeliveryDead || kind == WriteRetraction) || d.State == DeliveryQueued && kind == WriteCorrection
		if d.Recipient != recipient || d.Kind != KindWriteBack || d.Route != RouteMESH || d.Facts.Task >= number || !went {
			continue
		}
		one := documentNumber(st.after.ID, recipient, d.Facts.Task)
		outcome := slices.Contains([]WriteBack{WriteOutcome, WriteCorrection}, writing(d.Move).Writes)
		switch {
		case slices.Contains(numbers, one) || one == last:
		case outcome:
			numbers = slices.DeleteFunc(numbers, func(n string) bool { return n == last && !lost }) // it was replaced then
			numbers, last, lost = append(numbers, one), one, d.State == DeliveryDead
			version++
		case kind == WriteRetraction:
			numbers = append(numbers, one)
		}
	}
	return numbers, max(version, min(len(numbers), 1)) + 1, nil
}

// sender is the organisation that a letter comes from, with how to reach it.
func (st *step) sender(outlet Outlet, r *Record) *fhir.Node {
	ods := r.Owner
	if ods == "" {
		ods = r.Organisation // nobody has taken it on: what is told is what the practice itself did
	}
	mailbox := outlet.Mailbox
	if mailbox == "" {
		mailbox = ods // nothing goes out before a mailbox is set
	}
	known := st.s.Partners.Organisation(ods)
	n := fhir.Types(fhir.R4).New("Organization")
	name(n, SystemODS, ods)
	name(n, systemMailbox, mailbox)
	if known.Name == "" {
		known.Name = ods
	}
	n.Set("name", known.Name)
	for _, contact := range known.Contact {
		if system, value, ok := strings.Cut(contact, " "); ok && system == "phone" {
			t := n.Add("telecom")
			t.Set("system", system)
			t.Set("value", value)
		}
	}
	return n
}

// headings are the PRSB headings of what a page says under its own, and how they are
// displayed.
var headings = map[string][2]string{
	summary.RequestedHeading: {"plan-and-requested-actions", "Plan and requested actions"},
	"Outcome":                {"clinical-summary", "Clinical summary"},
	"Entered in error":       {"clinical-summary", "Clinical summary"},
	"What was done":          {"information-and-advice-given", "Information and advice given"},
}

// impressions are the words of a page, one resource for each heading.
func impressions(page *summary.Summary, r *Record) []*fhir.Node {
	var list []*fhir.Node
	requested := page.Requested
	if len(requested) == 0 {
		requested = []string{summary.NoActions}
	}
	for _, section := range append([]summary.Section{{Heading: summary.RequestedHeading, Lines: requested}}, page.Sections...) {
		heading, ok := headings[section.Heading]
		if !ok || len(section.Lines) == 0 {
			continue
		}
		n := fhir.Types(fhir.R4).New("ClinicalImpression")
		tag := n.Add("meta").Add("tag")
		tag.Set("system", systemHeading)
		tag.Set("code", heading[0])
		tag.Set("display", heading[1])
		n.Set("status", "completed")
		n.Add("subject").Set("display", "the person")
		n.Set("summary", strings.Join(section.Lines, "\n"))
		list = append(list, n)
	}
	return list
}

// response is the ITK response code of a business status, nil when none says it.
func (s *Service) response(code string) *Coded {
	matches, err := s.Terminology.Translate(canonical+"/ConceptMap/business-status-itk", SystemBusinessStatus, code)
	if err != nil {
		return nil
	}
	for _, m := range matches {
		if m.Matched() {
			return &Coded{System: m.System, Code: m.Code, Display: m.Display}
		}
	}
	return nil
}
