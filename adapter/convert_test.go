package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/mapping"
)

// ran is what a command of the program left.
type ran struct {
	out, err string
	code     int
}

// command runs the program with arguments in a folder.
func command(t *testing.T, dir string, stdin []byte, args ...string) ran {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, append(plainEnvironment(), asProgram+"=1"), bytes.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return ran{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// write puts files into a new folder.
func write(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (r ran) want(t *testing.T, code int, parts ...string) ran {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d\n%s\n%s", r.code, code, r.out, r.err)
	}
	for _, part := range parts {
		if !strings.Contains(r.out+r.err, part) {
			t.Errorf("%q is not said:\n%s\n%s", part, r.out, r.err)
		}
	}
	return r
}

// One message: the result is FHIR, the same each time, and every value is explained.
func TestConvertAFile(t *testing.T) {
	dir := write(t, map[string][]byte{"referral.json": someone(practiceA).message()})
	first := command(t, dir, nil, "convert", "-trace", "-loss", "referral.json").want(t, 0, "nothing was lost", "1 message in",
		"Bundle.entry[0].resource.intent", "ukcore-r4-to-referral.map:", "request/state", "ConceptMap/need")
	if n := checked(t, []byte(first.out)); n.ResourceType() != "Bundle" {
		t.Errorf("the result is %s", n.ResourceType())
	}
	if second := command(t, dir, nil, "convert", "referral.json").want(t, 0); second.out != first.out {
		t.Error("the second time other bytes come out")
	}
	if strings.Contains(first.err, "Quillfeather") {
		t.Error("a trace without -values shows values")
	}
	command(t, dir, nil, "convert", "-trace", "-values", "-as", "none", "referral.json").want(t, 0, "Quillfeather")
	data := command(t, dir, nil, "convert", "-as", "parameters", "-q", "referral.json").want(t, 0)
	if n := checked(t, []byte(data.out)); n.ResourceType() != "Parameters" || data.err != "" {
		t.Errorf("%s, and said: %s", n.ResourceType(), data.err)
	}
}

// A folder and NDJSON at once: in order, one bad message harms no other and is named.
func TestConvertMany(t *testing.T) {
	const count = 300
	var lines bytes.Buffer
	var want []string
	for i := range count {
		body := someone(practiceA).message()
		if i == 7 || i == 250 {
			body = bytes.Replace(body, []byte(`"birthDate"`), []byte(`"birthday"`), 1)
		} else {
			n := checked(t, body)
			want = append(want, request(n).Text("identifier", "value"))
		}
		lines.Write(body)
		lines.WriteString("\n\n") // an empty line is no message
	}
	dir := write(t, map[string][]byte{"in/a.json": someone(practiceB).message(), "in/deep/b.json": someone(practiceB).message(),
		"in/notes.txt": []byte("no message"), "many.ndjson": lines.Bytes()})
	got := command(t, dir, nil, "convert", "-j", "4", "in", "many.ndjson").want(t, 1, "many.ndjson:15", "many.ndjson:501", "birthday",
		"2 of 302 messages could not be converted", "in all", "deep/b.json", "refused for")
	made := strings.Split(strings.TrimSpace(got.out), "\n")
	if len(made) != count {
		t.Fatalf("%d results", len(made))
	}
	for i, line := range made[2:] {
		if id := request(checked(t, []byte(line))).Text("identifier", "value"); id != "" && id != want[i] {
			t.Fatalf("result %d is of %s, want %s", i, id, want[i])
		}
	}

	command(t, dir, nil, "convert", "-q", "-o", "out", "in", "many.ndjson").want(t, 1)
	for _, name := range []string{"a.json", "deep/b.json", "many.ndjson"} {
		if _, err := os.Stat(filepath.Join(dir, "out", name)); err != nil {
			t.Error(err)
		}
	}
	written, err := os.ReadFile(filepath.Join(dir, "out/many.ndjson"))
	if err != nil || bytes.Count(written, []byte("\n")) != count-2 {
		t.Errorf("%d lines are written: %v", bytes.Count(written, []byte("\n")), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "out/.*")); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
	command(t, dir, nil, "convert", "-o", ".", "in/a.json").want(t, 0)
	command(t, dir, nil, "convert", "-o", "in", "in/a.json").want(t, 1, "written over itself")
	command(t, dir, nil, "convert", "-q", "-o", "in/results", "in").want(t, 0)
	command(t, dir, nil, "convert", "-q", "-o", "in/results", "in").want(t, 0) // its own results are no messages
	if _, err := os.Stat(filepath.Join(dir, "in/results/results")); err == nil {
		t.Error("results were converted again")
	}
	piped := command(t, dir, lines.Bytes()[:bytes.IndexByte(lines.Bytes(), '\n')], "convert", "-").want(t, 0)
	checked(t, []byte(piped.out))
}

// request is the original ServiceRequest of a message or of its conversion.
func request(bundle *fhir.Node) *fhir.Node {
	for _, e := range bundle.All("entry") {
		if r := e.Child("resource"); r.ResourceType() == "ServiceRequest" && r.Text("intent") != "filler-order" {
			return r
		}
	}
	return nil
}

// What is not FHIR, or not there, is told with its place; the exit status says so too.
func TestConvertRefuses(t *testing.T) {
	dir := write(t, map[string][]byte{"half.json": someone(practiceA).message()[:500], "task.json": []byte(`{"resourceType":"Task","status":"requested","intent":"order"}`),
		"empty/readme.txt": nil, "lines.ndjson": []byte("{}\nnot json\n")})
	for _, c := range []struct {
		args  []string
		parts []string
	}{
		{[]string{"half.json"}, []string{"half.json", "refused", "line 1", "1 of 1 message "}},
		{[]string{"lines.ndjson"}, []string{"lines.ndjson:1", "lines.ndjson:2", "2 of 2"}},
		{[]string{"nowhere.json"}, []string{"nowhere.json"}},
		{[]string{"empty"}, []string{"holds no .json"}},
		{nil, []string{"name the files or folders"}},
		{[]string{"-dialect", "morse", "half.json"}, []string{"no dialect is called morse", "ukcore-r4-to-referral", "outcome-to-ukcore-r4"}},
		{[]string{"-watch", "half.json"}, []string{"go with -check"}},
		{[]string{"-organisation", "y99001", "half.json"}, []string{"y99001 has no maps of its own"}},
		{[]string{"-check", "-maps", "empty", "empty"}, []string{"leave -maps"}},
		{[]string{"-check"}, []string{"folder of a dialect"}},
		{[]string{"-check", "half.json"}, []string{"takes the folder of a dialect"}},
	} {
		command(t, dir, nil, append([]string{"convert"}, c.args...)...).want(t, 1, c.parts...)
	}
	command(t, dir, nil, "convert", "-list").want(t, 0, "DIALECT", "ukcore-r4-to-referral", "Bundle 4.0.1")
}

// New maps are compared on messages that are here.
func TestConvertAgainst(t *testing.T) {
	maps := ownMaps(t, map[string][3]string{"base/conceptmap-need.json": otherNeed})
	dir := write(t, map[string][]byte{"referral.json": someone(practiceA).message()})
	command(t, dir, nil, "convert", "-as", "none", "-against", maps, "referral.json").
		want(t, 0, "changed Bundle.entry[0].resource.reasonCode[0].coding[1].code", "by reason/need", "different")
	command(t, dir, nil, "convert", "-as", "none", "-maps", maps, "-against", maps, "referral.json").want(t, 0, " 0  ")
}

// An author's folder: a case that passes, one that does not, a fault in the map, and
// the case made anew.
func TestConvertCheck(t *testing.T) {
	text, err := os.ReadFile("../mappings/ukcore-r4-to-referral/already-coded.txtar")
	if err != nil {
		t.Fatal(err)
	}
	maps := ownMaps(t, map[string][3]string{intakeMap: {intakeMap, "group referral(", "group referral("}})
	folder := filepath.Join(maps, "ukcore-r4-to-referral")
	file := filepath.Join(folder, "already-coded.txtar")
	put := func(name string, body []byte) {
		if err := os.WriteFile(name, body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(file, text)
	command(t, maps, nil, "convert", "-check", folder).want(t, 0, "compiles", "already-coded", "passes", "1 passed, 0 failed")

	put(file, bytes.Replace(text, []byte(`"filler-order"`), []byte(`"order"`), 1))
	command(t, maps, nil, "convert", "-check", maps).want(t, 1, "differs", "intent", "filler-order", "0 passed, 1 failed")
	command(t, maps, nil, "convert", "-check", "-update", folder).want(t, 0, "updated")
	if got, _ := os.ReadFile(file); !bytes.Equal(got, text) {
		t.Error("the case made anew is not the old one")
	}
	story, err := mapping.ParseCase("x", text)
	if err != nil || len(story.Sections) < 3 {
		t.Fatal(story, err)
	}

	source, err := os.ReadFile(filepath.Join(folder, "ukcore-r4-to-referral.map"))
	if err != nil {
		t.Fatal(err)
	}
	put(filepath.Join(folder, "ukcore-r4-to-referral.map"), bytes.Replace(source, []byte("src.reasonCode as c"), []byte("src.reason as c"), 1))
	line := fmt.Sprintf("line %d", 1+bytes.Count(source[:bytes.Index(source, []byte("src.reasonCode as c"))], []byte("\n")))
	command(t, maps, nil, "convert", "-check", folder).want(t, 1, "does not compile", line, "has no element reason")
}

// oldRecord is a structured record of STU3 with a social prescribing referral, and another of a code.
func oldRecord(code string) []byte {
	return []byte(`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"List","id":"l","status":"current","mode":"snapshot"}},
{"resource":{"resourceType":"ReferralRequest","id":"r1","identifier":{"system":"urn:r","value":"1"},"status":"unknown","intent":"order","subject":{"reference":"Patient/p"},"reasonCode":[{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]}]}},
{"resource":{"resourceType":"ReferralRequest","id":"r2","identifier":[{"system":"urn:r","value":"2"}],"status":"unknown","intent":"order","subject":{"reference":"Patient/p"},"reasonCode":[{"coding":[{"system":"http://snomed.info/sct","code":"` + code + `"}]}]}},
{"resource":{"resourceType":"Patient","id":"p","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}],"name":[{"family":"Reed"}]}}]}`)
}

// A record of STU3 goes the way that it goes when it is taken in: it is mended, one referral of
// it is taken, and both are told.
func TestConvertARecord(t *testing.T) {
	dir := write(t, map[string][]byte{"one.json": oldRecord("308447003"), "two.json": oldRecord("871731000000106")})
	got := command(t, dir, nil, "convert", "-loss", "one.json").want(t, 0, "repair-array", "Bundle.entry[1].resource.identifier", "excerpt", "left out were 1 List, 1 ReferralRequest")
	if strings.Contains(got.err, "entry[2]") {
		t.Errorf("what was left out is told of:\n%s", got.err)
	}
	command(t, dir, nil, "convert", "-q", "-as", "parameters", "one.json").want(t, 0, "repair-array", "left out were")
	command(t, dir, nil, "convert", "two.json").want(t, 1, "several-referrals")
	if request(checked(t, []byte(command(t, dir, nil, "convert", "-q", "-identifier", "urn:r|2", "two.json").want(t, 0).out))) == nil {
		t.Error("the chosen referral is not in the result")
	}
}
