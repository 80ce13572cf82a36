package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// An outcome, its correction and its retraction wait as documents for a practice that gets
// them over MESH; each names what it replaces, in the numbers that went before.
func TestALetterNamesWhatItReplaces(t *testing.T) {
	w := newWorld(t, "")
	w.corresponding("gpconnect-document", practiceA)
	a := w.run(quiet())
	x := &told{cast: &cast{w: w, a: a, gp: a.as(auth.RoleRequester, practiceA), worker: a.as(auth.RoleOwner, service1), manager: a.as(auth.RoleOperator)}, sent: someone(practiceA)}
	x.v = x.worker.look(x.gp.refer(x.sent.message()))
	x.planned()
	x.act("complete", referral.Input{Outcome: fullOutcome()})
	w.arrived()
	x.act("correct", referral.Input{Outcome: outcomeOf(), Note: "The score was somebody else's."})
	w.arrived()
	x.act("correct", referral.Input{Outcome: fullOutcome(), Note: "It was hers after all."})
	w.arrived()
	x.v = x.manager.act(x.v, "enter-in-error", referral.Input{Reason: said("entered-in-error")}).view()

	number := map[int]string{}
	for i, want := range []struct {
		move, version, title, itk string
		replaces                  []int
	}{
		{"T09", "1", "Social prescribing: plan agreed", "30005", nil},
		{"T16", "1", "Social prescribing: outcome", "30006", nil},
		{"T20", "2", "Social prescribing: corrected outcome", "30006", []int{1}},
		{"T20", "3", "Social prescribing: corrected outcome", "30006", []int{2}},
		{"T24", "4", "Social prescribing: entered in error", "", []int{0, 3}},
	} {
		list := w.posted(x.v.ID)
		if len(list) != 5 {
			t.Fatalf("there are %d letters", len(list))
		}
		p := assertLetter(t, want.move, list[i].body)
		number[i] = textAt(p.composition, "identifier", "value")
		var replaced []string
		for _, r := range members(p.composition, "relatesTo") {
			replaced = append(replaced, textAt(r, "targetIdentifier", "value"))
		}
		var names []string
		for _, r := range want.replaces {
			names = append(names, number[r])
		}
		if list[i].move != want.move || !slices.Equal(replaced, names) || textAt(p.composition, "meta", "versionId") != want.version || textAt(p.composition, "title") != want.title {
			t.Errorf("letter %d of %s is %q version %s and replaces %v, not %v", i, list[i].move, textAt(p.composition, "title"), textAt(p.composition, "meta", "versionId"), replaced, names)
		}
		if got := textAt(p.composition, "event", "code", "coding", "code"); got != want.itk {
			t.Errorf("letter %d says %q, not %q", i, got, want.itk)
		}
	}
	if number[0] == number[1] || number[1] == number[2] || number[2] == number[3] {
		t.Errorf("documents share numbers: %v", number)
	}
}

// A correction of what a practice refused replaces nothing there; a retraction names it, since
// a letter that was given up may have come all the same.
func TestACorrectionReplacesNothingThatWasRefused(t *testing.T) {
	w := newWorld(t, "")
	w.corresponding("gpconnect-document", practiceA)
	a := w.run(quiet())
	x := &told{cast: &cast{w: w, a: a, gp: a.as(auth.RoleRequester, practiceA), worker: a.as(auth.RoleOwner, service1), manager: a.as(auth.RoleOperator)}, sent: someone(practiceA)}
	x.v = x.worker.look(x.gp.refer(x.sent.message()))
	x.planned()
	w.arrived()
	x.act("complete", referral.Input{Outcome: fullOutcome()})
	if _, err := w.db().ExecContext(t.Context(), "UPDATE delivery SET state = 'dead', attempts = 1 WHERE state = 'queued'"); err != nil {
		t.Fatal(err)
	}
	x.act("correct", referral.Input{Outcome: outcomeOf(), Note: "The score was somebody else's."})
	w.arrived()
	x.v = x.manager.act(x.v, "enter-in-error", referral.Input{Reason: said("entered-in-error")}).view()
	for i, want := range []int{0, 0, 0, 3} { // the plan, the outcome, its correction, all of them
		list := w.posted(x.v.ID)
		if len(list) != 4 {
			t.Fatalf("there are %d letters", len(list))
		}
		if got := members(assertLetter(t, list[i].move, list[i].body).composition, "relatesTo"); len(got) != want {
			t.Errorf("letter %d of %s replaces %d, not %d", i, list[i].move, len(got), want)
		}
	}
}

