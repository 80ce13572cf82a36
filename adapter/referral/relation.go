package referral

import (
	"strconv"

	"spadapter/adapter/fhir"
)

// Relation is somebody around the person: a relative, a carer, a friend, a professional.
type Relation struct {
	Relationships []Concept      `json:"relationships"`
	Name          string         `json:"name,omitempty"`
	Names         []HumanName    `json:"names,omitempty"`
	Points        []ContactPoint `json:"contact_points"`
	Addresses     []Address      `json:"addresses"`
	Carer         bool           `json:"carer"`
	Organisation  string         `json:"organisation,omitempty"`
	Rank          int            `json:"rank,omitempty"`                // 1 is called first
	Copies        *bool          `json:"copy_correspondence,omitempty"` // whether they get copies of letters
	Languages     []Language     `json:"languages,omitempty"`
	Start         string         `json:"start,omitempty"`
	End           string         `json:"end,omitempty"`
	Ended         bool           `json:"ended,omitempty"`
	Labels        []Coded        `json:"security_labels,omitempty"`
	Reference     string         `json:"reference,omitempty"` // RelatedPerson/id, "" for a contact in the Patient
	More          []Detail       `json:"more,omitempty"`
}

// related files a RelatedPerson.
func (h *sheet) related(n *fhir.Node) {
	p := h.relation(n, n.All("name"), n.All("address"))
	p.Reference = "RelatedPerson/" + n.Text("id")
	p.Labels = h.read.codings(n.Child("meta").All("security"))
	if h.read.text(n, "active") == "false" {
		p.Ended = true
	}
	for _, said := range n.All("communication") {
		l := Language{Preferred: h.read.text(said, "preferred") == "true"}
		if c := h.read.concept(said.Child("language")); c != nil {
			l.Concept = *c
		}
		p.Languages = append(p.Languages, l)
	}
	p.More = h.read.rest(n, h.linked)
	h.told[n] = true
	h.Contacts = append(h.Contacts, p)
}

// contact files a contact of the Patient.
func (h *sheet) contact(n *fhir.Node) {
	p := h.relation(n, n.All("name"), n.All("address"))
	if ref := n.Child("organization"); ref != nil {
		var who string
		h.work(ref, &who, nil, func(_ *fhir.Node, ods, name string) {
			if p.Organisation = name; name == "" {
				p.Organisation = ods
			}
		})
		if p.Organisation == "" {
			p.Organisation = who
		}
	}
	d := Detail{Element: "contact"}
	if h.read.unread(n, h.linked, &d.Values); len(d.Values) > 0 {
		p.More = []Detail{d}
		h.read.hide(n)
	}
	h.Contacts = append(h.Contacts, p)
}

// relation reads what a contact and a RelatedPerson have in common.
func (h *sheet) relation(n *fhir.Node, names, addresses []*fhir.Node) Relation {
	r := h.read
	p := Relation{Relationships: append([]Concept{}, r.concepts(n.All("relationship"))...), Name: personName(names, h.now), Names: r.names(names, h.now),
		Points: r.points(n.All("telecom"), h.now), Addresses: r.addresses(addresses, h.now)}
	if p.Name == "" && len(p.Names) > 0 {
		p.Name = p.Names[0].Text
	}
	p.Start, p.End = r.period(n.Child("period"))
	p.Ended = past(p.End, h.now)
	for _, c := range p.Relationships {
		p.Carer = p.Carer || h.s.in("sp-carer-relationship", c.Codes, c.Text)
	}
	if e := r.extension(n, ukCore+"ContactRank"); e != nil {
		p.Rank, _ = strconv.Atoi(r.text(e, "value"))
	}
	if e := r.extension(n, ukCore+"CopyCorrespondenceIndicator"); e != nil {
		copies := r.text(e, "value") == "true"
		p.Copies = &copies
	}
	return p
}
