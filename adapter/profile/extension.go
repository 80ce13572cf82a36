package profile

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
)

// context is where an extension may stand.
// Source: http://hl7.org/fhir/R4/defining-extensions.html#context.
type context struct {
	kind       string // element, extension, fhirpath
	expression string // in the words of the standard, without [x]
	test       *fhirpath.Expression
}

// contexts reads StructureDefinition.context and contextInvariant of an extension.
func (c *compiler) contexts(sd *fhir.Node) {
	p := c.profile
	if p.Type != "Extension" {
		return
	}
	if list := sd.All("context"); len(list) > 0 {
		p.contexts = nil
		for _, n := range list {
			x := &context{kind: n.Text("type"), expression: strings.ReplaceAll(n.Text("expression"), "[x]", "")}
			switch x.kind {
			case "element":
				if !strings.Contains(x.expression, "#") && !exists(p.env.System, x.expression) {
					c.fail(issue.Invalid, n, "the context of this extension is an element that FHIR %s does not have", p.env.System.Version)
				}
			case "fhirpath":
				var err error
				if x.test, err = fhirpath.Compile(n.Text("expression"), fhirpath.Types(p.env.System)); err != nil {
					c.fail(issue.Invalid, n, "the context of this extension is a FHIRPath that does not compile: %s", issue.All(err)[0].Details)
					continue
				}
			}
			p.contexts = append(p.contexts, x)
		}
	}
	for _, n := range sd.All("contextInvariant") {
		test, err := fhirpath.Compile(n.Value, fhirpath.Types(p.env.System), fhirpath.Variables("extension"))
		if err != nil {
			c.fail(issue.Invalid, n, "a context invariant of this extension does not compile: %s", issue.All(err)[0].Details)
			continue
		}
		p.contexts = append(slices.Clip(p.contexts), &context{kind: "invariant", expression: n.Value, test: test})
	}
}

// exists reports whether a path such as Patient.contact.name.family leads anywhere.
func exists(system *fhir.System, path string) bool {
	parts := strings.Split(path, ".")
	t := system.Type(parts[0])
	if t == nil {
		return false
	}
	types := []*fhir.Type{t}
	for _, name := range parts[1:] {
		var next []*fhir.Type
		for _, t := range types {
			if e := t.Element(name); e != nil {
				next = append(next, e.Types...)
			} else if m, ok := t.Member(name); ok {
				next = append(next, m.Type)
			} else if e := inherited(t, name); e != nil {
				next = append(next, e.Types...)
			}
		}
		if types = next; len(types) == 0 {
			return false
		}
	}
	return true
}

// extension checks one extension against its definition, where that is loaded.
func (v *validator) extension(n *fhir.Node) {
	url, parent := n.Text("url"), n.Parent
	nested := parent != nil && parent.Type != nil && parent.Type.Name == "Extension"
	if !strings.Contains(url, ":") {
		if !nested && url != "" {
			v.report(issue.Extension, n, "extension-url", "the url of an extension that stands in no other extension must be absolute").With("got %s", clip(url))
		}
		return // the definition of the extension around it says what it is
	}
	p := v.set.Profile(url)
	if p == nil || p.Type != "Extension" {
		if !v.once(url) {
			return
		}
		e := v.report(issue.Extension, n, "extension-unknown", "the definition of this extension is not loaded, so its content was not checked").With("extension %s", clip(url))
		if e.Graded(issue.SeverityInformation); n.Name == "modifierExtension" {
			e.Graded(issue.SeverityWarning).Details = "this extension changes the meaning of what holds it, and its definition is not loaded; whoever reads the resource must know it"
		}
		return
	}
	switch {
	case n.Name == "modifierExtension" && !p.modifier:
		v.report(issue.Extension, n, p.id, "this extension does not change the meaning of what holds it; put it in extension, not in modifierExtension (profile "+p.Name+")")
	case n.Name == "extension" && p.modifier:
		v.report(issue.Extension, n, p.id, "this extension changes the meaning of what holds it; put it in modifierExtension, not in extension (profile "+p.Name+")")
	}
	if parent != nil {
		v.context(p, n, parent)
	}
	v.resource(p, n)
	v.inner(p, n)
}

