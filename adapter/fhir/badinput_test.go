package fhir

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"spadapter/adapter/issue"
)

// memory gives what a call takes from the heap, in bytes and in allocations. It has no
// clock, so that a busy machine changes nothing.
func memory(do func()) (bytes, count uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, after.Mallocs - before.Mallocs
}

// within is a resource around one element.
func within(member string) string { return `{"resourceType":"Patient",` + member + `}` }

// TestBadInput sends what no one should send. Each body gets an issue with its place, in
// memory that its size bounds, with the limits that hold by default.
func TestBadInput(t *testing.T) {
	Types(R4) // built once, before anything is counted
	digits := strings.Repeat("1234567890", 40)
	loop := `{"resourceType":"Bundle","type":"collection","entry":[` +
		`{"fullUrl":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-000000000001","resource":{"resourceType":"Task","status":"draft","intent":"order","partOf":[{"reference":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-000000000002"}]}},` +
		`{"fullUrl":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-000000000002","resource":{"resourceType":"Task","contained":[{"resourceType":"Task","id":"a","status":"draft","intent":"order","partOf":[{"reference":"#a"},{"reference":"#"}]}],"status":"draft","intent":"order","partOf":[{"reference":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-000000000001"},{"reference":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-000000000002"},{"reference":"#a"}]}}]}`
	for _, tc := range []struct {
		name, body string
		kind       issue.Type // "" when it is accepted
		rule, at   string
		line       int // 0 for an issue about the whole
	}{
		{"10,000 objects deep", within(`"contact":[` + strings.Repeat(`{"name":`, 10_000) + `{}` + strings.Repeat(`}`, 10_000) + `]`), issue.TooCostly, "depth-limit", "Patient.contact[0].name", 1},
		{"10,000 objects deep and no end", within(`"contact":` + strings.Repeat(`{"name":`, 10_000)), issue.TooCostly, "depth-limit", "Patient.contact.name", 1},
		{"10,000 arrays deep", within(`"name":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)), issue.TooCostly, "depth-limit", "Patient.name[0]", 1},
		{"50 MB", within(`"name":[{"text":"` + strings.Repeat("a", 50_000_000) + `"}]`), issue.TooLong, "body-limit", "", 0},
		{"a name twice", "{\"resourceType\":\"Patient\",\n\"gender\":\"male\",\n\"gender\":\"female\"}", issue.Structure, "json-duplicate", "Patient.gender", 3},
		{"resourceType twice", "{\"resourceType\":\"Patient\",\n\"resourceType\":\"Task\"}", issue.Structure, "json-duplicate", "Task.resourceType", 2},
		{"a primitive twice beside its companion", within(`"gender":"male","_gender":{"id":"a"},"gender":"female"`), issue.Structure, "json-duplicate", "Patient.gender", 1},
		{"a companion twice", within(`"gender":"male","_gender":{"id":"a"},"_gender":[]`), issue.Structure, "json-duplicate", "Patient.gender", 1},
		{"a byte order mark", "\uFEFF" + within(`"active":true`), "", "", "", 0},
		{"two byte order marks", "\uFEFF\uFEFF" + within(`"active":true`), issue.Structure, "json", "", 1},
		{"a byte order mark inside", within("\uFEFF" + `"active":true`), issue.Structure, "json", "Patient", 1},
		{"UTF-16", "\xff\xfe{\x00}\x00", issue.Structure, "json-utf8", "", 1},
		{"Latin-1", "{\"resourceType\":\"Patient\",\n\"name\":[{\"text\":\"Andr\xe9\"}]}", issue.Structure, "json-utf8", "", 2},
		{"an overlong encoding", within("\"language\":\"\xc0\xaf\""), issue.Structure, "json-utf8", "", 1},
		{"a surrogate in UTF-8", within("\"language\":\"\xed\xa0\x80\""), issue.Structure, "json-utf8", "", 1},
		{"a high surrogate alone", within(`"name":[{"text":"\ud83d"}]`), issue.Structure, "json", "Patient.name[0].text", 1},
		{"a low surrogate alone", within(`"name":[{"text":"\ude00x"}]`), issue.Structure, "json", "Patient.name[0].text", 1},
		{"two high surrogates", within(`"name":[{"text":"\ud83d\ud83d"}]`), issue.Structure, "json", "Patient.name[0].text", 1},
		{"a pair of surrogates", within(`"name":[{"text":"\ud83d\ude00"}]`), "", "", "", 0},
		{"NUL as an escape", within(`"name":[{"text":"a\u0000"}]`), issue.Value, "lexical-string", "Patient.name[0].text", 1},
		{"an integer of 400 digits", within(`"multipleBirthInteger":` + digits), issue.Value, "lexical-integer", "Patient.multipleBirth", 1},
		{"a decimal of 400 digits", within(`"extension":[{"url":"http://example.org/x","valueDecimal":` + digits + `}]`), issue.Value, "lexical-decimal", "Patient.extension[0].value", 1},
		{"a decimal of 400 places", within(`"extension":[{"url":"http://example.org/x","valueDecimal":0.` + digits + `}]`), issue.Value, "lexical-decimal", "Patient.extension[0].value", 1},
		{"a decimal with a huge exponent", within(`"extension":[{"url":"http://example.org/x","valueDecimal":1e999999999}]`), issue.Value, "lexical-decimal", "Patient.extension[0].value", 1},
		{"the year 0000", within(`"birthDate":"0000-01-01"`), issue.Value, "lexical-date", "Patient.birthDate", 1},
		{"the year 0000 with a time", within(`"deceasedDateTime":"0000-01-01T00:00:00Z"`), issue.Value, "lexical-dateTime", "Patient.deceased", 1},
		{"the 30th of February", within(`"birthDate":"2026-02-30"`), issue.Value, "lexical-date", "Patient.birthDate", 1},
		{"references that form a loop", loop, "", "", "", 0},
		{"a loop that leaves the Bundle", strings.Replace(loop, `order","partOf":[{"reference":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-000000000002"}]`, `order","partOf":[{"reference":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-000000000003"}]`, 1), issue.Value, "bundle-reference", "Bundle.entry[0].resource.partOf[0].reference", 1},
		{"a Bundle in a Bundle in a Bundle", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Bundle","type":"none"}}]}}]}`, issue.CodeInvalid, "required-code", "Bundle.entry[0].resource.entry[0].resource.type", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := []byte(tc.body)
			var err error
			used, _ := memory(func() {
				var root *Node
				if root, err = Parse(Types(R4), body, Limits{}); err == nil {
					err = Check(root)
				}
			})
			if most := uint64(1<<20 + 8*min(len(body), 5<<20)); used > most {
				t.Errorf("%d bytes of memory for a body of %d", used, len(body))
			}
			all := issue.All(err)
			if tc.kind == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if len(all) != 1 || !errors.Is(err, tc.kind) || all[0].Rule != tc.rule || all[0].Line != tc.line || (all[0].Column == 0) != (tc.line == 0) ||
				!strings.HasPrefix(all[0].Expression, tc.at) || all[0].Details == "" || len(all[0].Diagnostics) > 400 {
				t.Errorf("%+v", all)
			}
		})
	}
}

