package profile

import (
	"slices"
	"strings"
	"sync"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
)

// typesOf reads ElementDefinition.type: fewer types than the base, profiles on them and
// the targets of references.
func (c *compiler) typesOf(e *element, d *fhir.Node) {
	list := d.All("type")
	if len(list) == 0 {
		return
	}
	var types []*fhir.Type
	var profiles []typeProfile
	var targets []target
	anyTarget := false
	for _, t := range list {
		code := t.Text("code")
		if strings.HasPrefix(code, "http://hl7.org/fhirpath/System.") {
			return // Element.id and Extension.url, which no profile narrows
		}
		of := c.profile.env.System.Type(strings.TrimPrefix(code, standard))
		if of == nil {
			c.fail(issue.Invalid, t, "FHIR %s has no type %s", c.profile.env.System.Version, code)
			return
		}
		types = append(types, of)
		for _, p := range t.All("profile") {
			if name, ok := strings.CutPrefix(p.Value, standard); ok && (c.profile.env.System.Type(name) != nil || name == "SimpleQuantity" || name == "MoneyQuantity") {
				continue // the type itself, or a profile of which Base has the rule
			}
			profiles = append(profiles, typeProfile{of, p.Value})
		}
		if of.Name != "Reference" {
			continue
		}
		named := t.All("targetProfile")
		anyTarget = anyTarget || len(named) == 0
		for _, p := range named {
			x := c.target(p.Value)
			anyTarget = anyTarget || x.name == "" || x.name == "Resource"
			targets = append(targets, x)
		}
	}
	if anyTarget {
		targets = nil
	}
	if c.snapshot && targets != nil && e.of != nil && standardTargets(e.of, targets) {
		targets = nil
	}
	e.profiles, e.targets, e.refers = profiles, targets, c.profile
	c.narrow(e, d, types)
}

func standardTargets(of *fhir.Element, targets []target) bool {
	for _, t := range targets {
		if t.url != "" || !slices.Contains(of.Targets, t.name) {
			return false
		}
	}
	return true
}

// narrow keeps the types of an element that a profile allows.
func (c *compiler) narrow(e *element, d *fhir.Node, types []*fhir.Type) {
	if len(types) == 1 && types[0].Abstract || e == c.profile.root {
		return
	}
	if len(e.types) == 1 && e.types[0].Kind == fhir.Backbone {
		return // a backbone keeps the type the base gives it
	}
	for _, t := range types {
		if !slices.ContainsFunc(e.types, func(have *fhir.Type) bool { return t.Is(have.Name) || have.Is(t.Name) }) {
			c.fail(issue.Invalid, d, "%s is %s in the base of this profile and cannot be %s", e.label(), typeNames(e.types), t.Name)
			return
		}
	}
	same := len(types) == len(e.types)
	for _, t := range types {
		same = same && slices.Contains(e.types, t)
	}
	if !same {
		e.types, e.narrowed = types, c.profile
	}
}

// target is what a targetProfile asks for; the name is "" when its type is not known.
func (c *compiler) target(canonical string) target {
	url, _, _ := strings.Cut(canonical, "|")
	if name, ok := strings.CutPrefix(url, standard); ok && c.profile.env.System.Type(name) != nil {
		return target{name: name}
	}
	return target{name: c.typeOf(canonical), url: canonical}
}

func (c *compiler) constraint(e *element, k *fhir.Node) {
	source, key := k.Text("expression"), k.Text("key")
	if source == "" {
		return // XPath only
	}
	if from := k.Text("source"); from != c.profile.URL && strings.HasPrefix(from, standard) && c.profile.env.System.Type(strings.TrimPrefix(from, standard)) != nil {
		return // of the base standard, repeated
	}
	if c.snapshot && repeats(e, source, key) {
		return
	}
	options := []fhirpath.Option{fhirpath.Types(c.profile.env.System)}
	if len(e.types) == 1 && !e.types[0].Abstract {
		options = append(options, fhirpath.Type(e.types[0]))
	}
	options = append(options, fhirpath.MemberOf(memberOf(c.profile.env.ValidateCode)))
	if f := c.profile.env.Profile; f != nil {
		options = append(options, fhirpath.ConformsTo(conformsTo(c.profile.env.System, f)))
	}
	test, err := fhirpath.Compile(source, options...)
	if err != nil {
		for _, problem := range issue.All(err) {
			c.fail(issue.Invalid, k, "the expression of %s does not compile, column %d: %s", key, problem.Column, problem.Details)
		}
		return
	}
	if strings.Contains(source, "conformsTo") {
		underway.asks.Store(true)
	}
	severity := issue.SeverityError
	if k.Text("severity") == "warning" {
		severity = issue.SeverityWarning
	}
	rule := &constraint{key, k.Text("human"), severity, test, c.profile}
	for i, have := range e.rules { // stated again, as a snapshot does
		if have.key == key && have.test.String() == source {
			e.rules = slices.Clone(e.rules)
			e.rules[i] = rule
			return
		}
	}
	e.rules = append(e.rules, rule)
}

// repeats reports whether an expression of a snapshot is one of the base standard.
func repeats(e *element, source, key string) bool {
	switch key {
	case "dom-1", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "ele-1", "ext-1":
		return true
	}
	if e.of != nil && slices.Contains(e.of.Constraints, source) {
		return true
	}
	return slices.ContainsFunc(e.types, func(t *fhir.Type) bool { return slices.Contains(t.Constraints, source) })
}

// memberOf is memberOf() of FHIRPath by Env.ValidateCode; without one nothing is known.
func memberOf(f func(string, *fhir.Node) (bool, bool)) func(fhirpath.Value, string) (bool, bool) {
	return func(v fhirpath.Value, valueSet string) (member, known bool) {
		if v.Node() == nil || f == nil {
			return false, false
		}
		return anyCoding(v.Node(), func(c *fhir.Node) (bool, bool) { return f(valueSet, c) })
	}
}

// conformsTo is conformsTo() of FHIRPath by Env.Profile. A profile whose invariants ask
// whether an element conforms to that same profile has no end; it is not known then.
func conformsTo(system *fhir.System, find func(string) *Profile) func(*fhir.Node, string) (bool, bool) {
	type question struct {
		node    *fhir.Node
		profile *Profile
	}
	var mu sync.Mutex
	asked := map[question]int{}
	return func(n *fhir.Node, url string) (conforms, known bool) {
		if name, ok := strings.CutPrefix(url, standard); ok && system.Type(name) != nil {
			return n.Type != nil && n.Type.Is(name), true
		}
		p := find(url)
		if p == nil {
			return false, false
		}
		q := question{n, p}
		mu.Lock()
		asked[q]++
		depth := asked[q]
		mu.Unlock()
		defer func() {
			mu.Lock()
			if asked[q]--; asked[q] == 0 {
				delete(asked, q)
			}
			mu.Unlock()
		}()
		// several, because the same tree may be validated more than once at a time
		if depth > 8 {
			return false, false
		}
		return p.conforms(n), true
	}
}

func typeNames(types []*fhir.Type) string {
	var names []string
	for _, t := range types {
		names = append(names, t.Name)
	}
	return strings.Join(names, " or ")
}
