package delivery

import (
	"regexp"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/mesh"
	"spadapter/adapter/referral"
)

// eventResponse is that of an ITK3 response.
const eventResponse = "ITK008M"

// systemResponse ends the system of the response codes.
const systemResponse = "/ITK-ResponseCodes-1"

// acknowledgementOf reads what came in the inbox: a report of MESH, an ITK3 response in
// JSON or XML, or something else, which is kept for a person to see.
//
// Source: ITK3 Message Distribution 2.9.0, ITK-Response-OperationOutcome-1.
func acknowledgementOf(m *mesh.Received) referral.Acknowledgement {
	a := referral.Acknowledgement{ID: m.ID, Workflow: m.Workflow, Kind: referral.AcknowledgesUnknown, Body: m.Body}
	if m.Report {
		a.Kind, a.Code, a.Negative = referral.AcknowledgesNothing, codeOf(m.Code), true
		// MESH names the message by the id that it gave; of a send whose answer was lost we
		// know only the name of the file
		name := m.FileName
		if i := strings.LastIndexByte(name, '.'); i > 0 {
			name = name[:i]
		}
		for _, n := range []string{m.Linked, name} {
			if n != "" {
				a.Names = append(a.Names, n)
			}
		}
		a.Problem, _ = mesh.Words(m.Code)
		return a
	}
	bundle, err := fhir.Read(fhir.Types(fhir.STU3), m.Body, fhir.Limits{Bytes: itkLimit})
	if err != nil {
		a.Problem = "the message is no FHIR STU3"
		return a
	}
	if bundle.ResourceType() != "Bundle" || bundle.Text("type") != "message" || len(bundle.All("entry")) == 0 {
		a.Problem = "the message is no Bundle of type message"
		return a
	}
	header := bundle.All("entry")[0].Child("resource")
	if header.ResourceType() != "MessageHeader" || header.Text("event", "code") != eventResponse {
		a.Problem = "the message is no ITK response"
		return a
	}
	response := header.Child("response")
	if name := response.Text("identifier"); name != "" {
		a.Names = []string{name}
	}
	a.Negative = response.Text("code") == "transient-error" || response.Text("code") == "fatal-error"
	outcome := target(bundle, response.Child("details"))
	if outcome == nil { // some senders do not refer to it
		for _, entry := range bundle.All("entry") {
			if r := entry.Child("resource"); r.ResourceType() == "OperationOutcome" {
				outcome = r
			}
		}
	}
	codes := codesOf(outcome)
	switch {
	case len(a.Names) == 0:
		a.Problem = "the response does not say which message it answers"
	case len(codes) != 1:
		a.Problem = "the response has no response code, or several"
	default:
		a.Code = codeOf(codes[0])
		if a.Kind = referral.KindOfResponse(a.Code); a.Kind == referral.AcknowledgesUnknown {
			a.Problem = "the response has a code that is of no kind"
		}
	}
	return a
}

// codeForm is that of the codes of ITK and of MESH.
var codeForm = regexp.MustCompile(`^(\d{2,5}|EPL-\d{3})$`)

// codeOf is "" for what has no form of a code: codes are shown and logged, and anything may be
// written in their place.
func codeOf(text string) string {
	if !codeForm.MatchString(text) {
		return ""
	}
	return text
}

// codesOf gives the response codes of an OperationOutcome.
func codesOf(outcome *fhir.Node) (list []string) {
	for _, i := range outcome.All("issue") {
		for _, coding := range i.Child("details").All("coding") {
			if strings.HasSuffix(coding.Text("system"), systemResponse) {
				list = append(list, coding.Text("code"))
			}
		}
	}
	return list
}

func ending(contentType string) string {
	if strings.Contains(contentType, "xml") {
		return ".xml"
	}
	return ".json"
}
