package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
)

// random makes referrals as the standard lets them be: to the ordinary one it adds any
// elements of the definitions of R4, extensions, values that are left out, contained
// resources, references of every form, more identifiers and more entries.
type random struct {
	*rand.Rand
	targets map[string][]string // where a reference may lead, by resource type
	local   map[string]string   // contained resources of the one that is made, by type
	unique  string              // begins every value of an identifier
	made    int                 // identifiers so far
}

// chance is true once in n.
func (r *random) chance(n int) bool { return r.IntN(n) == 0 }

func oneOf[V any](r *random, list ...V) V { return list[r.IntN(len(list))] }

// element makes a value of an element that has that type, nil when it is left out.
func (r *random) element(e *fhir.Element, t *fhir.Type, depth int) any {
	switch {
	case t.Kind == fhir.Primitive:
		list := oddities[t.Name]
		if len(e.Codes) > 0 {
			list = e.Codes
		}
		text := oneOf(r, list...)
		if t.JSON() == fhir.String {
			return text
		}
		return json.RawMessage(text)
	case shapes[t.Name] != nil:
		return value("%s", oneOf(r, shapes[t.Name]...))
	case t.Name == "Reference":
		return r.reference(e.Targets, depth)
	case t.Name == "Identifier":
		return r.identifier(t, depth)
	case t.Name == "Extension":
		return r.extension(depth)
	case t.Abstract || t.Kind == fhir.Resource:
		return nil
	}
	o := object{}
	for _, part := range t.Elements {
		if part.Required || depth < 4 && !slices.Contains(kept, part.Name) && r.chance(4) {
			r.add(o, t, part, depth+1)
		}
	}
	if len(o) == 0 {
		return value("%s", oneOf(r, `{"id":"a1"}`, nothingSaid))
	}
	return o
}

// add gives an object one of the elements of its type, in front of others of a list.
func (r *random) add(o object, t *fhir.Type, e *fhir.Element, depth int) {
	for name := range o {
		if m, ok := t.Member(strings.TrimPrefix(name, "_")); ok && m.Element == e && (!e.List || m.Type.Kind == fhir.Primitive) {
			return
		}
	}
	et := oneOf(r, e.Types...)
	name := e.JSONName(et)
	v := r.element(e, et, depth)
	switch {
	case v == nil:
	case e.List && o[name] != nil && r.chance(2):
		o[name] = append(o[name].([]any), v)
	case e.List && o[name] != nil:
		o[name] = append([]any{v}, o[name].([]any)...)
	case e.List:
		o[name] = []any{v}
	default:
		o[name] = v
	}
}

// reference leads into the message, to what was sent before, elsewhere, to a contained
// resource or nowhere.
func (r *random) reference(types []string, depth int) object {
	o := object{}
	kind := oneOf(r, slices.Sorted(maps.Keys(r.targets))...)
	if len(types) > 0 && !slices.Contains(types, "Resource") {
		kind = oneOf(r, types...)
	}
	switch at := r.IntN(5); {
	case at < 3 && len(r.targets[kind]) > 0:
		o["reference"] = oneOf(r, r.targets[kind]...)
	case at < 4 && r.local[kind] != "":
		o["reference"] = "#" + r.local[kind]
	case at == 4:
		o["reference"] = "https://gp.example/fhir/" + kind + "/7"
	}
	if len(o) == 0 || r.chance(4) {
		o["display"] = oneOf(r, oddities["string"]...)
	}
	if depth < 4 && r.chance(5) {
		o["identifier"] = object{"value": "i", "assigner": r.reference([]string{"Organization"}, depth+1)}
	}
	return o
}

// identifier may have no value, which is the first thing that one expects of it.
func (r *random) identifier(t *fhir.Type, depth int) object {
	o := object{}
	if r.chance(2) {
		o["system"] = oneOf(r, "https://gp.example/ids", "urn:oid:1.2.3", "https://millbrook.example/referrals")
	}
	if !r.chance(4) {
		r.made++
		o["value"] = fmt.Sprintf("%s-%d", r.unique, r.made)
	} else if len(o) == 0 || r.chance(2) {
		o["_value"] = value(nothingSaid)
	}
	for _, name := range []string{"use", "type", "period"} {
		if r.chance(4) {
			r.add(o, t, t.Element(name), depth+1)
		}
	}
	if depth < 4 && r.chance(3) {
		o["assigner"] = r.reference([]string{"Organization"}, depth+1)
	}
	return o
}

