package mapping

import (
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// resource is an embedded concept map as a ConceptMap without url.
func (d *conceptMapDecl) resource() *fhir.Node {
	n := fhir.Types(fhir.R4).New("ConceptMap")
	n.Set("id", d.id)
	n.Set("status", "active")
	n.Set("description", d.doc)
	groups := map[string]*fhir.Node{}
	for _, row := range d.rows {
		key := row.sourceSystem + " " + row.targetSystem
		g := groups[key]
		if g == nil {
			g = n.Add("group")
			g.Set("source", row.sourceSystem)
			g.Set("target", row.targetSystem)
			groups[key] = g
		}
		e := g.Add("element")
		e.Set("code", row.sourceCode)
		t := e.Add("target")
		t.Set("code", row.targetCode) // none for unmatched
		t.Set("equivalence", row.equivalence)
		switch row.equivalence {
		case "narrower", "inexact": // cmd-1 of the standard wants a reason
			t.Set("comment", inexact)
		}
	}
	for _, g := range n.All("group") {
		if mode := d.unmapped[g.Text("source")]; mode != "" {
			g.Add("unmapped").Set("mode", mode)
		}
	}
	return n
}

const inexact = "as the map states"

// conceptMapOf reads a contained ConceptMap as the block of a map's text; nil when it says
// more than a block can.
func conceptMapOf(n *fhir.Node) *conceptMapDecl {
	if !only(n, "id", "status", "description", "group") || len(n.All("group")) == 0 || n.Text("status") != "active" {
		return nil
	}
	d := &conceptMapDecl{id: n.Text("id"), doc: line(n.Text("description")), unmapped: map[string]string{}}
	for i, g := range n.All("group") {
		if !only(g, "source", "target", "element", "unmapped") {
			return nil
		}
		source, target := g.Text("source"), g.Text("target")
		for _, before := range n.All("group")[:i] {
			if before.Text("source") == source && (before.Text("target") == target || before.Child("unmapped") != nil || g.Child("unmapped") != nil) {
				return nil // a block has one group for each pair of systems
			}
		}
		if u := g.Child("unmapped"); u != nil {
			if !only(u, "mode") || u.Text("mode") != "provided" {
				return nil
			}
			d.unmapped[source] = "provided"
		}
		for _, e := range g.All("element") {
			if !only(e, "code", "target") || len(e.All("target")) == 0 || e.Text("code") == "" {
				return nil
			}
			for _, t := range e.All("target") {
				row := rowDecl{sourceSystem: source, sourceCode: e.Text("code"), targetSystem: target, targetCode: t.Text("code"), equivalence: t.Text("equivalence")}
				unmatched := row.equivalence == "unmatched"
				if !only(t, "code", "equivalence", "comment") || unmatched != (row.targetCode == "") || unmatched && target != "" ||
					operators[row.equivalence] == "" || t.Child("comment") != nil && t.Text("comment") != inexact {
					return nil
				}
				d.rows = append(d.rows, row)
			}
		}
	}
	return d
}

// only reports whether n has no other elements than the named ones, and those no
// extensions.
func only(n *fhir.Node, names ...string) bool {
	for _, c := range n.Children {
		known := false
		for _, name := range names {
			known = known || c.Name == name
		}
		if !known || c.HasValue() && len(c.Children) > 0 {
			return false
		}
	}
	return true
}

// operators are the marks of the equivalences.
var operators = func() map[string]string {
	out := map[string]string{}
	for operator, equivalence := range equivalences {
		out[equivalence] = operator
	}
	return out
}()

// conceptMaps loads the embedded concept maps under <url of the map>#<id>.
func (c *compiler) conceptMaps() {
	var nodes []*fhir.Node
	codes := c.env.Terminology
	load := func(m *mapDecl, n *fhir.Node, at int) {
		id := n.Text("id")
		n.Set("url", m.url+"#"+id)
		if _, err := codes.With(n); err != nil {
			for _, e := range issue.All(err) {
				c.fail(m, at, e.Type, "map-conceptmap", "the concept map %s cannot be used: %s", clip(id), e.Details)
			}
			return
		}
		nodes = append(nodes, n)
	}
	for _, m := range c.maps {
		ids := map[string]bool{}
		for _, d := range m.conceptMaps {
			if ids[d.id] {
				c.fail(m, d.at, issue.Duplicate, "map-duplicate", "a concept map of this map is called %s already; expected another id", clip(d.id))
				continue
			}
			ids[d.id] = true
			load(m, d.resource(), d.at)
		}
		for _, inner := range m.contained {
			line, column := inner.Position()
			load(m, inner.Clone(), m.file.starts[line-1]+column-1)
		}
	}
	var err error
	if c.codes, err = codes.With(nodes...); err != nil {
		for _, e := range issue.All(err) {
			c.fail(c.maps[0], 0, e.Type, "map-conceptmap", "the concept maps cannot be used together: %s", e.Details)
		}
	}
}
