package referral

import (
	"slices"
	"strconv"

	"spadapter/adapter/fhir"
)

// source is the Bundle that the map reads: the message itself, or one made of the
// resource that came alone, or without an address of its own, and the stored resources it refers to.
func (in *intake) source() (*fhir.Node, error) {
	complete := in.root.ResourceType() == "Bundle" && len(in.fetched) == 0
	for _, it := range in.items {
		complete = complete && it.entry.Text("fullUrl") != "" // where none was sent the tree does not have ours
	}
	if complete {
		return in.root, nil
	}
	r4 := fhir.Types(fhir.R4)
	b := r4.New("Bundle")
	b.Set("type", "collection")
	add := func(url string, n *fhir.Node) {
		entry := b.Add("entry")
		entry.Set("fullUrl", url)
		entry.Append("resource", n.Clone())
	}
	for i, it := range in.items {
		if it.fullURL == "" {
			// a name for this entry that no other has; it is replaced by the logical id
			it.fullURL = canonical + "/entry/" + strconv.Itoa(i) + "/" + it.reference()
		}
		add(it.fullURL, it.node)
	}
	for _, reference := range sortedKeys(in.fetched) {
		n := in.fetched[reference]
		// what was sent before is context: a request of before is not converted again, and
		// what only the service made (a Task, a Procedure) is no part of a referral
		carried := n.ResourceType() != "ServiceRequest" && slices.Contains(accepted, n.ResourceType())
		// a person may be sent again and referred to as before: what is said now counts
		again := slices.ContainsFunc(in.items, func(it *item) bool { return it.reference() == reference })
		if carried && !again {
			add(canonical+"/stored/"+reference, n)
		}
	}
	return parse(fhir.Encode(b))
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
