// Package mesh is a stand-in for MESH and for practices behind it: an exchange in memory that
// holds who calls it to the documented rules, for tests of a client.
//
//	x := mesh.New(mesh.Config{SharedKey: "shared", Person: people})
//	x.Register(mesh.Mailbox{ID: "X26ABC1", Password: "secret", ODS: "A12345"})
//	practice := x.Practice(mesh.Mailbox{ID: "X26GP01", Password: "secret", ODS: "Y99001"})
//	server := httptest.NewServer(x)
//
// A practice answers each ITK3 message with an infrastructure and a business response, as a
// test chooses. The exchange can misbehave: see Fault.
//
// Source: https://digital.nhs.uk/developer/api-catalogue/message-exchange-for-social-care-and-health-api.
//
// It shares no code with the client that it tests, so that a rule which both misread would
// have to be misread twice. What the published material leaves open (the window of the
// timestamp, the size of a chunk) is set in Config.
package mesh
