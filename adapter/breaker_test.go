package main

import (
	"maps"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
)

// instances are the objects in an example that a definition is for.
func instances(root object, sd *fhir.Node) []object {
	kind := sd.Text("type")
	var out []object
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case object:
			if v["resourceType"] == kind || kind == "Extension" && v["url"] == sd.Text("url") {
				out = append(out, v)
			}
			for _, key := range slices.Sorted(maps.Keys(v)) {
				if kind == "CodeableConcept" && key == "reasonCode" {
					for _, c := range v[key].([]any) {
						out = append(out, c.(object))
					}
				}
				walk(v[key])
			}
		case []any:
			for _, c := range v {
				walk(c)
			}
		}
	}
	walk(root)
	return out
}

// eachParent calls f with every object that has, or could have, the last element of a path.
func eachParent(at object, path []string, f func(parent object, key string)) {
	if len(path) == 0 {
		return
	}
	key, _, _ := strings.Cut(path[0], ":")
	if base, ok := strings.CutSuffix(key, "[x]"); ok {
		key = base + "Boolean"
		for k := range at {
			if strings.HasPrefix(k, base) {
				key = k
			}
		}
	}
	if len(path) == 1 {
		f(at, key)
		return
	}
	switch v := at[key].(type) {
	case object:
		eachParent(v, path[1:], f)
	case []any:
		for _, c := range v {
			if o, ok := c.(object); ok {
				eachParent(o, path[1:], f)
			}
		}
	}
}

// discriminators are the ids of the elements that tell slices apart, and of those on the
// way to them.
func discriminators(sd *fhir.Node) map[string]bool {
	out := map[string]bool{"Extension.url": true} // by it the definition is found
	sliced := map[string][]string{}
	for _, d := range sd.Descend("differential").All("element") {
		for _, x := range d.Child("slicing").All("discriminator") {
			sliced[d.Text("path")] = append(sliced[d.Text("path")], x.Text("path"))
		}
		if d.Child("sliceName") == nil {
			continue
		}
		for _, path := range sliced[d.Text("path")] {
			at := d.Text("id")
			for _, step := range strings.Split(path, ".") {
				at += "." + step
				out[at] = true
			}
		}
	}
	return out
}

// breakers say for each statement of an element how to break it at one parent: each of
// the functions they give breaks it in one way.
func breakers(d *fhir.Node, marks map[string]bool) map[string]func(parent object, key string) []func() {
	out := map[string]func(parent object, key string) []func(){}
	id := d.Text("id")
	set := func(values ...any) func(parent object, key string) []func() {
		return func(parent object, key string) (list []func()) {
			for _, v := range values {
				list = append(list, func() {
					if old, many := parent[key].([]any); many {
						if _, also := v.([]any); !also {
							parent[key] = append([]any{v}, old[1:]...)
							return
						}
					}
					parent[key] = v
				})
			}
			return list
		}
	}
	other := object{"reference": "urn:uuid:00000000-0000-4000-8000-000000000000", "type": "Basic"}
	mark := marks[id]
	if d.Text("min") != "" && d.Text("min") != "0" && !mark {
		out["min"] = func(parent object, key string) []func() {
			list := []func(){func() { delete(parent, key) }}
			if all, many := parent[key].([]any); many {
				for i := range all {
					list = append(list, func() { parent[key] = append(slices.Clone(all[:i]), all[i+1:]...) })
				}
			}
			return list
		}
	}
	switch d.Text("max") {
	case "0":
		out["max"] = set("1", 1, true, object{"id": "x"}, []any{object{"id": "x"}}, []any{object{"url": "http://example.org/x", "valueString": "x"}}, "2026-01-01T00:00:00Z")
	case "1":
		out["max"] = func(parent object, key string) (list []func()) {
			all, many := parent[key].([]any)
			for i := range all {
				list = append(list, func() { parent[key] = append(slices.Clone(all), all[i]) })
			}
			if !many {
				return nil
			}
			return list
		}
	}
	for _, c := range d.Children {
		if (strings.HasPrefix(c.Name, "fixed") || strings.HasPrefix(c.Name, "pattern")) && !mark {
			if c.HasValue() {
				out["value"] = set("other", "urn:other", "DELETE")
			} else {
				out["value"] = set(object{"text": "other"}, object{"system": "urn:other", "value": "other"})
			}
		}
	}
	if d.Text("binding", "strength") == "required" {
		out["binding"] = set("other", object{"coding": []any{object{"system": "urn:other", "code": "other"}}})
	}
	if target := d.Descend("type", "targetProfile"); target != nil {
		out["target"] = set(other)
	} else if code := d.Text("type", "code"); code != "" && !mark && !strings.Contains(id, "resource") && d.Descend("type", "profile") == nil {
		base := strings.TrimSuffix(id[strings.LastIndexByte(id, '.')+1:], "[x]")
		out["type"] = func(parent object, key string) []func() {
			return []func(){
				func() { delete(parent, key); parent[base+"Boolean"] = true },
				func() { delete(parent, key); parent[base+"String"] = "x" },
			}
		}
	}
	if d.Text("slicing", "rules") == "closed" {
		out["closed"] = func(parent object, key string) []func() {
			return []func(){
				func() {
					all, _ := parent[key].([]any)
					parent[key] = append(slices.Clone(all), object{"type": object{"text": "other"}, "valueString": "other"})
				},
				func() {
					all, _ := parent[key].([]any)
					parent[key] = append(slices.Clone(all), object{"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000000", "resource": object{"resourceType": "Basic"}})
				},
				func() {
					all, _ := parent[key].([]any)
					parent[key] = append(slices.Clone(all), object{"url": "http://example.org/other", "valueString": "other"})
				},
			}
		}
	}
	return out
}
