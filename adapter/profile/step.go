package profile

import (
	"strings"

	"spadapter/adapter/fhir"
)

// step is one part of the path of a discriminator, which is the small part of FHIRPath
// that http://hl7.org/fhir/R4/profiling.html#discriminator allows.
type step struct {
	name      string // of an element
	extension string // extension('url')
	ofType    string
	resolve   bool
}

// steps takes a path apart; nil and true for $this.
func steps(path string) ([]step, bool) {
	if path == "" || path == "$this" {
		return nil, true
	}
	path = strings.TrimPrefix(path, "$this.")
	var out []step
	for path != "" {
		if rest, ok := strings.CutPrefix(path, "extension("); ok {
			if len(rest) == 0 || rest[0] != '\'' && rest[0] != '"' {
				return nil, false
			}
			url, after, ok := strings.Cut(rest[1:], rest[:1]+")")
			if !ok || url == "" {
				return nil, false
			}
			out, path = append(out, step{extension: url}), after
		} else if rest, ok := strings.CutPrefix(path, "resolve()"); ok {
			out, path = append(out, step{resolve: true}), rest
		} else if rest, ok := strings.CutPrefix(path, "ofType("); ok {
			name, after, ok := strings.Cut(rest, ")")
			if !ok || name == "" {
				return nil, false
			}
			out, path = append(out, step{ofType: strings.TrimPrefix(name, "FHIR.")}), after
		} else {
			name, after, more := strings.Cut(path, ".")
			if name == "" || strings.ContainsAny(name, "()[]'\" ") || more && after == "" {
				return nil, false
			}
			out, path = append(out, step{name: name}), after
			continue
		}
		if path != "" && (path[0] != '.' || len(path) == 1) {
			return nil, false
		}
		path = strings.TrimPrefix(path, ".")
	}
	return out, true
}

// each gives every node at the end of the steps below n to visit, until it returns true.
// It sets v.lost where a reference on the way leads to nothing that is here.
func (v *validator) each(n *fhir.Node, path []step, visit func(*fhir.Node) bool) bool {
	if !v.spend(1) {
		v.lost = true
		return false
	}
	if len(path) == 0 {
		return visit(n)
	}
	switch s := path[0]; {
	case s.resolve:
		to := v.resolve(n)
		if to == nil {
			v.lost = true
			return false
		}
		return v.each(to, path[1:], visit)
	case s.ofType != "":
		return n.Type != nil && n.Type.Is(s.ofType) && v.each(n, path[1:], visit)
	case s.extension != "":
		for _, c := range n.Children {
			if c.Name == "extension" && c.Text("url") == s.extension && v.each(c, path[1:], visit) {
				return true
			}
		}
	default:
		for _, c := range n.Children {
			if c.ElementName() == s.name && v.each(c, path[1:], visit) {
				return true
			}
		}
	}
	return false
}
