package fhirpath

import (
	"errors"
	"strings"
	"testing"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

const bundle = `{"resourceType":"Bundle","type":"collection","entry":[
 {"fullUrl":"https://gp.example/fhir/Patient/p1","resource":{"resourceType":"Patient","id":"p1","active":true,
  "identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}],
  "name":[{"use":"official","family":"Okafor","given":["Ada","May"]},{"use":"nickname","given":["Addie"]}],
  "birthDate":"1961-05","_gender":{"extension":[{"url":"https://x.example/why","valueCode":"masked"}]},
  "multipleBirthInteger":2}},
 {"fullUrl":"https://gp.example/fhir/ServiceRequest/s1","resource":{"resourceType":"ServiceRequest","id":"s1","status":"active","intent":"order",
  "authoredOn":"2026-02-03T10:15:00+00:00","subject":{"reference":"Patient/p1"},"requester":{"reference":"#r"},
  "contained":[{"resourceType":"PractitionerRole","id":"r","active":true}],
  "code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]}}},
 {"fullUrl":"urn:uuid:0b6f6cb1-5b2f-4d4e-9d5b-0d6c8a2f6b1a","resource":{"resourceType":"Observation","status":"final",
  "code":{"text":"score"},"subject":{"reference":"https://gp.example/fhir/Patient/p1"},
  "valueQuantity":{"value":17.50,"unit":"score","system":"http://unitsofmeasure.org","code":"{score}"},
  "component":[{"code":{"text":"a"},"valueInteger":3},{"code":{"text":"b"},"valueInteger":4}]}}]}`

func parsed(t testing.TB, body string) *fhir.Node {
	t.Helper()
	root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(body), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestEval: an expression on the Bundle above, and the items it gives, joined.
func TestEval(t *testing.T) {
	root := parsed(t, bundle)
	patient := root.All("entry")[0].Child("resource")
	ctx := Context{
		Now:       time.Date(2026, 5, 6, 7, 8, 9, 0, time.FixedZone("", 3600)),
		Variables: map[string]Collection{"limit": {IntegerOf(2)}, "who": {Of(patient)}},
	}
	for _, c := range []struct{ src, want string }{
		// paths
		{"entry.resource.ofType(Patient).name.given", "Ada May Addie"},
		{"entry[0].resource.name[1].given", "Addie"},
		{"entry.resource.where($this is Observation).value.value", "17.50"},
		{"entry.resource.value.ofType(Quantity).unit", "score"},
		{"entry.resource.valueQuantity", ""},
		{"entry.resource.multipleBirth + %limit", "4"},
		{"%who.name.first().family", "Okafor"},
		{"%resource.type | %rootResource.type", "collection"},
		{"entry.resource.select(id & '!')", "p1! s1! !"},
		// primitives without a value
		{"%who.gender.exists()", "true"},
		{"%who.gender.hasValue()", "false"},
		{"%who.gender.extension('https://x.example/why').value", "masked"},
		// references
		{"entry.resource.ofType(ServiceRequest).subject.resolve().id", "p1"},
		{"entry.resource.ofType(Observation).subject.resolve().birthDate", "1961-05"},
		{"entry.resource.ofType(ServiceRequest).requester.resolve() is PractitionerRole", "true"},
		{"entry.resource.ofType(ServiceRequest).contained.descendants().count()", "2"},
		{"'Patient/none'.resolve()", ""},
		// three-valued logic
		{"(1 = {}) or true", "true"},
		{"(1 = {}) and true", ""},
		{"{} implies false", ""},
		{"{} implies true", "true"},
		{"%who.deceased.exists() implies %who.contact.exists()", "true"},
		// dates and times
		{"%who.birthDate < @1961-06-01", "true"},
		{"%who.birthDate < @1961-05-09", ""},
		{"%who.birthDate = @1961-05", "true"},
		{"today() = @2026-05-06", "true"},
		{"now()", "2026-05-06T07:08:09.000+01:00"},
		{"timeOfDay() > @T07:08", ""},
		{"timeOfDay() > @T07:07", "true"},
		{"entry.resource.authoredOn = @2026-02-03T11:15:00+01:00", "true"},
		{"@2024-01-31 + 1 month", "2024-02-29"},
		{"@2024-02-29 - 1 year", "2023-02-28"},
		{"@2024-02 + 45 days", "2024-03"},
		{"@T23:30 + 45 minutes", "00:15"},
		{"@2026-05-06T00:30:00Z = @2026-05-05T23:30:00-01:00", "true"},
		{"@9999-12-31 + 1 day", ""},
		{"@2016-12-31T23:59:60Z < @2017-01-01T00:00:01Z", "true"},
		{"@0001-01-01 - 1 day", ""},
		{"@2024-07.lowBoundary()", "2024-07-01"},
		{"@2024-02.highBoundary()", "2024-02-29"},
		// numbers: no floats anywhere
		{"0.1 + 0.2 = 0.3", "true"},
		{"1.10", "1.10"},
		{"10 / 4", "2.5"},
		{"2147483647 + 1", ""},
		{"7 mod 0 | 7 div 0 | 7 / 0", ""},
		{"(-7) div 2", "-3"},
		{"2.power(10)", "1024"},
		{"2.sqrt().round(6)", "1.414214"},
		{"10.ln().round(8)", "2.30258509"},
		// quantities
		{"1 'kg' = 1000 'g'", "true"},
		{"1 'mm[Hg]' < 1 'kPa'", "true"},
		{"60 minutes = 1 hour", "true"},
		{"1 'kg' + 1 'g'", "1001 'g'"},
		{"1 year = 12 months", "true"},
		{"1 year = 1 'a'", ""},
		{"1 year ~ 1 'a'", "true"},
		{"37 'Cel' = 310.15 'K'", "true"},
		{"entry.resource.value.ofType(Quantity) = 17.5 '{score}'", "true"},
		{"(1 'km').toQuantity('m')", "1000 'm'"},
		// text
		{"'Zoë'.length()", "3"},
		{"'Zoë Žižek'.substring(2, 3)", "ë Ž"},
		{"'Zoë Žižek'.indexOf('ž')", "6"},
		{"'a.b'.matches('^a\\.b$')", "true"},
		{"'A-1'.replaceMatches('([A-Z])-(\\\\d)', '$2$1')", "1A"},
		{"('a' | 'b').join('+')", "a+b"},
		// collections
		{"(1 | 2 | 2 | 3).aggregate($this + $total, 0)", "6"},
		{"(3 | 1 | 2).sort()", "1 2 3"},
		{"entry.resource.id.sort(-$this)", "s1 p1"},
		{"entry.resource.repeat(component).code.text", "a b"},
		{"entry.resource.component.where(value > 3).code.text", "b"},
		{"entry.resource.component.select($index)", "0 1"},
		{"(1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15).intersect(13 | 2.0).count()", "2"},
		{"entry.fullUrl.isDistinct()", "true"},
		{"entry.resource.exists($this is Bundle)", "false"},
		{"entry.all(resource.exists() and fullUrl.exists())", "true"},
		{"{}.all(false)", "true"},
		// types
		{"entry[2].resource.value.type().name", "Quantity"},
		{"entry[0].resource.active.type().namespace", "FHIR"},
		{"1.type().name & (true).type().name", "IntegerBoolean"},
		{"entry.resource[0] is DomainResource", "true"},
		// conversions
		{"'1.50'.toDecimal()", "1.50"},
		{"'2026-02-30'.convertsToDate()", "false"},
		{"@2026-02-03T10:00:00Z.toDate()", "2026-02-03"},
		{"'yes'.toBoolean()", "true"},
		// narrative
		{`'<div xmlns="http://www.w3.org/1999/xhtml"><p>a &lt; b</p></div>'.htmlChecks()`, "true"},
		{`'<div><script>x</script></div>'.htmlChecks()`, "false"},
		{`'<div><p>open</div>'.htmlChecks()`, "false"},
		{`'<div> </div>'.htmlChecks()`, "false"},
		{`'<div><a href="javascript:x()">x</a></div>'.htmlChecks()`, "false"},
		{`'<div onclick="x">x</div>'.htmlChecks()`, "false"},
		// comments and names
		{"entry /* one */ .resource // two\n.count()", "3"},
		{"entry.`resource`.first().as(Patient).id", "p1"},
	} {
		e, err := Compile(c.src, Type(root.Type))
		if err != nil {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		got, err := e.Eval(ctx, root)
		if err != nil {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		have := strings.Join(texts(got), " ")
		if have != c.want {
			t.Errorf("%s gives %q, wanted %q", c.src, have, c.want)
		}
	}
}

// TestEvalErrors: what FHIRPath calls an error is one.
func TestEvalErrors(t *testing.T) {
	root := parsed(t, bundle)
	for _, c := range []struct {
		src    string
		branch issue.Type
	}{
		{"entry.single()", issue.Invalid},
		{"(1 | 'b').first() + 'a'", issue.Invalid},
		{"(1 | 'b').first() < 'a'", issue.Invalid},
		{"entry.not()", issue.Invalid},
		{"%nobody", issue.Invalid},
		{"now()", issue.Invalid},
		{"'a'.matches('(')", issue.Invalid},
		{"iif(entry, 1, 2)", issue.Invalid},
	} {
		e, err := Compile(c.src)
		if err != nil {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		if got, err := e.Eval(Context{}, root); !errors.Is(err, c.branch) {
			t.Errorf("%.60s gives %v and %v, wanted %s", c.src, texts(got), err, c.branch)
		}
	}
}

func TestTest(t *testing.T) {
	root := parsed(t, bundle)
	for src, want := range map[string]bool{"type": true, "{}": false, "false": false, "entry.exists()": true, "total = 1": false} {
		if got, err := MustCompile(src).Test(Context{}, root); err != nil || got != want {
			t.Errorf("%s tests %v, %v", src, got, err)
		}
	}
}

// TestEvalOn: a focus of several items, and of values that no document holds.
func TestEvalOn(t *testing.T) {
	root := parsed(t, bundle)
	focus := Collection{Of(root), StringOf("a"), IntegerOf(2)}
	for src, want := range map[string]string{"$this.count()": "3", "type": "collection", "ofType(System.String) & 'b'": "ab", "where($this is Integer) * 2": "4", "%context.type": "collection"} {
		got, err := MustCompile(src).EvalOn(Context{}, focus)
		if have := strings.Join(texts(got), " "); err != nil || have != want {
			t.Errorf("%s gives %q and %v, wanted %q", src, have, err, want)
		}
	}
	if _, err := MustCompile("single()").EvalOn(Context{}, focus); !errors.Is(err, issue.Invalid) {
		t.Error(err)
	}
	if got, err := MustCompile("$this").EvalOn(Context{}, nil); err != nil || got != nil {
		t.Error(got, err)
	}
}

func TestResolver(t *testing.T) {
	root := parsed(t, bundle)
	find := Resolver(root)
	sr := root.All("entry")[1].Child("resource")
	for _, ref := range []string{"Patient/p1", "https://gp.example/fhir/Patient/p1", "Patient/p1/_history/3", "#r", "Patient/p2", "https://other.example/Patient/p1",
		"urn:uuid:0b6f6cb1-5b2f-4d4e-9d5b-0d6c8a2f6b1a"} {
		if a, b := find(ref, sr), Find(root, ref, sr); a != b {
			t.Errorf("%s: the index and the scan differ", ref)
		} else if (a == nil) != (ref == "Patient/p2" || strings.Contains(ref, "other")) {
			t.Errorf("%s gives %v", ref, a)
		}
	}
}

// TestConcurrent: one expression, many goroutines (run with -race).
func TestConcurrent(t *testing.T) {
	root := parsed(t, bundle)
	e := MustCompile("entry.resource.ofType(Patient).name.where(use = 'official').given.join(' ')")
	done := make(chan string)
	for range 8 {
		go func() {
			got, _ := e.Eval(Context{}, root)
			done <- strings.Join(texts(got), "")
		}()
	}
	for range 8 {
		if got := <-done; got != "Ada May" {
			t.Error(got)
		}
	}
}

// TestNoAllocation keeps what the benchmark shows: conditions on paths cost no memory.
func TestNoAllocation(t *testing.T) {
	sr := parsed(t, bundle).All("entry")[1].Child("resource")
	for _, src := range []string{
		"orderDetail.empty() or code.exists()",
		"code.coding.where(system = %sct and code = '871731000000106').exists()",
		"code.coding.all(code.exists() implies system.exists())",
		"(status in ('active' | 'completed')).not()",
	} {
		e := MustCompile(src)
		// a pool may be emptied by the collector during the run: less than one, not none
		if n := testing.AllocsPerRun(200, func() { _, _ = e.Test(Context{}, sr) }); n >= 1 {
			t.Errorf("%s allocates %v times", src, n)
		}
	}
}
