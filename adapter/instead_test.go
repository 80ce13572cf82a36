package main

import (
	"net/http"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/store/storetest"
	peer "spadapter/conformance/peer/mesh"
)

// A practice that does not take coded entries gets the same outcome as a document, once; and
// one that refuses the document too is an incident, and not asked a third time.
func TestADocumentTakesThePlaceOfRefusedEntries(t *testing.T) {
	for _, code := range []string{"20009", "20010"} {
		t.Run(code, func(t *testing.T) {
			storetest.EachURL(t, func(t *testing.T, url string) {
				p := newPost(t, url)
				p.corresponding("gpconnect-record", practiceA)
				p.config.UpdateRecord = true
				p.practice.Decides(func(m peer.Message) []string {
					if m.Workflow == "GPCONNECT_UPDATE_RECORD" {
						return []string{code}
					}
					return []string{"20013", "30001"}
				})
				p.practice.Order(false, 2, false) // each answer comes twice
				p.open(quiet())
				worker := p.adapter.as(auth.RoleOwner, service1)
				worker.act(worker.look(p.referral), "reject", referral.Input{Reason: said("no-capacity")}).want(http.StatusOK)
				eventually(t, "the document is delivered", func() bool {
					return p.number("SELECT COUNT(*) FROM delivery WHERE state = 'delivered' AND referral = '"+p.referral+"'") == 1
				})
				p.collected()
				list := p.posted(p.referral)
				if len(list) != 2 || list[0].state != "superseded" || list[1].state != "delivered" {
					t.Fatalf("%s: the outbox holds %d rows: %+v", code, len(list), states(list))
				}
				record, document := assertLetter(t, "refused", list[0].body), assertLetter(t, "instead", list[1].body)
				if textAt(record.header, "event", "code") != "ITK014M" || textAt(document.header, "event", "code") != "ITK007C" || textAt(document.header, "id") != list[1].id {
					t.Errorf("%s: %s, then %s", code, textAt(record.header, "event", "code"), textAt(document.header, "event", "code"))
				}
				if textAt(record.composition, "identifier", "value") != textAt(document.composition, "identifier", "value") {
					t.Error("one outcome has two numbers, so that a correction could not name it")
				}
				if worker.look(p.referral).Status != referral.StatusRejected {
					t.Error("the refusal changed the referral")
				}
			})
		})
	}
	p := newPost(t, "")
	p.corresponding("gpconnect-record", practiceA)
	p.config.UpdateRecord = true
	p.practice.Answers("20010")
	p.open(quiet())
	worker := p.adapter.as(auth.RoleOwner, service1)
	worker.act(worker.look(p.referral), "reject", referral.Input{Reason: said("no-capacity")}).want(http.StatusOK)
	eventually(t, "both are refused", func() bool {
		return p.number("SELECT COUNT(*) FROM delivery WHERE state = 'dead' AND supersedes <> ''") == 1
	})
	p.collected()
	if list := p.posted(p.referral); len(list) != 2 {
		t.Errorf("%v", states(list))
	}
}

func states(list []posted) (out []string) {
	for _, p := range list {
		out = append(out, p.move+" "+p.route+" "+p.state)
	}
	return out
}

// What must not leave in a letter keeps nobody from closing a referral: the move is made, the
// letter is dead at once, where a person sees why, and goes out when it is replayed after the
// cause is gone.
func TestALetterThatCannotBeMadeHoldsNoMoveUp(t *testing.T) {
	for name, of := range map[string]struct{ spoil func(b *fhir.Node) }{
		"confidential request": {func(b *fhir.Node) {
			for _, e := range b.All("entry") {
				if n := e.Child("resource"); n.ResourceType() == "ServiceRequest" {
					setPart(n, "meta", `{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}`)
				}
			}
		}},
		"no birth date": {func(b *fhir.Node) {
			for _, e := range b.All("entry") {
				if n := e.Child("resource"); n.ResourceType() == "Patient" {
					n.Remove("birthDate")
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t, "")
			p.corresponding("gpconnect-document", practiceA)
			a := p.run(quiet())
			b := p.sent.bundle()
			of.spoil(b)
			p.referral = strings.TrimPrefix(a.as(auth.RoleRequester, practiceA).refer(fhir.Encode(b)), "Task/")
			worker, manager := a.as(auth.RoleOwner, service1), a.as(auth.RoleOperator)
			v := worker.act(worker.look(p.referral), "accept", referral.Input{}).want(http.StatusOK).view()
			v = worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).want(http.StatusOK).view()
			if v.Status != referral.StatusCompleted {
				t.Fatalf("the referral is %s", v.Status)
			}
			eventually(t, "the letter is dead", func() bool {
				return p.number("SELECT COUNT(*) FROM delivery WHERE state = 'dead' AND problem = 'business-rule'") == 1
			})
			if n := p.number("SELECT COUNT(*) FROM attempt WHERE details <> '' AND state = 'dead'"); n != 1 || len(p.practice.Got()) != 0 {
				t.Errorf("%d attempts say why, and the practice got %d messages", n, len(p.practice.Got()))
			}
			if list := p.posted(p.referral); len(list) != 1 || len(list[0].body) != 0 {
				t.Errorf("the outbox holds %v", states(list))
			}
			// taking it back tells nobody of what nobody was told
			manager.act(v, "enter-in-error", referral.Input{Reason: said("entered-in-error")}).want(http.StatusOK)
			if list := p.posted(p.referral); len(list) != 1 {
				t.Errorf("the outbox holds %v", states(list))
			}
		})
	}
}
