package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"spadapter/adapter/fhir"
)

var update = flag.Bool("update", false, "write what the commands print into testdata/validate")

// TestValidateCases runs the commands in testdata/validate. A case says in its comment
// why it is there; "command" has the arguments, "want" the exit status, the output and
// what went to standard error; the rest are files.
func TestValidateCases(t *testing.T) {
	cases, err := filepath.Glob("testdata/validate/*.txtar")
	if err != nil || len(cases) < 10 {
		t.Fatal(err, len(cases))
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			story, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{}
			var commands string
			want := -1
			for i, f := range story.Files {
				switch f.Name {
				case "command":
					commands = strings.TrimSpace(string(f.Data))
				case "want":
					want = i
				default:
					files[f.Name] = f.Data
				}
			}
			if commands == "" || want < 0 || len(story.Comment) == 0 {
				t.Fatal("a case has a comment, a command and what it wants")
			}
			dir := write(t, files)
			var got strings.Builder
			for _, line := range strings.Split(commands, "\n") {
				line, stdin, _ := strings.Cut(line, " < ")
				r := command(t, dir, files[stdin], append([]string{"validate"}, strings.Fields(line)...)...)
				fmt.Fprintf(&got, "$ adapter validate %s\n%sexit status %d\n", line, r.out, r.code)
				if r.err != "" {
					fmt.Fprintf(&got, "standard error: %s\n", strings.TrimSpace(r.err))
				}
			}
			have := settled(got.String(), dir)
			if *update {
				story.Files[want].Data = []byte(have)
				if err := os.WriteFile(name, txtar.Format(story), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if have != string(story.Files[want].Data) {
				t.Errorf("got\n%s\nwant\n%s", have, story.Files[want].Data)
			}
		})
	}
}

// settled takes out what differs from run to run.
func settled(text, dir string) string {
	text = regexp.MustCompile(`time="[0-9.]+"`).ReplaceAllString(text, `time="0.000"`)
	text = regexp.MustCompile(`"version":"[^"]*"}}\]}`).ReplaceAllString(text, `"version":"dev"}}]}`)
	return strings.ReplaceAll(text, dir, "DIR")
}

// Windows editors leave a byte order mark, CR LF and tabs: the place is right, the marks
// stand under what they mean, and nothing of the text steers the terminal.
func TestValidatePlacesInAnyText(t *testing.T) {
	dir := write(t, map[string][]byte{
		"bom.json":   []byte("\uFEFF{\"resourceType\":\"Patient\",\r\n\t\"active\":\t\"yes\",\r\n\t\"gender\": \"日本é\"\r\n}\r\n"),
		"bom1.json":  []byte("\uFEFF{\"resourceType\":\"Patient\",\"gender\":\"n\"}"),
		"evil.json":  []byte("{\"resourceType\":\"Patient\",\"\u202egender\":\"\u009b31m\u200b\"}"),
		"crlf.json":  []byte("{\r\n\"resourceType\":\"Patient\",\r\n\"name\":[{\"family\":\"A\"},\r\n]}"),
		"empty.json": nil,
		"blank.json": []byte("\n\n  \n"),
	})
	got := command(t, dir, nil, "validate", "bom.json", "bom1.json", "evil.json", "crlf.json", "empty.json", "blank.json").want(t, 1,
		"bom.json:2:12: error: Patient.active must be true or false",
		"\n 2 |     \"active\":    \"yes\",\n   |                  ^^^^^\n",
		"bom.json:3:12: error: Patient.gender",
		"\n 3 |     \"gender\": \"日本é\"\n   |               ^^^^^^^\n",
		"bom1.json:1:36: error",
		"\n 1 | {\"resourceType\":\"Patient\",\"gender\":\"n\"}\n   |                                    ^^^\n",
		"crlf.json:3:23: error: there is nothing between this comma",
		"empty.json:1:1: error: the body is empty", "blank.json:",
		"6 files, 7 errors, 0 warnings")
	if strings.ContainsAny(got.out+got.err, "\r\u202e\u009b\u200b\x1b\uFEFF") {
		t.Errorf("%q", got.out)
	}
}

