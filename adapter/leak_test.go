package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/txtar"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

// buffer is a log that many goroutines write.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// cases gives every message there is: those of testdata, and the sources of the cases
// of the maps that take messages in.
func cases(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	files, err := filepath.Glob("../testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(file)] = body
	}
	if files, err = filepath.Glob("../mappings/*-to-referral/*.txtar"); err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	files = append(files, "../testdata/medication-is-reported.txtar")
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range archive.Files {
			if part.Name == "source.json" {
				out[filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file)] = part.Data
			}
		}
	}
	return out
}

// personal are the elements whose values are about a person, or name something of one.
var personal = []string{"value", "family", "given", "text", "line", "city", "postalCode", "birthDate", "id", "display", "reference", "fullUrl",
	"valueString", "valueInteger", "valueDecimal", "district", "deceasedDateTime", "effectiveDateTime", "authoredOn", "time"}

// secrets lists what of a message must not be told: every value of those elements that
// is long enough to be looked for, and that is no word of a standard.
func secrets(body []byte) (list []string) {
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			_, coded := v["code"]
			for key, child := range v {
				if coded && v["system"] != nil && key == "display" {
					continue // the words of a code are public, the text beside it is not
				}
				walk(key, child)
			}
		case []any:
			for _, child := range v {
				walk(name, child)
			}
		case string:
			if slices.Contains(personal, name) && len(v) >= 4 && !strings.HasPrefix(v, "http://hl7.org") {
				list = append(list, v)
			}
		}
	}
	var root any
	if json.Unmarshal(body, &root) == nil {
		walk("", root)
	}
	return list
}

// public are values of messages that a log may hold: organisations, which are no
// persons, and the names of types.
var public = []string{practiceA, practiceB, practiceC, service1, service2, "Patient", "Observation"}

