package referral

import (
	"spadapter/adapter/fhir"
)

// Language is one that the person speaks, signs or reads.
type Language struct {
	Concept
	Preferred   bool      `json:"preferred,omitempty"`
	Proficiency []Concept `json:"proficiency,omitempty"`
	Recorded    *Finding  `json:"recorded,omitempty"` // where it was recorded as a finding
}

// person fills the demographics, the practices, the contacts that the Patient names, and
// how to communicate. bundle is the normalised referral, whose labels hold for all in it.
func (h *sheet) person(n, bundle *fhir.Node) {
	r, now := h.read, h.now
	p := person(n, now)
	p.Restricted, p.Deceased = restricted(n) || restricted(bundle), deceased(n)
	r.text(n, "birthDate")
	r.text(n, "gender")
	if d := n.Child("deceased"); d != nil && d.Name == "deceasedDateTime" {
		p.DeceasedOn = d.Value
	}
	r.text(n, "deceased")
	p.Labels = append([]Coded{}, r.codings(n.Child("meta").All("security"))...)
	p.Identifiers, p.Times, p.Immigration, p.Withheld = []Identity{}, []string{}, []Finding{}, []Withheld{}
	h.identifiers(&p, n)
	p.Names, p.Addresses, p.Points = r.names(n.All("name"), now), r.addresses(n.All("address"), now), r.points(n.All("telecom"), now)
	for _, name := range p.Names {
		if name.Use == "nickname" && !name.Previous && p.PreferredName == nil {
			p.PreferredName = &name.Text
		}
	}
	p.Marital = r.concept(n.Child("maritalStatus"))
	h.sex(&p, n)
	coded := func(urls ...string) *Concept {
		for _, url := range urls {
			if e := r.extension(n, url); e != nil {
				return r.concept(e.Child("value"))
			}
		}
		return nil
	}
	p.Ethnicity = coded(ukCore + "EthnicCategory")
	p.Religion = coded(ukCore+"ReligiousAffiliation", extReligion)
	p.NumberMissing = coded(ukCore + "NHSNumberUnavailableReason")
	h.preference(&p, n)
	h.communicates(n)
	h.practices(n)
	for _, contact := range n.All("contact") {
		h.contact(contact)
	}
	h.v.Person = p
}

// identifiers reads the NHS number with its status, and the others.
func (h *sheet) identifiers(p *Person, n *fhir.Node) {
	r := h.read
	for _, id := range n.All("identifier") {
		system, value := r.text(id, "system"), r.text(id, "value")
		if system == SystemNHSNumber && value == p.NHSNumber {
			if e := r.extension(id, ukCore+"NHSNumberVerificationStatus"); e != nil {
				p.NumberStatus = r.concept(e.Child("value"))
			}
			continue
		}
		p.Identifiers = append(p.Identifiers, Identity{System: system, Value: value, Type: r.concept(id.Child("type")), Use: r.text(id, "use")})
	}
}

// sex leaves out what beside a gender can disclose a reassignment, and says so.
// Source: Gender Recognition Act 2004, section 22; PRSB 1.1, demographics.
func (h *sheet) sex(p *Person, n *fhir.Node) {
	for _, e := range n.All("extension") {
		if ok, _ := h.s.Terminology.ValidateCode(canonical+"/ValueSet/sp-sex-extension", "urn:ietf:rfc:3986", e.Text("url")); ok {
			h.read.hide(e)
			if len(p.Withheld) == 0 {
				p.Withheld = append(p.Withheld, Withheld{Element: "sex", Reason: "Beside a gender it can disclose a gender reassignment."})
			}
		}
	}
}

// preference reads how, when and in which format the person wants to be contacted.
func (h *sheet) preference(p *Person, n *fhir.Node) {
	r := h.read
	e := r.extension(n, ukCore+"ContactPreference")
	if m := r.extension(e, "PreferredContactMethod"); m != nil {
		p.Preferred = r.concept(m.Child("value"))
	}
	for _, part := range e.All("extension") {
		if value := part.Child("value"); part.Text("url") == "PreferredContactTimes" && value != nil && value.HasValue() {
			r.text(part, "url")
			p.Times = append(p.Times, r.text(value))
		}
	}
	if f := r.extension(e, "PreferredWrittenCommunicationFormat"); f != nil {
		h.Communicate.WrittenFormat = r.concept(f.Child("value"))
	}
}

// communicates reads languages and the need for an interpreter, as UK Core has them now
// and as it had them before.
func (h *sheet) communicates(n *fhir.Node) {
	r, c := h.read, &h.Communicate
	needed := func(value *fhir.Node) {
		if value != nil && value.HasValue() {
			c.Interpreter = either(c.Interpreter, r.text(value) == "true")
		}
	}
	for _, said := range n.All("communication") {
		l := Language{Preferred: r.text(said, "preferred") == "true"}
		if language := r.concept(said.Child("language")); language != nil {
			l.Concept = *language
		}
		if e := r.extension(said, extProficiency); e != nil {
			for _, part := range e.All("extension") {
				r.text(part, "url")
				if value := part.Child("value"); value != nil {
					l.Proficiency = append(l.Proficiency, Concept{Text: value.Text("display"), Codes: []Coded{r.coding(value)}})
				}
			}
		}
		c.Languages = append(c.Languages, l)
	}
	if e := r.extension(n, extInterpreter); e != nil {
		needed(e.Child("value"))
	}
	for _, e := range n.All("extension") {
		if e.Text("url") != ukCore+"NHSCommunication" {
			continue
		}
		r.text(e, "url")
		l := Language{}
		for _, part := range e.All("extension") {
			value := part.Child("value")
			if value == nil {
				continue
			}
			switch r.text(part, "url") {
			case "language":
				l.Concept = *r.concept(value)
			case "preferred":
				l.Preferred = r.text(value) == "true"
			case "interpreterRequired":
				needed(value)
			default:
				l.Proficiency = append(l.Proficiency, *r.concept(value))
			}
		}
		c.Languages = append(c.Languages, l)
	}
}

// restricted reports whether a resource is labelled as one of a restricted person, whom
// somebody may be looking for: R, or the stricter V.
// Source: http://terminology.hl7.org/CodeSystem/v3-Confidentiality; the Personal
// Demographics Service labels a restricted person with R.
func restricted(n *fhir.Node) bool {
	for _, label := range n.Child("meta").All("security") {
		if code := label.Text("code"); code == "R" || code == "V" {
			return true
		}
	}
	return false
}