// A line of NDJSON is one resource, and its faults have the line of the file.
func TestValidateNDJSON(t *testing.T) {
	const good = `{"resourceType":"Patient","id":"p"}`
	lines := good + "\n\n" + `{"resourceType":"Patient","gender":"m"}` + "\r\n" + good + "\n{\"resourceType\":\n" + `{"resourceType":"Observation"}`
	dir := write(t, map[string][]byte{"export.ndjson": []byte(lines)})
	want := []string{":3:36: error: Patient.gender", ":5:17: error: the JSON ends too early: a value is missing", ":6:1: error: Observation.status is required", ":6:1: error: Observation.code is required",
		" 3 | {\"resourceType\":\"Patient\",\"gender\":\"m\"}\n", "1 file with 5 resources, 4 errors"}
	command(t, dir, nil, "validate", "export.ndjson").want(t, 1, want...)
	command(t, dir, []byte(lines), "validate", "-").want(t, 1, "<stdin>:3:36")
	got := command(t, dir, nil, "validate", "-format", "json", "export.ndjson").want(t, 1)
	if places := got.out; strings.Count(places, "\n") != 5 || !strings.Contains(places, `{"file":"export.ndjson","line":3,"resourceType":"Patient","fhir":"R4","errors":1`) {
		t.Error(places)
	}
}

// A folder gives what is below it and nothing hidden, in the order of the names; jobs
// change the time it takes and nothing else.
func TestValidateManyFiles(t *testing.T) {
	files := map[string][]byte{"in/.git/config.json": []byte("{"), "in/notes.txt": []byte("no resource"), "in/a/z.xml": []byte(`<Patient xmlns="http://hl7.org/fhir"><gender value="x"/></Patient>`)}
	for i := range 150 {
		files[fmt.Sprintf("in/b/%03d.json", i)] = []byte(fmt.Sprintf(`{"resourceType":"Patient","gender":"x%d","name":%q}`, i, strings.Repeat("a", 100*(150-i))))
	}
	dir := write(t, files)
	for _, format := range []string{"text", "json", "outcome", "junit", "sarif"} {
		one := command(t, dir, nil, "validate", "-j", "1", "-format", format, "in").want(t, 1, "151 files, 451 errors")
		many := command(t, dir, nil, "validate", "-j", "16", "-format", format, "in").want(t, 1)
		if settled(one.out, dir) != settled(many.out, dir) {
			t.Errorf("%s: 16 jobs write something else", format)
		}
		if strings.Index(one.out, "z.xml") > strings.Index(one.out, "000.json") || strings.Contains(one.out, ".git") {
			t.Errorf("%s: the order is not that of the names", format)
		}
	}
}

// The report goes to a file, for a machine, and the text to people.
func TestValidateWritesAReportBesideTheText(t *testing.T) {
	dir := write(t, map[string][]byte{"p.json": []byte(`{"resourceType":"Patient","gender":"x"}`)})
	got := command(t, dir, nil, "validate", "-format", "sarif", "-o", "faults.sarif", "p.json").want(t, 1)
	if !strings.HasPrefix(got.out, "p.json:1:36: error") || !strings.HasSuffix(got.out, "1 file, 1 error, 0 warnings\n") || got.err != "" {
		t.Errorf("%s\n%s", got.out, got.err)
	}
	body, err := os.ReadFile(filepath.Join(dir, "faults.sarif"))
	if err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal(body, &log); err != nil || len(log.Runs) != 1 || len(log.Runs[0].Results) != 1 {
		t.Errorf("%v in %s", err, body)
	}
	command(t, dir, nil, "validate", "-o", "nowhere/faults.txt", "p.json").want(t, 2, "no such file")
}

