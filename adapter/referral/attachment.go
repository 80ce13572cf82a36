package referral

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"slices"
	"strconv"
	"strings"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// AttachmentInput is a document elsewhere that belongs to a referral. It is kept by its
// address; nobody here ever fetches it.
type AttachmentInput struct {
	Title       string `json:"title"`
	URL         string `json:"url"`
	ContentType string `json:"content_type"`
	Size        int64  `json:"size,omitempty"`    // bytes
	SHA256      string `json:"sha256,omitempty"`  // of the data, hexadecimal
	Created     string `json:"created,omitempty"` // FHIR dateTime
	Audience    string `json:"audience,omitempty"`
}

// Attached is a document that belongs to a referral: attached here, or sent by the practice.
type Attached struct {
	ID          string `json:"id"` // of the DocumentReference
	Title       string `json:"title,omitempty"`
	URL         string `json:"url,omitempty"` // "" for one whose data was sent: read the DocumentReference
	ContentType string `json:"content_type,omitempty"`
	Size        int64  `json:"size,omitempty"`
	SHA256      string `json:"sha256,omitempty"` // hexadecimal
	SHA1        string `json:"sha1,omitempty"`   // hexadecimal, as the practice sent it
	Created     string `json:"created,omitempty"`
	Added       string `json:"added,omitempty"`  // when it was attached
	Author      string `json:"author,omitempty"` // ODS code
	AuthorName  string `json:"author_name,omitempty"`
	Audience    string `json:"audience"`
	Document    string `json:"document_reference"` // DocumentReference/id
}

// attachment is what an event says of one.
type attachment struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Audience string `json:"audience"`
}

func attachedOf(e *Event) attachment {
	var data struct{ Attachment attachment }
	_ = json.Unmarshal(e.Data, &data) // this program wrote it; another event has no such member
	return data.Attachment
}

const (
	extSHA256 = canonical + "/StructureDefinition/attachment-sha256" // valueString on Attachment
	maxURL    = 2048                                                 // characters
	maxSize   = 1<<31 - 1                                            // of an unsignedInt: http://hl7.org/fhir/R4/datatypes.html#unsignedInt
)

// AddAttachment attaches a document by its address, as a DocumentReference that belongs to
// the referral. Who may read it follows from its audience, as for a note; it does not go
// to the record, where nobody can say how long the address will hold.
//
// Errors: those of Act; value and business-rule for an address that does not lead there
// for its readers, or that tells too much.
func (s *Service) AddAttachment(ctx context.Context, c Call, id string, version int, in AttachmentInput) (*View, error) {
	return s.edit(ctx, c, "attachments", id, version, Input{}, func(st *step) (*Change, error) { return st.attach(ctx, in) })
}

func (st *step) attach(ctx context.Context, in AttachmentInput) (*Change, error) {
	if err := st.belongs(); err != nil {
		return nil, err
	}
	if Terminal(st.before.Status) {
		return nil, issue.New(issue.BusinessRule, "referral-ended", "the referral has ended: nothing new is attached to it")
	}
	st.when = st.at
	faults := in.check(nhsNumberOf(st.patient.All("identifier")), st.at)
	audience, fault := st.readers(in.Audience)
	if fault != nil {
		faults = append(faults, fault)
	}
	if err := issue.Join(faults); err != nil {
		return nil, err
	}
	in.Audience = audience
	shown := audience != ForService && (st.actor == ActorRequester || sharesAtLeast(st.before.Sharing, leastShared))
	id := st.s.Store.NewID()
	change, err := st.amend(ctx, moveAttachment, map[string]attachment{"attachment": {id, in.Title, audience}}, nil)
	if err != nil {
		return nil, err
	}
	document, err := st.reference(in, id, shown)
	if err != nil {
		return nil, err
	}
	change.Versions = append(change.Versions, document)
	change.Events[0].Private = !shown
	return st.finished(change)
}

// check says what is wrong with an attachment. number is the person's NHS number, "" when
// it is not known.
func (in *AttachmentInput) check(number string, now time.Time) []*issue.Error {
	var faults []*issue.Error
	fault := func(t issue.Type, rule, field, text string) {
		faults = append(faults, issue.New(t, rule, text).At(field))
	}
	switch {
	case in.Title == "":
		fault(issue.Required, "field-required", "title", "an attachment needs a title")
	case len([]rune(in.Title)) > maxLine || !fhir.Lexical("string", in.Title) || !visible(in.Title) || strings.ContainsFunc(in.Title, turning):
		fault(issue.Value, "field-text", "title", fmt.Sprintf("title is one line of at most %d characters, a visible one among them, without control characters and marks that turn the direction of writing", maxLine))
	}
	kind, _, err := mime.ParseMediaType(in.ContentType)
	switch {
	case in.ContentType == "":
		fault(issue.Required, "field-required", "content_type", "an attachment needs content_type, such as application/pdf")
	case err != nil || strings.Count(kind, "/") != 1 || strings.Contains(kind, "*") || !fhir.Lexical("code", in.ContentType) || len(in.ContentType) > maxLine:
		fault(issue.Value, "field-media-type", "content_type", "content_type is a media type, such as application/pdf")
	}
	if in.Size < 0 || in.Size > maxSize {
		fault(issue.Value, "field-size", "size", fmt.Sprintf("size is the number of bytes, from 1 to %d; leave it out when it is not known", maxSize))
	}
	if sum, err := hex.DecodeString(in.SHA256); in.SHA256 != "" && (err != nil || len(sum) != 32) {
		fault(issue.Value, "field-sha256", "sha256", "sha256 is 64 hexadecimal digits")
	}
	in.SHA256 = strings.ToLower(in.SHA256)
	if in.Created != "" && !fhir.Lexical("dateTime", in.Created) {
		fault(issue.Value, "field-date", "created", "created is a FHIR date, or a dateTime with seconds and offset")
	} else if from, _, ok := fhir.Interval(in.Created); ok && from.After(now.Add(time.Minute)) {
		fault(issue.Value, "field-date", "created", "created lies in the future")
	}
	if in.URL == "" {
		fault(issue.Required, "field-required", "url", "an attachment needs the url where its readers find it")
	} else if e := checkURL(in.URL, number); e != nil {
		faults = append(faults, e.At("url"))
	}
	return faults
}

