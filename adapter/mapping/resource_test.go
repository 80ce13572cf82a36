package mapping

import (
	"context"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// The same map as text and as a resource makes the same.
func TestStructureMapResource(t *testing.T) {
	resource := `{"resourceType":"StructureMap","url":"https://test.example/StructureMap/r","name":"r","status":"active",
"contained":[{"resourceType":"ConceptMap","id":"sex","status":"active","group":[{"element":[{"code":"female","target":[{"code":"F","equivalence":"equal"}]}]}]}],
"structure":[{"url":"http://hl7.org/fhir/StructureDefinition/Patient","mode":"source","alias":"Patient"},{"url":"http://hl7.org/fhir/StructureDefinition/Basic","mode":"target","alias":"Basic"}],
"group":[{"name":"main","typeMode":"none","input":[{"name":"src","type":"Patient","mode":"source"},{"name":"tgt","type":"Basic","mode":"target"}],"rule":[
 {"name":"short","source":[{"context":"src","element":"identifier","variable":"vvv"}],"target":[{"context":"tgt","contextType":"variable","element":"identifier","variable":"vvv","transform":"create"}]},
 {"name":"code","source":[{"context":"src","element":"gender","variable":"g","condition":"$this = 'female'"}],"target":[{"context":"tgt","contextType":"variable","element":"language","transform":"translate","parameter":[{"valueId":"g"},{"valueString":"#sex"},{"valueString":"code"}]}]},
 {"name":"eval","source":[{"context":"src"}],"target":[{"context":"tgt","contextType":"variable","element":"id","transform":"evaluate","parameter":[{"valueId":"src"},{"valueString":"id & 'x'"}]}]},
 {"name":"call","source":[{"context":"src","element":"name","listMode":"first","min":1,"max":"*","variable":"n"}],"target":[{"context":"tgt","contextType":"variable","element":"code","variable":"c"}],"dependent":[{"name":"name","variable":["n","c"]}]}]},
 {"name":"name","typeMode":"none","input":[{"name":"n","mode":"source"},{"name":"c","mode":"target"}],"rule":[{"name":"text","source":[{"context":"n","element":"family","variable":"f"}],"target":[{"context":"c","contextType":"variable","element":"text","transform":"copy","parameter":[{"valueId":"f"}]}]}]}]}`
	set, err := Compile([]Source{{Name: "r.json", Text: resource}}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	root, _ := fhir.Parse(fhir.Types(fhir.R4), []byte(person), fhir.Limits{})
	result, err := set.Map("r").Transform(context.Background(), Input{Source: root})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"resourceType":"Basic","id":"p1x","language":"F","identifier":[{"system":"urn:a","value":"1"},{"system":"urn:b","value":"2"},{"system":"urn:a","value":"3"}],"code":{"text":"Test"}}`
	if got := string(fhir.Encode(result.Target)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, bad := range []string{`{"resourceType":"StructureMap"}`, `{"resourceType":"Patient"}`, `{`} {
		_, err := Compile([]Source{{Name: "bad.json", Text: bad}}, Env{})
		all := issue.All(err)
		if len(all) == 0 || all[0].Line == 0 || all[0].Type == issue.Exception {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
