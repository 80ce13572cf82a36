package main

import (
	"slices"
	"strings"

	"spadapter/adapter/mapping"
	"spadapter/adapter/referral"
)

// outlets are the ways in which what became of a referral goes out.
type outlets struct {
	library  *mapping.Library
	partners *referral.Partners
	mesh     bool   // messages can go over MESH, which finds the practice of a patient by itself
	record   bool   // practices that ask for it get Update Record, and not a document
	mailbox  string // of MESH, that letters go from; "" when there is none
}

// notes says what an operator should know of the ways: services that letters to practices
// go out for and that have no telephone number, and that Update Record is on.
func (o outlets) notes() []string {
	var list []string
	if o.record {
		list = append(list, "ADAPTER_UPDATE_RECORD is on: GP Connect Update Record is for pharmacy services today, and needs the approval of NHS England")
	}
	for _, service := range o.partners.Writing() {
		known := o.partners.Organisation(service)
		if !slices.ContainsFunc(known.Contact, func(c string) bool { return strings.HasPrefix(c, "phone ") }) {
			list = append(list, "the service "+service+" has no telephone number in the partner file, and practices that get GP Connect documents from it are owed one: give its Organization a telecom with the system phone")
		}
	}
	return list
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

// second is the document for a practice that gets coded entries and refused them.
func (o outlets) second(organisation, recipient string) (referral.Outlet, bool) {
	if e, known := o.partners.Endpoint(recipient); !known || e.Connection != referral.ConnectionRecord {
		return referral.Outlet{}, false
	}
	return o.overMESH(organisation, referral.ConnectionDocument)
}

// overMESH is a message of GP Connect; false when the maps of the deployment have none.
func (o outlets) overMESH(organisation, name string) (referral.Outlet, bool) {
	d := o.library.Dialect(organisation, outletPrefix+name)
	return referral.Outlet{Name: name, Kind: referral.KindWriteBack, Route: referral.RouteMESH, ContentType: "application/fhir+json; charset=utf-8",
		Map: d, Profile: referral.ProfileLetter(name), Mailbox: o.mailbox}, d != nil
}

// toSender says how whoever sent a referral is answered in its own dialect; false for a
// dialect that has no answers.
func (o outlets) toSender(organisation, dialect string) (referral.Outlet, bool) {
	if dialect != referral.ConnectionBaRS {
		return referral.Outlet{}, false
	}
	d := o.library.Dialect(organisation, outletPrefix+dialect)
	return referral.Outlet{Name: dialect, Kind: referral.KindResponse, Route: "bars", ContentType: "application/fhir+json",
		Map: d, Profile: referral.ProfileBaRSResponse}, d != nil
}
