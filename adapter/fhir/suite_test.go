package fhir

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/issue"
)

// listed is one row of the manifest of real files.
type listed struct {
	file, version, expected, google, medplum string
}

// manifest reads the list of real files; nil where they are not on this machine.
func manifest(t testing.TB) (rows []listed) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(reference, "MANIFEST.tsv"))
	if os.IsNotExist(err) {
		t.Log("NOT TESTED: the real files are not on this machine")
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimRight(string(body), "\n"), "\n") {
		columns := strings.Split(line, "\t")
		if i == 0 {
			continue
		}
		if len(columns) != 12 {
			t.Fatalf("line %d of the manifest has %d columns", i+1, len(columns))
		}
		rows = append(rows, listed{columns[0], columns[5], columns[7], columns[8], columns[9]})
	}
	return rows
}

// exclusions reads a table of cases that are left out, by name, each with its reason.
func exclusions(t testing.TB, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, reason, ok := strings.Cut(lines.Text(), "\t")
		if !ok || reason == "" || out[name] != "" {
			t.Fatalf("%s: %q needs one line of name, tab and reason", file, lines.Text())
		}
		out[name] = reason
	}
	return out
}

// verdict is what is expected of Parse and Check together.
type verdict string

const (
	accept   verdict = "accept"
	refuse   verdict = "refuse"
	noVector verdict = "" // no single FHIR resource, or judged elsewhere
)

// refusals are the words of the manifest that say a file is no valid resource.
var refusals = []string{"refuse", "→ 400", "NOT valid FHIR", "broken JSON", "defective answer", "not a resource", "JSON Patch test vectors"}

// verdictOf derives the expected verdict of a FHIR JSON file from its row:
//
//  1. the outcomes of HL7's validator are data of another suite, and a case that HL7's
//     validator refuses is judged there, error by error (package fhir_test): no verdict;
//  2. "valid STU3: only acceptable on the STU3 in-port" is read as STU3 here: accept;
//  3. words that say the file is refused (refusals): refuse;
//  4. a case of a FHIR server whose words speak of processing alone (conditional update,
//     rollback, routes…) and all other words: accept, since its body is a resource.
//
// The verdicts of the two programs are no rule of their own. They agree with the words
// or are wrong on every file that begins with a byte order mark; where both accept what
// is refused here or the other way round, the table of exclusions says why.
func verdictOf(row listed) verdict {
	switch {
	case !strings.HasSuffix(row.file, ".json"), row.version != "R4" && row.version != "STU3",
		strings.HasPrefix(row.file, "fhir-test-cases/outcomes/"), strings.Contains(row.expected, " error(s): "):
		return noVector
	case strings.HasPrefix(row.expected, "valid STU3"):
		return accept
	}
	for _, words := range refusals {
		if strings.Contains(row.expected, words) {
			return refuse
		}
	}
	return accept
}

// TestRealFiles holds the verdict of Parse and Check on every real file against the one
// that the manifest records, and writes back all that parse.
func TestRealFiles(t *testing.T) {
	rows := manifest(t)
	if rows == nil {
		return
	}
	excluded := exclusions(t, "testdata/real-files.tsv")
	passed, left, failed := 0, 0, 0
	settle := func(name string, want, got verdict, why error) {
		reason, out := excluded[name]
		delete(excluded, name)
		switch {
		case got == want && !out:
			passed++
		case got == want:
			failed++
			t.Errorf("%s: gets the verdict %s that it should; its exclusion is stale: %s", name, want, reason)
		case out:
			left++
		default:
			failed++
			t.Errorf("%s: %s, and the manifest says %s\n\t%v", name, got, want, why)
		}
	}
	for _, row := range rows {
		if strings.HasSuffix(row.file, ".ndjson") {
			for name, line := range ndjson(t, row.file) {
				got, why := primitiveVerdict(row.file, line)
				want := accept
				if strings.Contains(row.expected, "refused") {
					want = refuse
				}
				settle(name, want, got, why)
			}
			continue
		}
		want := verdictOf(row)
		if want == noVector {
			continue
		}
		version := R4
		if row.version == "STU3" {
			version = STU3
		}
		body, err := os.ReadFile(filepath.Join(reference, row.file))
		if err != nil {
			t.Fatal(err)
		}
		got, root, why := judge(version, body)
		settle(row.file, want, got, why)
		if root == nil {
			continue
		}
		// an array _name that is too short is refused, and filled with null when written
		if slices.ContainsFunc(issue.All(why), func(e *issue.Error) bool { return e.Rule == "json-primitive" }) {
			continue
		}
		if again := sorted(t, Encode(root)); again != sorted(t, []byte(strings.TrimPrefix(string(body), "\uFEFF"))) {
			t.Errorf("%s is not the same after reading and writing", row.file)
		}
	}
	for name := range excluded {
		t.Errorf("the exclusion of %s is stale: there is no such case", name)
	}
	t.Logf("suite real-files: %d passed, %d excluded, %d failed", passed, left, failed)
}

// judge runs Parse and Check; root is nil when the body does not parse.
func judge(version Version, body []byte) (verdict, *Node, error) {
	root, err := Parse(Types(version), body, Limits{Bytes: 20 << 20})
	if err == nil {
		err = Check(root)
	}
	if err != nil {
		return refuse, root, err
	}
	return accept, root, nil
}

// ndjson gives the lines of a file of primitives by name.
func ndjson(t *testing.T, file string) map[string]string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(reference, file))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, line := range strings.Split(strings.TrimRight(string(body), "\n"), "\n") {
		out[file+" "+line] = line
	}
	return out
}

// primitiveVerdict judges a JSON value as one of the type that the file is named after.
func primitiveVerdict(file, value string) (verdict, error) {
	got, _, why := judge(R4, []byte(primitiveBody(file, value)))
	return got, why
}

// primitiveBody is a resource with a JSON value as the value of an extension of the type
// that the file is named after, beside a contained resource p1. xhtml stands in a
// narrative alone.
func primitiveBody(file, value string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".")
	member := ""
	for _, word := range strings.Split(name, "_") {
		member += upperFirst(word)
	}
	body := `{"resourceType":"Basic","code":{"text":"x"},"contained":[{"resourceType":"Patient","id":"p1"}],"extension":[{"url":"http://example.org/x","value` + member + `":` + value + `}]}`
	if name == "xhtml" {
		body = `{"resourceType":"Basic","code":{"text":"x"},"text":{"status":"generated","div":` + value + `}}`
	}
	return body
}

// TestIssuesOfRealFilesHaveTheirPlace: whatever is found in a real file, the sender is
// told where it stands and by which rule.
func TestIssuesOfRealFilesHaveTheirPlace(t *testing.T) {
	issues := 0
	for _, row := range manifest(t) {
		if verdictOf(row) == noVector {
			continue
		}
		version := R4
		if row.version == "STU3" {
			version = STU3
		}
		body, err := os.ReadFile(filepath.Join(reference, row.file))
		if err != nil {
			t.Fatal(err)
		}
		_, root, err := judge(version, body)
		for _, e := range issue.All(err) {
			issues++
			if e.Line == 0 || e.Column == 0 || e.Rule == "" || e.Details == "" || !e.Type.Valid() || root != nil && e.Expression == "" {
				t.Errorf("%s: an issue without its place, rule or words: %+v", row.file, e)
			}
		}
	}
	t.Logf("%d issues", issues)
}
