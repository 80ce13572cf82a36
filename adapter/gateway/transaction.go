package gateway

import (
	"net/http"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// transaction is POST [base]: a transaction, whose answer is what
// the domain gave, as JSON byte for byte, so that a repeat gets the first one, or a batch.
// Source: http://hl7.org/fhir/R4/http.html#transaction.
func transaction(x *exchange) error {
	if x.reply != nil {
		return issue.New(issue.NotSupported, "batch-request", "a batch or a transaction is not done within a batch")
	}
	root, err := x.resource()
	if err != nil {
		return err
	}
	if err := isTransaction(root); err != nil {
		return x.misplaced(root, err)
	}
	x.counts(len(root.All("entry")))
	if root.Text("type") == "batch" {
		return x.batch(root)
	}
	if err := x.needs(requesters); err != nil {
		return err
	}
	if err := x.entryScopes(root); err != nil {
		return err
	}
	if err := x.recognise(root, ""); err != nil {
		return err
	}
	response, err := x.Operations.Submit(x.context(), x.call, root)
	if err != nil {
		return err
	}
	return x.answer(response)
}

func isTransaction(root *fhir.Node) error {
	if root.ResourceType() != "Bundle" {
		return issue.New(issue.Invalid, "bundle-expected", "the body must be a Bundle; a single resource goes to the address of its type").
			At("resourceType").With("resourceType is %q", root.ResourceType())
	}
	switch kind := root.Text("type"); kind {
	case "transaction", "batch":
		return nil
	case "":
		return issue.New(issue.Required, "bundle-type", "Bundle.type is required: transaction or batch").At("Bundle.type").On(root.Position())
	default:
		return issue.New(issue.Value, "bundle-type", "only a transaction or a batch is taken here").
			At("Bundle.type").On(root.Child("type").Position()).With("the type is %q", kind)
	}
}

// methodLetters are the scope letters of the methods in a Bundle; GET is r or s.
var methodLetters = map[string]byte{
	http.MethodPost: 'c', http.MethodPut: 'u', http.MethodPatch: 'u', http.MethodDelete: 'd',
}

// entryScopes checks the scope that each entry needs, and names each one that is
// missing once, at the first entry that needs it. What is wrong with an entry is for
// the checks to say: one that names no known type or method needs no scope.
func (x *exchange) entryScopes(root *fhir.Node) error {
	var faults []*issue.Error
	asked := map[string]bool{}
	for _, entry := range root.All("entry") {
		method, url := entry.Text("request", "method"), entry.Text("request", "url")
		resource, rest, _ := strings.Cut(url, "/")
		resource, _, _ = strings.Cut(resource, "?")
		letter := methodLetters[method]
		if method == http.MethodGet || method == http.MethodHead {
			letter = 's'
			if rest != "" && rest != "_history" {
				letter = 'r'
			}
		}
		key := resource + string(letter)
		if letter == 0 || asked[key] || fhir.Types(fhir.R4).Resource(resource) == nil {
			continue
		}
		asked[key] = true
		if !x.call.Principal.Allows(resource, letter) {
			faults = append(faults, missingScope(resource, letter).At(entry.Path()+".request").On(entry.Position()))
		}
	}
	return issue.Join(faults)
}