func (r *random) extension(depth int) object {
	o := object{"url": oneOf(r, "https://gp.example/e", "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "urn:uuid:5a000001-0000-4000-8000-000000000009")}
	if depth < 3 && r.chance(5) {
		o["extension"] = []any{r.extension(depth + 1)}
		return o
	}
	if strings.HasSuffix(o["url"].(string), "reason") {
		o["valueCode"] = oneOf(r, "unknown", "masked")
		return o
	}
	for _, kind := range []string{oneOf(r, "Reference", "Identifier", "CodeableConcept", "Period", "string", "decimal", "dateTime", "Attachment", "Quantity")} {
		t := fhir.Types(fhir.R4).Type(kind)
		o["value"+strings.ToUpper(kind[:1])+kind[1:]] = r.element(&fhir.Element{}, t, depth+1)
	}
	return o
}

// roughen changes an object of a type and what is in it here and there.
func (r *random) roughen(o object, t *fhir.Type, depth, rate int) {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		m, ok := t.Member(name)
		if !ok || strings.HasPrefix(name, "_") || name == "extension" || name == "contained" {
			continue
		}
		list, isList := o[name].([]any)
		switch {
		case m.Type.Kind != fhir.Primitive && isList:
			for _, v := range list {
				if part, ok := v.(object); ok {
					r.roughen(part, m.Type, depth+1, rate)
				}
			}
		case m.Type.Kind != fhir.Primitive:
			r.roughen(o[name].(object), m.Type, depth+1, rate)
		case !isList && name != "id" && name != "url" && o["_"+name] == nil && r.chance(4*rate):
			o["_"+name] = object{"extension": []any{r.extension(1)}}
			if !m.Element.Required && !slices.Contains(kept, name) && !slices.Contains([]string{"reference", "system", "code", "value"}, name) && r.chance(3) {
				delete(o, name)
			}
		}
	}
	if r.chance(rate) && o["extension"] == nil && t.Element("extension") != nil {
		o["extension"] = []any{r.extension(0)}
	}
	if shapes[t.Name] != nil || t.Name == "Reference" {
		return
	}
	for r.chance(max(2, rate/2)) {
		if e := oneOf(r, t.Elements...); !slices.Contains(kept, e.Name) && !slices.Contains(keptPaths, e.Path) {
			r.add(o, t, e, depth+1)
		}
	}
}

// contain puts resources into one, each referred to from its supportingInfo.
func (r *random) contain(request object) {
	subject, _ := json.Marshal(request["subject"])
	of := map[string]string{
		"Organization": `{"resourceType":"Organization","id":%q,"name":"o"}`, "Practitioner": `{"resourceType":"Practitioner","id":%q}`,
		"Condition":      `{"resourceType":"Condition","id":%q,"subject":` + string(subject) + `}`,
		"Observation":    `{"resourceType":"Observation","id":%q,"status":"final","code":{"text":"x"}}`,
		"ServiceRequest": `{"resourceType":"ServiceRequest","id":%q,"status":"active","intent":"order","subject":` + string(subject) + `}`,
		"CarePlan":       `{"resourceType":"CarePlan","id":%q,"status":"active","intent":"order","subject":` + string(subject) + `}`,
		"Coverage":       `{"resourceType":"Coverage","id":%q,"status":"active","beneficiary":` + string(subject) + `,"payor":[{"display":"p"}]}`,
	}
	names := slices.Sorted(maps.Keys(of))
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var contained []any
	info, _ := request["supportingInfo"].([]any)
	for i, name := range names[:1+r.IntN(2)] {
		r.local[name] = fmt.Sprintf("c%d", i)
		contained = append(contained, value(of[name], r.local[name]))
		info = append(info, object{"reference": "#" + r.local[name]})
	}
	request["contained"], request["supportingInfo"] = contained, info
}

// referral makes the message of somebody; before are the resources that were sent about
// them, as references.
func (r *random) referral(s *synthetic, before []string) []byte {
	b := value("%s", s.message()).(object)
	r.unique = s.identifier
	r.targets, r.local = map[string][]string{}, map[string]string{}
	for _, at := range before {
		kind, _, _ := strings.Cut(at, "/")
		r.targets[kind] = append(r.targets[kind], oneOf(r, at, publicURL+"/fhir/R4/"+at))
	}
	entries := b["entry"].([]any)
	if at := slices.IndexFunc(before, func(at string) bool { return strings.HasPrefix(at, "Patient/") }); at >= 0 && r.chance(4) {
		return r.alone(b, entries[requestEntry].(object), oneOf(r, byReference(before[at]), byReference(publicURL+"/fhir/R4/"+before[at]), byNumber(s.nhsNumber)))
	}
	subject := mustJSON(object{"reference": s.url(patientEntry)})
	for _, name := range slices.Sorted(maps.Keys(further)) {
		if r.chance(8) {
			text := further[name]
			if strings.Contains(text, "%s") {
				text = fmt.Sprintf(text, subject)
			}
			entries = append(entries, object{"fullUrl": s.url(len(entries)), "resource": value("%s", text), "request": value(`{"method":"POST","url":%q}`, name)})
		}
	}
	for _, e := range entries {
		kind := e.(object)["resource"].(object)["resourceType"].(string)
		r.targets[kind] = append(r.targets[kind], e.(object)["fullUrl"].(string))
	}
	for _, e := range entries {
		resource := e.(object)["resource"].(object)
		kind := resource["resourceType"].(string)
		r.local = map[string]string{}
		rate := 15
		if kind == "ServiceRequest" {
			if rate = 6; r.chance(3) {
				r.contain(resource)
			}
			for r.chance(2) { // what names a request matters most
				r.add(resource, fhir.Types(fhir.R4).Type(kind), fhir.Types(fhir.R4).Type(kind).Element("identifier"), 1)
			}
		}
		r.roughen(resource, fhir.Types(fhir.R4).Type(kind), 0, rate)
	}
	if r.chance(5) {
		r.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	}
	b["entry"] = entries
	return mustJSON(b)
}

// alone makes the message of the request alone, about a person who is known.
func (r *random) alone(b, entry object, subject string) []byte {
	request := entry["resource"].(object)
	delete(request, "requester")
	delete(request, "supportingInfo")
	request["subject"] = value("%s", subject)
	if r.chance(2) {
		delete(entry, "fullUrl")
	}
	if r.chance(3) {
		r.contain(request)
	}
	r.roughen(request, fhir.Types(fhir.R4).Type("ServiceRequest"), 0, 6)
	b["entry"] = []any{entry}
	return mustJSON(b)
}
