package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// tree is JSON as it is, so that these rules see what a receiver reads and share nothing
// with what made it.
type tree = map[string]any

// member follows member names and, for a list, its first item; nil where there is nothing.
func member(v any, path ...string) any {
	for _, name := range path {
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
		}
		m, ok := v.(tree)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func textAt(v any, path ...string) string { s, _ := member(v, path...).(string); return s }

func members(v any, path ...string) []any { l, _ := member(v, path...).([]any); return l }

// letterParts is a message taken apart by the rules below.
type letterParts struct {
	bundle, header, sender, inner, composition tree
	entries                                    []any // of the document
}

// of gives the resources of a type in the document.
func (p *letterParts) of(kind string) (out []tree) {
	for _, e := range p.entries {
		if r, _ := member(e, "resource").(tree); r["resourceType"] == kind {
			out = append(out, r)
		}
	}
	return out
}

// one gives the only resource of a type.
func (p *letterParts) one(kind string) tree {
	if all := p.of(kind); len(all) == 1 {
		return all[0]
	}
	return nil
}

// handled is the value of one part of the handling; n is how often the part is there.
func (p *letterParts) handled(url string) (value any, n int) {
	for _, x := range members(p.header, "extension", "extension") {
		if textAt(x, "url") == url {
			n++
			for name, v := range x.(tree) {
				if strings.HasPrefix(name, "value") {
					value = v
				}
			}
		}
	}
	return value, n
}

const (
	nhs     = "https://fhir.nhs.uk/"
	hl7uk   = "https://fhir.hl7.org.uk/STU3/StructureDefinition/"
	stu3    = nhs + "STU3/StructureDefinition/"
	snomed  = "http://snomed.info/sct"
	uuidURN = `^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`
)

// letterRule is one sentence of the specification; holds says whether a message keeps it.
type letterRule struct {
	source string
	only   string // an event; "" for both messages
	holds  func(p *letterParts) bool
}

func profiled(r tree, url string) bool {
	l := members(r, "meta", "profile")
	return len(l) == 1 && l[0] == url
}

func handles(url string, want any) letterRule {
	return letterRule{"MessageHandling: all six parts exactly once: " + url, "", func(p *letterParts) bool {
		got, n := p.handled(url)
		return n == 1 && fmt.Sprint(got) == fmt.Sprint(want)
	}}
}

func forbids(path ...string) letterRule {
	return letterRule{"MessageHeader: NOT allowed: " + strings.Join(path, "."), "", func(p *letterParts) bool { return member(p.header, path...) == nil }}
}

func anyOf(all []tree, holds func(tree) bool) bool { return slices.ContainsFunc(all, holds) }

func each(all []tree, holds func(tree) bool) bool {
	return !slices.ContainsFunc(all, func(r tree) bool { return !holds(r) })
}

// headingOf is the PRSB heading of a resource.
func headingOf(r tree) string {
	if textAt(r, "meta", "tag", "system") != nhs+"CodeSystem/RecordStandardHeadings" || len(members(r, "meta", "tag")) != 1 {
		return ""
	}
	return textAt(r, "meta", "tag", "code")
}

// letterRules are what ITK3 Message Distribution 2.9.0, GP Connect Send Document and Update
// Record demand of a message, sentence by sentence.
var letterRules = []letterRule{
	{"Bundle type=message", "", func(p *letterParts) bool { return p.bundle["type"] == "message" }},
	{"profile ITK-Message-Bundle-1", "", func(p *letterParts) bool { return profiled(p.bundle, stu3+"ITK-Message-Bundle-1") }},
	{"Bundle: identifier", "", func(p *letterParts) bool { return textAt(p.bundle, "identifier", "value") != "" }},
	{"the message holds MessageHeader, Organization and the document", "", func(p *letterParts) bool {
		return len(members(p.bundle, "entry")) == 3 && p.header["resourceType"] == "MessageHeader" && p.sender["resourceType"] == "Organization" && p.inner["resourceType"] == "Bundle"
	}},
	{"profile ITK-MessageHeader-2", "", func(p *letterParts) bool { return profiled(p.header, stu3+"ITK-MessageHeader-2") }},
	{"event system ITK-MessageEvent-2", "", func(p *letterParts) bool {
		return textAt(p.header, "event", "system") == nhs+"STU3/CodeSystem/ITK-MessageEvent-2"
	}},
	{"event ITK007C ITK GP Connect Send Document", "ITK007C", func(p *letterParts) bool {
		return textAt(p.header, "event", "display") == "ITK GP Connect Send Document"
	}},
	{"event ITK014M ITK Update Record", "ITK014M", func(p *letterParts) bool { return textAt(p.header, "event", "display") == "ITK Update Record" }},
	{"sender → Organization", "", func(p *letterParts) bool {
		return textAt(p.header, "sender", "reference") == textAt(members(p.bundle, "entry")[1], "fullUrl")
	}},
	{"source.endpoint = sender's MESH mailbox", "", func(p *letterParts) bool { return textAt(p.header, "source", "endpoint") != "" }},
	{"timestamp", "", func(p *letterParts) bool { return textAt(p.header, "timestamp") != "" }},
	{"focus (exactly 1) → inner Bundle", "", func(p *letterParts) bool {
		return len(members(p.header, "focus")) == 1 && textAt(p.header, "focus", "reference") == textAt(members(p.bundle, "entry")[2], "fullUrl")
	}},
	forbids("destination"), forbids("source", "name"), forbids("source", "software"), forbids("source", "version"), forbids("source", "contact"),
	forbids("reason"), forbids("enterer"), forbids("author"), forbids("responsible"), forbids("response"),
	{"Extension-ITK-MessageHandling-2, six parts and no other", "", func(p *letterParts) bool {
		return len(members(p.header, "extension")) == 1 && textAt(p.header, "extension", "url") == stu3+"Extension-ITK-MessageHandling-2" && len(members(p.header, "extension", "extension")) == 6
	}},
	handles("BusAckRequested", true), handles("InfAckRequested", true), handles("LocalExtension", "None"),
	{"RecipientType Coding FI by default", "", func(p *letterParts) bool {
		v, n := p.handled("RecipientType")
		return n == 1 && textAt(v, "code") == "FI" && textAt(v, "system") == nhs+"STU3/CodeSystem/ITK-RecipientType-1" && textAt(v, "display") != ""
	}},
	{"MessageDefinition of Send Document", "ITK007C", func(p *letterParts) bool {
		v, n := p.handled("MessageDefinition")
		return n == 1 && textAt(v, "reference") == nhs+"STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-1"
	}},
	{"MessageDefinition as the Update Record example prints it", "ITK014M", func(p *letterParts) bool {
		v, n := p.handled("MessageDefinition")
		return n == 1 && textAt(v, "reference") == nhs+"MessageDefinition"
	}},
	{"SenderReference: of the Composition", "ITK007C", func(p *letterParts) bool {
		v, n := p.handled("SenderReference")
		return n == 1 && v == textAt(p.entries[0], "fullUrl")
	}},
	{"SenderReference: urn:uuid: of the Encounter", "ITK014M", func(p *letterParts) bool {
		v, n := p.handled("SenderReference")
		return n == 1 && v == textAt(p.entries[1], "fullUrl") && textAt(p.entries[1], "resource", "resourceType") == "Encounter"
	}},
	{"header Organization: profile and ODS identifier", "", func(p *letterParts) bool {
		return profiled(p.sender, stu3+"CareConnect-ITK-Header-Organization-1") && len(members(p.sender, "identifier")) == 1 &&
			textAt(p.sender, "identifier", "system") == nhs+"Id/ods-organization-code" && textAt(p.sender, "identifier", "value") == service1
	}},
	{"Bundle type=document, profile ITK-Document-Bundle-1, with its identifier", "", func(p *letterParts) bool {
		return p.inner["type"] == "document" && profiled(p.inner, stu3+"ITK-Document-Bundle-1") && textAt(p.inner, "identifier", "value") != "" && textAt(p.inner, "identifier", "system") != ""
	}},
	{"fullUrl and references are urn:uuid:; id equals the UUID", "", func(p *letterParts) bool {
		for _, e := range slices.Concat(members(p.bundle, "entry"), p.entries) {
			if url := textAt(e, "fullUrl"); !regexp.MustCompile(uuidURN).MatchString(url) || url != "urn:uuid:"+textAt(e, "resource", "id") {
				return false
			}
		}
		return true
	}},
	{"all meta.profile populated", "", func(p *letterParts) bool {
		for _, e := range slices.Concat(members(p.bundle, "entry"), p.entries) {
			if len(members(e, "resource", "meta", "profile")) != 1 {
				return false
			}
		}
		return true
	}},
	{"every reference of the document resolves inside it", "", func(p *letterParts) bool {
		urls := map[string]bool{}
		for _, e := range p.entries {
			urls[textAt(e, "fullUrl")] = true
		}
		ok := true
		visited(p.inner, func(name string, v any) {
			if s, is := v.(string); is && name == "reference" && !urls[s] {
				ok = false
			}
		})
		return ok
	}},
	{"Composition first; CareConnect-Composition-1", "", func(p *letterParts) bool {
		return p.composition["resourceType"] == "Composition" && profiled(p.composition, hl7uk+"CareConnect-Composition-1") && len(p.of("Composition")) == 1
	}},
	{"Composition: status final", "", func(p *letterParts) bool { return p.composition["status"] == "final" }},
	{"Composition: type = SNOMED document type", "", func(p *letterParts) bool {
		return textAt(p.composition, "type", "coding", "system") == snomed && slices.Contains([]string{"734163000", "371531000"}, textAt(p.composition, "type", "coding", "code"))
	}},
	{"Composition: subject the Patient, author the Practitioner, custodian the Organization", "", func(p *letterParts) bool {
		urn := func(kind string) string { return "urn:uuid:" + textAt(p.one(kind), "id") }
		return textAt(p.composition, "subject", "reference") == urn("Patient") && textAt(p.composition, "author", "reference") == urn("Practitioner") && textAt(p.composition, "custodian", "reference") == urn("Organization")
	}},
	{"Composition: date and title", "", func(p *letterParts) bool {
		return textAt(p.composition, "date") != "" && textAt(p.composition, "title") != ""
	}},
	{"Composition: extension care setting type", "", func(p *letterParts) bool {
		return textAt(p.composition, "extension", "url") == hl7uk+"Extension-CareConnect-CareSettingType-1" && member(p.composition, "extension", "valueCodeableConcept") != nil
	}},
	{"Composition.text = one-line summary with patient, NHS number, place, ODS code and version", "", func(p *letterParts) bool {
		patient, place := p.one("Patient"), p.one("Organization")
		div := textAt(p.composition, "text", "div")
		for _, part := range []string{textAt(patient, "name", "family"), textAt(patient, "identifier", "value"), textAt(place, "name"), textAt(place, "identifier", "value"),
			"version " + textAt(p.composition, "meta", "versionId"), `xmlns="http://www.w3.org/1999/xhtml"`} {
			if part == "" || !strings.Contains(div, part) {
				return false
			}
		}
		return !strings.Contains(div, "\n") && strings.Count(div, "<") == 2
	}},
	{"confidential items must not be sent", "", func(p *letterParts) bool {
		return p.composition["confidentiality"] != "R" && p.composition["confidentiality"] != "V"
	}},
	{"custodian = sending organisation with ODS code, name and phone", "", func(p *letterParts) bool {
		o := p.one("Organization")
		return textAt(o, "identifier", "system") == nhs+"Id/ods-organization-code" && textAt(o, "identifier", "value") == service1 && textAt(o, "name") != "" && textAt(o, "telecom", "system") == "phone" && textAt(o, "telecom", "value") != ""
	}},
	{"section.entry lists Organization, Practitioner, Patient and each Binary", "ITK007C", func(p *letterParts) bool { return lists(p) }},
	{"section.entry lists every resource of the inner bundle", "ITK014M", func(p *letterParts) bool { return lists(p) }},
	{"no HTML in section.text", "ITK014M", func(p *letterParts) bool {
		return !slices.ContainsFunc(members(p.composition, "section"), func(s any) bool { return member(s, "text") != nil })
	}},
	{"Patient: NHS number with verification status 01 in the STU3 system", "", func(p *letterParts) bool {
		i := member(p.one("Patient"), "identifier")
		return len(members(p.one("Patient"), "identifier")) == 1 && textAt(i, "system") == nhs+"Id/nhs-number" && strings.HasPrefix(textAt(i, "value"), "999") &&
			textAt(i, "extension", "url") == hl7uk+"Extension-CareConnect-NHSNumberVerificationStatus-1" &&
			textAt(i, "extension", "valueCodeableConcept", "coding", "system") == nhs+"STU3/CodeSystem/CareConnect-NHSNumberVerificationStatus-1" &&
			textAt(i, "extension", "valueCodeableConcept", "coding", "code") == "01"
	}},
	{"Patient: official name, birthDate, postcode", "", func(p *letterParts) bool {
		n := p.one("Patient")
		return len(members(n, "name")) == 1 && textAt(n, "name", "use") == "official" && textAt(n, "name", "family") != "" && textAt(n, "birthDate") != "" && textAt(n, "address", "postalCode") != ""
	}},
	{"Practitioner", "", func(p *letterParts) bool { return textAt(p.one("Practitioner"), "name", "family") != "" }},
	{"relatesTo {code replaces, targetIdentifier}; version incremented", "", func(p *letterParts) bool {
		related := members(p.composition, "relatesTo")
		for _, r := range related {
			if textAt(r, "code") != "replaces" || textAt(r, "targetIdentifier", "value") == "" || textAt(r, "targetIdentifier", "value") == textAt(p.composition, "identifier", "value") {
				return false
			}
		}
		return (len(related) > 0) == (textAt(p.composition, "meta", "versionId") != "1")
	}},
	{"payload Composition + Binary (PDF first), base64", "ITK007C", func(p *letterParts) bool {
		kinds := []string{}
		for _, e := range p.entries {
			kinds = append(kinds, textAt(e, "resource", "resourceType"))
		}
		pdf, err := base64.StdEncoding.DecodeString(textAt(p.of("Binary")[0], "content"))
		return slices.Equal(kinds, []string{"Composition", "Organization", "Practitioner", "Patient", "Binary"}) && textAt(p.of("Binary")[0], "contentType") == "application/pdf" && err == nil && bytes.HasPrefix(pdf, []byte("%PDF-"))
	}},
	{"neither may create a task", "", func(p *letterParts) bool { return len(p.of("Task")) == 0 }},
	{"Encounter (mandatory; type and reason SNOMED, participant REC, period.start, serviceProvider)", "ITK014M", func(p *letterParts) bool {
		n := p.one("Encounter")
		return profiled(n, stu3+"CareConnect-GPC-Encounter-1") && textAt(n, "type", "coding", "system") == snomed && textAt(n, "reason", "coding", "system") == snomed &&
			textAt(n, "participant", "type", "coding", "code") == "REC" && textAt(n, "period", "start") != "" && textAt(n, "serviceProvider", "reference") != ""
	}},
	{"at least one ClinicalImpression (mandatory clinical-summary; summary 1..1)", "ITK014M", func(p *letterParts) bool {
		all := p.of("ClinicalImpression")
		return anyOf(all, func(r tree) bool { return headingOf(r) == "clinical-summary" }) && each(all, func(r tree) bool { return textAt(r, "summary") != "" })
	}},
	{"one resource per heading value", "ITK014M", func(p *letterParts) bool {
		seen := map[string]bool{}
		return each(p.of("ClinicalImpression"), func(r tree) bool { was := seen[headingOf(r)]; seen[headingOf(r)] = true; return !was })
	}},
	{"headings of ClinicalImpression.summary", "ITK014M", func(p *letterParts) bool {
		return each(p.of("ClinicalImpression"), func(r tree) bool {
			return slices.Contains([]string{"clinical-summary", "history", "information-and-advice-given", "plan-and-requested-actions", "signpost-details", "red-flags"}, headingOf(r))
		})
	}},
	{"presenting-complaints-or-issues: Condition", "ITK014M", func(p *letterParts) bool {
		return each(p.of("Condition"), func(r tree) bool { return headingOf(r) == "presenting-complaints-or-issues" })
	}},
	{"social-context, procedures-and-therapies: Observation", "ITK014M", func(p *letterParts) bool {
		return each(p.of("Observation"), func(r tree) bool {
			return slices.Contains([]string{"social-context", "procedures-and-therapies"}, headingOf(r))
		})
	}},
	{"safeguarding: Flag", "ITK014M", func(p *letterParts) bool {
		return each(p.of("Flag"), func(r tree) bool { return headingOf(r) == "safeguarding" })
	}},
	{"an unsupported profile makes the receiver reject the whole message", "ITK014M", func(p *letterParts) bool {
		for _, e := range p.entries {
			if !slices.Contains([]string{"Composition", "Encounter", "Organization", "Practitioner", "Patient", "ClinicalImpression", "Observation", "Condition", "Flag"}, textAt(e, "resource", "resourceType")) {
				return false
			}
		}
		return true
	}},
}

// lists reports whether the one section lists what stands beside the Composition.
func lists(p *letterParts) bool {
	listed := map[string]int{}
	for _, r := range members(p.composition, "section", "entry") {
		listed[textAt(r, "reference")]++
	}
	for _, e := range p.entries[1:] {
		if listed[textAt(e, "fullUrl")] != 1 {
			return false
		}
	}
	return len(listed) == len(p.entries)-1 && len(members(p.composition, "section")) == 1
}

// visited visits every member of a document.
func visited(v any, visit func(name string, v any)) {
	switch v := v.(type) {
	case tree:
		for name, c := range v {
			visit(name, c)
			visited(c, visit)
		}
	case []any:
		for _, c := range v {
			visited(c, visit)
		}
	}
}

// taken takes a message apart; it must be FHIR STU3.
func taken(body []byte) (*letterParts, error) {
	n, err := fhir.Parse(fhir.Types(fhir.STU3), body, fhir.Limits{})
	if err == nil {
		err = issue.Failures(fhir.Check(n))
	}
	p := &letterParts{}
	if err == nil {
		err = json.Unmarshal(body, &p.bundle)
	}
	if err != nil || len(members(p.bundle, "entry")) < 3 {
		return nil, fmt.Errorf("no message of STU3: %w", err)
	}
	resource := func(i int) tree { r, _ := member(members(p.bundle, "entry")[i], "resource").(tree); return r }
	p.header, p.sender, p.inner = resource(0), resource(1), resource(2)
	if p.entries = members(p.inner, "entry"); len(p.entries) < 5 {
		return nil, fmt.Errorf("the document has %d entries", len(p.entries))
	}
	p.composition, _ = member(p.entries[0], "resource").(tree)
	return p, nil
}

// assertLetter holds a message to every rule of its event.
func assertLetter(t *testing.T, what string, body []byte) *letterParts {
	t.Helper()
	p, err := taken(body)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for _, r := range letterRules {
		if (r.only == "" || r.only == textAt(p.header, "event", "code")) && !r.holds(p) {
			t.Errorf("%s: does not hold: %s", what, r.source)
		}
	}
	return p
}
