package main

import (
	"spadapter/adapter/mapping"
	"spadapter/adapter/referral"
)

// outlets are the ways in which what became of a referral goes out.
type outlets struct {
	library  *mapping.Library
	partners *referral.Partners
	mesh     bool // messages can go over MESH, which finds the practice of a patient by itself
	record   bool // practices that ask for it get Update Record, and not a document
}

// toRecord says how a recipient is written to: as its endpoint asks for, and without one by a
// document over MESH where that is set up. False when no way to it is known; for the
// recipient "" the usual way.
func (o outlets) toRecord(organisation, recipient string) (referral.Outlet, bool) {
	e, known := o.partners.Endpoint(recipient)
	switch {
	case known && e.Connection == referral.ConnectionRecord && o.record:
		return o.overMESH(organisation, referral.ConnectionRecord)
	case known && (e.Connection == referral.ConnectionRecord || e.Connection == referral.ConnectionDocument), !known && o.mesh && recipient != "":
		return o.overMESH(organisation, referral.ConnectionDocument)
	}
	return referral.Outlet{
		Name: usualDialect, Kind: referral.KindWriteBack, Route: "fhir-rest", ContentType: "application/fhir+json; charset=utf-8",
		Map: o.library.Dialect(organisation, outletPrefix+usualDialect), Profile: referral.ProfileOutcome,
	}, known || recipient == ""
}

// overMESH is a message of GP Connect; false when the maps of the deployment have none.
func (o outlets) overMESH(organisation, name string) (referral.Outlet, bool) {
	d := o.library.Dialect(organisation, outletPrefix+name)
	return referral.Outlet{Name: name, Kind: referral.KindWriteBack, Route: "mesh", ContentType: "application/fhir+json; charset=utf-8", Map: d}, d != nil
}

// toSender says how whoever sent a referral is answered in its own dialect; false for a
// dialect that has no answers.
func (o outlets) toSender(organisation, dialect string) (referral.Outlet, bool) {
	if dialect != referral.ConnectionBaRS {
		return referral.Outlet{}, false
	}
	d := o.library.Dialect(organisation, outletPrefix+dialect)
	return referral.Outlet{Name: dialect, Kind: referral.KindResponse, Route: "bars", ContentType: "application/fhir+json; charset=utf-8", Map: d}, d != nil
}
