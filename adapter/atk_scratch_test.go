package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// unlabelled again
func TestScratchRestrictionSurvives(t *testing.T) {
	c := newCast(t, "")
	s := someone(practiceA)
	b, err := fhir.Parse(fhir.Types(fhir.R4), s.message(), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	setPart(b.All("entry")[patientEntry].Child("resource"), "meta", confidential)
	first := c.worker.look(c.gp.refer(fhir.Encode(b)))
	again := someone(practiceA)
	again.nhsNumber, again.family, again.birthDate = s.nhsNumber, s.family, s.birthDate
	second := c.worker.look(c.gp.refer(again.message()))
	fmt.Println(first.Links.Patient, second.Links.Patient)
	got := c.manager.get("/fhir/R4/" + second.Links.Patient).want(http.StatusOK)
	fmt.Println(strings.Contains(string(got.body), "07700"), string(got.body))
	fmt.Println(second.Person.Restricted, first.Person.Restricted)
}

func TestScratchUsers(t *testing.T) {
	w := newWorld(t, "")
	w.outside()
	a := w.run(quiet())
	roles := []any{map[string]any{"person_roleid": "roleprofile1", "org_code": practiceA, "role_name": "x", "role_code": "S8000:G8000:R8000"}}
	user := []any{"nhsid_useruid", "user1", "sub", "user1", "nhsid_nrbac_roles", roles}
	cis := a.with(cis2Key().sign("RS256", person("roleprofile1", user...)))
	cis.get("/fhir/R4/Task").want(200)
	cis.get("/fhir/R4/Task/none").want(404)
	headers := []string{"NHSD-Requesting-Practitioner", inBase64(`{"resourceType":"PractitionerRole","identifier":[{"system":"https://fhir.nhs.uk/Id/sds-role-profile-id","value":"profile2"}],"practitioner":{"identifier":{"value":"user2"}},"code":[{"coding":[{"code":"role2"}]}]}`)}
	gp := a.as(auth.RoleRequester, practiceA)
	gp.do("GET", "/fhir/R4/Task", nil, headers...).want(200)
	gp.do("GET", "/fhir/R4/Task/none", nil, headers...).want(404)
	gp.do("POST", "/fhir/R4", []byte(`{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Task/none"}}]}`), headers...).want(200)
	gp.do("GET", "/fhir/R4/metadata", nil, headers...)
	a.as(auth.RoleOwner, service1).do("POST", "/fhir/R4", someone(practiceA).message(), headers...).want(403)
	for _, n := range a.as(auth.RoleOperator).audits("") {
		fmt.Println(n.Text("subtype", "code"), n.Text("outcome"))
		for _, ag := range n.All("agent") {
			fmt.Println("   ", ag.Text("type", "coding", "code"), ag.Text("role", "text"), ag.Text("who", "identifier", "value"), ag.Text("requestor"))
		}
	}
	_ = referral.SystemODS
}
