package main

import (
	"net/http"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
)

// An entry of a transaction needs no fullUrl where nothing refers to it: the referral is taken
// in like any other, whichever entries have none.
func TestEntriesWithoutFullURLAreTakenIn(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		a := w.run(quiet())
		gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
		for name, without := range map[string][]string{
			"the request":     {"ServiceRequest"},
			"the person":      {"Patient"},
			"the person, too": {"ServiceRequest", "Patient"},
		} {
			t.Run(name, func(t *testing.T) {
				s := someone(practiceA)
				s.observations = nil
				b := s.bundle()
				messageOf(b, "ServiceRequest").Child("subject").Remove("reference")
				addIdentifier(messageOf(b, "ServiceRequest").Child("subject"), referral.SystemNHSNumber, s.nhsNumber)
				for _, e := range b.All("entry") {
					for _, kind := range without {
						if e.Child("resource").ResourceType() == kind {
							e.Remove("fullUrl")
						}
					}
				}
				task := receipt(gp.in(t).do(http.MethodPost, "/fhir/R4", fhir.Encode(b)).want(http.StatusOK))
				if v := theOne(t, worker, s.nhsNumber); "Task/"+v.ID != task || v.Person.Name == "" {
					t.Errorf("%s is the referral %+v", task, v.Person)
				}
			})
		}
	})
}
