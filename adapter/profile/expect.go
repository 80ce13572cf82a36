package profile

import (
	"strings"

	"spadapter/adapter/fhir"
)

// expects is what slice s says at a discriminator's path: its own fixed or pattern
// value there, or that part of one stated further up.
func (c *compiler) expects(s *element, d *discriminator) (expectation, bool) {
	x := expectation{discriminator: d}
	f := finder{c: c}
	at := f.find(s, d.steps, nil)
	x.value, x.exact = f.value, f.exact
	switch d.kind {
	case "exists":
		x.present = at != nil && !(at.max.by != nil && at.max.n == 0)
		return x, at != nil && (at.min.n > 0 || !x.present)
	case "type":
		switch {
		case f.resolved != nil:
			for _, t := range f.resolved {
				if of := c.profile.env.System.Type(t.name); of != nil {
					x.types = append(x.types, of)
				}
			}
		case at != nil && (at.narrowed != nil || len(at.types) == 1 && !at.types[0].Abstract && !at.of.Choice):
			x.types = at.types
		}
		return x, len(x.types) > 0
	case "profile":
		for _, t := range f.resolved {
			if t.url != "" {
				x.profiles = append(x.profiles, t.url)
			}
		}
		if f.resolved == nil && at != nil {
			for _, p := range at.profiles {
				x.profiles = append(x.profiles, p.url)
			}
		}
		return x, len(x.profiles) > 0
	}
	if x.value == nil && at != nil && at.binding != nil && at.binding.strength == "required" {
		x.binding = at.binding
		return x, true
	}
	if x.value == nil && d.path == "url" {
		// the url of a profiled extension is the canonical of its definition; that of an
		// extension inside another is, by the custom of all editors, the name of the slice
		url := s.slice
		if len(s.profiles) == 1 {
			url, _, _ = strings.Cut(s.profiles[0].url, "|")
		} else if !strings.HasSuffix(s.path, "extension.extension") {
			return x, false
		}
		x.value, x.exact = fhir.NewPrimitive(c.profile.env.System.Type("uri"), url), true
	}
	return x, x.value != nil
}

// finder follows the path of a discriminator through what a slice says.
type finder struct {
	c        *compiler
	value    *fhir.Node // fixed or pattern value at the end
	exact    bool
	resolved []target // what the reference that resolve() stands on may lead to
	depth    int      // of profiles gone into
}

// find notes the fixed or pattern value at the end of the steps, whether stated there
// or, as value, further up. Where an element on the way is sliced itself, the first of
// its slices that states a value counts; where the profile says no more and names
// another profile, that one is read on. nil when nobody mentions the element at the end.
func (f *finder) find(e *element, path []step, value *fhir.Node) *element {
	if e.fixed != nil {
		value, f.exact = e.fixed, true
	} else if e.pattern != nil {
		value, f.exact = e.pattern, false
	}
	if len(path) == 0 {
		f.value = value
		return e
	}
	switch s := path[0]; {
	case s.resolve:
		f.resolved = e.targets
		if len(path) > 1 && len(e.targets) == 1 && e.targets[0].url != "" {
			return f.into(e.targets[0].url, path[1:])
		}
		return e
	case s.ofType != "":
		return f.find(e, path[1:], value)
	case s.extension != "":
		if child := e.childNamed("extension"); child != nil {
			for _, x := range child.slices {
				for _, p := range x.profiles {
					if url, _, _ := strings.Cut(p.url, "|"); url == s.extension {
						return f.find(x, path[1:], nil)
					}
				}
			}
		}
		return f.into(s.extension, path[1:])
	}
	name := path[0].name
	child := e.childNamed(name)
	if child == nil {
		for _, s := range path {
			value = value.Child(s.name)
		}
		if value == nil && len(e.profiles) == 1 {
			return f.into(e.profiles[0].url, path)
		}
		f.value = value
		return nil
	}
	at := f.find(child, path[1:], value.Child(name))
	for _, s := range child.slices {
		if f.value == nil {
			f.find(s, path[1:], nil)
		}
	}
	return at
}

// into goes on in another profile.
func (f *finder) into(url string, path []step) *element {
	if f.c.lookup == nil || f.depth > 4 {
		return nil
	}
	f.depth++
	if p := f.c.lookup(url); p != nil {
		return f.find(p.root, path, nil)
	}
	return nil
}
