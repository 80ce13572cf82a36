package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
	"spadapter/adapter/terminology"
)

// Artefacts are the standard resources that the program is made of. They are in memory,
// hold nothing about a person, so that no scope is asked for them and nobody's access is
// audited. An organisation that has some of its own sees those.

// artefactParams are what artefacts can be searched by; each may stand once.
// Source: http://hl7.org/fhir/R4/conceptmap.html#search.
var artefactParams = []referral.SearchParam{
	{Name: "_id", Type: "token", Definition: "http://hl7.org/fhir/SearchParameter/Resource-id"},
	{Name: "name", Type: "string", Definition: "http://hl7.org/fhir/SearchParameter/conformance-name"},
	{Name: "url", Type: "uri", Definition: "http://hl7.org/fhir/SearchParameter/conformance-url"},
	{Name: "version", Type: "token", Definition: "http://hl7.org/fhir/SearchParameter/conformance-version"},
}

// artefactParamsOf are those that artefacts of a type can be searched by.
func artefactParamsOf(resource string) []referral.SearchParam {
	if resource != "MessageDefinition" {
		return artefactParams
	}
	return append(slices.Clone(artefactParams), referral.SearchParam{Name: "context", Type: "token", Definition: "http://hl7.org/fhir/SearchParameter/conformance-context"})
}

// artefacts lists the artefacts of a type that hold for the caller, in a fixed order.
func (x *exchange) artefacts(resource string) ([]*fhir.Node, error) {
	switch resource {
	case "ConceptMap":
		return x.codes().ConceptMaps(), nil
	case "ValueSet":
		return x.codes().ValueSets(), nil
	case "CodeSystem":
		return x.codes().CodeSystems(), nil
	case "StructureMap":
		return x.structureMaps()
	}
	if resource == "MessageDefinition" {
		return x.BaRS.offered, nil
	}
	return x.Definitions, nil
}

// codes are those that hold for the caller.
func (x *exchange) codes() *terminology.Registry { return x.Terminology(x.only()) }

// only is the one organisation that the caller speaks for, "" when there are several or
// none: what holds for everybody holds for it.
func (x *exchange) only() string {
	if p := x.call.Principal; len(p.Organisations) == 1 {
		return p.Organisations[0]
	}
	return ""
}

// readArtefact is GET [base]/[type]/[id] for an artefact.
func readArtefact(x *exchange) error {
	n, err := x.artefact()
	if err != nil {
		return err
	}
	x.sendResource(http.StatusOK, n)
	return nil
}

// artefact finds the artefact that the address names by its id.
func (x *exchange) artefact() (*fhir.Node, error) {
	id, err := x.resourceID()
	if err != nil {
		return nil, err
	}
	all, err := x.artefacts(x.route.resource)
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		if n.Text("id") == id {
			return n, nil
		}
	}
	return nil, issue.New(issue.NotFound, "unknown-id", "there is no resource with this id")
}

// searchArtefacts is GET [base]/[type]?… and POST [base]/[type]/_search for artefacts.
// Source: http://hl7.org/fhir/R4/search.html.
func searchArtefacts(x *exchange) error {
	params, err := x.searched()
	if err != nil {
		return err
	}
	control := newPaging()
	var faults, ignored []*issue.Error
	var used []parameter
	all, err := x.artefacts(x.route.resource)
	if err != nil {
		return err
	}
	found := slices.Clone(all)
	for _, p := range params {
		switch {
		case p.formal() || control.take(p, &faults):
		case p.modifier != "" || !slices.ContainsFunc(artefactParamsOf(x.route.resource), func(k referral.SearchParam) bool { return k.Name == p.name }):
			if x.prefer.strict {
				faults = append(faults, unknownParameter(p))
			} else {
				ignored = append(ignored, ignoredParameter(p))
			}
		case p.value == "":
			faults = append(faults, issue.Newf(issue.Value, "search-empty", "%s has no value; give one, or leave the parameter out", p.name).At("http."+p.name))
		default:
			used = append(used, p)
			found = slices.DeleteFunc(found, func(n *fhir.Node) bool { return !artefactMatches(n, p) })
		}
	}
	from := 0
	if after := control.page.After; after != "" {
		if from, err = strconv.Atoi(after); err != nil || from < 0 {
			faults = append(faults, issue.Newf(issue.Value, "search-cursor", "%s is not one that a link of this server has", cursorParameter).At("http."+cursorParameter))
		}
	}
	if err := issue.Join(faults); err != nil {
		return err
	}
	total, next := len(found), ""
	from = min(max(from, 0), total)
	to := min(from+control.page.Count, total)
	if to < total && control.page.Count > 0 {
		next = strconv.Itoa(to)
	}
	self, nextURL := x.links(x.base+x.route.resource, append(used, control.used()...), next)
	b := newBundle("searchset", x.Now(), total, self, nextURL)
	for _, n := range found[from:to] {
		address := n.Text("url") // of one within a map, which has no id
		if id := n.Text("id"); id != "" {
			address = x.base + x.route.resource + "/" + id
		}
		entry := b.entry(address)
		entry.Add("search").Set("mode", "match")
		b.add(entry, fhir.Encode(n))
	}
	if len(ignored) > 0 && control.page.Count > 0 {
		entry := fhir.New(fhir.Types(fhir.R4).Type("Bundle.entry"))
		entry.Add("search").Set("mode", "outcome")
		b.add(entry, fhir.Encode(outcome(ignored)))
	}
	return x.sendStored(http.StatusOK, b.bytes())
}

// artefactMatches reports whether an artefact has one of the values that a parameter
// offers with commas: the whole text, but for a name its beginning in any case.
func artefactMatches(n *fhir.Node, p parameter) bool {
	if p.name == "context" {
		return slices.ContainsFunc(splitEscaped(p.value, ',', maxAlternatives), func(want string) bool { return hasContext(n, unescape(want)) })
	}
	have := n.Text(strings.TrimPrefix(p.name, "_"))
	for _, want := range splitEscaped(p.value, ',', maxAlternatives) {
		want = unescape(want)
		if want != "" && (have == want || p.name == "name" && strings.HasPrefix(strings.ToLower(have), strings.ToLower(want))) {
			return true
		}
	}
	return false
}
