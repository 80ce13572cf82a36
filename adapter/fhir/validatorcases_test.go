package fhir_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/profile"
)

// recorded is one error of HL7's validator.
type recorded struct {
	Severity    string
	Details     struct{ Text string }
	Diagnostics string // "[line,column]"
	Expression  []string
}

// kind says what a recorded error is here: found by one of our rules, or left out for a
// reason. The first kind whose words are in the error's text counts.
type kind struct {
	words string // a regular expression
	rule  string // ours; "$1" is what the expression captured; "" when left out
	why   string // when left out
}

var kinds = []kind{
	// JSON
	{words: `^(A Comma is missing|There is an extra comma|Comments are not allowed|Error parsing JSON|The JSON property .* has no quotes)`, rule: "json"},
	{words: `^Array cannot be empty`, rule: "json-empty"},
	{words: `must be a JSON Array`, rule: "json-array"},
	// structure and values
	{words: `minimum required = 1, but only found 0 \(from http://hl7.org/fhir/StructureDefinition/(?:Observation|Extension)\|`, rule: "required"},
	{words: `^Extension.url is required`, rule: "required"},
	{words: `^(Unrecognized property|The property 'value' is invalid)`, rule: "unknown-element"},
	{words: `^Not a valid date format`, rule: "lexical-date"},
	{words: `^Invalid Resource id`, rule: "lexical-id"},
	{words: `^The base64 content`, rule: "lexical-base64Binary"},
	{words: `^UUIDs must be valid`, rule: "lexical-uri"},
	{words: `^Invalid entity in the XHTML`, rule: "lexical-xhtml"},
	{words: `^(The value provided .* was not found in the value set|The System URI could not be determined for the code)`, rule: "required-code"},
	{words: `is not a valid reference$`, rule: "reference-form"},
	{words: `^The extension URL must not contain a version`, rule: "extension-url"},
	{words: `is not referenced to from elsewhere in the containing resource`, rule: "dom-3"},
	// bundles
	{words: `^The fullUrl must be an absolute URL`, rule: "bundle-full-url"},
	{words: `^The link relationship type`, rule: "bundle-link"},
	{words: `^(Search results must have ids|This is not an OperationOutcome)`, rule: "bundle-search"},
	{words: `^(Multiple matches in bundle|Found 2 matches|Can't find .* in the bundle \((Composition\.|Section Entry))`, rule: "bundle-reference"},
	// invariants
	{words: `^Constraint failed: que-12:`, why: "R4 writes que-12 as enableWhen.count() > 2, so two conditions without enableBehavior keep it"},
	{words: `^Constraint failed: per-1:`, why: "a date and a time of that day cannot be compared in FHIRPath, so the Period is not known to end before it starts"},
	{words: `^Constraint failed: ([a-z]+-\d+):`, rule: "$1"},
	{words: `^Invalid (attribute|element) name in the XHTML`, rule: "txt-1"},

	// judged with a terminology server
	{words: `^(Wrong Display Name|Unknown code)`, why: "a terminology server decides; the adapter checks codes where a value set is at hand"},
	{words: `^The code '.*' in the system '.*' is not in the options value set`, why: "a terminology server decides"},
	// judged with a definition that is not part of the base
	{words: `(could not be found so is not allowed here|is not allowed to be used at this point)`, why: "the definition of the extension decides: FHIR lets anyone define one, and a receiver ignores those it does not know"},
	{words: `but is fixed to .* in the profile`, why: "the definition of the extension decides"},
	{words: `(\(from http://hl7.org/fhir/StructureDefinition/(bp|bodytemp)\||does not match any known slice)`, why: "the vital signs profiles decide, which package profile runs where a message claims them"},
	{words: `^Type mismatch - SearchParameter`, why: "the definition of the search parameter decides"},
	{words: `^Canonical URL .* refers to a resource that has the wrong type`, why: "what the canonical refers to decides, and it is not in the message"},
	{words: `^(LinkId '|No response answer found|No sub-items found|Items of type|Answer value must be of the type|Only one response answer|The (minimum|maximum) number of answers|The mime type|The attachment is too large|Selected answer|The resource type|The answer '|The (value|quantity) [^ ]+ .*(less than|greater than|cannot be compared|too many decimal|unit)|The value [^ ]+ (is (less|greater)|has)|The value '.*' is not in the list|The (code|date|integer|string|time) .* is not in the set of permitted values)`,
		why: "the Questionnaire decides that the response answers"},
	// stricter than R4
	{words: `^Coding.system must be an absolute reference`, why: "R4 does not oblige the system to be absolute, and published bodies use local names"},
	{words: `^The Coding references a value set`, why: "R4 has no rule for it, and published NHS examples write the value set there"},
	{words: `^Example URLs are not allowed`, why: "a setting of that validator; synthetic data uses example.org"},
	{words: `text that looks like embedded HTML`, why: "a setting of that validator; R4 allows < in a string, and what shows it must escape it"},
	{words: `^Stated Attachment Size`, why: "R4 defines Attachment.size for content at a url; what it means beside data is not said"},
	{words: `looks like a RESTful server URL, so it must end with`, why: "HL7's own R4 example Bundle-10bb101f-a121-4264-a920-67be9cb82c74 has such a fullUrl"},
	{words: `^Can't find .* in the bundle \(MessageHeader Data`, why: "follows from the fullUrl of the kind before: that validator reads no server address out of it"},
	{words: `^Can't find .* in the bundle \(Bundle\.entry`, why: "HL7's own R4 example Bundle-father refers in this way from an entry with a urn:uuid: fullUrl"},
	{words: `isn't reachable by traversing links`, why: "graded informational by that validator; R4 asks it of the sender of a document and a receiver loses nothing"},
	{words: `^This is not a matching resource type for the specified search`, why: "the request decides what was searched for"},
	{words: `^Unable to resolve resource with reference`, why: "a relative reference in Parameters may lead to the server that receives it"},
	{words: `^(Hyperlink '#|The html id|The target of the textLink|The URL value '#)`, why: "links inside a narrative are for the person who reads it; R4 obliges no one to check them"},
}

