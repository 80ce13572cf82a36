package main

import (
	"spadapter/adapter/delivery"
	"spadapter/adapter/referral"
)

// productSystem is the system of the identifier by which this product names itself.
const productSystem = "https://spadapter.example/fhir/Id/product"

// barsEndpoint is where an organisation takes BaRS messages. An address that is known to be
// another's is none of its: a sender may not direct what is about its referral to somebody else.
func (a *app) barsEndpoint(ods, destination string) (delivery.Endpoint, bool) {
	if owner, _, known := a.partners.Addressed(destination); known && owner != ods {
		return delivery.Endpoint{}, false
	}
	e, ok := a.partners.EndpointOf(ods, referral.ConnectionBaRS)
	return delivery.Endpoint{ODS: ods, Address: e.Address, TokenURL: e.TokenURL, ClientID: e.ClientID, Version: e.Version}, ok
}
