package gateway

import (
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

const patchedTask = `{"resourceType":"Task","id":"1","identifier":[{"value":"a"},{"value":"b"},{"value":"c"}],"status":"received","intent":"order",` +
	`"note":[{"text":"one"}],"input":[{"type":{"text":"n"},"valueDecimal":1.50}]}`

// TestJSONPatch: the operations of RFC 6902, one after the other, and what it forbids.
func TestJSONPatch(t *testing.T) {
	for name, c := range map[string]struct{ patch, want, rule string }{
		"replace":             {`[{"op":"replace","path":"/status","value":"accepted"}]`, `"status":"accepted"`, ""},
		"add at the end":      {`[{"op":"add","path":"/note/-","value":{"text":"two"}}]`, `"note":[{"text":"one"},{"text":"two"}]`, ""},
		"add in between":      {`[{"op":"add","path":"/identifier/1","value":{"value":"x"}}]`, `[{"value":"a"},{"value":"x"},{"value":"b"},{"value":"c"}]`, ""},
		"add a member":        {`[{"op":"add","path":"/statusReason","value":{"text":"so"}}]`, `"statusReason":{"text":"so"}`, ""},
		"remove":              {`[{"op":"remove","path":"/identifier/1"}]`, `[{"value":"a"},{"value":"c"}]`, ""},
		"move":                {`[{"op":"move","from":"/identifier/0","path":"/identifier/2"}]`, `[{"value":"b"},{"value":"c"},{"value":"a"}]`, ""},
		"copy":                {`[{"op":"copy","from":"/identifier/0","path":"/identifier/-"}]`, `{"value":"c"},{"value":"a"}]`, ""},
		"test, then replace":  {`[{"op":"test","path":"/status","value":"received"},{"op":"replace","path":"/status","value":"accepted"}]`, `"status":"accepted"`, ""},
		"escaped path":        {`[{"op":"add","path":"/a~1b","value":1},{"op":"remove","path":"/a~1b"}]`, `"status":"received"`, ""},
		"decimals stay":       {`[]`, `"valueDecimal":1.50`, ""},
		"a test fails":        {`[{"op":"test","path":"/status","value":"accepted"}]`, "", "patch-test"},
		"nowhere":             {`[{"op":"replace","path":"/owner/display","value":"x"}]`, "", "patch"},
		"remove what is not":  {`[{"op":"remove","path":"/owner"}]`, "", "patch"},
		"beyond the end":      {`[{"op":"add","path":"/identifier/4","value":{}}]`, "", "patch"},
		"leading zero":        {`[{"op":"remove","path":"/identifier/01"}]`, "", "patch"},
		"into itself":         {`[{"op":"move","from":"/note","path":"/note/0"}]`, "", "patch"},
		"no operation":        {`[{"op":"merge","path":"/status"}]`, "", "patch"},
		"no value":            {`[{"op":"add","path":"/status"}]`, "", "patch"},
		"no list":             {`{"op":"add"}`, "", "patch"},
		"no pointer":          {`[{"op":"remove","path":"status"}]`, "", "patch"},
		"everything at once":  {`[{"op":"remove","path":""}]`, "", "patch"},
		"parts of a value":    {`[{"op":"remove","path":"/status/x"}]`, "", "patch"},
		"copies are apart":    {`[{"op":"copy","from":"/note/0","path":"/note/-"},{"op":"replace","path":"/note/1/text","value":"two"}]`, `"note":[{"text":"one"},{"text":"two"}]`, ""},
		"copy into itself":    {`[{"op":"copy","from":"/note/0","path":"/note/0/extension"}]`, `"note":[{"extension":{"text":"one"},"text":"one"}]`, ""},
		"copy of everything":  {`[{"op":"copy","from":"","path":"/contained"},{"op":"remove","path":"/contained/status"}]`, `"note":[{"text":"one"}]},"id":"1"`, ""},
		"move of everything":  {`[{"op":"move","from":"","path":"/contained"}]`, "", "patch"},
		"move to where it is": {`[{"op":"move","from":"/note/0","path":"/note/0"}]`, `"note":[{"text":"one"}]`, ""},
		"beside, same prefix": {`[{"op":"move","from":"/note","path":"/note2"},{"op":"move","from":"/note2","path":"/note"}]`, `"note":[{"text":"one"}]`, ""},
		"text after the list": {`[] []`, "", "patch"},
		"half a list":         {`[{"op":"test","path":"/status","value":"received"}`, "", "patch"},
		"a path without end":  {`[{"op":"remove","path":"` + strings.Repeat("/0", 100_000) + `"}]`, "", "patch"},
		"a pair":              {`[{"op":"replace","path":"/note/0/text","value":"\ud83d\ude00"}]`, `"note":[{"text":"😀"}]`, ""},
		"half a pair":         {`[{"op":"replace","path":"/note/0/text","value":"\ud800"}]`, "", "json"},
		"the other half":      {`[{"op":"add","path":"/statusReason","value":{"coding":[{"display":"x\udc00"}]}}]`, "", "json"},
		"half a member name":  {`[{"op":"add","path":"/statusReason","value":{"\ud800":"x"}}]`, "", "json"},
		"half in a path":      {`[{"op":"remove","path":"/note\ud83d"}]`, "", "json"},
		"half behind another": {`[{"op":"replace","path":"/note/0/text","value":"\\ud800\ud83d\ud83d\ude00"}]`, "", "json"},
		"an escape of none":   {`[{"op":"replace","path":"/note/0/text","value":"\\ud800"}]`, `"note":[{"text":"\\ud800"}]`, ""},
		"half in a test":      {`[{"op":"test","path":"/status","value":"\ud800"}]`, "", "json"},
		"no UTF-8":            {"[{\"op\":\"replace\",\"path\":\"/note/0/text\",\"value\":\"\xff\"}]", "", "json-utf8"},
		"copy without source": {`[{"op":"copy","path":"/note/-"}]`, "", "patch"},
	} {
		n, err := jsonPatched([]byte(patchedTask), []byte(c.patch), fhir.Limits{})
		patched(t, name, n, err, c.want, c.rule)
	}
}

// TestPatchIsBounded: whatever a small patch multiplies is refused before it is built.
func TestPatchIsBounded(t *testing.T) {
	times := func(n int, operations ...string) string {
		return "[" + strings.Repeat(strings.Join(operations, ",")+",", n-1) + strings.Join(operations, ",") + "]"
	}
	after := func(first, list string) string { return "[" + first + "," + list[1:] }
	for name, patch := range map[string]string{
		"a list into itself":  after(`{"op":"add","path":"/contained","value":[{}]}`, times(34, `{"op":"copy","from":"/contained","path":"/contained/-"}`)),
		"a text doubled":      after(`{"op":"add","path":"/note/0/text","value":"`+strings.Repeat("x", 100_000)+`"}`, times(30, `{"op":"copy","from":"/note","path":"/note/-"}`)),
		"the whole into it":   times(100, `{"op":"copy","from":"","path":"/contained"}`),
		"one text many times": after(`{"op":"add","path":"/note/0/text","value":"`+strings.Repeat("x", 100_000)+`"}`, times(199, `{"op":"copy","from":"/note/0","path":"/note/-"}`)),
		"moved up and down":   after(`{"op":"add","path":"/note/0/text","value":"`+strings.Repeat("x", 100_000)+`"}`, times(90, `{"op":"move","from":"/note","path":"/x"},{"op":"move","from":"/x","path":"/note"}`)),
		"too deep":            `[{"op":"add","path":"/x","value":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}]`,
		"deep by many steps":  `[{"op":"add","path":"/x","value":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `},{"op":"copy","from":"/x","path":"/x` + strings.Repeat("/0", 38) + `/-"}]`,
		"names that are long": after(`{"op":"add","path":"/contained","value":[{"`+strings.Repeat("x", 100_000)+`":1}]}`, times(60, `{"op":"copy","from":"/contained/0","path":"/contained/-"}`)),
		"too many":            times(maxPatch+1, `{"op":"test","path":"/status","value":"received"}`),
		"nobody reads on":     strings.TrimSuffix(times(maxPatch, `{"op":"test","path":"/status","value":"received"}`), "]") + `,{"op":1`,
	} {
		_, err := jsonPatched([]byte(patchedTask), []byte(patch), fhir.Limits{Bytes: 4 << 20})
		if list := issue.All(err); len(list) != 1 || list[0].Rule != "patch" || list[0].Type != issue.TooCostly {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFHIRPathPatchIsBounded: many elements in a list, and paths that walk the whole again and
// again.
func TestFHIRPathPatchIsBounded(t *testing.T) {
	operation := `{"name":"operation","part":[{"name":"type","valueCode":"delete"},{"name":"path","valueString":"Task.descendants().select(%resource.descendants().select(%resource.descendants())).where(false)"}]}`
	for name, patch := range map[string]string{
		"elements": `{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Task"},{"name":"name","valueString":"note"},{"name":"value","part":[` +
			strings.Repeat(`{"name":"extension"},{"name":"text"},`, maxPatchNodes/2) + `{"name":"text"}]}]}`,
		"work":       strings.Repeat(operation+",", maxPatch-1) + operation,
		"operations": strings.Repeat(operation+",", maxPatch) + operation,
	} {
		parameters, err := fhir.Parse(fhir.Types(fhir.R4), []byte(`{"resourceType":"Parameters","parameter":[`+patch+`]}`), fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = fhirPathPatched([]byte(patchedTask), parameters)
		if list := issue.All(err); len(list) != 1 || list[0].Type != issue.TooCostly {
			t.Errorf("%s: %.300v", name, err)
		}
	}
}

// TestFHIRPathPatch: the operations of the standard.
func TestFHIRPathPatch(t *testing.T) {
	part := func(name, value string) string { return `{"name":"` + name + `",` + value + `}` }
	operation := func(parts ...string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[` + strings.Join(parts, ",") + `]}]}`
	}
	code := func(s string) string { return part("type", `"valueCode":"`+s+`"`) }
	path := func(s string) string { return part("path", `"valueString":"`+s+`"`) }
	name := func(s string) string { return part("name", `"valueString":"`+s+`"`) }
	number := func(n, v string) string { return part(n, `"valueInteger":`+v) }
	for what, c := range map[string]struct{ patch, want, rule string }{
		"replace":            {operation(code("replace"), path("Task.status"), part("value", `"valueCode":"accepted"`)), `"status":"accepted"`, ""},
		"add a value":        {operation(code("add"), path("Task"), name("statusReason"), part("value", `"valueCodeableConcept":{"text":"so"}`)), `"statusReason":{"text":"so"}`, ""},
		"add to a list":      {operation(code("add"), path("Task"), name("note"), part("value", `"valueAnnotation":{"text":"two"}`)), `"note":[{"text":"one"},{"text":"two"}]`, ""},
		"add by parts":       {operation(code("add"), path("Task"), name("output"), part("value", `"part":[`+part("type", `"valueCodeableConcept":{"text":"t"}`)+`,`+part("value", `"valueString":"v"`)+`]`)), `"output":[{"type":{"text":"t"},"valueString":"v"}]`, ""},
		"insert":             {operation(code("insert"), path("Task.identifier"), number("index", "1"), part("value", `"valueIdentifier":{"value":"x"}`)), `[{"value":"a"},{"value":"x"},{"value":"b"},{"value":"c"}]`, ""},
		"delete":             {operation(code("delete"), path("Task.identifier[1]")), `[{"value":"a"},{"value":"c"}]`, ""},
		"delete by a filter": {operation(code("delete"), path("Task.identifier.where(value = 'b')")), `[{"value":"a"},{"value":"c"}]`, ""},
		"delete nothing":     {operation(code("delete"), path("Task.owner")), `"status":"received"`, ""},
		"move":               {operation(code("move"), path("Task.identifier"), number("source", "0"), number("destination", "2")), `[{"value":"b"},{"value":"c"},{"value":"a"}]`, ""},
		"several":            {operation(code("delete"), path("Task.identifier")), "", "patch"},
		"there already":      {operation(code("add"), path("Task"), name("status"), part("value", `"valueCode":"accepted"`)), "", "patch"},
		"no such element":    {operation(code("add"), path("Task"), name("colour"), part("value", `"valueCode":"red"`)), "", "patch"},
		"no path":            {operation(code("replace"), part("value", `"valueCode":"accepted"`)), "", "patch"},
		"no type":            {operation(path("Task.status")), "", "patch"},
		"the whole":          {operation(code("delete"), path("Task")), "", "patch"},
		"beyond the end":     {operation(code("insert"), path("Task.identifier"), number("index", "4"), part("value", `"valueIdentifier":{"value":"x"}`)), "", "patch"},
		"no Parameters":      {`{"resourceType":"Task","status":"accepted","intent":"order"}`, "", "patch"},
	} {
		parameters, err := fhir.Parse(fhir.Types(fhir.R4), []byte(c.patch), fhir.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		n, err := fhirPathPatched([]byte(patchedTask), parameters)
		patched(t, what, n, err, c.want, c.rule)
	}
}

func patched(t *testing.T, name string, n *fhir.Node, err error, want, rule string) {
	t.Helper()
	if rule != "" {
		if list := issue.All(err); len(list) == 0 || list[0].Rule != rule || list[0].Details == "" {
			t.Errorf("%s: got %v, want the rule %s", name, err, rule)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if got := string(fhir.Encode(n)); !strings.Contains(got, want) {
		t.Errorf("%s: %s does not have %s", name, got, want)
	}
}
