package fhir

import (
	"strings"
	"testing"

	"spadapter/adapter/issue"
)

// TestRepair: what senders are known to print, what is made of it and what is told.
func TestRepair(t *testing.T) {
	for name, c := range map[string]struct {
		sent, want string
		told       []string // rule, path
	}{
		"nothing to repair": {`"authoredOn":"2026-03-02T09:00:00Z"`, `"authoredOn":"2026-03-02T09:00:00Z"`, nil},
		"an object where an array belongs": {`"reasonCode":{"coding":{"code":"1"}}`, `"reasonCode":[{"coding":[{"code":"1"}]}]`,
			[]string{"repair-array ReferralRequest.reasonCode", "repair-array ReferralRequest.reasonCode[0].coding"}},
		"an array of one where none belongs": {`"subject":[{"reference":"Patient/1"}]`, `"subject":{"reference":"Patient/1"}`, []string{"repair-array ReferralRequest.subject[0]"}},
		"an array of two stays":              {`"subject":[{"reference":"Patient/1"},{"reference":"Patient/2"}]`, "", nil},
		"a blank in a code": {`"reasonCode":[{"coding":[{"system":"http://snomed.info/sct ","code":" 871731000000106"}]}]`, `"reasonCode":[{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]}]`,
			[]string{"repair-blank ReferralRequest.reasonCode[0].coding[0].system", "repair-blank ReferralRequest.reasonCode[0].coding[0].code"}},
		"a blank in a reference":  {`"subject":{"reference":" Patient/1"}`, `"subject":{"reference":"Patient/1"}`, []string{"repair-blank ReferralRequest.subject.reference"}},
		"blanks in a text stay":   {`"description":" two words "`, `"description":" two words "`, nil},
		"winter":                  {`"authoredOn":"2026-01-13T09:00:00"`, `"authoredOn":"2026-01-13T09:00:00+00:00"`, []string{"repair-offset ReferralRequest.authoredOn"}},
		"summer":                  {`"authoredOn":"2026-07-13T09:00:00.25"`, `"authoredOn":"2026-07-13T09:00:00.25+01:00"`, []string{"repair-offset ReferralRequest.authoredOn"}},
		"the hour there is twice": {`"authoredOn":"2026-10-25T01:30:00"`, `"authoredOn":"2026-10-25"`, []string{"repair-offset ReferralRequest.authoredOn"}},
		"before that hour":        {`"authoredOn":"2026-10-25T00:59:59"`, `"authoredOn":"2026-10-25T00:59:59+01:00"`, []string{"repair-offset ReferralRequest.authoredOn"}},
		"after that hour":         {`"authoredOn":"2026-10-25T02:00:00"`, `"authoredOn":"2026-10-25T02:00:00+00:00"`, []string{"repair-offset ReferralRequest.authoredOn"}},
		"the hour there is not":   {`"authoredOn":"2026-03-29T01:30:00"`, `"authoredOn":"2026-03-29"`, []string{"repair-offset ReferralRequest.authoredOn"}},
		"British Standard Time":   {`"authoredOn":"1970-01-13T09:00:00"`, `"authoredOn":"1970-01-13T09:00:00+01:00"`, []string{"repair-offset ReferralRequest.authoredOn"}},
		"a blank for the T":       {`"authoredOn":"2026-01-13 09:00+0000"`, `"authoredOn":"2026-01-13T09:00:00+00:00"`, []string{"repair-time ReferralRequest.authoredOn"}},
		"no such day":             {`"authoredOn":"2026-02-30T09:00:00"`, "", nil},
		"half a year":             {`"authoredOn":"19"`, "", nil},
		"an empty array and a null": {`"note":[],"description":null,"priority":""`, ``,
			[]string{"repair-empty ReferralRequest.note[0]", "repair-empty ReferralRequest.description", "repair-empty ReferralRequest.priority"}},
		"empty all the way up": {`"requester":{"agent":{"display":""}}`, ``, []string{"repair-empty ReferralRequest.requester.agent.display"}},
		"the second keeps its place": {`"note":[{"text":""},{"text":"b","time":"2026-01-13T09:00:00"}]`, `"note":[{"text":"b","time":"2026-01-13T09:00:00+00:00"}]`,
			[]string{"repair-empty ReferralRequest.note[0].text", "repair-offset ReferralRequest.note[1].time"}},
		"a number for a text":      {`"identifier":[{"system":"urn:x","value":4471}]`, `"identifier":[{"system":"urn:x","value":"4471"}]`, []string{"repair-kind ReferralRequest.identifier[0].value"}},
		"a boolean in quotes":      {`"reasonCode":[{"coding":[{"code":"1","userSelected":"true"}]}]`, `"reasonCode":[{"coding":[{"code":"1","userSelected":true}]}]`, []string{"repair-kind ReferralRequest.reasonCode[0].coding[0].userSelected"}},
		"an unknown element stays": {`"colour":[]`, "", nil},
		"a code that is none":      {`"priority":"soon"`, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			const head, tail = `{"resourceType":"ReferralRequest"`, `}`
			body := head + "," + c.sent + tail
			root, err := Parse(Types(STU3), []byte(body), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			before := faults(root)
			told := Repair(root)
			var got []string
			for _, e := range told {
				got = append(got, e.Rule+" "+e.Expression)
				if e.Failure() || e.Line != 1 || e.Column < len(head) || strings.Contains(e.Details, "871731") {
					t.Errorf("%v", e)
				}
			}
			if strings.Join(got, "\n") != strings.Join(c.told, "\n") {
				t.Errorf("told\n%s", strings.Join(got, "\n"))
			}
			if c.want == "" && c.told == nil {
				if after := faults(root); after == 0 || after != before {
					t.Errorf("%d faults before and %d after", before, after)
				}
				return
			}
			want := head
			if c.want != "" {
				want += "," + c.want
			}
			if made := string(Encode(root)); made != want+tail {
				t.Errorf("made %s", made)
			}
			again, err := root.Reread(Types(STU3))
			if err != nil || string(Encode(again)) != want+tail {
				t.Errorf("reading it again gives %s %v", Encode(again), err)
			}
		})
	}
}

