package gateway

import (
	"net/http"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// stu3Base is where messages of FHIR STU3 are taken in, leniently, as GP Connect sends them.
const stu3Base = "/fhir/STU3"

// stu3Routes lists what is taken in FHIR STU3: referrals, and nothing is read back there.
func (g *gateway) stu3Routes() []*route {
	if g.Conversions == nil {
		return nil
	}
	list := []*route{
		{method: http.MethodGet, path: stu3Base + "/metadata", interactions: []string{"capabilities"}, open: true, handle: stu3Metadata},
		{method: http.MethodPost, path: stu3Base, interactions: []string{"transaction"}, roles: requesters, body: mediaSTU3, handle: stu3Bundle},
		{method: http.MethodPost, path: stu3Base + "/", interactions: []string{"transaction"}, roles: requesters, body: mediaSTU3, handle: stu3Bundle},
		{method: http.MethodPost, path: stu3Base + "/ReferralRequest", resource: "ServiceRequest", letter: 'c', interactions: []string{"create"}, roles: requesters, body: mediaSTU3, handle: stu3Create},
	}
	for _, r := range list {
		r.surface = surfaceSTU3
	}
	return list
}

// stu3Bundle is POST /fhir/STU3: a Bundle with a referral, of any type; of a structured record
// the excerpt of one referral, which ?identifier=system|value chooses among several. The answer
// is that of a transaction: the resources as they are stored, which is in R4.
// Source: https://developer.nhs.uk/apis/gpconnect-1-6-0/accessrecord_structured.html.
func stu3Bundle(x *exchange) error {
	root, err := x.lenient("Bundle")
	if err != nil {
		return err
	}
	if err := x.excerpt(root); err != nil {
		return err
	}
	x.counts(len(root.All("entry")))
	if err := x.stu3Scopes(root); err != nil {
		return err
	}
	response, err := x.Operations.Submit(x.context(), x.call, root)
	if err != nil {
		return err
	}
	return x.answer(response)
}

// stu3Create is POST /fhir/STU3/ReferralRequest: one referral, with what is contained in it.
// The answer names the ServiceRequest that it became.
func stu3Create(x *exchange) error {
	root, err := x.lenient("ReferralRequest")
	if err != nil {
		return err
	}
	if err := x.excerpt(root); err != nil {
		return err
	}
	response, err := x.Operations.Submit(x.context(), x.call, root)
	if err != nil {
		return err
	}
	// what was answered stays as it is stored, so that a repeat is answered alike
	if made, err := fhir.Parse(fhir.Types(fhir.R4), response.Body, ours); err == nil {
		for _, entry := range made.All("entry") {
			if at := entry.Text("response", "location"); strings.HasPrefix(at, "ServiceRequest/") {
				created := *response
				created.Location, created.ETag = at, entry.Text("response", "etag")
				if strings.HasPrefix(entry.Text("response", "status"), "201") {
					created.Status = http.StatusCreated
				}
				return x.answer(&created)
			}
		}
	}
	return x.answer(response)
}

// lenient reads the body as FHIR STU3 and mends what can be mended; each repair becomes an
// issue of the referral.
func (x *exchange) lenient(expected string) (*fhir.Node, error) {
	read := fhir.Parse
	if formatOf(x.call.ContentType) == formatXML {
		read = fhir.ParseXML
	}
	root, err := read(fhir.Types(fhir.STU3), x.call.Body, x.Limits)
	if err != nil {
		return nil, err
	}
	x.call.Repairs = fhir.Repair(root)
	if root.ResourceType() != expected {
		return nil, issue.Newf(issue.Invalid, "resource-type", "the body must be %s of FHIR STU3; a Bundle goes to %s and a referral alone to %s/ReferralRequest", withArticle(expected), stu3Base, stu3Base).
			At("resourceType").With("resourceType is %q", root.ResourceType())
	}
	return root, nil
}

// excerpt finds the dialect of a message and leaves of it what one referral is about.
func (x *exchange) excerpt(root *fhir.Node) error {
	if err := x.recognise(root, ""); err != nil {
		return err
	}
	arrival := x.arrival(root, "")
	dialect, err := x.Conversions.Recognise(x.mapped(), arrival)
	if err != nil {
		return err
	}
	chosen := ""
	for _, p := range x.query {
		if p.name == "identifier" {
			chosen = p.value
		}
	}
	x.call.Repairs, err = dialect.Recognition.Take(arrival, chosen, x.call.Repairs)
	return err
}

// stu3Scopes checks the scope to create each resource that goes on.
func (x *exchange) stu3Scopes(root *fhir.Node) error {
	var faults []*issue.Error
	asked := map[string]bool{}
	for _, entry := range root.All("entry") {
		kind := entry.Child("resource").ResourceType()
		if kind == "ReferralRequest" {
			kind = "ServiceRequest"
		}
		if asked[kind] || !slices.Contains(x.Operations.CreateTypes(), kind) {
			continue
		}
		asked[kind] = true
		if !x.call.Principal.Allows(kind, 'c') {
			faults = append(faults, missingScope(kind, 'c').At(entry.Path()).On(entry.Position()))
		}
	}
	return issue.Join(faults)
}

// stu3Metadata is GET /fhir/STU3/metadata: what the routes above are, in FHIR STU3.
// Source: http://hl7.org/fhir/STU3/capabilitystatement.html.
func stu3Metadata(x *exchange) error {
	x.sendResource(http.StatusOK, x.olderStatement)
	return nil
}

// stu3Capabilities makes the CapabilityStatement of the routes of FHIR STU3.
func (g *gateway) stu3Capabilities() *fhir.Node {
	root := fhir.Types(fhir.STU3).New("CapabilityStatement")
	root.Set("status", "active")
	root.Set("date", instant(g.Now()))
	root.Set("kind", "instance")
	software := root.Add("software")
	software.Set("name", g.Software)
	software.Set("version", g.Version)
	implementation := root.Add("implementation")
	implementation.Set("description", "Social prescribing referral adapter: referrals of GP Connect")
	implementation.Set("url", g.BaseURL+stu3Base)
	root.Set("fhirVersion", string(fhir.STU3))
	root.Set("acceptUnknown", "extensions")
	for _, name := range []string{"json", "application/fhir+json", "xml", "application/fhir+xml"} {
		addText(root, "format", name)
	}
	rest := root.Add("rest")
	rest.Set("mode", "server")
	rest.Set("documentation", "Takes referrals in, leniently; each repair is an issue of the referral. A Bundle may be a structured record of GP Connect: its social prescribing referral is taken, with what belongs to it; of several, ?identifier=system|value names the one. What was taken in is read in FHIR R4, at "+g.BaseURL+fhirBase+".")
	for _, r := range g.routes {
		if r.surface != surfaceSTU3 || r.open {
			continue
		}
		if r.resource == "" {
			if rest.Child("interaction") == nil {
				rest.Add("interaction").Set("code", "transaction")
			}
			continue
		}
		resource := fhir.New(rest.Type.Element("resource").Types[0])
		resource.Set("type", r.path[strings.LastIndexByte(r.path, '/')+1:])
		for _, code := range r.interactions {
			resource.Add("interaction").Set("code", code)
		}
		rest.Append("resource", resource)
	}
	return root
}