// inner reports the extensions inside an extension that its definition does not have:
// their url is a name that only that definition gives a meaning to.
func (v *validator) inner(p *Profile, n *fhir.Node) {
	defined := p.root.childNamed("extension")
	if defined != nil && defined.max.by != nil && defined.max.n == 0 {
		return // none at all, which is said
	}
	for _, c := range n.Children {
		if c.Name != "extension" {
			continue
		}
		url := c.Text("url")
		if url == "" || strings.Contains(url, ":") {
			continue
		}
		if defined != nil {
			if defined.unusable || defined.closed {
				return
			}
			if i, _ := v.sliceOf(defined, c); i >= 0 {
				continue
			}
		}
		v.report(issue.Extension, c, p.id+"/Extension.extension", "the definition of the extension around it has no part of this name (profile "+p.Name+")").With("got %s", clip(url))
	}
}

// context checks that an extension may stand where it does.
func (v *validator) context(p *Profile, n, parent *fhir.Node) {
	var places []string
	allowed, told := false, false
	for _, x := range p.contexts {
		if x.kind == "invariant" {
			ctx := v.ctx
			ctx.Variables = map[string]fhirpath.Collection{"extension": {fhirpath.Of(n)}}
			if holds, err := x.test.Test(ctx, parent); err == nil && !holds {
				v.report(issue.Extension, n, p.id, "this extension may only be used where "+x.expression+" (profile "+p.Name+")")
			}
			continue
		}
		told = true
		places = append(places, x.expression)
		allowed = allowed || v.stands(x, parent)
	}
	if told && !allowed {
		v.report(issue.Extension, n, p.id, "this extension is for "+strings.Join(places, ", ")+" and must not stand here (profile "+p.Name+")")
	}
}

// selection is a FHIRPath context asked of one resource.
type selection struct {
	context  *context
	resource *fhir.Node
}

// selects reports whether the FHIRPath of a context selects n, and keeps what it selects:
// every other extension of the resource asks the same. What cannot be told is let through.
func (v *validator) selects(x *context, n *fhir.Node) bool {
	key := selection{x, n.Resource()}
	selected, known := v.selected[key]
	if !known {
		if all, err := x.test.Eval(v.ctx, key.resource); err == nil {
			selected = make(map[*fhir.Node]bool, len(all))
			for _, node := range all.Nodes() {
				selected[node] = true
			}
		}
		if v.selected == nil {
			v.selected = map[selection]map[*fhir.Node]bool{}
		}
		v.selected[key] = selected
	}
	return selected == nil || selected[n]
}

// stands reports whether parent is where a context says.
func (v *validator) stands(x *context, parent *fhir.Node) bool {
	switch x.kind {
	case "extension":
		return parent.Type != nil && parent.Type.Name == "Extension" && parent.Text("url") == x.expression
	case "fhirpath":
		return v.selects(x, parent)
	}
	path := x.expression
	if url, of, ok := strings.Cut(path, "#"); ok { // an element of a profile
		if r := parent.Resource(); of == "" || v.set.Profile(url) == nil || r == nil {
			return true
		}
		path = of
	}
	if path == "Element" {
		return true
	}
	// walking up, the path grows at its front, and fits when it starts with a type
	rest := path
	for m := parent; m != nil; m = m.Parent {
		for t := m.Type; t != nil; t = t.Base {
			if rest == t.Name {
				return true
			}
		}
		if m.ResourceType() != "" {
			return false
		}
		var ok bool
		if rest, ok = strings.CutSuffix(rest, "."+m.ElementName()); !ok {
			return false
		}
	}
	return false
}
