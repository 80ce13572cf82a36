package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/store/storetest"
)

// colours is a package with one profile, a Patient that has a birth date, and a list of colours.
var colours = map[string][]byte{
	"pkg/package.json": []byte(`{"name":"example","version":"1.0.0","fhirVersions":["4.0.1"]}`),
	"pkg/profile.json": []byte(`{"resourceType":"StructureDefinition","id":"born","url":"https://example.org/StructureDefinition/born","version":"1.0.0","name":"Born","status":"active",
	"kind":"resource","abstract":false,"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",
	"differential":{"element":[{"id":"Patient.birthDate","path":"Patient.birthDate","min":1}]}}`),
	"pkg/codes.json":  []byte(`{"resourceType":"CodeSystem","id":"colour","url":"https://example.org/colour","status":"active","content":"complete","caseSensitive":true,"concept":[{"code":"red"}]}`),
	"pkg/values.json": []byte(`{"resourceType":"ValueSet","id":"colour","url":"https://example.org/ValueSet/colour","status":"active","compose":{"include":[{"system":"https://example.org/colour"}]}}`),
}

// The running program validates on the system, on a type and what it stores; a package
// that was loaded at the start is known to it, and to the intake.
func TestValidateOnTheRunningProgram(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		w.config.Packages = []string{filepath.Join(write(t, colours), "pkg")}
		a := w.run(quiet())
		gp := a.as(auth.RoleRequester, practiceA)
		s := someone(practiceA)

		sound := s.message()
		gp.do(http.MethodPost, "/fhir/R4/$validate?mode=create", sound).want(http.StatusOK).says(t, "All OK")
		gp.do(http.MethodPost, "/fhir/R4/Bundle/$validate", sound).want(http.StatusOK).says(t, "All OK")
		wrong := []byte(strings.Replace(string(sound), `"intent"`, `"intention"`, 1))
		gp.do(http.MethodPost, "/fhir/R4/$validate", wrong).want(http.StatusOK).says(t, "ServiceRequest.intent is required", "unknown-element", "operationoutcome-issue-line")
		gp.do(http.MethodPost, "/fhir/R4/Patient/$validate", []byte(`{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000000"}]}`)).
			want(http.StatusOK).says(t, "nhs-number-check-digit", "Patient.identifier[0].value")

		// by the parameter, and by what the resource claims
		const born = "https://example.org/StructureDefinition/born"
		gp.do(http.MethodPost, "/fhir/R4/Patient/$validate?profile="+born, []byte(`{"resourceType":"Patient"}`)).want(http.StatusOK).says(t, "Patient.birthDate is required", "born/Patient.birthDate")
		claims := `{"resourceType":"Patient","meta":{"profile":["` + born + `"]}}`
		gp.do(http.MethodPost, "/fhir/R4/$validate", []byte(claims)).want(http.StatusOK).says(t, "Patient.birthDate is required")
		gp.do(http.MethodPost, "/fhir/R4/Patient/$validate?profile=https://example.org/StructureDefinition/barn", []byte(claims)).
			want(http.StatusUnprocessableEntity).says(t, "profile-unknown", born)

		// one server, one terminology: the operations know what the packages hold, and the needs
		gp.do(http.MethodGet, "/fhir/R4/ValueSet/$expand?url=https://example.org/ValueSet/colour", nil).want(http.StatusOK).says(t, `"red"`)
		gp.do(http.MethodGet, "/fhir/R4/ValueSet/$expand?url=https://spadapter.example/fhir/ValueSet/sp-need", nil).want(http.StatusOK).says(t, `"loneliness"`)
		gp.do(http.MethodGet, "/fhir/R4/CodeSystem/$lookup?system=https://spadapter.example/fhir/CodeSystem/need&code=loneliness", nil).want(http.StatusOK)

		// what is stored, for those who may see it
		task := receipt(gp.do(http.MethodPost, "/fhir/R4", sound).want(http.StatusOK))
		gp.do(http.MethodGet, "/fhir/R4/"+task+"/$validate", nil).want(http.StatusOK).says(t, `"valid"`)
		gp.do(http.MethodPost, "/fhir/R4/"+task+"/$validate", []byte(`{"resourceType":"Task"}`)).want(http.StatusOK).says(t, "Task.intent is required")
		a.as(auth.RoleRequester, practiceB).do(http.MethodGet, "/fhir/R4/"+task+"/$validate", nil).want(http.StatusNotFound)

		// the intake holds a message to what it claims
		claiming := strings.Replace(string(someone(practiceA).message()), `"resourceType":"Patient"`, `"resourceType":"Patient","meta":{"profile":["`+born+`"]}`, 1)
		unborn := regexp.MustCompile(`"birthDate":"[^"]*",?`).ReplaceAllString(claiming, "")
		gp.do(http.MethodPost, "/fhir/R4", []byte(unborn)).want(http.StatusUnprocessableEntity).says(t, "born/Patient.birthDate")
		gp.do(http.MethodPost, "/fhir/R4", []byte(claiming)).want(http.StatusOK)
	})
}