// sarifLog is what SARIF demands and CI servers read.
type sarifLog struct {
	Version string
	Runs    []struct {
		Tool struct {
			Driver struct {
				Name  string
				Rules []struct{ ID string }
			}
		}
		Results []struct {
			RuleID    string
			RuleIndex int
			Level     string
			Message   struct{ Text string }
			Locations []struct {
				PhysicalLocation struct {
					ArtifactLocation struct{ URI string }
					Region           struct {
						StartLine, StartColumn int
						Snippet                struct{ Text string }
					}
				}
				LogicalLocations []struct{ FullyQualifiedName string }
			}
			PartialFingerprints map[string]string
		}
	}
}

// Every result has what SARIF 2.1.0 demands, and none of what a patient's record holds
// unless it was asked for.
func TestValidateSARIF(t *testing.T) {
	dir := write(t, map[string][]byte{"a b#/é.json": []byte("{\"resourceType\":\"Patient\",\n\"name\":[{\"family\":\"Quillfeather é\"}], \"gender\":\"Quillfeather\",\n\"birthday\":\"1949\"}"), "none.json": []byte("{\"resourceType\":\"Patient\"}")})
	for _, values := range []bool{false, true} {
		got := command(t, dir, nil, "validate", "-q", "-format", "sarif", fmt.Sprintf("--values=%t", values), ".").want(t, 1)
		var log sarifLog
		if err := json.Unmarshal([]byte(got.out), &log); err != nil {
			t.Fatal(err)
		}
		run := log.Runs[0]
		if log.Version != "2.1.0" || run.Tool.Driver.Name == "" || len(run.Results) != 2 {
			t.Fatal(got.out)
		}
		for i, r := range run.Results {
			at := r.Locations[0].PhysicalLocation
			if r.Message.Text == "" || r.Level != "error" || run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID || at.Region.StartLine != i+2 || len(r.PartialFingerprints) != 1 ||
				at.ArtifactLocation.URI != "a%20b%23/%C3%A9.json" || (at.Region.Snippet.Text != "") != values {
				t.Errorf("%+v", r)
			}
		}
		// 1 é before it: one character, two bytes
		if column := run.Results[0].Locations[0].PhysicalLocation.Region.StartColumn; column != 48 {
			t.Errorf("column %d", column)
		}
		if run.Results[0].Locations[0].LogicalLocations[0].FullyQualifiedName != "Patient.gender" || strings.Contains(got.out, "Quillfeather") != values {
			t.Error(got.out)
		}
		report := command(t, dir, nil, "validate", "-q", "-format", "junit", fmt.Sprintf("--values=%t", values), ".").want(t, 1)
		if strings.Contains(report.out, "Quillfeather") != values {
			t.Error(report.out)
		}
	}
	clean := command(t, dir, nil, "validate", "-q", "-format", "sarif", "none.json").want(t, 0)
	if !json.Valid([]byte(clean.out)) || !strings.Contains(clean.out, `"rules":[]`) {
		t.Error(clean.out)
	}
}

// What -format outcome writes is FHIR, alone and in a Bundle, also of nothing.
func TestValidateOutcomeIsFHIR(t *testing.T) {
	dir := write(t, map[string][]byte{"a.json": []byte(`{"resourceType":"Patient"}`), "b.json": []byte(`{"resourceType":"Patient","gender":"x"}`), "none.ndjson": nil})
	for _, args := range [][]string{{"a.json"}, {"b.json"}, {"a.json", "b.json"}, {"none.ndjson"}} {
		r := command(t, dir, nil, append([]string{"validate", "-q", "-format", "outcome"}, args...)...)
		n := checked(t, []byte(r.out))
		if want := map[bool]string{true: "OperationOutcome", false: "Bundle"}[len(args) == 1 && args[0] != "none.ndjson"]; n.ResourceType() != want {
			t.Errorf("%v: %s", args, r.out)
		}
		if entries := n.All("entry"); len(args) == 2 && (len(entries) != 2 || entries[1].Descend("resource", "extension").Text("value") != "b.json") {
			t.Errorf("%s", fhir.EncodeIndent(n))
		}
	}
}

