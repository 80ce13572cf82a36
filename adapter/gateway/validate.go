package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Validator judges resources for $validate. Both functions are safe for concurrent use.
type Validator struct {
	// Validate gives every issue of a parsed resource, in the order of its text: what the
	// base standard, the profiles it claims and the named ones say, and with intake also
	// what sending it would be refused for whatever is stored and whoever sends it.
	// Once ctx ends nobody waits for the answer, and the work may be given up.
	Validate func(ctx context.Context, root *fhir.Node, profiles []string, intake bool) []*issue.Error

	// Known is the error for a profile that cannot be checked here, nil for one that can.
	// resourceType is what it is wanted for, "" when that is not known.
	Known func(profile, resourceType string) error
}

// maxProfiles bounds what one $validate may ask for: each profile looks at the whole
// resource. A referral is asked about against two or three.
const maxProfiles = 20

// validateOperation is $validate.
// Source: http://hl7.org/fhir/R4/resource-operation-validate.html.
var validateOperation = &operation{
	name: "validate", definition: "http://hl7.org/fhir/OperationDefinition/Resource-validate",
	inputs: []input{
		{name: "resource", kind: wholeResource, bare: true},
		{name: "mode", kind: "code"},
		{name: "profile", kind: "uri", many: true},
		{name: "usageContext", kind: "UsageContext", refused: "usageContext belongs to a later release of FHIR; name the profile of that context in profile instead"},
	},
	notes: "The body is the resource itself, with mode and profile in the address, or Parameters. profile may be given up to 20 times; mode create adds what sending it would be refused for, as far as that needs neither what is stored nor who sends. " +
		"On an instance the resource may be left out: then the one that is stored is checked. The answer is 200 with an OperationOutcome, also for an invalid resource; " +
		"400 is for a body that is no JSON or XML at all, and 422 for a profile that is not loaded here, or too many of them.",
}

// The codes of mode. Source: http://hl7.org/fhir/R4/valueset-resource-validation-mode.html.
var validationModes = []string{"create", "update", "delete", "profile"}

// validateRoutes lists $validate on the system, on every type and on what is stored.
func (g *gateway) validateRoutes() []*route {
	list := []*route{{method: http.MethodPost, path: fhirBase + "/$validate"}}
	for _, resource := range g.Operations.ResourceTypes() {
		path := fhirBase + "/" + resource
		list = append(list,
			&route{method: http.MethodPost, path: path + "/$validate", resource: resource},
			&route{method: http.MethodPost, path: path + "/:id/$validate", resource: resource, letter: 'r'},
			&route{method: http.MethodGet, path: path + "/:id/$validate", resource: resource, letter: 'r'})
	}
	// types that nothing is stored of, such as Bundle
	list = append(list, &route{method: http.MethodPost, path: fhirBase + "/:type/$validate"})
	for _, r := range list {
		r.interactions, r.operation, r.handle = []string{"operation"}, validateOperation, validate
		if r.method == http.MethodPost {
			r.body = mediaFHIR
		}
	}
	return list
}

// validate is POST [base]/$validate, [base]/[type]/$validate and
// [base]/[type]/[id]/$validate, and GET of the last: everything that is wrong with a
// resource. Nothing is stored; a stored resource is read only where none is sent.
//
// Errors: those of inputs, also for a body that cannot be parsed, since nothing tells
// then whether it was meant as the resource; not-supported for a profile that is not
// loaded, as the standard demands; too-costly for more than maxProfiles of them; those of
// a read.
func validate(x *exchange) error {
	expected := x.route.resource
	if name := x.Param("type"); name != "" {
		if fhir.Types(fhir.R4).Resource(name) == nil {
			return issue.New(issue.NotFound, "unknown-path", "there is no such resource type in FHIR R4; their names are case-sensitive, such as ServiceRequest")
		}
		expected = name
	}
	in, err := x.inputs()
	if err != nil {
		return err
	}
	mode := in.text("mode")
	if err := x.validationMode(in, mode); err != nil {
		return err
	}
	root, stored, err := x.judged(in, mode)
	if err != nil {
		return err
	}
	if list := in["profile"]; len(list) > maxProfiles {
		return list[maxProfiles].fault(issue.TooCostly, "profile-limit", fmt.Sprintf("one $validate checks against at most %d profiles; ask about the others in another request", maxProfiles)).With("there are %d", len(list))
	}
	var profiles []string
	var faults []*issue.Error
	for _, g := range in["profile"] {
		about := expected
		if root != nil {
			about = root.ResourceType()
		}
		for _, e := range issue.All(x.Validator.Known(g.text, about)) {
			faults = append(faults, e.At(g.at).On(g.line, g.column))
		}
		profiles = append(profiles, g.text)
	}
	if len(faults) > 0 {
		return issue.Join(faults)
	}
	var found []*issue.Error
	if root != nil {
		found = x.Validator.Validate(x.context(), root, profiles, mode == "create")
		if err := x.context().Err(); err != nil {
			return issue.New(issue.Timeout, "client-gone", "the request ended before the resource was checked").Because(err)
		}
		if is := root.ResourceType(); expected != "" && is != expected && is != "" {
			found = append([]*issue.Error{issue.New(issue.Invalid, "resource-type", "the address is for a "+expected+"; send another type to its own address, or to "+fhirBase+"/$validate").
				At(root.Path()).On(root.Position()).With("resourceType is %.100q", is)}, found...)
		}
		if stored || x.reply != nil { // lines and columns of a text that the sender never saw
			found = unplaced(found)
		}
	}
	found = append(x.refusedMode(mode, root), found...)
	x.sendResource(http.StatusOK, outcome(capped(append(verdict(found, warnings(found)), found...))))
	return nil
}

