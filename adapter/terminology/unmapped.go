package terminology

// Unmapped lists the codes of the value set a ConceptMap is for that no row has and no
// unmapped rule covers, sorted by system and code; nil when the map is total. A row that says
// unmatched, or that depends on other elements, is a row; a code listed without any target
// has none. false when that cannot be decided: the map is not loaded, it names no source
// value set, or the value set cannot be expanded whole from what is loaded.
//
// Source: http://hl7.org/fhir/R4/conceptmap.html.
func (r *Registry) Unmapped(conceptMap string) ([]Coding, bool) {
	if r == nil {
		return nil, false
	}
	m, ok := find(r.maps, conceptMap)
	if !ok || m.source == "" {
		return nil, false
	}
	concepts, complete := r.Expand(m.source)
	if !complete {
		return nil, false
	}
	var out []Coding
	for _, c := range concepts {
		if !r.covers(m, c, 0) {
			out = append(out, Coding{System: c.System, Code: c.Code, Display: c.Display})
		}
	}
	return out, true
}

// covers reports whether a map, or one that it hands over to, says something of a code.
func (r *Registry) covers(m *conceptMap, c Concept, depth int) bool {
	for _, g := range m.groups {
		if g.source != "" && g.source != c.System {
			continue
		}
		rows, listed := g.lookup(c.Code)
		switch {
		case listed:
			if len(rows)+len(g.conditional[c.Code]) > 0 {
				return true
			}
		case g.unmapped == "other-map":
			if other := r.mapAt(g.other); other != nil && depth < maxHandovers && r.covers(other, c, depth+1) {
				return true
			}
		case g.unmapped != "":
			return true
		}
	}
	return false
}
