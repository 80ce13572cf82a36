package terminology

import (
	"net/url"
	"strings"
	"sync"
)

// Refset is the canonical of the value set of a SNOMED CT reference set, to bind by its
// id whether it is loaded or not.
// Source: http://hl7.org/fhir/R4/snomedct.html#implicit.
func Refset(id string) string { return SNOMED + "?fhir_vs=refset/" + id }

// implied keeps the value sets that were made of URLs. It is safe for concurrent use.
type implied struct {
	mu   sync.RWMutex
	sets map[string]*valueSet
}

// maxImplied bounds what is kept: the URLs come from requests.
const maxImplied = 1000

// implicit makes the value set that a URL of SNOMED CT implies: all concepts, those below
// one, the members of a reference set, or those that meet an expression; nil for another
// URL. An edition in the URL is not looked at, for there is one release here, or none; a
// version is.
// Source: http://hl7.org/fhir/R4/snomedct.html#implicit.
func (r *Registry) implicit(canonical string) *valueSet {
	if !strings.HasPrefix(canonical, SNOMED) {
		return nil
	}
	if r.implied == nil {
		return r.newImplicit(canonical)
	}
	r.implied.mu.RLock()
	s := r.implied.sets[canonical]
	r.implied.mu.RUnlock()
	if s != nil {
		return s
	}
	if s = r.newImplicit(canonical); s != nil {
		r.implied.mu.Lock()
		if len(r.implied.sets) < maxImplied {
			r.implied.sets[strings.Clone(canonical)] = s
		}
		r.implied.mu.Unlock()
	}
	return s
}

func (r *Registry) newImplicit(canonical string) *valueSet {
	address, _, _ := strings.Cut(canonical, "|")
	edition, query, ok := strings.Cut(strings.TrimPrefix(address, SNOMED), "?fhir_vs")
	if !ok || edition != "" && edition[0] != '/' || query != "" && query[0] != '=' {
		return nil
	}
	c := &clause{system: SNOMED}
	if edition != "" {
		c.version = SNOMED + edition
	}
	query = strings.TrimPrefix(query, "=")
	switch kind, rest, _ := strings.Cut(query, "/"); {
	case query == "":
	case kind == "isa":
		c.filters = []*filter{{property: "concept", op: "is-a", value: rest}}
	case kind == "refset" && rest != "":
		c.filters = []*filter{{property: "concept", op: "in", value: rest}}
	case kind == "ecl":
		c.filters = []*filter{{property: "constraint", op: "=", value: rest}}
		if text, err := url.PathUnescape(rest); err == nil {
			c.filters[0].value = text
		}
	default:
		c.filters = []*filter{{property: "constraint", op: "=", value: query, bad: "this kind of value set of SNOMED CT is not known here"}}
	}
	for _, f := range c.filters {
		if f.bad == "" {
			f.prepared(SNOMED, nil)
		}
	}
	s := &valueSet{url: address, includes: clauses{list: []*clause{c}}}
	s.link(r)
	return s
}
