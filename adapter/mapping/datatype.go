package mapping

import (
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
)

// dataType compiles the transforms that make a data type: cc, c, qty, id, cp.
func (c *compiler) dataType(s *scope, d *targetDecl, one func(string) shape, text func(int) textOf, fresh func(func(*run, int, *rule) *fhir.Node) producer) (producer, shape, variable) {
	values := make([]textOf, 4)
	for i := range values {
		if i < len(d.params) {
			values[i] = text(i)
		} else {
			values[i] = func(*run, int) (string, bool) { return "", false }
		}
	}
	// set fills elements of n from parameters, and says whether any had a value
	set := func(r *run, f int, n *fhir.Node, names ...string) *fhir.Node {
		for i, name := range names {
			if v, _ := values[i](r, f); name != "" && v != "" {
				n.Set(name, v)
			}
		}
		if len(n.Children) == 0 {
			return nil
		}
		return n
	}
	simple := func(name string, elements ...string) (producer, shape, variable) {
		sh := one(name)
		return fresh(func(r *run, f int, ru *rule) *fhir.Node { return set(r, f, fhir.New(sh[0]), elements...) }), sh, variable{}
	}
	switch d.transform {
	case "c":
		return simple("Coding", "system", "code", "display")
	case "cp":
		if len(d.params) == 1 {
			sh := one("ContactPoint")
			return fresh(func(r *run, f int, ru *rule) *fhir.Node {
				n := set(r, f, fhir.New(sh[0]), "value")
				if n != nil {
					n.Set("system", contactSystem(n.Text("value")))
				}
				return n
			}), sh, variable{}
		}
		return simple("ContactPoint", "system", "value")
	case "cc":
		sh, coding := one("CodeableConcept"), one("Coding")
		return fresh(func(r *run, f int, ru *rule) *fhir.Node {
			n := fhir.New(sh[0])
			if len(d.params) == 1 {
				return set(r, f, n, "text")
			}
			inner := set(r, f, fhir.New(coding[0]), "system", "code", "display")
			if inner == nil {
				return nil
			}
			n.Append("coding", inner)
			return n
		}), sh, variable{}
	case "id":
		sh := one("Identifier")
		return fresh(func(r *run, f int, ru *rule) *fhir.Node {
			n := set(r, f, fhir.New(sh[0]), "system", "value")
			if v, _ := values[2](r, f); n != nil && v != "" {
				coding := n.Add("type").Add("coding")
				coding.Set("system", "http://terminology.hl7.org/CodeSystem/v2-0203")
				coding.Set("code", v)
			}
			return n
		}), sh, variable{}
	}
	sh := one("Quantity") // qty
	if len(d.params) > 1 {
		return simple("Quantity", "value", "unit", "system", "code")
	}
	return fresh(func(r *run, f int, ru *rule) *fhir.Node {
		v, _ := values[0](r, f)
		return quantity(fhir.New(sh[0]), strings.TrimSpace(v))
	}), sh, variable{}
}

// contactSystem infers the system of a contact point from its value, as the standard
// asks for cp(value); other where the value tells nothing.
func contactSystem(value string) string {
	switch {
	case strings.Contains(value, "://"):
		return "url"
	case strings.Contains(value, "@"):
		return "email"
	case strings.Trim(value, "0123456789+-() .") == "":
		return "phone"
	}
	return "other"
}

// quantity reads text such as "<= 5.4 mg"; nil when there is no number.
func quantity(n *fhir.Node, v string) *fhir.Node {
	for _, comparator := range []string{"<=", ">=", "<", ">"} {
		if rest, ok := strings.CutPrefix(v, comparator); ok {
			n.Set("comparator", comparator)
			v = strings.TrimSpace(rest)
			break
		}
	}
	i := 0
	for i < len(v) && (digit(v[i]) || v[i] == '.' || i == 0 && v[i] == '-') {
		i++
	}
	if _, err := strconv.ParseFloat(v[:i], 64); err != nil {
		return nil
	}
	n.Set("value", v[:i])
	n.Set("unit", strings.Trim(strings.TrimSpace(v[i:]), "'"))
	return n
}

// address is the reference to a resource: the fullUrl of its entry for a pointer where
// it has one, Type/id otherwise.
func address(n *fhir.Node, pointer bool) string {
	if n == nil {
		return ""
	}
	if pointer && n.Parent != nil && n.Parent.Text("fullUrl") != "" {
		return n.Parent.Text("fullUrl")
	}
	id := n.Text("id")
	if id == "" {
		return ""
	}
	return n.ResourceType() + "/" + id
}
