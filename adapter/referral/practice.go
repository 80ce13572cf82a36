package referral

import "spadapter/adapter/fhir"

// Practice is one that the person is registered with.
type Practice struct {
	ODS     string         `json:"ods,omitempty"`
	Name    string         `json:"name,omitempty"`
	Stated  bool           `json:"stated"` // false for the referring practice, where the Patient names none
	GP      string         `json:"gp,omitempty"`
	Points  []ContactPoint `json:"contact_points,omitempty"`
	Address []Address      `json:"addresses,omitempty"`
	OptOut  []Finding      `json:"opt_out,omitempty"` // that the person wishes no registration
}

// Referrer is who asks for support.
type Referrer struct {
	Name         string         `json:"name,omitempty"`
	Roles        []Concept      `json:"roles,omitempty"`
	Organisation Party          `json:"organisation"`
	Points       []ContactPoint `json:"contact_points"`
}

// practices lists the practices that a Patient names; the referring one where it names none.
func (h *sheet) practices(patient *fhir.Node) {
	for _, ref := range patient.All("generalPractitioner") {
		p := Practice{Stated: true}
		h.work(ref, &p.GP, nil, func(organisation *fhir.Node, ods, name string) {
			p.ODS, p.Name = ods, name
			p.Points = append(p.Points, h.read.points(organisation.All("telecom"), h.now)...)
			p.Address = append(p.Address, h.read.addresses(organisation.All("address"), h.now)...)
		})
		if p.Name == "" && p.ODS != "" {
			p.Name = h.s.party(p.ODS).Name
		}
		h.Practices = append(h.Practices, p)
	}
	if len(h.Practices) == 0 {
		h.Practices = []Practice{{ODS: h.v.Requester.ODS, Name: h.v.Requester.Name}}
	}
}

// referrer reads who asks, through the role to the practitioner and the organisation.
func (h *sheet) referrer(request *fhir.Node) {
	h.Referrer = Referrer{Organisation: h.v.Requester, Points: []ContactPoint{}}
	for _, ref := range request.All("requester") {
		h.work(ref, &h.Referrer.Name, &h.Referrer, func(_ *fhir.Node, ods, name string) {
			if name != "" && (ods == "" || ods == h.Referrer.Organisation.ODS) {
				h.Referrer.Organisation.Name = name
			}
		})
	}
}

// work follows a Reference to an Organization, a Practitioner or a PractitionerRole. who,
// where it is not nil, gets the roles and the contact points.
func (h *sheet) work(ref *fhir.Node, person *string, who *Referrer, organisation func(n *fhir.Node, ods, name string)) {
	r := h.read
	ods, display := odsOf(ref.All("identifier")), r.text(ref, "display")
	if ods != "" {
		r.text(ref, "identifier", "system")
		r.text(ref, "identifier", "value")
	}
	n := h.target(ref)
	points := func(n *fhir.Node) {
		if who != nil {
			who.Points = append(who.Points, r.points(n.All("telecom"), h.now)...)
		}
	}
	switch n.ResourceType() {
	case "Practitioner":
		names := r.names(n.All("name"), h.now)
		if *person = personName(n.All("name"), h.now); *person == "" && len(names) > 0 {
			*person = names[0].Text
		}
		for _, name := range names {
			if len(name.Prefix) > 0 && name.Text == *person && n.Text("name", "text") == "" {
				*person = name.Prefix[0] + " " + name.Text
			}
		}
		points(n)
	case "PractitionerRole":
		if who != nil {
			who.Roles = append(who.Roles, r.concepts(n.All("code"))...)
		}
		points(n)
		for _, next := range []string{"practitioner", "organization"} {
			if to := n.Child(next); to != nil {
				h.work(to, person, who, organisation)
			}
		}
	case "Organization":
		if code := odsOf(n.All("identifier")); code != "" {
			ods = code
			for _, id := range n.All("identifier") {
				if isODSSystem(id.Text("system")) {
					r.text(id, "system")
					r.text(id, "value")
				}
			}
		}
		if name := r.text(n, "name"); name != "" {
			display = name
		}
		organisation(n, ods, display)
		points(n)
	case "":
		switch {
		case ods != "" || ref.Text("type") == "Organization":
			organisation(nil, ods, display)
		case display != "":
			*person = display
		}
	}
}
