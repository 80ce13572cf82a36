package referral

import (
	"strconv"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// answer makes what the sender is told: a transaction-response, or the resource as it
// is stored.
func (in *intake) answer() *Response {
	first := in.items[0]
	if in.root.ResourceType() != "Bundle" {
		r := &Response{Status: 201, ContentType: contentJSON, Body: fhir.Encode(first.node)}
		number := first.number
		if number == 0 {
			r.Status, number, r.Body = 200, first.current.Number, first.current.Body
		} else if first.found {
			r.Status = 200
		}
		r.Location, r.ETag = location(first.reference(), number), etag(number)
		return r
	}
	r4 := fhir.Types(fhir.R4)
	b := r4.New("Bundle")
	b.Set("id", in.s.Store.NewID())
	b.Set("type", "transaction-response")
	for _, it := range in.items {
		if it.made {
			continue
		}
		status, number := "201 Created", it.number
		if it.found {
			status = "200 OK"
		}
		if number == 0 {
			number = it.current.Number
		}
		response := b.Add("entry").Add("response")
		response.Set("status", status)
		response.Set("location", location(it.reference(), number))
		response.Set("etag", etag(number))
		if it.number > 0 {
			response.Set("lastModified", in.at.Format(instant))
		}
		if it == in.request {
			response.Append("outcome", in.receipt())
		}
	}
	return &Response{Status: 200, ContentType: contentJSON, Body: fhir.Encode(b)}
}

// receipt tells the sender that the referral is received, never that it is accepted,
// and whatever was noticed on the way in.
func (in *intake) receipt() *fhir.Node {
	o := fhir.Types(fhir.R4).New("OperationOutcome")
	add := func(e *issue.Error) {
		i := o.Add("issue")
		i.Set("severity", string(e.Severity))
		i.Set("code", string(e.Type))
		i.Add("details").Set("text", e.Details)
		i.Set("diagnostics", e.Diagnostics)
		if e.Expression != "" {
			i.Add("expression").Value = e.Expression
			i.Child("expression").Kind = fhir.String
		}
	}
	add(issue.New(issue.Informational, "", "The referral is received, as a message of the dialect "+in.spoken().Name+". Its state is the Task named in diagnostics.").Graded(issue.SeverityInformation).With("Task/%s", in.referral))
	for _, e := range in.notices {
		add(e)
	}
	return o
}

func location(reference string, number int) string {
	return reference + "/_history/" + strconv.Itoa(number)
}

func etag(number int) string { return `W/"` + strconv.Itoa(number) + `"` }