// says fails unless the answer holds all of the parts.
func (a answer) says(t *testing.T, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(string(a.body), part) {
			t.Errorf("%q is not in %s", part, a.body)
		}
	}
}

// A package that is not there stops the start.
func TestValidatePackageThatIsNotThere(t *testing.T) {
	w := newWorld(t, "")
	c := w.config
	c.Packages = []string{filepath.Join(t.TempDir(), "gone.tgz")}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	if _, err := newApp(t.Context(), c, quiet()); err == nil || !strings.Contains(err.Error(), "ADAPTER_PACKAGES") {
		t.Error(err)
	}
}

// shippedValidator has no package.
func shippedValidator(t testing.TB) *validator {
	t.Helper()
	compiled, err := compile(Config{}, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	v, notes, err := newValidator(compiled)
	if err != nil || len(notes) > 0 {
		t.Fatal(err, notes)
	}
	return v
}

// FuzzValidate sends anything: there is an answer, in order, and what it points at can be shown.
func FuzzValidate(f *testing.F) {
	v := shippedValidator(f)
	message, err := os.ReadFile("../testdata/referral.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message, 120)
	f.Add([]byte(`{"resourceType":"Patient","contained":[{"resourceType":"Patient","name":[{"given":[null,1]}],"extension":{}}],"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number"}]}`), 3)
	f.Add([]byte("<Patient xmlns=\"http://hl7.org/fhir\"><gender value='x\n'/></Patient>"), 40)
	f.Fuzz(func(t *testing.T, body []byte, columns int) {
		columns = 40 + columns&0xFF
		root, err := fhir.Read(fhir.Types(fhir.R4), body, fhir.Limits{})
		found := issue.All(err)
		if err == nil {
			found = v.validate(root, question{intake: true, mustSupport: true})
		}
		source := newSourceText(body, 1)
		last := 0
		for _, e := range found {
			if err == nil && e.Line < last {
				t.Errorf("line %d after %d", e.Line, last)
			}
			last = e.Line
			if e.Details == "" {
				t.Errorf("%+v", e)
			}
			line, ok := source.line(e.Line)
			if !ok || e.Column < 1 {
				continue
			}
			from := min(e.Column-1, len(line))
			text, marks := excerpt(line, from, tokenLength(line, from), columns)
			if strings.ContainsAny(text+marks, "\x1b\n\r\t") || !strings.HasSuffix(marks, "^") {
				t.Errorf("%q %q", text, marks)
			}
		}
	})
}

// BenchmarkValidate reads and validates the example referral, or the message in the file
// that ADAPTER_TEST_BUNDLE names.
func BenchmarkValidate(b *testing.B) {
	v := shippedValidator(b)
	file := os.Getenv("ADAPTER_TEST_BUNDLE")
	if file == "" {
		file = "../testdata/referral.json"
	}
	body, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	root, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("parse", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("validate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if issue.Failures(issue.Join(v.validate(root, question{}))) != nil {
				b.Fatal("there are faults")
			}
		}
	})
}
