package delivery

import (
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mesh"
)

// The events of GP Connect messages and the MESH workflows that they travel under.
const (
	eventDocument = "ITK007C" // Send Document
	eventRecord   = "ITK014M" // Update Record

	WorkflowDocument    = "GPCONNECT_SEND_DOCUMENT"
	WorkflowOldDocument = "GPFED_CONSULT_REPORT" // that practices take who have not changed over
	WorkflowRecord      = "GPCONNECT_UPDATE_RECORD"
)

// The identifier systems of an ITK3 message, without their scheme: they are written in
// several ways.
const (
	systemODS = "fhir.nhs.uk/id/ods-organization-code"
	systemNHS = "fhir.nhs.uk/id/nhs-number"
)

// itkLimit bounds an ITK3 message: attachments are inside it.
const itkLimit = 64 << 20

// envelope is what MESH is told of an ITK3 message. All of it comes from the bytes that are
// sent, so that another try says the same.
type envelope struct {
	to       string   // address of the practice where the person is registered
	workflow string   //
	local    string   // ODS code of the sender
	subject  string   // names the person: never logged
	file     string   // the id of the message, so that a report about it can be told
	names    []string // by which an acknowledgement may call it
}

// envelopeOf reads an ITK3 message. old asks for the workflow of practices who have not
// changed over. Errors: one issue that names the element that is missing.
//
// Source: ITK3 Message Distribution 2.9.0; GP Connect Send Document, MESH headers.
func envelopeOf(body []byte, old bool) (envelope, *issue.Error) {
	bundle, err := fhir.Read(fhir.Types(fhir.STU3), body, fhir.Limits{Bytes: itkLimit})
	if err != nil {
		return envelope{}, issue.New(issue.Structure, "itk-message", "the message is no FHIR STU3").Because(err)
	}
	if bundle.ResourceType() != "Bundle" || bundle.Text("type") != "message" || len(bundle.All("entry")) == 0 {
		return envelope{}, lacks("Bundle", "a Bundle of type message")
	}
	header := bundle.All("entry")[0].Child("resource")
	if header.ResourceType() != "MessageHeader" {
		return envelope{}, lacks("Bundle.entry[0].resource", "a MessageHeader first")
	}
	e := envelope{names: []string{bundle.Text("identifier", "value"), bundle.Text("id"), header.Text("id")}}
	e.file = strings.TrimPrefix(e.names[0], "urn:uuid:")
	if e.file == "" || header.Text("id") == "" {
		return envelope{}, lacks("Bundle.identifier", "an identifier, and its MessageHeader an id")
	}
	switch event := header.Text("event", "code"); {
	case event == eventDocument && old:
		e.workflow = WorkflowOldDocument
	case event == eventDocument:
		e.workflow = WorkflowDocument
	case event == eventRecord:
		e.workflow = WorkflowRecord
	default:
		return envelope{}, lacks("MessageHeader.event", "the event ITK007C or ITK014M")
	}
	if e.local = identifier(target(bundle, header.Child("sender")), systemODS); e.local == "" {
		return envelope{}, lacks("MessageHeader.sender", "a sender with an ODS code")
	}
	document := target(bundle, header.Child("focus"))
	if document.ResourceType() != "Bundle" || len(document.All("entry")) == 0 {
		return envelope{}, lacks("MessageHeader.focus", "a focus that is the document")
	}
	composition := document.All("entry")[0].Child("resource")
	if composition.ResourceType() != "Composition" || composition.Text("title") == "" {
		return envelope{}, lacks("Composition.title", "a Composition first, with a title")
	}
	var bad *issue.Error
	if e.to, e.subject, bad = addressed(document, composition, e.local); bad != nil {
		return envelope{}, bad
	}
	return e, nil
}

// addressed gives the address and the subject of a document.
func addressed(document, composition *fhir.Node, sender string) (to, subject string, bad *issue.Error) {
	patient := target(document, composition.Child("subject"))
	number := identifier(patient, systemNHS)
	given, family := nameOf(patient)
	to, err := mesh.Practice(number, patient.Text("birthDate"), family)
	if err != nil {
		return "", "", lacks("Patient", "an NHS number, a whole birth date and a surname: MESH finds the practice by them")
	}
	place, ods := "", sender
	if custodian := target(document, composition.Child("custodian")); custodian != nil {
		place = custodian.Text("name")
		if code := identifier(custodian, systemODS); code != "" {
			ods = code
		}
	}
	if place == "" {
		return "", "", lacks("Composition.custodian", "a custodian with a name: it is part of the subject")
	}
	version := 1
	for _, of := range []*fhir.Node{composition, document} {
		if n, err := strconv.Atoi(of.Text("meta", "versionId")); err == nil && n > version {
			version = n
		}
	}
	plain := strings.NewReplacer("\r", " ", "\n", " ", "\t", " ")
	return to, plain.Replace(composition.Text("title") + " for " + strings.TrimSpace(given+" "+family) + ", NHS Number: " + number + ", seen at " + place +
		", ODS code: " + ods + ", version " + strconv.Itoa(version)), nil
}

func lacks(path, what string) *issue.Error {
	return issue.Newf(issue.Required, "itk-message", "a message that is sent over MESH has %s", what).At(path)
}

// target is the resource of a Bundle that a reference leads to, nil when there is none.
func target(bundle, reference *fhir.Node) *fhir.Node {
	to := reference.Text("reference")
	if to == "" {
		return nil
	}
	id := to[strings.LastIndexAny(to, "/:")+1:]
	for _, entry := range bundle.All("entry") {
		r := entry.Child("resource")
		if entry.Text("fullUrl") == to || strings.EqualFold(r.Text("id"), id) {
			return r
		}
	}
	return nil
}

// identifier is the value of an identifier of a resource, "" when it has none.
func identifier(n *fhir.Node, system string) string {
	for _, i := range n.All("identifier") {
		_, rest, _ := strings.Cut(i.Text("system"), "://")
		if strings.EqualFold(rest, system) {
			return i.Text("value")
		}
	}
	return ""
}

// nameOf is the official name of a person, else the first.
func nameOf(patient *fhir.Node) (given, family string) {
	for i, name := range patient.All("name") {
		if i == 0 || name.Text("use") == "official" {
			var words []string
			for _, g := range name.All("given") {
				words = append(words, g.Value)
			}
			given, family = strings.Join(words, " "), name.Text("family")
		}
	}
	return given, family
}