// No value of a message reaches the log, at any level, or the metrics: not when the
// message is taken, not when it is refused, not when it is worked and sent on, and not
// when sending fails.
func TestNothingOfAPatientReachesTheLogOrTheMetrics(t *testing.T) {
	w := newWorld(t, "")
	log := &buffer{}
	w.config.ShadowMaps = ownMaps(t, map[string][3]string{
		"base/conceptmap-need.json": otherNeed,
		intakeMap:                   {intakeMap, "src.note as a -> tgt.note = a;", ""},
	})
	a := w.run(slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug - 4, AddSource: true})))
	worker := a.as(auth.RoleOwner, service1, service2)
	messages := cases(t)
	for i, practice := range []string{practiceA, practiceB, practiceC, practiceA} {
		// some cases are refused whole, for a type that is not taken: these are not
		messages[fmt.Sprintf("synthetic-%d", i)] = someone(practice).message()
	}
	known := append(slices.Clone(public), "Since") // stands in what Go says of itself
	for _, body := range messages {
		known = append(known, senders(body)...)
	}
	hidden := map[string]string{} // value → where it is from
	hide := func(from string, values ...string) {
		for _, v := range values {
			if !slices.Contains(known, v) {
				hidden[v] = from
			}
		}
	}
	w.gp.fail(standInFault{Status: 422, Body: `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid","diagnostics":"Dorothy Fairweather of Weir Lane"}]}`},
		standInFault{Status: 500, Body: "Traceback: Dorothy Fairweather"}, standInFault{Half: true})
	hide("the GP system", "Dorothy", "Weir Lane")

	taken := 0
	for name, body := range messages {
		hide(name, secrets(body)...)
		gp := a.as(auth.RoleRequester, senders(body)...)
		door, headers := "/fhir/R4", []string(nil)
		switch name {
		case "referral-stu3.json":
			door = "/fhir/STU3"
		case "message-bars.json":
			door, headers = processMessage, barsWith("Y99001")
		}
		if got := gp.do(http.MethodPost, door, body, headers...); got.status == http.StatusOK {
			taken++
		} else if got.status >= 500 {
			t.Errorf("%s: status %d: %s", name, got.status, got.body)
		}
		for _, broken := range breakages(body) {
			hide(name+", broken", secrets(broken)...)
			if headers != nil {
				headers = barsWith("Y99001")
			}
			if got := gp.do(http.MethodPost, door, broken, headers...); got.status >= 500 {
				t.Errorf("%s, broken: status %d: %s", name, got.status, got.body)
			}
		}
		// the same bytes to every address that takes a body, and as a query
		for _, path := range []string{"/fhir/R4/Patient", "/fhir/R4/ServiceRequest", "/fhir/R4/Observation/_search", "/api/v1/referrals/x/actions/accept", "/nowhere",
			"/fhir/R4/$convert", "/fhir/R4/StructureMap/r4-resources/$transform", "/fhir/R4/ConceptMap/$translate"} {
			gp.do(http.MethodPost, path, body)
			worker.do(http.MethodPost, path, body, "If-Match", `W/"1"`, "Content-Type", "application/fhir+json")
		}
		for _, value := range secrets(body) {
			if strings.ContainsAny(value, " \n\"") || len(value) > 100 {
				continue
			}
			gp.do(http.MethodGet, "/fhir/R4/Patient?identifier="+value+"&family="+value+"&"+value+"="+value, nil, "Prefer", "handling=strict")
			gp.do(http.MethodGet, "/fhir/R4/Patient/"+strings.ReplaceAll(value, "%", ""), nil)
			break
		}
	}
	if taken < 5 {
		t.Fatalf("only %d messages were taken", taken)
	}
	note := "Tells that Gwendoline Ashgrove owes her money"
	hide("the link worker", "Gwendoline", "Ashgrove", "owes her")
	for _, v := range worker.worklist("") {
		hide("the worklist", v.Person.Name, v.Person.NHSNumber)
		worker.act(v, note, referral.Input{Note: note})
		worker.do(http.MethodPost, "/api/v1/referrals/"+v.ID+"/actions/accept", []byte(`{"`+note+`":"`+note+`","note":1}`), "If-Match", `W/"1"`)
		got := worker.act(v, "accept", referral.Input{Note: note})
		if got.status != http.StatusOK {
			continue
		}
		in := referral.Input{Note: note, Outcome: fullOutcome()}
		in.Outcome.Summary = note
		in.Outcome.Findings[0].Text = note
		worker.act(got.view(), "complete", in).want(http.StatusOK)
	}
	delete(hidden, "")
	eventually(t, "deliveries are tried", func() bool { return len(w.gp.received()) >= 4 })
	eventually(t, "tries are logged", func() bool { return strings.Contains(log.String(), "delivery_attempt") })
	metrics := string(worker.get("/metrics").want(http.StatusOK).body)
	a.stop()

	if lines := strings.Count(log.String(), "\n"); lines < 50 || len(hidden) < 150 || !strings.Contains(metrics, "_total") {
		t.Fatalf("%d values are looked for in %d lines", len(hidden), lines)
	}
	for value, from := range hidden {
		for _, text := range []string{value, strings.ToLower(value), strings.ReplaceAll(value, " ", "+"), strings.ReplaceAll(value, " ", "%20")} {
			if i := strings.Index(log.String(), text); i >= 0 {
				t.Errorf("%q of %s is in the log: …%s", value, from, around(log.String(), i))
			}
			if i := strings.Index(metrics, text); i >= 0 {
				t.Errorf("%q of %s is in the metrics: …%s", value, from, around(metrics, i))
			}
		}
	}
}

// around shows the line of a text at a place.
func around(text string, at int) string {
	return text[max(0, at-120):min(len(text), at+80)]
}

// senders are the organisations that a message may come from: all that it names.
func senders(body []byte) (list []string) {
	root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err != nil {
		return []string{practiceA}
	}
	for _, e := range root.All("entry") {
		if n := e.Child("resource"); n.ResourceType() == "Organization" {
			list = append(list, n.Text("identifier", "value"))
		}
		for _, ref := range e.Child("resource").All("requester") {
			if ods := ref.Text("identifier", "value"); ods != "" {
				list = append(list, ods)
			}
		}
	}
	return append(list, practiceA)
}

// breakages are the ways in which a message can be refused, each at another layer.
func breakages(body []byte) (list [][]byte) {
	list = append(list, body[:len(body)*2/3], bytes.Replace(body, []byte(`"family"`), []byte(`"famly"`), 1),
		bytes.Replace(body, []byte(`"birthDate": "`), []byte(`"birthDate": "x`), 1), bytes.Replace(body, []byte(`"gender": "`), []byte(`"gender": "Gwendoline`), 1),
		bytes.Replace(body, []byte(`"transaction"`), []byte(`"batch"`), 1), bytes.Replace(body, []byte(`"871731000000106"`), []byte(`"306206005"`), 1),
		bytes.Replace(body, []byte(`"active"`), []byte(`"Ashgrove"`), 1), bytes.Replace(body, []byte(`"text": "`), []byte(`"Gwendoline": "`), 1))
	return list
}
