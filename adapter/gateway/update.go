package gateway

import (
	"net/http"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// moveHeader names the row of the life-cycle table that an update made.
const moveHeader = "X-Referral-Move"

// ignoredHeader lists the elements that were changed and that an update did not take, as
// FHIRPaths with commas between; it is there when there are some.
const ignoredHeader = "X-Referral-Ignored"

// update is PUT [base]/[type]/[id] with If-Match: what the caller changes must be a move
// of the life cycle.
// Source: http://hl7.org/fhir/R4/http.html#update.
func update(x *exchange) error {
	id, version, err := x.updated()
	if err != nil {
		return err
	}
	root, err := x.parse()
	if err != nil {
		return err
	}
	return x.put(id, version, root)
}

// patch is PATCH [base]/[type]/[id] with If-Match: a JSON Patch, or Parameters with a
// FHIRPath Patch. What comes of it is held to the same rules as an update.
// Source: http://hl7.org/fhir/R4/http.html#patch.
func patch(x *exchange) error {
	id, version, err := x.updated()
	if err != nil {
		return err
	}
	now, err := x.Operations.Read(x.context(), x.call, x.route.resource, id)
	if err != nil {
		return err
	}
	if now.Number != version {
		return issue.New(issue.Conflict, "version-conflict", "the resource has changed: read it again and decide anew")
	}
	var root *fhir.Node
	if isJSONPatch(x.call.ContentType) {
		root, err = jsonPatched(now.Body, x.call.Body, x.Limits)
	} else {
		var parameters *fhir.Node
		if parameters, err = x.parse(); err == nil {
			root, err = fhirPathPatched(now.Body, parameters)
		}
	}
	if err != nil {
		return err
	}
	return x.put(id, version, root)
}

// updated reads what an update names: the resource, and the version that was seen.
func (x *exchange) updated() (id string, version int, err error) {
	if id, err = x.resourceID(); err == nil {
		version, err = x.ifMatch()
	}
	return id, version, err
}

// put makes the update and answers with the resource as it is then.
func (x *exchange) put(id string, version int, root *fhir.Node) error {
	done, err := x.Operations.Update(x.context(), x.call, x.route.resource, id, version, root)
	if err != nil {
		return err
	}
	x.locate(&referral.Response{ETag: etag(done.Version.Number)})
	x.Writer.Header().Set("Last-Modified", done.Version.Updated.UTC().Format(http.TimeFormat))
	words := "nothing changed"
	if done.Move != nil {
		x.Writer.Header().Set(moveHeader, done.Move.ID)
		words = done.Move.ID + ": " + done.Move.Name
	}
	if len(done.Ignored) > 0 {
		x.Writer.Header().Set(ignoredHeader, strings.Join(done.Ignored, ", "))
	}
	switch x.prefer.returns {
	case "minimal":
		x.send(http.StatusOK, "", nil)
		return nil
	case "OperationOutcome":
		issues := []*issue.Error{issue.New(issue.Informational, "", words).Graded(issue.SeverityInformation)}
		for _, path := range done.Ignored {
			issues = append(issues, issue.New(issue.NotSupported, "update-ignored", "this was changed, and the update did not take it: the adapter keeps it itself, or it says nothing in the move that was made").
				At(path).Graded(issue.SeverityWarning))
		}
		x.sendResource(http.StatusOK, outcome(capped(issues)))
		return nil
	}
	return x.sendStored(http.StatusOK, done.Version.Body)
}
