// Package apitest holds exchanges of the plain JSON API against the OpenAPI document that
// the server itself gives out.
//
//	contract, err := apitest.New(document)
//	err = contract.Check(apitest.Exchange{Method: "GET", Target: "/api/v1/referrals", …})
//
// It is stricter than the document: a property, header, parameter or status that the
// document does not know is a fault, though clients are told that more may come. A request
// that was refused is not held against the document, since tests send wrong ones; one that
// was carried out is.
//
// Source: https://spec.openapis.org/oas/v3.1.0.
package apitest
