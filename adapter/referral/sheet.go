package referral

import (
	"time"

	"spadapter/adapter/fhir"
)

// sheet fills the headings of one View from the resources of a referral.
type sheet struct {
	*Headings
	s    *Service
	v    *View
	read reading
	now  time.Time

	patient   *fhir.Node
	by        map[string]*fhir.Node             // resources of the referral by Type/id
	find      func(reference string) *fhir.Node // a stored Organization that is not among them; may be nil
	reasons   map[string]bool                   // what the referral names as its reason
	told      map[*fhir.Node]bool               // resources that have an entry of their own
	optOuts   []Finding
	noRisks   []Finding
	resources []*fhir.Node
}

// newSheet makes the headings of a View without anything under them.
func (s *Service) newSheet(v *View) *sheet {
	v.Headings = Headings{
		Practices: []Practice{}, AboutMe: []Statement{}, Contacts: []Relation{}, Social: []Finding{}, Presenting: []Finding{},
		Problems: []Finding{}, Assessments: []Statement{}, Documents: []Statement{}, Other: []Other{}, Withdrawn: []Withdrawn{}, Labels: []Coded{},
		Requirements: Requirements{Adjustments: []Finding{}, Impairments: []Finding{}, Mobility: []Finding{}, Other: []Finding{}},
		Communicate:  Communicate{Languages: []Language{}, Interpreters: []Finding{}, Needs: []Finding{}},
		Carer:        Carer{Recorded: []Finding{}},
		Safeguarding: Safeguarding{Concerns: []Finding{}, Recorded: []Finding{}},
		Consent:      Consents{Entries: []ConsentView{}},
	}
	v.Needs, v.Scores, v.Findings, v.Risks, v.Notes = []Need{}, []Score{}, []Finding{}, []Finding{}, []Note{}
	return &sheet{Headings: &v.Headings, s: s, v: v, read: reading{}, now: s.now(), by: map[string]*fhir.Node{},
		reasons: map[string]bool{}, told: map[*fhir.Node]bool{}}
}

// add makes a resource known, so that others may lead to it.
func (h *sheet) add(n *fhir.Node) {
	h.by[n.ResourceType()+"/"+n.Text("id")] = n
	h.resources = append(h.resources, n)
}

// target is the resource that a Reference leads to, nil when it is not here.
func (h *sheet) target(ref *fhir.Node) *fhir.Node {
	literal := ref.Text("reference")
	if literal == "" {
		return nil
	}
	if len(literal) > 1 && literal[0] == '#' {
		for _, c := range ref.Resource().All("contained") {
			if c.Text("id") == literal[1:] {
				return c
			}
		}
		return nil
	}
	if n := h.by[literal]; n != nil {
		return n
	}
	if h.find != nil {
		return h.find(literal)
	}
	return nil
}

// linked reports whether a reference leads to what is in the View anyway.
func (h *sheet) linked(reference string) bool {
	return h.by[reference] != nil || h.patient != nil && reference == "Patient/"+h.patient.Text("id")
}

// withdrawn files a resource that is said to be wrong, and reports whether it is.
func (h *sheet) withdrawn(n *fhir.Node) bool {
	status := n.Text("status")
	for _, c := range n.Child("verificationStatus").All("coding") {
		if code := c.Text("code"); code == "refuted" || code == "entered-in-error" {
			status = code
		}
	}
	if status != "entered-in-error" && status != "refuted" && (status != "cancelled" || n.ResourceType() != "Observation") {
		return false
	}
	h.told[n] = true
	h.Withdrawn = append(h.Withdrawn, Withdrawn{Type: n.ResourceType(), Status: status, Reference: n.ResourceType() + "/" + n.Text("id")})
	return true
}

// show files one resource. role is that of a score in it.
func (h *sheet) show(n *fhir.Node, role string) {
	if h.withdrawn(n) {
		return
	}
	switch n.ResourceType() {
	case "Observation":
		if h.s.Instruments.Of(n) != nil {
			h.score(n, role)
			return
		}
		h.finding(n)
	case "Flag", "Condition":
		h.finding(n)
	case "DocumentReference":
		if h.s.attached(h.v, n); madeHere(n) {
			h.read.hide(n)
			h.told[n] = true
			return
		}
		h.document(n)
	case "QuestionnaireResponse":
		h.answers(n)
	case "Consent":
		h.consent(n)
	case "RelatedPerson":
		h.related(n)
	}
}

