package mapping

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
)

func TestDifferences(t *testing.T) {
	for name, c := range map[string]struct {
		before, after string
		want          []string
	}{
		"the same":                {`"active":true,"gender":"male"`, `"gender":"male","active":true`, nil},
		"a value":                 {`"gender":"male"`, `"gender":"female"`, []string{"changed Patient.gender male female"}},
		"added":                   {``, `"name":[{"family":"A"}]`, []string{`added Patient.name[0] - {"family":"A"}`}},
		"removed":                 {`"active":true`, ``, []string{"removed Patient.active true -"}},
		"inserted at the front":   {`"identifier":[{"value":"2"},{"value":"3"}]`, `"identifier":[{"value":"1"},{"value":"2"},{"value":"3"}]`, []string{`added Patient.identifier[0] - {"value":"1"}`}},
		"removed in the middle":   {`"identifier":[{"value":"1"},{"value":"2"},{"value":"3"}]`, `"identifier":[{"value":"1"},{"value":"3"}]`, []string{`removed Patient.identifier[1] {"value":"2"} -`}},
		"order counts":            {`"identifier":[{"value":"1"},{"value":"2"}]`, `"identifier":[{"value":"2"},{"value":"1"}]`, []string{`removed Patient.identifier[0] {"value":"1"} -`, `added Patient.identifier[1] - {"value":"1"}`}},
		"the same system":         {`"identifier":[{"system":"a","value":"1"},{"system":"b","value":"2"}]`, `"identifier":[{"system":"c"},{"system":"b","value":"3"}]`, []string{`removed Patient.identifier[0] {"system":"a","value":"1"} -`, `added Patient.identifier[0] - {"system":"c"}`, "changed Patient.identifier[1].value 2 3"}},
		"a choice":                {`"deceasedBoolean":true`, `"deceasedDateTime":"2026"`, []string{"changed Patient.deceased true 2026"}},
		"digits":                  {`"extension":[{"url":"u","valueDecimal":1.0}]`, `"extension":[{"url":"u","valueDecimal":1.00}]`, []string{"changed Patient.extension[0].value 1.0 1.00"}},
		"an extension of a value": {`"birthDate":"2026"`, `"birthDate":"2026","_birthDate":{"extension":[{"url":"u"}]}`, []string{`added Patient.birthDate.extension[0] - {"url":"u"}`}},
		"what is not FHIR":        {`"nick":"a"`, `"nick":"b"`, []string{"changed Patient.nick a b"}},
	} {
		t.Run(name, func(t *testing.T) {
			read := func(members string) *fhir.Node {
				return parsed(t, strings.Replace(`{"resourceType":"Patient",`+members+`}`, ",}", "}", 1))
			}
			var got []string
			for _, d := range Differences(read(c.before), read(c.after)) {
				got = append(got, d.String()+" "+side(d.Before)+" "+side(d.After))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
	patient, basic := parsed(t, `{"resourceType":"Patient"}`), parsed(t, `{"resourceType":"Basic"}`)
	for want, got := range map[string][]Difference{"[changed Patient]": Differences(patient, basic), "[added Patient]": Differences(nil, patient),
		"[removed Patient]": Differences(patient, nil), "[]": Differences(nil, nil)} {
		if fmt.Sprint(got) != want {
			t.Errorf("%v, not %s", got, want)
		}
	}
}

func side(n *fhir.Node) string {
	switch {
	case n == nil:
		return "-"
	case n.HasValue():
		return n.Value
	}
	return string(fhir.Encode(n))
}

// bundleOf is a collection of small Observations.
func bundleOf(count int, change func(i int) string) string {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"collection","entry":[`)
	for i := range count {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"resource":{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"urn:s","code":"%s"}]}}}`, change(i))
	}
	b.WriteString(`]}`)
	return b.String()
}

// Lists too long to be aligned are compared by position, and the output is bounded.
func TestDifferencesOfLongLists(t *testing.T) {
	one := parsed(t, bundleOf(3000, func(i int) string { return fmt.Sprint(i) }))
	other := parsed(t, bundleOf(3000, func(i int) string { return fmt.Sprint(i + 1_000_000) }))
	found := Differences(one, other)
	if len(found) != maxDifferences || found[0].Path != "Bundle.entry[0].resource.code.coding[0].code" || found[0].Element() != "Bundle.entry.resource.code.coding.code" {
		t.Errorf("%d, first %v", len(found), found[0])
	}
	if found := Differences(one, parsed(t, bundleOf(3000, func(i int) string { return fmt.Sprint(i) }))); found != nil {
		t.Errorf("equal trees: %v", found)
	}
	if found := Differences(one, parsed(t, bundleOf(2999, func(i int) string { return fmt.Sprint(i + 1) }))); len(found) != 1 || found[0].String() != "removed Bundle.entry[0]" {
		t.Errorf("one entry less: %v", found)
	}
}

// The names for counters are few: nothing of the sender's is in them.
func TestDifferenceElement(t *testing.T) {
	deep := `{"url":"u"}`
	for range 20 {
		deep = `{"url":"u","extension":[` + deep + `]}`
	}
	found := Differences(parsed(t, `{"resourceType":"Patient","Mrs Test":1}`), parsed(t, `{"resourceType":"Patient","extension":[`+deep+`]}`))
	if len(found) != 2 || found[0].Element() != "Patient.unknown" || found[1].Element() != "Patient.extension" {
		t.Errorf("%v", found)
	}
	found = Differences(parsed(t, `{"resourceType":"Patient","extension":[`+deep+`]}`), parsed(t, strings.Replace(`{"resourceType":"Patient","extension":[`+deep+`]}`, `{"url":"u"}`, `{"url":"v"}`, 1)))
	if len(found) != 2 || strings.Count(found[0].Element(), ".") != 12 {
		t.Errorf("%v", found)
	}
}
