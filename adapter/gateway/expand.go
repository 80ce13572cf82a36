package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

// What is the same in the operations on value sets and code systems.
const (
	noContext = "the elements of profiles are not known here; name the value set by url"
	noDate    = "only what is in force now is here, and no earlier state"
	noVersion = "there is one version of a code system here, which is the one that is used"
)

// expandOperation is $expand.
// Source: http://hl7.org/fhir/R4/valueset-operation-expand.html.
var expandOperation = &operation{
	name: "expand", definition: "http://hl7.org/fhir/OperationDefinition/ValueSet-expand",
	inputs: []input{
		{name: "url", kind: "uri"},
		{name: "valueSet", kind: wholeResource, bare: true},
		{name: "valueSetVersion", kind: "string"},
		{name: "context", kind: "uri", refused: noContext},
		{name: "contextDirection", kind: "code", refused: noContext},
		{name: "filter", kind: "string"},
		{name: "date", kind: "dateTime", refused: noDate},
		{name: "offset", kind: "integer"},
		{name: "count", kind: "integer"},
		{name: "includeDesignations", kind: "boolean"},
		{name: "designation", kind: "string", many: true, refused: "designations are given all or none, by includeDesignations"},
		{name: "includeDefinition", kind: "boolean"},
		{name: "activeOnly", kind: "boolean"},
		{name: "excludeNested", kind: "boolean"},
		{name: "excludeNotForUI", kind: "boolean"},
		{name: "excludePostCoordinated", kind: "boolean"},
		{name: "displayLanguage", kind: "code"},
		{name: "exclude-system", kind: "canonical", many: true},
		{name: "system-version", kind: "canonical", many: true, refused: noVersion},
		{name: "check-system-version", kind: "canonical", many: true, refused: noVersion},
		{name: "force-system-version", kind: "canonical", many: true, refused: noVersion},
	},
	notes: "Flat, in the order of the definition, at most " + strconv.Itoa(terminology.MaxMembers) + " codes in one answer. filter: each of its words begins a word of a name of the code. " +
		"A value set that draws on content which is not loaded is not expanded; the error says what is missing. The implicit value sets of SNOMED CT are known: ?fhir_vs, =isa/, =refset/ and =ecl/.",
}

// expand is GET and POST [base]/ValueSet/$expand and [base]/ValueSet/[id]/$expand: a value
// set as a list.
func expand(x *exchange) error {
	in, err := x.inputs()
	if err != nil {
		return err
	}
	w := terminology.Wanted{
		Text: in.text("filter"), Count: -1, ActiveOnly: in.flag("activeOnly", false), Choosable: in.flag("excludeNotForUI", false),
		Language: in.text("displayLanguage"), Designations: in.flag("includeDesignations", false),
	}
	if w.ValueSet, w.Resource, err = x.valueSet(in); err != nil {
		return err
	}
	for _, g := range in["exclude-system"] {
		w.ExcludeSystems = append(w.ExcludeSystems, g.text)
	}
	for name, into := range map[string]*int{"offset": &w.Offset, "count": &w.Count} {
		g := in.one(name)
		if g == nil {
			continue
		}
		if *into, err = strconv.Atoi(g.text); err != nil || *into < 0 {
			return g.fault(issue.Value, "parameter-type", name+" is a number from 0 on")
		}
	}
	list, err := x.codes().List(x.context(), w)
	if err != nil {
		return x.placed(err, in, "url", "valueSet")
	}
	x.sendResource(http.StatusOK, x.expanded(in, w, list))
	return nil
}

// valueSet is the value set that an operation is about: that of the address, the one that
// url names, or the one that was sent.
//
// Errors: not-found for an id that no ValueSet has; required and invalid for parameters
// that do not name exactly one; the errors of fhir.Check for the one that was sent.
func (x *exchange) valueSet(in inputs) (canonical string, resource *fhir.Node, err error) {
	version := in.one("valueSetVersion")
	if x.Param("id") != "" {
		n, err := x.artefact()
		if err != nil {
			return "", nil, err
		}
		for _, name := range []string{"url", "valueSet", "valueSetVersion"} {
			if g := in.one(name); g != nil {
				return "", nil, g.fault(issue.Invalid, "parameter-conflict", "the address names the ValueSet; leave "+name+" out")
			}
		}
		return n.Text("url"), nil, nil
	}
	g, err := x.oneOf(in, "url", "valueSet")
	if err != nil {
		return "", nil, err
	}
	if g.node == nil || g.node.ResourceType() == "" {
		canonical = g.text
		if version != nil {
			if strings.Contains(canonical, "|") {
				return "", nil, version.fault(issue.Invalid, "parameter-conflict", "url has a version already; leave valueSetVersion out")
			}
			canonical += "|" + version.text
		}
		return canonical, nil, nil
	}
	if version != nil {
		return "", nil, version.fault(issue.Invalid, "parameter-conflict", "valueSetVersion belongs to url; a ValueSet that is sent has its own")
	}
	if g.node.ResourceType() != "ValueSet" {
		return "", nil, g.fault(issue.Value, "parameter-type", "valueSet is a ValueSet").With("it is a %.100q", g.node.ResourceType())
	}
	if err := fhir.Check(g.node); err != nil {
		return "", nil, err
	}
	return "", g.node, nil
}

// expanded is the answer: the head of the value set, the parameters that count, the codes.
func (x *exchange) expanded(in inputs, w terminology.Wanted, list *terminology.Expansion) *fhir.Node {
	root := fhir.Types(fhir.R4).New("ValueSet")
	if in.flag("includeDefinition", false) && list.Resource != nil {
		root = list.Resource.Clone()
		root.Remove("expansion")
	} else {
		for _, name := range []string{"url", "version", "name", "title"} {
			root.Set(name, list.Resource.Text(name))
		}
		if list.Resource == nil {
			root.Set("url", list.URL)
		}
		root.Set("status", "active")
		if status := list.Resource.Text("status"); status != "" {
			root.Set("status", status)
		}
	}
	e := root.Add("expansion")
	e.Set("timestamp", instant(x.Now()))
	e.Set("total", strconv.Itoa(list.Total))
	if w.Offset > 0 || w.Count >= 0 {
		e.Set("offset", strconv.Itoa(w.Offset))
	}
	add := func(name, member, text string) {
		p := e.Add("parameter")
		p.Set("name", name)
		p.Set(member, text)
	}
	for _, k := range expandOperation.inputs {
		for _, g := range in[k.name] {
			switch k.kind {
			case "boolean", "integer", "string", "code":
				add(k.name, valueName(k.kind), g.text)
			case "canonical":
				add(k.name, "valueUri", g.text)
			}
		}
	}
	for _, system := range list.Systems {
		add("used-codesystem", "valueUri", system)
	}
	for _, m := range list.Members {
		n := e.Add("contains")
		n.Set("system", m.System)
		if m.Abstract {
			n.Set("abstract", "true")
		}
		if m.Inactive {
			n.Set("inactive", "true")
		}
		n.Set("code", m.Code)
		n.Set("display", m.Display)
		for _, d := range m.Designations {
			addDesignation(n.Add("designation"), d)
		}
	}
	return root
}

// addDesignation fills a designation of an expansion.
func addDesignation(n *fhir.Node, d terminology.Designation) {
	n.Set("language", d.Language)
	if d.Use.Code != "" {
		setCoding(n.Add("use"), d.Use)
	}
	n.Set("value", d.Value)
}