// A person moves from a practice with a FHIR server to one that gets documents, between the
// outcome and its sending: the same outcome is written again, as a letter to the new one.
func TestALetterFollowsThePersonToTheNewPractice(t *testing.T) {
	w := newWorld(t, "")
	w.corresponding("gpconnect-document", practiceB)
	a := w.run(quiet())
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	sent := someone(practiceA)
	v := worker.look(gp.refer(sent.message()))
	w.gp.fail(standInFault{Status: http.StatusServiceUnavailable})
	v = worker.act(v, "accept", referral.Input{}).view()
	worker.act(v, "complete", referral.Input{Outcome: fullOutcome()}).want(http.StatusOK)
	eventually(t, "the first try failed", func() bool { return w.number("SELECT COUNT(*) FROM attempt WHERE state = 'queued'") == 1 })
	patient := sent.patient()
	setPart(patient, "generalPractitioner", fmt.Sprintf(`[{"identifier":{"system":%q,"value":%q}}]`, referral.SystemODS, practiceB))
	gp.do(http.MethodPost, "/fhir/R4/Patient", fhir.Encode(patient)).want(http.StatusOK)
	eventually(t, "the row for the old practice is superseded", func() bool {
		return w.number("SELECT COUNT(*) FROM delivery WHERE state = 'superseded'") == 1
	})
	list := w.posted(v.ID)
	if len(list) != 2 || list[0].recipient != practiceA || list[0].route != "fhir-rest" || list[1].recipient != practiceB || list[1].route != "mesh" {
		t.Fatalf("the outbox holds %+v", list)
	}
	p := assertLetter(t, "the new row", list[1].body)
	if textAt(p.header, "id") != list[1].id || textAt(p.composition, "title") != "Social prescribing: outcome" {
		t.Errorf("the message %s, %q stands in the row %s", textAt(p.header, "id"), textAt(p.composition, "title"), list[1].id)
	}
	if w.gp.task(referral.StatusCompleted) != nil {
		t.Error("the old practice was told")
	}
}

// Without its flag a practice that asks for coded entries gets a document.
func TestUpdateRecordIsOffByDefault(t *testing.T) {
	w := newWorld(t, "")
	w.corresponding("gpconnect-record", practiceA)
	a := w.run(quiet())
	worker := a.as(auth.RoleOwner, service1)
	v := worker.look(a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message()))
	worker.act(v, "reject", referral.Input{Reason: said("no-capacity")}).view()
	for _, p := range w.posted(v.ID) {
		if event := textAt(assertLetter(t, "the rejection", p.body).header, "event", "code"); event != "ITK007C" {
			t.Errorf("the practice gets %s", event)
		}
	}
	if n := len(w.posted(v.ID)); n != 1 {
		t.Errorf("%d letters", n)
	}
}

// What is confidential is refused before anything is stored, and so is what a map of the
// deployment makes wrong.
func TestALetterThatMustNotGoIsNotStored(t *testing.T) {
	const letterMap = "base/itk-message.map"
	for name, edit := range map[string][3]string{
		"restricted":         {letterMap, "c.confidentiality = 'N'", "c.confidentiality = 'R'"},
		"to a destination":   {letterMap, "src -> h.sender as r,", "src -> h.destination as x, x.endpoint = 'X', h.sender as r,"},
		"no acknowledgement": {letterMap, "e.url = 'BusAckRequested', e.value = cast('true', 'boolean')", "e.url = 'BusAckRequested', e.value = cast('false', 'boolean')"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			w.corresponding("gpconnect-document", practiceA)
			w.config.Maps = ownMaps(t, map[string][3]string{letterMap: edit})
			a := w.run(quiet())
			worker := a.as(auth.RoleOwner, service1)
			v := worker.look(a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message()))
			got := worker.act(v, "reject", referral.Input{Reason: said("no-capacity")})
			if got.status != http.StatusInternalServerError || !strings.Contains(string(got.body), "emitted-invalid") || !strings.Contains(string(got.body), "sp-gpconnect-document") {
				t.Errorf("%d %s", got.status, got.body)
			}
			if n := len(w.posted(v.ID)); n != 0 || worker.look(v.ID).Status != "received" {
				t.Errorf("%d letters, the referral is %s", n, worker.look(v.ID).Status)
			}
		})
	}
}

