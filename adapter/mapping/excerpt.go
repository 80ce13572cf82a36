package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
)

// Excerpt leaves of a record what one referral is about: the resource that the dialect's
// focus finds, what it refers to, what that refers to and so on, and what refers to it. A
// message that is no record stays whole. The rest is taken out of the tree, which nobody
// else may read yet; what stays keeps its paths and lines.
//
// References inside extensions are followed from the focus alone: a problem of a GP record
// names everything that was ever done about it there. What refers to the focus comes without
// what it refers to itself, other than what the focus needs anyway.
//
// chosen names one of several candidates by its identifier, "system|value" or "value"; "" for
// none. a.Root must have been parsed. The result is one informational issue (rule excerpt) that counts by type what was left
// out, nil when nothing was.
//
// The dialect's PlanDefinition says it by dynamicValues: record is true for a message of which
// an excerpt is to be taken; focus finds the referrals meant, candidate everything that might
// have been one; aside is what never goes along, such as a List.
//
// Errors, all of type business-rule: no-referral when nothing is found, with the codes that
// were seen; several-referrals, one for each candidate, with its identifier and date;
// referral-choice for a choice that fits none. Those of the expressions.
func (r *Recognition) Excerpt(a Arrival, chosen string) (*issue.Error, error) {
	if r.found["focus"][a.Root.System()] == nil || a.Root.ResourceType() != "Bundle" {
		return nil, nil
	}
	record, err := r.eval("record", a)
	if err != nil {
		return nil, err
	}
	if whole, _ := truth(record); !whole {
		return nil, nil
	}
	focus, err := r.Focus(a)
	if err != nil {
		return nil, err
	}
	one, err := r.choose(a, focus, chosen)
	if err != nil {
		return nil, err
	}
	aside, err := r.find("aside", a)
	if err != nil {
		return nil, err
	}
	return excerpt(a.Root, one, aside), nil
}

// Take is Excerpt for a message that Repair mended: what is to be told of it are the repairs of
// what stays, and what was left out.
func (r *Recognition) Take(a Arrival, chosen string, repairs []*issue.Error) ([]*issue.Error, error) {
	left, err := r.Excerpt(a, chosen)
	if err != nil || left == nil {
		return repairs, err
	}
	kept := map[string]bool{}
	for _, n := range a.Root.All("entry") {
		kept[n.Path()] = true
	}
	var told []*issue.Error
	for _, e := range repairs {
		rest, in := strings.CutPrefix(e.Expression, "Bundle.entry[")
		number, _, _ := strings.Cut(rest, "]")
		if !in || kept["Bundle.entry["+number+"]"] {
			told = append(told, e)
		}
	}
	return append(told, left), nil
}

func truth(c fhirpath.Collection) (is, known bool) {
	if len(c) != 1 {
		return false, false
	}
	return c[0].Boolean()
}

// maxListed is how many candidates, and how many codes, one refusal lists.
const maxListed = 20

// choose finds the one referral of a record.
func (r *Recognition) choose(a Arrival, focus []*fhir.Node, chosen string) (*fhir.Node, error) {
	if len(focus) == 0 {
		candidates, err := r.find("candidate", a)
		if err != nil {
			return nil, err
		}
		return nil, issue.New(issue.BusinessRule, "no-referral", "no referral of this record has a code of a social prescribing referral; the codes that were seen are in the diagnostics").
			At(a.Root.Path()).On(a.Root.Position()).With("%s", seenCodes(candidates))
	}
	if chosen != "" {
		focus = slices.DeleteFunc(slices.Clone(focus), func(n *fhir.Node) bool { return !identified(n, chosen) })
		if len(focus) == 0 {
			return nil, issue.New(issue.BusinessRule, "referral-choice", "no social prescribing referral of this record has the identifier that was asked for").At("http.identifier").With("identifier is %q", chosen)
		}
	}
	if len(focus) == 1 {
		return focus[0], nil
	}
	var faults []*issue.Error
	for i, n := range focus {
		if i == maxListed {
			break
		}
		faults = append(faults, issue.New(issue.BusinessRule, "several-referrals", "the record has "+strconv.Itoa(len(focus))+" social prescribing referrals, of which this is one: choose it with ?identifier=system|value, or send it alone").
			At(n.Path()).On(n.Position()).With("%s", naming(n)))
	}
	return nil, issue.Join(faults)
}

