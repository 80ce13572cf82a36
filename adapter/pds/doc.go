// Package pds asks the Personal Demographics Service about one person by NHS number: the
// registered practice, death, restriction, and the number that took the place of another.
//
//	c, err := pds.New(pds.Config{URL: "https://api.service.nhs.uk/personal-demographics/FHIR/R4", Token: token, NewID: uuid.NewString})
//	a, err := c.Read(ctx, "9990000018", `W/"2"`)
//	a.Same || a.Practice == "Y99001"
//
// What it asks stands in the address, so that no address, and no error of the HTTP library,
// which quotes it, leaves the package. An answer is bounded in bytes and in time, is not
// followed to another address, and counts only when it is about the person who was asked for,
// or says of itself under which number that person is known now.
//
// Source: https://digital.nhs.uk/developer/api-catalogue/personal-demographics-service-fhir,
// "Get patient details"; RFC 9110 sections 10.2.3 and 13.1 (Retry-After, If-None-Match).
//
// It knows nothing of referrals, keeps nothing but how long it was asked to wait, and changes
// nothing at the service.
package pds
