package mapping

import (
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// translate compiles translate(value, map, output): value is a code, a Coding or a
// CodeableConcept; output is code, system, display, Coding or CodeableConcept. What no
// row translates gives nothing, is noted (map-untranslated) and counts as unread when no
// other rule reads it; what a row says has no match gives nothing, on purpose.
func (c *compiler) translate(s *scope, to shape, d *targetDecl) (producer, shape, variable) {
	owner := s.group.owner
	if d.params[0].kind != variableParam || d.params[1].kind != textParam {
		c.fail(owner, d.valueAt, issue.Structure, "map-transform", "expected %s with a variable and the url of a ConceptMap", arity["translate"].form)
		return nil, nil, variable{}
	}
	v, ok := s.find(d.params[0].value)
	if !ok {
		c.unknownVariable(s, d.params[0].value, d.params[0].at)
		return nil, nil, variable{}
	}
	url := d.params[1].value
	if strings.HasPrefix(url, "#") {
		for _, m := range c.reachable(owner) {
			if _, err := c.codes.Translate(m.url+url, "", ""); err == nil {
				url = m.url + url
				break
			}
		}
	}
	if _, err := c.codes.Translate(url, "", ""); err != nil {
		c.fail(owner, d.params[1].at, issue.NotFound, "map-conceptmap", "the ConceptMap %s is not loaded; expected one in the folder, contained (#id) or in a conceptmap block", clip(url))
		return nil, nil, variable{}
	}
	output := "code"
	if len(d.params) == 3 {
		output = d.params[2].value
	} else if t := to.single(); t != nil && (t.Name == "Coding" || t.Name == "CodeableConcept") {
		output = t.Name
	}
	types := c.system(owner, "target")
	name := map[string]string{"code": "code", "system": "uri", "display": "string", "uri": "uri", "string": "string",
		"Coding": "Coding", "CodeableConcept": "CodeableConcept"}[output]
	if name == "" {
		c.fail(owner, d.params[2].at, issue.Structure, "map-transform", "translate cannot give %s; expected code, system, display, Coding or CodeableConcept", clip(output))
		return nil, nil, variable{}
	}
	typ, coding := types.Type(name), types.Type("Coding")
	return func(r *run, f int, ru *rule, out []made) []made {
		n := r.stack[f+v.slot]
		if n == nil {
			return out
		}
		match := r.translated(ru, n, url)
		if match == nil {
			return out
		}
		r.match = match
		switch name {
		case "Coding", "CodeableConcept":
			cn := fhir.New(coding)
			cn.Set("system", match.System)
			cn.Set("code", match.Code)
			cn.Set("display", match.Display)
			if name == "CodeableConcept" {
				cc := fhir.New(typ)
				cc.Append("coding", cn)
				cn = cc
			}
			return append(out, made{cn, true})
		}
		value := map[string]string{"code": match.Code, "system": match.System, "display": match.Display, "uri": match.System, "string": match.Code}[output]
		if value == "" {
			return out
		}
		return append(out, made{fhir.NewPrimitive(typ, value), true})
	}, shape{typ}, variable{}
}

// translated is the first match of a code, a Coding or the codings of a CodeableConcept.
func (r *run) translated(ru *rule, n *fhir.Node, url string) *terminology.Match {
	codings := n.All("coding")
	if n.IsPrimitive() || len(codings) == 0 {
		codings = []*fhir.Node{n}
	}
	silent := false
	for _, coding := range codings {
		system, code := coding.Text("system"), coding.Text("code")
		if coding.IsPrimitive() {
			system, code = "", coding.Value
		}
		if code == "" {
			continue
		}
		matches, err := r.codes.Translate(url, system, code)
		if err != nil {
			for _, e := range issue.All(err) {
				r.fail(e, n)
			}
			return nil
		}
		for i := range matches {
			if matches[i].Matched() {
				for _, c := range coding.Children {
					r.mark(c, bound)
				}
				return &matches[i]
			}
			silent = true // a row says that nothing matches: a decision, no loss
		}
	}
	if !silent {
		r.mark(n, missed)
		r.untranslated(ru, n, codings, url)
	}
	return nil
}

// untranslated notes once that no row has a code, also when a rule asks for its code,
// system and display.
func (r *run) untranslated(ru *rule, n *fhir.Node, codings []*fhir.Node, url string) {
	var codes []string
	for _, c := range codings {
		code := c.Text("code")
		if c.IsPrimitive() {
			code = c.Value
		}
		if code != "" {
			codes = append(codes, strconv.Quote(clip(code)))
		}
	}
	if len(codes) == 0 {
		return // nothing was there to translate
	}
	at := r.around.original(n)
	e := located(ru.issue(issue.NotFound, "map-untranslated", "no row of the ConceptMap %s has this code; it is not translated", url).
		Graded(issue.SeverityInformation).With("code %s", strings.Join(codes, ", ")), at)
	for i := len(r.issues) - 1; i >= 0 && r.issues[i].Expression == e.Expression; i-- {
		if r.issues[i].Rule == e.Rule && r.issues[i].Details == e.Details {
			return
		}
	}
	r.note(e, at)
}