// identified reports whether a resource has an identifier, "system|value" or a value alone.
func identified(n *fhir.Node, token string) bool {
	system, value, both := strings.Cut(token, "|")
	if !both {
		system, value = "", token
	}
	return slices.ContainsFunc(n.All("identifier"), func(i *fhir.Node) bool {
		return i.Text("value") == value && (!both || i.Text("system") == system)
	})
}

// naming is how a sender knows a referral: its identifiers and its date.
func naming(n *fhir.Node) string {
	var parts []string
	for _, i := range n.All("identifier") {
		parts = append(parts, "identifier "+i.Text("system")+"|"+i.Text("value"))
	}
	if at := n.Text("authoredOn"); at != "" {
		parts = append(parts, "of "+at)
	}
	return strings.Join(parts, ", ")
}

// seenCodes lists the codes of resources, each once.
func seenCodes(list []*fhir.Node) string {
	if len(list) == 0 {
		return "the record has no referral at all"
	}
	var seen []string
	var walk func(n *fhir.Node)
	walk = func(n *fhir.Node) {
		if n.Type != nil && n.Type.Name == "Coding" {
			if code := fmt.Sprintf("%s|%s %q", n.Text("system"), n.Text("code"), n.Text("display")); !slices.Contains(seen, code) && len(seen) < maxListed {
				seen = append(seen, code)
			}
			return
		}
		for _, c := range n.Children {
			walk(c)
		}
	}
	for _, n := range list {
		for _, element := range []string{"code", "reasonCode", "serviceRequested"} {
			for _, c := range n.All(element) {
				walk(c)
			}
		}
	}
	if len(seen) == 0 {
		return "none of its referrals has a code"
	}
	return strings.Join(seen, "; ")
}

// excerpt takes out of a Bundle what does not belong to one of its resources.
func excerpt(bundle, focus *fhir.Node, aside []*fhir.Node) *issue.Error {
	index := fhir.NewIndex(bundle)
	out := map[*fhir.Node]bool{}
	for _, n := range aside {
		out[n] = true
	}
	kept := map[*fhir.Node]bool{focus: true}
	for waiting := []*fhir.Node{focus}; len(waiting) > 0; {
		n := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		references(n, n == focus, func(ref *fhir.Node) bool {
			if to := index.Resolve(ref.Text("reference"), ref); to != nil && to.Name == "resource" && !kept[to] && !out[to] {
				kept[to] = true
				waiting = append(waiting, to)
			}
			return true
		})
	}
	id, url := "/"+focus.Text("id"), focus.Parent.Text("fullUrl")
	left, more := map[string]int{}, 0
	bundle.Thin("entry", func(_ int, entry *fhir.Node) bool {
		resource := entry.Child("resource")
		if kept[resource] {
			return true
		}
		if resource != nil && !out[resource] {
			about := false
			references(resource, true, func(ref *fhir.Node) bool {
				// most lead elsewhere, and their last letters tell
				text := ref.Text("reference")
				about = (strings.HasSuffix(text, id) || text == url || strings.Contains(text, "/_history/")) && index.Resolve(text, ref) == focus
				return !about
			})
			if about {
				return true
			}
		}
		left[resource.ResourceType()]++
		more++
		return false
	})
	if more == 0 {
		return nil
	}
	var counts []string
	for _, name := range slices.SortedFunc(maps.Keys(left), func(a, b string) int { return strings.Compare(a, b) }) {
		of := name
		if fhir.Types(bundle.System().Version).Resource(name) == nil { // the sender's own word goes no further
			of = "other"
		}
		counts = append(counts, strconv.Itoa(left[name])+" "+of)
	}
	return issue.Newf(issue.Informational, "excerpt", "of the record only the referral, what it refers to and what refers to it were taken; left out were %s", strings.Join(counts, ", ")).
		Graded(issue.SeverityInformation).At(focus.Path()).On(focus.Position())
}

// references visits the References with a literal below n until visit gives false; those in
// extensions only where asked.
func references(n *fhir.Node, extensions bool, visit func(*fhir.Node) bool) bool {
	for _, c := range n.Children {
		switch {
		case c.Type == nil && c.Element == nil, c.Type != nil && c.Type.Kind == fhir.Primitive:
			continue
		case c.Type != nil && c.Type.Name == "Extension" && !extensions:
			continue
		case c.Type != nil && c.Type.Name == "Reference":
			if c.Child("reference") != nil && !visit(c) {
				return false
			}
		}
		if !references(c, extensions, visit) {
			return false
		}
	}
	return true
}