// TestLargeBodies raises the limit of bytes: what remains bounds the work.
func TestLargeBodies(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want error
	}{
		"one long string":    {within(`"name":[{"text":"` + strings.Repeat("a", 50_000_000) + `"}]`), issue.Value},
		"one long number":    {within(`"multipleBirthInteger":` + strings.Repeat("1", 50_000_000)), issue.Value},
		"many small strings": {within(`"name":[{"given":["` + strings.Repeat(`a","`, 12_000_000) + `"]}]`), issue.TooCostly},
	} {
		body := []byte(tc.body)
		var err error
		used, _ := memory(func() {
			var root *Node
			if root, err = Parse(Types(R4), body, Limits{Bytes: 64 << 20}); err == nil {
				err = Check(root)
			}
		})
		if !errors.Is(err, tc.want) || issue.All(err)[0].Line != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if used > 400<<20 {
			t.Errorf("%s: %d bytes of memory", name, used)
		}
	}
}

// growing are bodies of a size n, each of which made, or could make, some loop run n×n
// times.
var growing = map[string]func(n int) string{
	"entries": bundleOf,
	"elements of one name": func(n int) string {
		return within(`"name":[` + strings.Repeat(`{"text":"a"},`, n) + `{"text":"a"}]`)
	},
	"elements of many names": func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"a%d":1,`, i)
		}
		return within(b.String() + `"active":true`)
	},
	"depth": func(n int) string {
		return within(strings.Repeat(`"extension":[{"url":"http://example.org/x",`, n) + `"id":"a"` + strings.Repeat(`}]`, n))
	},
	"arrays in arrays": func(n int) string { return within(`"name":` + strings.Repeat("[", n) + strings.Repeat("]", n)) },
	"faults":           func(n int) string { return within(`"name":[` + strings.Repeat(`{"famly":1},`, n) + `{}]`) },
	"companions": func(n int) string {
		return within(`"name":[{"given":[` + strings.Repeat(`"a",`, n) + `"a"],"_given":[` + strings.Repeat(`{"id":"a"},`, n) + `{"id":"a"}]}]`)
	},
	"contained resources and references to them": func(n int) string {
		var resources, references strings.Builder
		for i := range n {
			fmt.Fprintf(&resources, `{"resourceType":"Organization","id":"o%d"},`, i)
			fmt.Fprintf(&references, `{"reference":"#o%d"},`, i)
		}
		return within(`"contained":[` + strings.TrimSuffix(resources.String(), ",") + `],"generalPractitioner":[` + strings.TrimSuffix(references.String(), ",") + `]`)
	},
	"entries of one fullUrl and references to it": func(n int) string {
		entry := `,{"fullUrl":"http://example.org/Patient/p","resource":{"resourceType":"Patient","id":"p"}}`
		return `{"resourceType":"Bundle","type":"document","entry":[{"fullUrl":"http://example.org/Composition/c","resource":{"resourceType":"Composition","status":"final","type":{"text":"x"},"date":"2026","title":"t","author":[` +
			strings.Repeat(`{"reference":"Patient/p"},`, n) + `{"reference":"Patient/p/_history/1"}]}}` + strings.Repeat(entry, n) + `]}`
	},
	"references that lead nowhere": func(n int) string {
		return `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","generalPractitioner":[` +
			strings.TrimSuffix(strings.Repeat(`{"reference":"urn:uuid:0c8cbc5e-3fcb-4b0b-8a8a-000000000001"},`, n), ",") + `]}}]}`
	},
	"duplicates": func(n int) string { return within(strings.Repeat(`"a":1,`, n) + `"a":1`) },
	"escapes":    func(n int) string { return within(`"name":[{"text":"` + strings.Repeat(`\u00e9\n`, n) + `"}]`) },
	"slashes in a reference": func(n int) string {
		return within(`"managingOrganization":{"reference":"` + strings.Repeat("a/", n) + `"}`)
	},
	"entities in a narrative": func(n int) string {
		return within(`"text":{"status":"generated","div":"<div>` + strings.Repeat("&amp;", n) + `</div>"}`)
	},
}

// TestCostIsLinear: four times the size takes at most about four times the memory and
// allocations. The large round ends soon only where time is linear too: a loop within a
// loop would go round 1,600,000,000 times.
func TestCostIsLinear(t *testing.T) {
	run := func(body []byte) {
		if root, err := Parse(Types(R4), body, Limits{Bytes: 64 << 20, Depth: 1 << 20}); err == nil {
			_ = Check(root)
		}
	}
	for name, make := range growing {
		t.Run(name, func(t *testing.T) {
			large := 40_000
			switch name {
			case "entries", "depth", "arrays in arrays": // these cost more by piece, or the stack
				large = 4_000
			}
			small, big := []byte(make(large/4)), []byte(make(large))
			run(small) // what is built once
			b1, n1 := memory(func() { run(small) })
			b4, n4 := memory(func() { run(big) })
			t.Logf("%d bytes: %d bytes, %d allocations; %d bytes: %d bytes, %d allocations", len(small), b1, n1, len(big), b4, n4)
			if b4 > 5*b1+1<<16 || n4 > 5*n1+1000 {
				t.Errorf("four times the size takes %d bytes for %d, %d allocations for %d", b4, b1, n4, n1)
			}
		})
	}
}