// reference makes the DocumentReference of an attachment. One that the practice may not
// read yet is kept as the service's own, so that no read or search of the practice finds it.
// Source: http://hl7.org/fhir/R4/documentreference.html, http://hl7.org/fhir/R4/datatypes.html#Attachment:
// hash is SHA-1, so that a SHA-256 stands beside.
func (st *step) reference(in AttachmentInput, id string, shown bool) (Version, error) {
	r := st.after
	a := &fhir.Attachment{ContentType: &fhir.MediaType{Value: in.ContentType}, Url: &fhir.URL{Value: in.URL}, Title: fhir.NewString(in.Title)}
	if in.Size > 0 {
		a.Size = &fhir.UnsignedInt{Value: uint32(in.Size)}
	}
	if in.SHA256 != "" {
		e := &fhir.Extension{Url: fhir.NewURI(extSHA256)}
		must(fhir.SetChoice(e, "value", fhir.NewString(in.SHA256)))
		a.Extension = append(a.Extension, e)
	}
	if at, ok := fhir.ParseDateTime(in.Created); ok {
		a.Creation = at
	}
	readers := &fhir.Extension{Url: fhir.NewURI(extAudience)}
	must(fhir.SetChoice(readers, "value", fhir.NewCode(in.Audience)))
	n, err := fhir.FromTyped(&fhir.DocumentReference{
		Extension:  []*fhir.Extension{readers},
		Identifier: []*fhir.Identifier{fhir.NewIdentifier(IDSystem+"documentreference", id)},
		Status:     fhir.NewBound[fhir.DocumentReferenceStatus]("current"),
		Subject:    fhir.NewReference("Patient/" + r.Patient), Date: fhir.NewInstant(st.at),
		Author: []*fhir.Reference{st.s.reference(st.party())}, Description: fhir.NewString(in.Title),
		Content: []*fhir.DocumentContent{{Attachment: a}},
		Context: &fhir.DocumentContext{Related: []*fhir.Reference{fhir.NewReference("ServiceRequest/" + r.ServiceRequest), fhir.NewReference("Task/" + r.ID)}},
	})
	if err != nil {
		return Version{}, err
	}
	v := Version{Type: "DocumentReference", ID: id, Number: 1, Organisation: r.Organisation}
	if !shown {
		v.Organisation = r.Owner
	}
	return st.documentVersion(v, n), nil
}

// documentVersion fills the version of an attachment's DocumentReference.
func (st *step) documentVersion(v Version, n *fhir.Node) Version {
	stamp(n, v.ID, v.Number, st.at)
	v.Updated, v.Referral, v.Patient = st.at, st.after.ID, st.after.Patient
	v.write(n)
	v.Terms, v.From, v.To = terms(n)
	v.Terms = append(v.Terms, referralTerm(st.after.ID))
	return v
}

// release gives the practice the attachment of an event, which was kept from it.
func (st *step) release(ctx context.Context, e *Event) (Version, error) {
	was, err := st.s.Store.Read(ctx, Scope{Role: "operator"}, "DocumentReference", attachedOf(e).ID)
	if err != nil {
		return Version{}, err
	}
	n, err := parse(was.Body)
	if err != nil {
		return Version{}, err
	}
	return st.documentVersion(Version{Type: was.Type, ID: was.ID, Number: was.Number + 1, Organisation: st.after.Organisation}, n), nil
}

// madeHere reports whether a DocumentReference is an attachment or a summary of ours, and
// not one that the practice sent.
func madeHere(n *fhir.Node) bool {
	return slices.ContainsFunc(n.All("identifier"), func(i *fhir.Node) bool { return i.Text("system") == IDSystem+"documentreference" })
}

// attached lists a DocumentReference, unless it is a summary that was made here.
func (s *Service) attached(v *View, n *fhir.Node) {
	audience := extension(n, extAudience)
	if madeHere(n) && audience == "" || n.Text("status") == "superseded" || slices.ContainsFunc(v.Attachments, func(a Attached) bool { return a.ID == n.Text("id") }) {
		return
	}
	one := Attached{ID: n.Text("id"), Title: n.Text("description"), Added: n.Text("date"), Audience: audience, Document: "DocumentReference/" + n.Text("id")}
	if audience == "" {
		one.Audience, one.Author = ForPractice, v.Requester.ODS
	} else {
		one.Author = odsOf(n.Child("author").All("identifier"))
	}
	one.AuthorName = s.party(one.Author).Name
	for _, content := range n.All("content") {
		a := content.Child("attachment")
		this := one
		if title := a.Text("title"); title != "" {
			this.Title = title
		}
		this.URL, this.ContentType, this.Created, this.SHA256 = a.Text("url"), a.Text("contentType"), a.Text("creation"), extension(a, extSHA256)
		this.Size, _ = strconv.ParseInt(a.Text("size"), 10, 64)
		if sum, err := base64.StdEncoding.DecodeString(a.Text("hash")); err == nil {
			this.SHA1 = hex.EncodeToString(sum)
		}
		v.Attachments = append(v.Attachments, this)
	}
}