// decided are the kinds compiled.
var decided = func() (out []*regexp.Regexp) {
	for _, k := range kinds {
		out = append(out, regexp.MustCompile(k.words))
	}
	return out
}()

const cases = "../../../shared/reference/real/fhir-test-cases"

// TestValidatorCases holds the base standard as it is checked here (Parse, Check and the
// invariants of profile.Base) against the recorded outcomes of HL7's validator. A clean
// case must get no issue at all. In every other case each recorded error that a kind
// gives to one of our rules must be found by that rule, at the same place, and nothing
// else may be found.
//
// The same place is the same expression, or its parent or child (a missing element is
// reported at its parent there, and by its own name here), without indexes, comments and
// ofType: those outcomes count some indexes from 0 and others from 1. A fault of the
// JSON itself ends our reading, so one recorded on a later line counts as found with it.
func TestValidatorCases(t *testing.T) {
	if _, err := os.Stat(cases); os.IsNotExist(err) {
		t.Log("NOT TESTED: the cases of HL7's validator are not on this machine")
		return
	}
	base := profile.Base(fhir.Types(fhir.R4))
	used := make([]int, len(kinds))
	passed, excluded, failed := 0, 0, 0
	for _, folder := range []string{"valid", "invalid", "questionnaire-valid", "questionnaire-invalid"} {
		files, err := filepath.Glob(filepath.Join(cases, folder, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var found []*issue.Error
			if root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{}); err != nil {
				found = issue.All(err)
			} else {
				found = append(issue.All(fhir.Check(root)), issue.All(base.Validate(root))...)
			}
			errors := outcome(t, name)
			if len(errors) == 0 {
				if len(found) > 0 {
					failed++
					t.Errorf("%s is clean; found %v", name, found)
				} else {
					passed++
				}
				continue
			}
			expected := make([]bool, len(found))
			for _, e := range errors {
				k := slices.IndexFunc(decided, func(r *regexp.Regexp) bool { return r.MatchString(e.Details.Text) })
				if k < 0 {
					failed++
					t.Errorf("%s: no kind for %q", name, e.Details.Text)
					continue
				}
				used[k]++
				if kinds[k].rule == "" {
					excluded++
					continue
				}
				rule := strings.ReplaceAll(kinds[k].rule, "$1", captured(decided[k], e.Details.Text))
				hit := false
				for i, f := range found {
					if f.Rule == rule && samePlace(e, f) {
						hit, expected[i] = true, true
					}
				}
				if !hit {
					failed++
					t.Errorf("%s: rule %s does not find at %s: %s\n\tfound %v", name, rule, e.Expression, e.Details.Text, found)
					continue
				}
				passed++
			}
			for i, f := range found {
				if !expected[i] {
					failed++
					t.Errorf("%s: invented: %v", name, f)
				}
			}
		}
	}
	for i, n := range used {
		if n == 0 {
			t.Errorf("the kind %q fits no recorded error", kinds[i].words)
		}
	}
	t.Logf("suite validator-cases: %d passed, %d excluded, %d failed", passed, excluded, failed)
}

func captured(r *regexp.Regexp, text string) string {
	if m := r.FindStringSubmatch(text); len(m) > 1 {
		return m[1]
	}
	return ""
}

// outcome gives the recorded errors of a case; none where nothing was recorded.
func outcome(t *testing.T, name string) (errors []recorded) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(cases, "outcomes", name+".outcome.json"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var o struct{ Issue []recorded }
	if err := json.Unmarshal(body, &o); err != nil {
		t.Fatal(name, err)
	}
	for _, i := range o.Issue {
		if i.Severity == "error" || i.Severity == "fatal" {
			errors = append(errors, i)
		}
	}
	return errors
}

var asides = regexp.MustCompile(`/\*.*?\*/|\[[^\]]*\]|\.ofType\([^)]*\)`)

func samePlace(e recorded, f *issue.Error) bool {
	if f.Rule == "json" {
		first, _, _ := strings.Cut(strings.Trim(e.Diagnostics, "[]"), ",")
		line, err := strconv.Atoi(first)
		return err != nil || line >= f.Line // no place was recorded
	}
	if len(e.Expression) != 1 {
		return false
	}
	theirs, ours := asides.ReplaceAllString(e.Expression[0], ""), asides.ReplaceAllString(f.Expression, "")
	near := func(parent, child string) bool {
		rest, ok := strings.CutPrefix(child, parent)
		return ok && (rest == "" || rest[0] == '.' && !strings.Contains(rest[1:], "."))
	}
	return near(theirs, ours) || near(ours, theirs)
}
