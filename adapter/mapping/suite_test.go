package mapping

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/fhir"
)

// excluded cases of the HL7 suite, each with its reason. One that passes fails the run.
var excluded = map[string]string{
	"qr2cda":          "the target is a CDA model; this program knows FHIR types alone",
	"qr2cdaxsi":       "the target is a CDA model",
	"qr2cd-eval-json": "the target is a CDA model",
	"qr2cd-eval-fml":  "the target is a CDA model",
}

// suiteFolder is where the published suite lies.
func suiteFolder() string {
	root := os.Getenv("SHARED_REFERENCE")
	if root == "" {
		root = "../../../shared/reference"
	}
	return filepath.Join(root, "real/mapping-suite")
}

func TestSuite(t *testing.T) {
	dir := suiteFolder()
	if _, err := os.Stat(dir); err != nil {
		t.Log("suite mapping: the folder is not here, nothing was run")
		return
	}
	passed, excludedCount, failed := 0, 0, 0
	for _, version := range []string{"r5", "r4b"} {
		text, err := os.ReadFile(filepath.Join(dir, version, "manifest.xml"))
		if err != nil {
			t.Fatal(err)
		}
		var manifest struct {
			Tests []struct {
				Name   string `xml:"name,attr"`
				Source string `xml:"source,attr"`
				Map    string `xml:"map,attr"`
				Output string `xml:"output,attr"`
			} `xml:"test"`
		}
		if err := xml.Unmarshal(text, &manifest); err != nil {
			t.Fatal(err)
		}
		for _, c := range manifest.Tests {
			name := filepath.Base(c.Name)
			err := runSuiteCase(filepath.Join(dir, version), c.Source, c.Map, c.Output)
			switch reason := excluded[name]; {
			case err == nil && reason != "":
				failed++
				t.Errorf("%s/%s is excluded (%s) and passes", version, name, reason)
			case reason != "":
				excludedCount++
			case err != nil:
				failed++
				t.Errorf("%s/%s: %v", version, name, err)
			default:
				passed++
			}
		}
	}
	t.Logf("suite mapping: %d passed, %d excluded, %d failed", passed, excludedCount, failed)
}

type difference string

func (d difference) Error() string { return string(d) }

func runSuiteCase(dir, source, name, output string) error {
	text, _ := os.ReadFile(filepath.Join(dir, name))
	return runSuiteMap(dir, Source{Name: name, Text: string(text)}, source, output)
}

func runSuiteMap(dir string, m Source, source, output string) error {
	read := func(file string) []byte {
		b, _ := os.ReadFile(filepath.Join(dir, file))
		return bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF"))
	}
	set, err := Compile([]Source{m}, Env{})
	if err != nil {
		return err
	}
	src, err := fhir.Parse(fhir.Types(fhir.R4), read(source), fhir.Limits{})
	if err != nil {
		return err
	}
	result, err := set.Maps()[0].Transform(context.Background(), Input{Source: src, Now: time.Unix(0, 0)})
	if err != nil {
		return err
	}
	got := fhir.Encode(result.Target)
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		return err
	}
	if err := json.Unmarshal(read(output), &b); err != nil {
		return difference("the expected output is no JSON")
	}
	if !reflect.DeepEqual(a, b) {
		return difference("got " + string(got))
	}
	return nil
}

// TestSuiteParses parses every map of the suite, those without an expected output too.
func TestSuiteParses(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(suiteFolder(), "*/*.map"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(Source{Name: filepath.Base(f), Text: string(text)}); err != nil {
			t.Errorf("%s: %v", strings.TrimPrefix(f, suiteFolder()), err)
		}
	}
}
