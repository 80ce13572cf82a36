package main

import (
	"strings"
	"testing"
)

// A client that its Device says is not in use any more is none: it gets no token, and no
// platform can name it.
func TestAClientThatIsNotActiveIsNone(t *testing.T) {
	for status, want := range map[string]int{"active": 1, "unknown": 1, "inactive": 0, "entered-in-error": 0} {
		w := newWorld(t, "")
		of := registrants().rsa
		w.register(strings.Replace(device(of.id, "requester", practiceA, "system/Task.rs", keySet(t, of), ""), `"resourceType":"Device",`, `"resourceType":"Device","status":"`+status+`",`, 1))
		partners, err := loadPartners(w.config.Partners)
		if err != nil {
			t.Fatal(err)
		}
		clients, err := registered(w.config, partners, quiet())
		if err != nil || len(clients) != want {
			t.Errorf("%s: %d clients, %v", status, len(clients), err)
		}
		platform := outsideIssuer{Clients: []string{of.id}}
		if _, err := platform.clients(partners, true); (err == nil) != (want == 1) {
			t.Errorf("%s, named by a platform: %v", status, err)
		}
	}
}