var (
	endpointLine    = regexp.MustCompile(`(?m)^\{"resource":\{"resourceType":"Endpoint".*$`)
	endpointAddress = regexp.MustCompile(`"address":"[^"]*"`)
)

// corresponding makes practices get letters: their endpoints ask for a connection of GP
// Connect, and every partner has a telephone.
func (w *world) corresponding(connection string, practices ...string) {
	w.t.Helper()
	body, err := os.ReadFile(w.config.Partners)
	if err != nil {
		w.t.Fatal(err)
	}
	body = bytes.ReplaceAll(body, []byte(` (synthetic)"}`), []byte(` (synthetic)","telecom":[{"system":"phone","value":"01632 960001"}]}`))
	body = endpointLine.ReplaceAllFunc(body, func(line []byte) []byte {
		for _, ods := range practices {
			if bytes.Contains(line, fmt.Appendf(nil, `"value":%q`, ods)) {
				line = endpointAddress.ReplaceAll(line, []byte(`"address":"mesh:"`))
				return bytes.Replace(line, []byte(`"system":"http://terminology.hl7.org/CodeSystem/endpoint-connection-type","code":"hl7-fhir-rest"`),
					fmt.Appendf(nil, `"system":"https://spadapter.example/fhir/CodeSystem/endpoint-connection","code":%q`, connection), 1)
			}
		}
		return line
	})
	if err := os.WriteFile(w.config.Partners, body, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// posted is one row of the outbox with its body.
type posted struct {
	id, move, recipient, route, state string
	body                              []byte
}

// posted gives the outbox of a referral in the order in which it was filled.
func (w *world) posted(referral string) (list []posted) {
	w.t.Helper()
	rows, err := w.db().QueryContext(context.Background(), "SELECT id, move, recipient, route, state, body FROM delivery WHERE referral = '"+referral+"' ORDER BY id")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var p posted
		if err := rows.Scan(&p.id, &p.move, &p.recipient, &p.route, &p.state, &p.body); err != nil {
			w.t.Fatal(err)
		}
		list = append(list, p)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return list
}

// arrived marks what waits as delivered.
func (w *world) arrived() {
	w.t.Helper()
	if _, err := w.db().ExecContext(context.Background(), "UPDATE delivery SET state = 'delivered', attempts = 1 WHERE state = 'queued'"); err != nil {
		w.t.Fatal(err)
	}
}

// letterWays are ways through the life cycle that together make every move that writes to a
// record; what each writes last is named.
var letterWays = map[string]struct {
	move string
	way  func(x *told)
}{
	"asks":          {"T04", func(x *told) { x.act("ask", referral.Input{Question: "Which language does she speak?"}) }},
	"rejects":       {"T06", func(x *told) { x.act("reject", referral.Input{Reason: said("not-eligible")}) }},
	"agrees a plan": {"T09", func(x *told) { x.planned() }},
	"asks to act": {"T09", func(x *told) {
		x.begun()
		x.act("escalate", referral.Input{Status: "safeguarding", RequestedAction: "Please call her today."})
	}},
	"declines late": {"T12", func(x *told) {
		x.act("accept", referral.Input{})
		x.act("reject", referral.Input{Reason: said("no-capacity")})
	}},
	"confirms to cancel": {"T14", func(x *told) {
		x.asked()
		x.act("confirm-cancellation", referral.Input{Reason: said("consent-withdrawn")})
	}},
	"completes though": {"T15", func(x *told) { x.asked(); x.act("complete", referral.Input{Outcome: fullOutcome()}) }},
	"declines to cancel": {"T22", func(x *told) {
		x.asked()
		x.act("decline-cancellation", referral.Input{Reason: said("support-ongoing")})
	}},
	"completes": {"T16", func(x *told) { x.planned(); x.act("complete", referral.Input{Outcome: fullOutcome()}) }},
	"closes":    {"T17", func(x *told) { x.begun(); x.act("close", referral.Input{Reason: said("declined-by-patient")}) }},
	"hands over": {"T17", func(x *told) {
		x.begun()
		x.act("transfer", referral.Input{Reason: said("replaced"), Service: service2})
	}},
	"ends with the service": {"T18", func(x *told) { x.begun(); x.act("fail", referral.Input{Reason: said("service-closed")}) }},
	"corrects": {"T20", func(x *told) {
		x.planned()
		x.act("complete", referral.Input{Outcome: fullOutcome()})
		x.w.arrived()
		x.act("correct", referral.Input{Outcome: outcomeOf(), Note: "The score was somebody else's."})
	}},
	"takes back early": {"T19", func(x *told) {
		x.act("ask", referral.Input{Question: "Which language does she speak?"})
		x.w.arrived()
		x.v = x.gp.act(x.v, "enter-in-error", referral.Input{Reason: said("entered-in-error")}).view()
	}},
	"takes back": {"T24", func(x *told) {
		x.planned()
		x.act("complete", referral.Input{Outcome: fullOutcome()})
		x.w.arrived()
		x.v = x.manager.act(x.v, "enter-in-error", referral.Input{Reason: said("entered-in-error")}).view()
	}},
}

// asked is support while the practice asks to cancel it.
func (x *told) asked() {
	x.begun()
	x.v = x.gp.act(x.v, "cancel", referral.Input{Reason: said("cancellation-requested")}).view()
}

// Every move that writes to a record makes a letter that keeps every rule of its message, at
// every level that lets something out, and none where nothing may leave.
func TestEveryLetterKeepsTheRules(t *testing.T) {
	made := map[string]bool{}
	for _, connection := range []string{"gpconnect-document", "gpconnect-record"} {
		for _, level := range []string{"none", "codes-only", "summary", "full"} {
			t.Run(connection+" "+level, func(t *testing.T) {
				w := newWorld(t, "")
				w.config.Sharing, w.config.UpdateRecord = level, true
				w.awayMESH()
				w.corresponding(connection, practiceA)
				a := w.run(quiet())
				for name, way := range letterWays {
					x := &told{cast: &cast{w: w, a: a, gp: a.as(auth.RoleRequester, practiceA), worker: a.as(auth.RoleOwner, service1),
						other: a.as(auth.RoleOwner, service2), manager: a.as(auth.RoleOperator)}, sent: someone(practiceA)}
					x.v = x.worker.look(x.gp.refer(x.sent.message()))
					way.way(x)
					list := w.posted(x.v.ID)
					if level == "none" {
						if len(list) > 0 {
							t.Errorf("%s: %d letters leave", name, len(list))
						}
						continue
					}
					for _, p := range list {
						if p.route != "mesh" || p.recipient != practiceA {
							t.Errorf("%s: %s goes to %s by %s", name, p.move, p.recipient, p.route)
						}
						letter := assertLetter(t, name+", "+p.move, p.body)
						made[p.move] = true
						if got := textAt(letter.header, "id"); got != p.id || got != textAt(letter.bundle, "identifier", "value") {
							t.Errorf("%s: the message is numbered %s and its row %s", name, got, p.id)
						}
						if level == "codes-only" {
							for _, secret := range []string{"in words", "Lunch club", "lunch club", "Which language", "call her", "sleeping", "flat is cold", "mornings", "25.03", "somebody else"} {
								if bytes.Contains(p.body, []byte(secret)) || strings.Contains(narrated(letter), secret) {
									t.Errorf("%s, %s: %q leaves at %s", name, p.move, secret, level)
								}
							}
						}
					}
					// a plan is not shared in codes
					if n := len(list); way.move != "" && (n == 0 || list[n-1].move != way.move) && !(level == "codes-only" && name == "agrees a plan") {
						t.Errorf("%s: %d letters, and the last is not of %s", name, n, way.move)
					}
				}
			})
		}
	}
	for _, m := range referral.Table {
		if m.Writes != referral.WriteNothing && !made[m.ID] {
			t.Errorf("%s writes to a record and no letter of it was looked at", m.ID)
		}
	}
}

// awayMESH sets up a MESH that nobody can reach: what is written for it waits.
func (w *world) awayMESH() {
	w.t.Helper()
	secret := w.dir + "/secret"
	if err := os.WriteFile(secret, []byte("a secret\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.config.MeshURL, w.config.MeshMailbox, w.config.MeshPassword, w.config.MeshSharedKey = "http://127.0.0.1:1", "X26SP001", secret, secret
}

// narrated is what the entries of a record say in words.
func narrated(p *letterParts) string {
	var b strings.Builder
	for _, r := range p.of("ClinicalImpression") {
		b.WriteString(textAt(r, "summary") + "\n")
	}
	return b.String()
}
