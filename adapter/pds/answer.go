package pds

import (
	"strings"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Answer is what the service says of a person. Of a restricted person it names no practice.
type Answer struct {
	Number     string   // NHS number of the person now; another than the one asked for when that was replaced
	ETag       string   // to ask with the next time, "" when there is none
	Same       bool     // nothing changed since the ETag that was asked with
	Practice   string   // ODS code of the practice where the person is registered now, "" when none is told
	Deceased   string   // FHIR date or dateTime of death, "" when none is told
	Formal     bool     // the death was told by the registrar, not only by a care provider
	Restricted bool     // nobody may learn from us where the person is
	BirthDate  string   // FHIR date, "" when none is told
	Names      []string // family and given names, in lower case; to tell one person from another
}

const (
	systemNumber = "https://fhir.nhs.uk/Id/nhs-number"
	deathStatus  = "Extension-UKCore-DeathNotificationStatus" // how the URL ends, which has had several beginnings
)

// read reads a Patient that was asked for by number. The id of a Patient is its NHS number.
// An answer with another one is told by that to be about the same person under the number that
// replaced the old one; whether it is that person, who knows the person can tell.
//
// Errors: conflict for a resource that contradicts itself about whom it is about; deleted for
// one that is marked as not to be used; exception for what is no Patient.
func read(n *fhir.Node, asked, etag string, now time.Time) (*Answer, error) {
	if n.ResourceType() != "Patient" {
		return nil, issue.New(issue.Exception, "pds-answer", "the PDS answered with something that is no Patient")
	}
	a := &Answer{Number: n.Text("id"), ETag: etag, BirthDate: n.Text("birthDate")}
	if !valid(a.Number) {
		return nil, issue.New(issue.Conflict, "pds-other", "the PDS answered with a Patient whose id is no NHS number")
	}
	for _, id := range n.All("identifier") {
		if id.Text("system") == systemNumber && id.Text("value") != a.Number {
			return nil, issue.New(issue.Conflict, "pds-other", "the PDS answered with a Patient whose id and NHS number differ")
		}
	}
	if a.Number != asked && len(n.All("identifier")) == 0 {
		return nil, issue.New(issue.Conflict, "pds-other", "the PDS answered with a Patient of another number, which names no NHS number of its own")
	}
	for _, label := range n.Child("meta").All("security") {
		switch label.Text("code") {
		case "R", "V":
			a.Restricted = true
		case "REDACTED":
			return nil, issue.New(issue.Deleted, "pds-invalidated", "the PDS marks the person's record as not to be used: trace the person")
		}
	}
	if !a.Restricted { // where somebody is registered says where they are
		a.Practice = practice(n, now)
	}
	if d := n.Child("deceased"); d != nil {
		status := ""
		for _, e := range n.All("extension") {
			status += notification(e)
		}
		for _, e := range d.All("extension") {
			status += notification(e)
		}
		if d.Value != "false" && status != "U" { // U: the notice was taken back
			a.Deceased, a.Formal = d.Value, status == "2"
		}
	}
	for _, name := range n.All("name") {
		a.Names = append(a.Names, strings.ToLower(name.Text("family")))
		for _, given := range name.All("given") {
			a.Names = append(a.Names, strings.ToLower(given.Value))
		}
	}
	return a, nil
}

// notification is the code of a death notification status, "" where an extension has none.
// Source: CodeSystem UKCore-DeathNotificationStatus: 1 informal, 2 formal, U removed.
func notification(e *fhir.Node) string {
	if !strings.HasSuffix(e.Text("url"), deathStatus) {
		return ""
	}
	if code := e.Text("value", "coding", "code"); code != "" {
		return code
	}
	for _, part := range e.All("extension") {
		if code := part.Text("value", "coding", "code"); code != "" {
			return code
		}
	}
	return ""
}

// practice is the one where the person is registered at that time: a general practice, which
// the service names by its ODS code alone, with the time of the registration.
func practice(n *fhir.Node, now time.Time) string {
	today := now.UTC().Format(time.DateOnly)
	for _, gp := range n.All("generalPractitioner") {
		id := gp.Child("identifier")
		start, end := id.Text("period", "start"), id.Text("period", "end")
		if code := id.Text("value"); ods(code) && !(start != "" && day(start) > today) && !(end != "" && day(end) < today) {
			return code
		}
	}
	return ""
}

// day is the date of a dateTime.
func day(text string) string { return text[:min(len(text), len(time.DateOnly))] }

// ods reports whether a text has the form of an ODS code.
func ods(code string) bool {
	return len(code) >= 3 && len(code) <= 10 && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// valid reports whether a text is an NHS number: ten digits, the last the modulus 11 check
// digit of the others. Source: https://www.datadictionary.nhs.uk/attributes/nhs_number.html.
func valid(s string) bool {
	if len(s) != 10 || strings.Trim(s, "0123456789") != "" {
		return false
	}
	sum := 0
	for i := range 9 {
		sum += (10 - i) * int(s[i]-'0')
	}
	return (11-sum%11)%11 == int(s[9]-'0')
}
