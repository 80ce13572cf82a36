package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// cause is what is wrong, where two rules of different origin say it: an issue of each
// would tell the sender the same thing twice. The zero value is for what one rule says.
type cause struct {
	place string // the FHIRPath of the element
	kind  string
}

// boundTwice holds our invariants that repeat the binding of an extension of UK Core, for
// the deployments that do not load UK Core, and the rule of that binding.
var boundTwice = map[string]string{
	"sp-patient-birth-sex":  "Extension-UKCore-BirthSex/Extension.value[x]",
	"sp-patient-nhs-status": "Extension-UKCore-NHSNumberVerificationStatus/Extension.value[x]",
}

// causeOf tells the cause of an issue about root.
func causeOf(root *fhir.Node, e *issue.Error) cause {
	at := func(kind string) cause { return cause{e.Expression, kind} }
	switch e.Rule {
	case "nhs-number":
		if errors.Is(e, issue.Required) {
			return cause{e.Expression + ".value", "missing"}
		}
	case "bdl-7":
		return at("relative")
	case "bundle-full-url":
		// the rule is also about an address that is not that of its resource
		if url := nodeAt(root, e.Expression); url != nil && !strings.Contains(url.Value, ":") {
			return at("relative")
		}
	}
	if binding := boundTwice[e.Rule]; binding != "" {
		return at(binding)
	}
	if profile, element, ok := strings.Cut(e.Rule, "/"); ok && element != "" {
		switch {
		case errors.Is(e, issue.CodeInvalid) && strings.HasPrefix(profile, "Extension-UKCore-"):
			return at(e.Rule)
		case e.Type == issue.BusinessRule && nodeAt(root, e.Expression) == nil:
			return at("missing") // several profiles may ask for the same element
		}
	}
	return cause{}
}

// nodeAt is the element at a place as Node.Path writes it, nil when there is none.
func nodeAt(root *fhir.Node, place string) *fhir.Node {
	_, rest, more := strings.Cut(place, ".")
	n := root
	for more && n != nil {
		var name string
		name, rest, more = strings.Cut(rest, ".")
		name, number, listed := strings.Cut(strings.TrimSuffix(name, "]"), "[")
		left, _ := strconv.Atoi(number)
		i := slices.IndexFunc(n.Children, func(c *fhir.Node) bool {
			if c.ElementName() != name || c.List != listed {
				return false
			}
			left--
			return left < 0
		})
		if i < 0 {
			return nil
		}
		n = n.Children[i]
	}
	return n
}

// compared is how many issues are compared by their causes: more than an answer shows.
const compared = 500

// distinct leaves out each issue whose cause another one before it told, by another rule
// and with the same weight.
func distinct(root *fhir.Node, found []*issue.Error) []*issue.Error {
	first := map[cause]*issue.Error{}
	out := found[:0]
	for i, e := range found {
		if i == compared {
			return append(out, found[i:]...)
		}
		c := causeOf(root, e)
		before := first[c]
		switch {
		case c == cause{}:
		case before == nil:
			first[c] = e
		case before.Rule != e.Rule && (before.Failure() || !e.Failure()):
			continue
		}
		out = append(out, e)
	}
	return out
}
