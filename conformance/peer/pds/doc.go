// Package pds stands in for the Personal Demographics Service FHIR API in tests: persons in
// memory, the one interaction that the adapter uses, a token endpoint that checks assertions,
// and faults on demand. All persons are synthetic.
//
//	p := pds.New(publicKeys, "client-1")
//	p.Put(pds.Person{Number: "9990000018", Practice: "Y99001", BirthDate: "1951-03-09", Family: "Quill"})
//	server := httptest.NewServer(p)
//	p.Fail(pds.Fault{Status: 503, Times: 2})
//
// Source: https://digital.nhs.uk/developer/api-catalogue/personal-demographics-service-fhir;
// https://digital.nhs.uk/developer/guides-and-documentation/security-and-authorisation/application-restricted-restful-apis-signed-jwt-authentication.
//
// It is written from the description of the API and shares no code with the client that it
// tests. It does no search, no update and no related persons.
package pds