// request shows what our own ServiceRequest says: why, when, by whom.
func (h *sheet) request(n *fhir.Node, author string) {
	r, v := h.read, h.v
	h.Labels = append(h.Labels, r.codings(n.Child("meta").All("security"))...)
	v.Priority, v.AuthoredOn = r.text(n, "priority"), r.text(n, "authoredOn")
	for _, name := range []string{"status", "intent", "basedOn"} { // ours, not the sender's
		r.hide(n.Child(name))
	}
	for _, reason := range n.All("reasonCode") {
		r.concept(reason)
		need := need(reason)
		f := Finding{Type: "ServiceRequest", Codes: need.Codes, Text: need.Text, Date: v.AuthoredOn, Reason: true, Reference: "ServiceRequest/" + n.Text("id")}
		if f.Text == "" && len(f.Codes) > 0 {
			f.Text = f.Codes[0].Display
		}
		// who is referred for it must not seem to be at no risk
		switch {
		case h.s.in("sp-safeguarding", f.Codes, f.Text):
			need.Sensitive = true
			h.concern(f)
		case h.s.in("sp-risk", f.Codes, f.Text):
			h.risk(f)
		}
		v.Needs = append(v.Needs, need)
	}
	for _, note := range n.All("note") {
		said := Note{Text: r.text(note, "text"), Time: r.text(note, "time"), Author: author, AuthorName: v.Requester.Name, Audience: ForPractice}
		if name := r.text(note, "author", "display"); name != "" {
			said.Author, said.AuthorName = name, ""
		} else if name := note.Text("authorString"); name != "" {
			said.Author, said.AuthorName = r.text(note, "author"), ""
		}
		v.Notes = append(v.Notes, said)
	}
	for _, ref := range n.All("reasonReference") {
		h.reasons[ref.Text("reference")] = true
	}
	h.referrer(n)
}

// original shows what only the sender's request says: all else is in ours.
func (h *sheet) original(n *fhir.Node) {
	for _, c := range n.Children {
		if c.Name != "identifier" && c.Name != "basedOn" && c.Name != "replaces" {
			h.read.hide(c)
		}
	}
}

func (h *sheet) finding(n *fhir.Node) {
	f := h.read.finding(n, h.now)
	f.Reason = h.reasons[f.Reference]
	f.More = h.read.rest(n, h.linked)
	h.told[n] = true
	h.file(f)
}

// score files a result of an instrument.
func (h *sheet) score(n *fhir.Node, role string) {
	i, value := h.s.Instruments.Of(n), n.Child("value")
	text := h.read.text(value, "value")
	if value != nil && value.HasValue() {
		text = h.read.text(value)
	}
	// what makes it a score of this instrument is said by the instrument
	if code := n.Child("code"); len(code.All("coding")) == 1 {
		h.read.hide(code.Child("coding"))
	}
	if n.Text("status") == "final" {
		h.read.text(n, "status")
	}
	for _, category := range n.All("category") {
		if category.Text("coding", "code") == "survey" {
			h.read.hide(category)
		}
	}
	if value.Text("code") == "{score}" {
		h.read.hide(value)
	}
	better := i.HigherIsBetter
	h.v.Scores = append(h.v.Scores, Score{Instrument: i.Code, Name: i.Name, Value: text, Date: h.read.text(n, "effective"), Low: i.Low.String(), High: i.High.String(),
		HigherIsBetter: &better, Change: i.Change, Scoring: i.Scoring(text), Role: role, Observation: "Observation/" + n.Text("id")})
}

// finish lists everything that was not shown so far, and draws the conclusions.
func (h *sheet) finish() {
	for _, n := range h.resources {
		if h.told[n] || n == h.patient {
			continue
		}
		if more := h.read.rest(n, h.linked); len(more) > 0 {
			h.Other = append(h.Other, Other{Type: n.ResourceType(), Reference: n.ResourceType() + "/" + n.Text("id"), More: more})
		}
	}
	h.Practices[0].OptOut = h.optOuts
	h.v.Person.More = append([]Detail{}, h.read.rest(h.patient, h.linked)...)
	h.consented()
	h.state()
}
