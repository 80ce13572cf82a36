package referral

import (
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

func partnersOf(t *testing.T, endpoints ...string) (*Partners, error) {
	t.Helper()
	body := `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Organization","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Y99001"}]}}`
	for _, e := range endpoints {
		body += `,{"resource":{"resourceType":"Endpoint","status":"active","payloadType":[{"text":"any"}],"managingOrganization":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"Y99001"}},` + e + `}}`
	}
	root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(body+`]}`), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return LoadPartners(root)
}

const ownConnection = `"connectionType":{"system":"https://spadapter.example/fhir/CodeSystem/endpoint-connection","code":"%s"},`

func connection(code string) string { return strings.Replace(ownConnection, "%s", code, 1) }

// TestEndpointsOfAPartner: a practice may have one endpoint of each connection, and what goes
// to its record goes to the one that is for that.
func TestEndpointsOfAPartner(t *testing.T) {
	p, err := partnersOf(t,
		`"connectionType":{"system":"http://terminology.hl7.org/CodeSystem/endpoint-connection-type","code":"hl7-fhir-rest"},"address":"https://gp.example/fhir/"`,
		connection("gpconnect-document")+`"address":"mesh:Y99OT001"`,
		connection("bars")+`"identifier":[{"system":"http://fhir.nhs.uk/Id/dos-service-id","value":"2000099999"}],"address":"https://gp.example/bars"`)
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := p.Endpoint("Y99001"); !ok || e.Connection != ConnectionDocument || e.Address != "mesh:Y99OT001" {
		t.Errorf("the record is written to at %+v", e)
	}
	if e, ok := p.EndpointOf("Y99001", ConnectionREST); !ok || e.Address != "https://gp.example/fhir" {
		t.Errorf("REST is at %+v", e)
	}
	for _, name := range []string{"https://fhir.nhs.uk/Id/dos-service-id|2000099999", "http://fhir.nhs.uk/Id/dos-service-id|2000099999"} {
		if ods, e, ok := p.Addressed(name); !ok || ods != "Y99001" || e.Address != "https://gp.example/bars" {
			t.Errorf("%s is %s, %+v", name, ods, e)
		}
	}
	if _, _, ok := p.Addressed("https://fhir.nhs.uk/Id/dos-service-id|2"); ok {
		t.Error("an identifier that nobody has is somebody's")
	}
	if _, ok := p.Endpoint("Y99009"); ok {
		t.Error("a practice that is no partner has an endpoint")
	}
}

// TestOnlyBaRSIsNoRecord: an endpoint that takes messages about referrals takes no outcomes.
func TestOnlyBaRSIsNoRecord(t *testing.T) {
	p, err := partnersOf(t, connection("bars")+`"address":"https://gp.example/bars"`)
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := p.Endpoint("Y99001"); ok {
		t.Errorf("the record is written to at %+v", e)
	}
}

func TestEndpointsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ endpoint, want string }{
		"unknown connection":        {connection("pigeon") + `"address":"https://gp.example"`, "is one of gpconnect-document, gpconnect-record, bars"},
		"MESH by a web address":     {connection("gpconnect-document") + `"address":"https://gp.example"`, "mesh: and a mailbox"},
		"a web address by mailbox":  {connection("bars") + `"address":"mesh:Y99OT001"`, "http or https"},
		"REST by a mailbox":         {`"address":"mesh:Y99OT001"`, "http or https"},
		"an address that says none": {`"address":""`, "http or https"},
	} {
		_, err := partnersOf(t, c.endpoint)
		if list := issue.All(err); err == nil || !strings.Contains(list[0].Details, c.want) || list[0].Expression == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
