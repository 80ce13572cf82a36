package referral

import (
	"bytes"
	"context"
	"slices"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// Where a restricted person is reaches the service that holds the referral, which must be
// able to reach them, and the practice that sent it reads what is its own. Nobody else reads
// an address or a telephone number, theirs or of those around them: no service that a
// referral only waits for, none that held one before, no provider and no operator.
// Source: https://digital.nhs.uk/services/personal-demographics-service/restricting-access-to-a-patients-demographic-record.

// codeRedacted says in a resource that something was left out.
// Source: http://terminology.hl7.org/CodeSystem/v3-ObservationValue.
const codeRedacted, systemRedacted = "REDACTED", "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"

// holds reports whether a caller speaks for the service that holds a referral: one that
// declined it, or from which it was taken, does not.
func holds(who *auth.Principal, r *Record) bool {
	if who.Role != auth.RoleOwner || r.Owner == "" || !who.SpeaksFor(r.Owner) {
		return false
	}
	return !slices.Contains([]string{StatusRejected, StatusCancelled, StatusInError}, r.Status)
}

// confine leaves out of versions where a restricted person is, unless the caller may know.
// A person is restricted when the Patient is now, or was in the version that is shown.
func (s *Service) confine(ctx context.Context, c Call, list ...*Version) error {
	if c.Principal.Role == auth.RoleRequester {
		return nil // sees what is its own
	}
	var near []*Version
	var people []string
	for _, v := range list {
		if v.Patient == "" || !whereabouts(v) {
			continue
		}
		near = append(near, v)
		if !slices.Contains(people, v.Patient) {
			people = append(people, v.Patient)
		}
	}
	if len(near) == 0 {
		return nil
	}
	patients, err := s.Store.ReadAll(ctx, Scope{Role: auth.RoleOperator}, "Patient", people)
	if err != nil {
		return err
	}
	away := map[string]bool{} // whose whereabouts the caller may not know
	known := map[string]bool{}
	for _, v := range near {
		n, err := parse(v.Body)
		if err != nil {
			return err
		}
		now := n
		if p := patients[v.Patient]; p != nil {
			if now, err = p.content(); err != nil {
				return err
			}
		}
		if !restricted(n) && !restricted(now) {
			continue
		}
		if !known[v.Patient] {
			known[v.Patient] = true
			if away[v.Patient], err = s.away(ctx, c, v.Patient); err != nil {
				return err
			}
		}
		if away[v.Patient] {
			withholdPlaces(n)
			v.write(n)
		}
	}
	return nil
}

// whereabouts reports whether a version may say where somebody is.
func whereabouts(v *Version) bool {
	return v.Type == "Patient" || v.Type == "RelatedPerson" || bytes.Contains(v.Body, []byte(`"contained"`))
}

// away reports whether a caller holds no referral of a person.
func (s *Service) away(ctx context.Context, c Call, patient string) (bool, error) {
	if c.Principal.Role != auth.RoleOwner {
		return true, nil
	}
	for page := (Page{Count: 50}); ; {
		list, next, err := s.Store.Referrals(ctx, s.scope(c), Filter{Patient: patient, Page: page})
		if err != nil {
			return true, err
		}
		if slices.ContainsFunc(list, func(r Record) bool { return holds(c.Principal, &r) }) {
			return false, nil
		}
		if page.After = next; next == "" {
			return true, nil
		}
	}
}

// confined gives what a referral is shown from to a caller who may not know where a
// restricted person is: copies of the Patient, of the referral and of what joined it,
// without whatever says so. Where somebody around the person is labelled alone, it is left
// out of what is labelled. It reports whether the person is restricted for the caller.
func (s *Service) confined(c Call, r *Record, patient *fhir.Node, later []Version) (*fhir.Node, *Record, []Version, bool, error) {
	content, err := s.content(r)
	if err != nil || c.Principal.Role == auth.RoleRequester || holds(c.Principal, r) {
		return patient, r, later, false, err
	}
	whole := restricted(patient) || restricted(content)
	labelled := func(n *fhir.Node) bool { return whole || restricted(n) }
	shown := *r
	if whole || slices.ContainsFunc(content.All("entry"), func(e *fhir.Node) bool { return restricted(e.Child("resource")) }) {
		shown.tree = content.Clone()
		for _, entry := range shown.tree.All("entry") {
			if n := entry.Child("resource"); n != nil && labelled(n) {
				withholdPlaces(n)
			}
		}
	}
	if whole {
		patient = patient.Clone()
		withholdPlaces(patient)
	}
	list := slices.Clone(later)
	for i := range list {
		if n, err := list[i].content(); err != nil {
			return nil, nil, nil, false, err
		} else if whereabouts(&list[i]) && labelled(n) {
			n = n.Clone()
			withholdPlaces(n)
			list[i].write(n)
		}
	}
	return patient, &shown, list, whole, nil
}

// withholdPlaces takes every address and every way to reach somebody out of the Patients and
// RelatedPersons in a tree, with the narratives, which may repeat them.
func withholdPlaces(n *fhir.Node) {
	for _, child := range n.Children {
		withholdPlaces(child)
	}
	if kind := n.ResourceType(); kind != "Patient" && kind != "RelatedPerson" {
		if slices.ContainsFunc(n.Children, func(c *fhir.Node) bool { return c.Name == "contained" && codedRedacted(c) }) {
			n.Remove("text") // it may tell what is contained
		}
		return
	}
	n.Remove("text")
	unplace(n)
	meta := n.Child("meta")
	if meta == nil {
		prepend(n, "meta", "")
		meta = n.Child("meta")
	}
	label := meta.Add("security")
	label.Set("system", systemRedacted)
	label.Set("code", codeRedacted)
}

// codedRedacted reports whether something was left out of a resource.
func codedRedacted(n *fhir.Node) bool {
	return slices.ContainsFunc(n.Child("meta").All("security"), func(l *fhir.Node) bool { return l.Text("code") == codeRedacted })
}

// unplace removes addresses and contact points below n, and extensions that hold one.
func unplace(n *fhir.Node) {
	kept := n.Children[:0:0]
	for _, c := range n.Children {
		if places(c) || c.Type != nil && c.Type.Name == "Extension" && (places(c.Child("value")) || slices.ContainsFunc(c.All("extension"), func(e *fhir.Node) bool { return places(e.Child("value")) })) {
			continue
		}
		unplace(c)
		if c.Kind == fhir.Object && len(c.Children) == 0 && c.ResourceType() == "" {
			continue // an object is never empty in FHIR
		}
		kept = append(kept, c)
	}
	n.Children = kept
}

// places reports whether an element says where somebody is or how to reach them.
func places(n *fhir.Node) bool {
	return n != nil && n.Type != nil && (n.Type.Name == "Address" || n.Type.Name == "ContactPoint")
}

// confide gives a resource the labels by which another is restricted.
func confide(n, as *fhir.Node) {
	meta := n.Child("meta")
	if meta == nil {
		prepend(n, "meta", "")
		meta = n.Child("meta")
	}
	for _, one := range as.Child("meta").All("security") {
		if code := one.Text("code"); code == "R" || code == "V" {
			meta.Append("security", one.Clone())
		}
	}
}

// stillLabelled keeps a known person restricted whose new version has no label of
// confidentiality: a message that is silent does not say that nobody looks for the person
// any more. One with another label, such as N, does. Errors: exception.
func (in *intake) stillLabelled() error {
	for _, it := range in.items {
		if it.node.ResourceType() != "Patient" || it.number == 0 || it.current == nil || slices.ContainsFunc(it.node.Child("meta").All("security"), confidentiality) {
			continue
		}
		before, err := it.current.content()
		if err != nil {
			return err
		}
		if restricted(before) {
			confide(it.node, before)
		}
	}
	return nil
}

// confidentiality reports whether a label says how confidential something is.
// Source: http://hl7.org/fhir/R4/valueset-security-labels.html.
func confidentiality(label *fhir.Node) bool {
	return slices.Contains([]string{"U", "L", "M", "N", "R", "V"}, label.Text("code"))
}

// labelled gives the Patients of a message that is labelled as one about a restricted person
// the labels that say so, which outlive the message: to those it brings, and in a next version
// to one that was sent before. Errors: those of the store.
func (in *intake) labelled(ctx context.Context, change *Change) error {
	if err := in.stillLabelled(); err != nil {
		return err
	}
	if in.root.ResourceType() != "Bundle" || !restricted(in.root) {
		return nil
	}
	label := func(n *fhir.Node) { confide(n, in.root) }
	brought := false
	for _, it := range in.items {
		if it.node.ResourceType() == "Patient" {
			brought = brought || it.id == in.patient
			if !restricted(it.node) {
				label(it.node)
			}
		}
	}
	if brought || in.patient == "" {
		return nil
	}
	v, err := in.s.Store.Read(ctx, Scope{Role: auth.RoleOperator}, "Patient", in.patient)
	if err != nil {
		return err
	}
	n, err := parse(v.Body)
	if err != nil || restricted(n) {
		return err
	}
	label(n)
	stamp(n, v.ID, v.Number+1, in.at)
	next := Version{Type: v.Type, ID: v.ID, Number: v.Number + 1, Organisation: v.Organisation, Updated: in.at, Patient: v.ID, Body: fhir.Encode(n)}
	next.Terms, next.From, next.To = terms(n)
	change.Versions = append(change.Versions, next)
	return nil
}