// Without a reader the command ends in silence.
func TestValidateEndsWithItsReader(t *testing.T) {
	var many bytes.Buffer
	for range 20_000 {
		many.WriteString(`{"resourceType":"Patient","gender":"x"}` + "\n")
	}
	dir := write(t, map[string][]byte{"many.ndjson": many.Bytes()})
	said, status := headOf(t, dir, "validate", "many.ndjson")
	if said != "" {
		t.Errorf("it said: %s", said)
	}
	if status == 0 {
		t.Error("it went on to the end")
	}
}

// A file that cannot be read is told with its name, and the others are checked.
func TestValidateGoesOnAfterAFileItCannotRead(t *testing.T) {
	dir := write(t, map[string][]byte{"a.json": []byte(`{"resourceType":"Patient"}`), "c.json": []byte(`{"resourceType":"Patient","gender":"x"}`)})
	if err := os.Symlink(filepath.Join(dir, "gone.json"), filepath.Join(dir, "b.json")); err != nil {
		t.Fatal(err)
	}
	command(t, dir, nil, "validate", ".").want(t, 2, "b.json: error: the input cannot be read", "c.json:1:36: error", "3 files, 2 errors, 0 warnings, 1 could not be read")
	command(t, dir, nil, "validate", "-format", "junit", ".").want(t, 2, `errors="1"`, `failures="1"`, "<error message=")
}

// Nothing is left beside the report, whole or not.
func TestValidateLeavesNothingBehind(t *testing.T) {
	scratch := t.TempDir()
	t.Setenv("TMPDIR", scratch)
	dir := write(t, map[string][]byte{"in/a.json": []byte(`{"resourceType":"Patient"}`), "out/readme.txt": []byte("a")})
	command(t, dir, nil, "validate", "-q", "-format", "junit", "-o", "out/report.xml", "in").want(t, 0)
	command(t, dir, nil, "validate", "-q", "-format", "junit", "-o", "out/readme.txt/report.xml", "in").want(t, 2)
	for folder, want := range map[string]int{scratch: 0, filepath.Join(dir, "out"): 2} {
		if entries, err := os.ReadDir(folder); err != nil || len(entries) != want {
			t.Errorf("%s: %v %v", folder, entries, err)
		}
	}
}

// As for an intake, a Patient by itself may lack an NHS number, and the person of a
// referral may not.
func TestValidateIntake(t *testing.T) {
	const somebody = `{"resourceType":"Patient","name":[{"text":"A"}],"birthDate":"1970-01-01"}`
	referral := `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:uuid:5d0f2a52-6a2f-4b57-9a6c-5b6f0a7d0001","resource":` + somebody + `},
	{"fullUrl":"urn:uuid:5d0f2a52-6a2f-4b57-9a6c-5b6f0a7d0002","resource":{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"urn:uuid:5d0f2a52-6a2f-4b57-9a6c-5b6f0a7d0001"},
	"code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]}}}]}`
	dir := write(t, map[string][]byte{"alone.json": []byte(somebody), "referral.json": []byte(referral)})
	command(t, dir, nil, "validate", "alone.json", "referral.json").want(t, 0, "2 files, no errors and no warnings")
	command(t, dir, nil, "validate", "-intake", "alone.json").want(t, 0, "alone.json:1:1: warning: ", "the Patient needs an NHS number", "[sp-patient-nhs-number]")
	command(t, dir, nil, "validate", "-intake", "referral.json").want(t, 1, "referral.json:1:125: error: ", "the Patient needs an NHS number")
}

// -q says nothing of what was loaded, also when there is something to warn of.
func TestValidateQuietAboutTerminology(t *testing.T) {
	dir := write(t, map[string][]byte{"p.json": []byte(`{"resourceType":"Patient"}`), "codes/readme.md": []byte("nothing that is read")})
	if r := command(t, dir, nil, "validate", "-terminology", "codes", "p.json").want(t, 0); !strings.Contains(r.err, "terminology") {
		t.Errorf("no warning: %s", r.err)
	}
	if r := command(t, dir, nil, "validate", "-q", "-terminology", "codes", "p.json").want(t, 0); r.out+r.err != "" {
		t.Errorf("%s%s", r.out, r.err)
	}
}