// validationMode checks the mode itself. Errors: value for one that is none, or that
// has no sense at this address.
func (x *exchange) validationMode(in inputs, mode string) error {
	if mode == "" {
		return nil
	}
	g := in.one("mode")
	instance := x.Param("id") != ""
	switch {
	case !slices.Contains(validationModes, mode):
		return g.fault(issue.Value, "validate-mode", "mode must be one of "+strings.Join(validationModes, ", ")+", or be left out").With("mode is %.100q", mode)
	case (mode == "update" || mode == "delete") && !instance:
		return g.fault(issue.Value, "validate-mode", "mode "+mode+" is about one stored resource; send it to [type]/[id]/$validate")
	case mode == "profile" && len(in["profile"]) == 0:
		return g.fault(issue.Required, "validate-mode", "mode profile needs the profile to check against, in profile")
	}
	return nil
}

// judged is the resource that is asked about: the one that was sent, or else the one that is
// stored, which must exist in any case. nil for a delete.
func (x *exchange) judged(in inputs, mode string) (root *fhir.Node, stored bool, err error) {
	g := in.one("resource")
	if x.Param("id") == "" {
		if g == nil {
			return nil, false, issue.New(issue.Required, "parameter-missing", "resource is required: the resource to validate").At("Parameters.parameter")
		}
	} else {
		id, err := x.resourceID()
		if err != nil {
			return nil, false, err
		}
		v, err := x.Operations.Read(x.context(), x.call, x.route.resource, id)
		switch {
		case err != nil:
			return nil, false, err
		case v.Deleted:
			return nil, false, issue.New(issue.Deleted, "deleted", "the resource was deleted")
		case mode == "delete":
			return nil, false, nil
		case g == nil:
			root, err := fhir.Parse(fhir.Types(fhir.R4), v.Body, ours)
			return root, true, err
		}
	}
	if g.whole {
		return g.node, false, nil
	}
	root, err = g.node.Reread(fhir.Types(fhir.R4))
	return root, false, err
}

// refusedMode says that what mode asks about would be refused whatever was sent.
func (x *exchange) refusedMode(mode string, root *fhir.Node) []*issue.Error {
	refused := func(words string) []*issue.Error {
		return []*issue.Error{issue.New(issue.NotSupported, "validate-mode", words)}
	}
	switch mode {
	case "update", "delete":
		if resource := x.route.resource; !slices.Contains(x.interactions(resource), mode) {
			return refused(mode + " of " + resource + " is not offered here")
		}
	}
	if id := x.Param("id"); mode == "update" && root.Text("id") != id {
		return []*issue.Error{issue.New(issue.Invalid, "resource-id", "the id of the resource must be that of the address").At(root.Path() + ".id").On(root.Position())}
	}
	return nil
}

// verdict says that nothing refuses the resource; nil when something does. warnings is
// how many there are.
func verdict(found []*issue.Error, warnings int) []*issue.Error {
	if issue.Failures(issue.Join(found)) != nil {
		return nil
	}
	words := "All OK"
	switch {
	case warnings == 1:
		words = "No errors; 1 warning"
	case warnings > 1:
		words = fmt.Sprintf("No errors; %d warnings", warnings)
	}
	return []*issue.Error{issue.New(issue.Informational, "valid", words).Graded(issue.SeverityInformation)}
}

// warnings counts the issues that are warnings.
func warnings(found []*issue.Error) int {
	n := 0
	for _, e := range found {
		if e.Severity == issue.SeverityWarning {
			n++
		}
	}
	return n
}

// Outcome is the OperationOutcome that $validate answers with: the issues in their
// order, and first that nothing refuses the resource where that is so. warnings is how
// many were found, also of those that are left out.
func Outcome(issues []*issue.Error, warnings int) *fhir.Node {
	return outcome(append(verdict(issues, warnings), issues...))
}
