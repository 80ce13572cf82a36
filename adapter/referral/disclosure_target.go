package referral

import (
	"context"
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// limited leaves out of versions what a caller may not read, by the sharing level, by what a
// Provenance leads to, and by where a restricted person is.
func (s *Service) limited(ctx context.Context, c Call, list ...*Version) error {
	for _, v := range list {
		if err := disclose(c.Principal.Role, v); err != nil {
			return err
		}
	}
	if err := s.withholdTargets(ctx, c, list); err != nil {
		return err
	}
	return s.confine(ctx, c, list...)
}

// limitedAll is limited for a list.
func (s *Service) limitedAll(ctx context.Context, c Call, list []Version) error {
	all := make([]*Version, len(list))
	for i := range list {
		all[i] = &list[i]
	}
	return s.limited(ctx, c, all...)
}

// withholdTargets leaves out of Provenances what leads to resources that the caller cannot
// read: that a service kept something to itself, and how much, is kept too.
func (s *Service) withholdTargets(ctx context.Context, c Call, list []*Version) error {
	if c.Principal.Role == auth.RoleOperator {
		return nil
	}
	trees := map[*Version]*fhir.Node{}
	asked := map[string][]string{}
	for _, v := range list {
		if v.Type != "Provenance" || v.Deleted {
			continue
		}
		n, err := parse(v.Body)
		if err != nil {
			return err
		}
		trees[v] = n
		for _, child := range n.Children {
			if kind, id := leadsTo(child); id != "" && !slices.Contains(asked[kind], id) {
				asked[kind] = append(asked[kind], id)
			}
		}
	}
	readable := map[string]bool{}
	for kind, ids := range asked {
		found, err := s.Store.ReadAll(ctx, s.scope(c), kind, ids)
		if err != nil {
			return err
		}
		for id := range found {
			readable[kind+"/"+id] = true
		}
	}
	for v, n := range trees {
		kept := slices.DeleteFunc(slices.Clone(n.Children), func(child *fhir.Node) bool {
			kind, id := leadsTo(child)
			return id != "" && !readable[kind+"/"+id]
		})
		if len(kept) == len(n.Children) {
			continue
		}
		if n.Children = kept; n.Child("target") == nil { // there must be one
			n.Add("target").Set("display", "withheld")
		}
		v.write(n)
	}
	return nil
}

// leadsTo is the type and the id of what a target or an entity of a Provenance is; "" for
// anything else, and for an entity that is known by an identifier.
func leadsTo(child *fhir.Node) (kind, id string) {
	reference := ""
	switch child.Name {
	case "target":
		reference = child.Text("reference")
	case "entity":
		reference = child.Text("what", "reference")
	}
	reference, _, _ = strings.Cut(reference, "/_history/")
	kind, id, _ = strings.Cut(reference, "/")
	return kind, id
}