// faults counts what Check says of one element and not of what is missing.
func faults(root *Node) int {
	count := 0
	for _, e := range issue.All(Check(root)) {
		if e.Type != issue.Required {
			count++
		}
	}
	return count
}

// TestRepairedPath: what is said of an element behind one that was left out names it as it was sent.
func TestRepairedPath(t *testing.T) {
	root, err := Parse(Types(STU3), []byte(`{"resourceType":"Patient","name":[{"given":["","Ann","7\u00017"]},{}, {"use":"nick"}]}`), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	Repair(root)
	var got []string
	for _, e := range issue.All(Check(root)) {
		got = append(got, e.Expression)
	}
	if want := "Patient.name[0].given[2] Patient.name[2].use"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestThin: what stays after others were taken out keeps its path.
func TestThin(t *testing.T) {
	root, err := Parse(Types(STU3), []byte(`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"List"}},{"resource":{"resourceType":"Patient","gender":"x"}},{"resource":{"resourceType":"List"}},{"resource":{"resourceType":"Patient","id":"a b"}}]}`), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second time it is thinned no more
		root.Thin("entry", func(_ int, e *Node) bool { return e.Child("resource").ResourceType() == "Patient" })
	}
	root.Thin("entry", func(i int, e *Node) bool { return e.Descend("resource", "id") != nil })
	if n := len(root.All("entry")); n != 1 {
		t.Fatalf("%d entries", n)
	}
	if got := root.Descend("entry", "resource", "id").Path(); got != "Bundle.entry[3].resource.id" {
		t.Error(got)
	}
}

// FuzzRepair: a repair never breaks what was sound, never makes more faults, and a second one
// finds nothing.
func FuzzRepair(f *testing.F) {
	for _, seed := range []string{
		`{"resourceType":"ReferralRequest","status":"unknown","intent":"order","subject":[{"reference":" Patient/1"}],"authoredOn":"2026-10-25T01:30:00","reasonCode":{"coding":{"code":" 1 ","userSelected":"true"}}}`,
		`{"resourceType":"Patient","name":[{},null,[],{"given":["",null,"a"],"_given":[null,{"id":"x"},null]}],"_birthDate":{},"birthDate":" 2000"}`,
		`{"resourceType":"Bundle","type":"collection","entry":{"resource":{"resourceType":"List"}}}`,
		`{"resourceType":"Observation","issued":"2026-01-13 9:00","valueQuantity":{"value":"37.10"}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		root, err := Parse(Types(STU3), []byte(body), Limits{})
		if err != nil {
			return
		}
		sound, before := Check(root) == nil, string(Encode(root))
		told := Repair(root)
		if sound && (len(told) > 0 || string(Encode(root)) != before) {
			t.Errorf("a sound resource was repaired: %v", told)
		}
		for _, e := range told {
			if e.Failure() || e.Line == 0 && e.Rule != "more-repairs" {
				t.Errorf("%v", e)
			}
		}
		if again := Repair(root); len(again) > 0 {
			t.Errorf("repaired twice: %v", again)
		}
		_ = Check(root)
	})
}

// TestManyRepairs: a message that is wrong all over is told so in bounds.
func TestManyRepairs(t *testing.T) {
	const notes = maxRepairs + 50
	root, err := Parse(Types(STU3), []byte(`{"resourceType":"ReferralRequest","note":[{"text":"a","time":"2026-01-13T09:00:00"}`+strings.Repeat(`,{"text":"a","time":"2026-01-13T09:00:00"}`, notes)+`]}`), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	told := Repair(root)
	if len(told) != maxRepairs+1 || told[maxRepairs].Rule != "more-repairs" {
		t.Errorf("%d told, the last %v", len(told), told[len(told)-1])
	}
	for _, n := range root.All("note") {
		if !isDateTime(n.Text("time")) {
			t.Fatal("told no more is repaired no more")
		}
	}
}
