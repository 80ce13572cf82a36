package fhirpath

import (
	"maps"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// constants are the variables every evaluation has, http://hl7.org/fhir/R4/fhirpath.html#variables.
var constants = map[string]string{
	"sct": "http://snomed.info/sct", "loinc": "http://loinc.org", "ucum": "http://unitsofmeasure.org",
}

func (c *compiler) compileVariable(t *term) (code, error) {
	name := t.name
	text, found := constants[name]
	if rest, ok := strings.CutPrefix(name, "vs-"); ok {
		text, found = "http://hl7.org/fhir/ValueSet/"+rest, true
	} else if rest, ok := strings.CutPrefix(name, "ext-"); ok {
		text, found = "http://hl7.org/fhir/StructureDefinition/"+rest, true
	}
	if found {
		v := StringOf(text)
		return code{static: systemStatic(String), op: func(s *state) error { s.push(v); return nil }}, nil
	}
	switch name {
	case "context":
		return code{op: func(s *state) error { s.pushNode(s.first); return nil }}, nil
	case "resource":
		return code{op: func(s *state) error { s.pushNode(s.resource()); return nil }}, nil
	case "rootResource":
		return code{op: func(s *state) error { s.pushNode(s.rootResource()); return nil }}, nil
	}
	if c.variables != nil && !c.variables[name] {
		names, _ := nearest(name, append(slices.Sorted(maps.Keys(c.variables)), "context", "resource", "rootResource", "sct", "loinc", "ucum"))
		return code{}, fault(c.src, t.start, issue.Invalid, "there is no variable %%%s; there are %%%s and others", name, strings.Join(names, ", %"))
	}
	return code{op: func(s *state) error {
		values, ok := s.ctx.Variables[name]
		if !ok {
			return failf("there is no variable %%%s", name)
		}
		s.stack = append(s.stack, values...)
		return s.spend(1 + len(values))
	}}, nil
}

func (s *state) pushNode(n *fhir.Node) {
	if n != nil {
		s.push(Value{node: n})
	}
}

func (s *state) resource() *fhir.Node {
	if s.ctx.Resource != nil || s.first == nil {
		return s.ctx.Resource
	}
	return s.first.Resource()
}

// rootResource is the resource that contains %resource, else %resource itself.
func (s *state) rootResource() *fhir.Node {
	if s.ctx.RootResource != nil {
		return s.ctx.RootResource
	}
	r := s.resource()
	if r != nil && r.Parent != nil && r.Name == "contained" {
		return r.Parent.Resource()
	}
	return r
}
