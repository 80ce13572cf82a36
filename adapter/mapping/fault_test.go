package mapping

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// TestFaults: what a faulty map is told, and where. Each rule stands in line 8 of the
// map, from column 1.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct{ rules, want string }{
		"no such source element":        {`src.nam -> tgt.name;`, `8:1 structure map-element: Patient has no element nam; expected one of active, address`},
		"no such element, deep":         {`src.name.famly as f -> tgt.id = f;`, `8:1 structure map-element: HumanName has no element famly; expected one of extension, family`},
		"no such target element":        {`src.name -> tgt.nam;`, `8:13 structure map-element: Patient has no element nam; expected one of`},
		"no such variable":              {`sro.name -> tgt.name;`, `8:1 structure map-variable: no variable is called sro here; expected one of src, tgt`},
		"no such variable in a value":   {`src.id as i -> tgt.id = j;`, `8:25 structure map-variable: no variable is called j here; expected one of i, src, tgt`},
		"no such variable in append":    {`src.id as i -> tgt.id = append(i, j);`, `8:35 structure map-variable: no variable is called j`},
		"a target written as a source":  {`src.name -> src.name;`, `8:13 structure map-target: src is a source, and a rule writes to targets; expected one of tgt`},
		"wrong type":                    {`src.name -> tgt.gender;`, `8:13 structure map-fit: tgt.gender cannot hold HumanName; expected code`},
		"wrong type of a choice":        {`src.name -> tgt.deceased;`, `8:13 structure map-fit: tgt.deceased cannot hold HumanName; expected boolean or dateTime`},
		"text of no text":               {`src.name as n -> tgt.id = append(n);`, `8:34 structure map-fit: n is HumanName, which has no text; expected a primitive`},
		"list into a single":            {`src.communication as c then { c.language -> tgt.maritalStatus; } "x";`, `8:45 structure map-list: the source repeats and tgt.maritalStatus holds one value; expected first, last, only_one or where`},
		"never of that type":            {`src.gender : HumanName as g -> tgt.name = g;`, `8:1 structure map-type: the element is never HumanName; expected code`},
		"no such type":                  {`src.gender : Humanname as g -> tgt.name = g;`, `8:1 not-found map-type: no type is called Humanname here; expected the name of a type`},
		"create of no type":             {`src -> tgt.deceased = create('Nothing') as d "x";`, `8:30 not-found map-type: no type that can be created is called Nothing; expected`},
		"create of the wrong type":      {`src -> tgt.deceased = create('Period') as d "x";`, `8:30 structure map-fit: tgt.deceased cannot hold Period; expected boolean or dateTime`},
		"create of several types":       {`src -> tgt.deceased as d then { src.id as i -> d.x = i; } "x";`, `8:8 structure map-create: tgt.deceased can be of several types; expected create('…') with one of boolean or dateTime`},
		"create without anything":       {`src -> create() as d "x";`, `8:8 structure map-create: expected the name of a type in create`},
		"no such transform":             {`src.id as i -> tgt.id = twist(i);`, `8:25 not-supported map-transform: the standard has no transform twist; expected one of append, c, cast`},
		"too few parameters":            {`src.id as i -> tgt.id = truncate(i);`, `8:25 structure map-transform: truncate takes other parameters; expected truncate(value, length)`},
		"too many parameters":           {`src -> tgt.id = uuid(1) "x";`, `8:17 structure map-transform: uuid takes other parameters; expected uuid()`},
		"a length that is none":         {`src.id as i -> tgt.id = truncate(i, 'x');`, `8:37 structure map-transform: expected a number of characters`},
		"a cast to nothing":             {`src.id as i -> tgt.id = cast(i, 'x');`, `8:33 not-found map-type: no type is called x; expected the name of a primitive`},
		"a cast to a data type":         {`src.id as i -> tgt.name = cast(i, 'HumanName');`, `8:27 structure map-transform: cast makes primitives; expected the type of one`},
		"an amount that is none":        {`src.birthDate as b -> tgt.birthDate = dateOp(b, 'x', 'days');`, `8:49 structure map-transform: expected a number in dateOp`},
		"a unit that is none":           {`src.birthDate as b -> tgt.birthDate = dateOp(b, 1, 'moons');`, `8:52 structure map-transform: expected a unit of time in dateOp(value, amount, unit): one of year, month`},
		"an escape that is none":        {`src.id as i -> tgt.id = escape(i, 'rot13');`, `8:35 not-supported map-transform: escape does not know this format; expected one of html, java`},
		"no such ConceptMap":            {`src.gender as g -> tgt.gender = translate(g, 'urn:none', 'code');`, `8:46 not-found map-conceptmap: the ConceptMap urn:none is not loaded; expected`},
		"no such embedded ConceptMap":   {`src.gender as g -> tgt.gender = translate(g, '#none', 'code');`, `8:46 not-found map-conceptmap: the ConceptMap #none is not loaded`},
		"an output that is none":        {`src.gender as g -> tgt.gender = translate(g, '#sex', 'codes');`, `8:54 structure map-transform: translate cannot give codes; expected code, system, display`},
		"a reference to text":           {`src -> tgt.id = reference('x') "x";`, `8:27 structure map-variable: no variable is called x`},
		"a code outside the binding":    {`src -> tgt.gender = 'woman' "x";`, `8:21 structure map-code: woman is not a code of http://hl7.org/fhir/ValueSet/administrative-gender, which tgt.gender is bound to; expected one of female, male, other, unknown`},
		"no such group":                 {`src.name as n then Name(n, tgt);`, `8:20 not-found map-group: no group is called Name, here or in the imported maps; expected one of main, other`},
		"too few arguments":             {`src.name as n then main(n);`, `8:20 structure map-call: the group main is called with 1 parameters; expected 2`},
		"an argument of another type":   {`src.name as n then main(n, tgt);`, `8:25 structure map-call: n is HumanName; expected Patient, as the parameter src of main is`},
		"a source for a target":         {`src then main(src, src);`, `8:20 structure map-call: src is a source; expected a target for the parameter tgt of main`},
		"a literal for a target":        {`src then main(src, 'x');`, `8:20 structure map-call: the parameter tgt of main is a target; expected a variable`},
		"an expression for a parameter": {`src then main((id), tgt);`, `8:16 not-supported map-call: a group takes no expressions; expected a variable or a literal`},
		"two sources of one name":       {`src.id as x, src.gender as x -> tgt.id = x "x";`, `8:14 duplicate map-variable: two parts of this rule have the name x; expected another`},
		"two targets of one name":       {`src -> tgt.name as x, tgt.contact as x "x";`, `8:23 duplicate map-variable: two parts of this rule have the name x`},
		"an expression's element":       {`src.name as n where usse = 'official' -> tgt.name = n;`, `8:21 structure map-expression: the FHIRPath expression does not compile: HumanName has no element usse`},
		"after a variable":              {`src.name as n, src.id as i where n.use = i and %n.usse = 'x' -> tgt.name = n "x";`, `8:51 structure map-expression: the FHIRPath expression does not compile: HumanName has no element usse`},
		"after two variables":           {`src.name as n where n.use = 'a' or n.family = 'b' or wrong -> tgt.name = n;`, `8:54 structure map-expression: the FHIRPath expression does not compile: HumanName has no element wrong`},
		"after strings in quotes":       {`src.name as n where (use = "it's" and family = "b" and wrong) -> tgt.name = n;`, `8:56 structure map-expression: the FHIRPath expression does not compile: HumanName has no element wrong`},
		"after the name of a choice":    {`src where deceasedBoolean and wrong -> tgt.id = 'x' "x";`, `8:31 structure map-expression: the FHIRPath expression does not compile: Patient has no element wrong`},
		"in another line":               {"src.name as n where (use = 'ä' // ä\n  and n.family = 'x'\n    and wrong) -> tgt.name = n;", `10:9 structure map-expression: the FHIRPath expression does not compile: HumanName has no element wrong`},
		"after letters of two bytes":    {`src.name as n where use = 'äöü' and wrong -> tgt.name = n;`, `8:40 structure map-expression: the FHIRPath expression does not compile: HumanName has no element wrong`},
		"in a value":                    {`src.name as n -> tgt.name as m, m.text = (n.family & nothing());`, `8:54 structure map-expression: the FHIRPath expression does not compile: `},
		"in evaluate":                   {`src.name first as n -> tgt.id = evaluate(n, famly);`, `8:45 structure map-expression: the FHIRPath expression does not compile: HumanName has no element famly`},
		"in a check":                    {`src.name as n check famly.exists() -> tgt.id = 'x';`, `8:21 structure map-expression: the FHIRPath expression does not compile: HumanName has no element famly`},
		"in a log":                      {`src.name as n log famly -> tgt.id = 'x';`, `8:19 structure map-expression: the FHIRPath expression does not compile: HumanName has no element famly`},
		"in a default":                  {`src.language default (%nobody) as l -> tgt.language = l;`, `8:23 structure map-variable: no variable is called nobody here; expected one of l, src, tgt`},
		"in a constant":                 {`src -> tgt.id = (%bad & 'x') "x";`, `6:12 structure map-expression: the FHIRPath expression does not compile: `},
		"a constant of itself":          {`src -> tgt.id = (%loop) "x";`, `7:14 structure map-expression: the constant loop is part of its own value`},
		"no semicolon":                  {`src.name -> tgt.name`, `9:1 structure map-syntax: expected ';' at the end of the rule, found "}"`},
		"no target":                     {`src.name -> ;`, `8:13 structure map-syntax: expected a variable, found ";"`},
		"no name of a variable":         {`src.name as -> tgt.name;`, `8:13 structure map-syntax: expected the name of a variable, found "->"`},
		"no expression":                 {`src.name as n where -> tgt.name;`, `8:21 structure map-syntax: expected an expression, found "->"`},
		"an open bracket":               {`src.name as n where (a -> tgt.name;`, `9:1 structure map-syntax: expected ')', found "}"`},
		"a wrong bracket":               {`src.name as n where (a[0) -> tgt.name;`, `8:25 structure map-syntax: expected ']', found ")"`},
		"an open string":                {`src -> tgt.id = 'x;`, `8:17 structure map-syntax: a string does not end; expected '`},
		"an open name":                  {"src.`id -> tgt.id;", "8:5 structure map-syntax: a string does not end; expected `"},
		"an open comment":               {`src -> tgt /* no end`, `8:12 structure map-syntax: a comment that starts with /* does not end; expected */`},
		"a character of no meaning":     {`src.id # tgt.id;`, `8:8 structure map-syntax: the character '#' has no meaning here`},
		"a NUL":                         {"src.id -> tgt.id\x00;", `8:17 structure map-syntax: the byte 0x00 is no text; expected UTF-8`},
		"no UTF-8":                      {"src.id -> tgt.\xff;", `8:15 structure map-syntax: the byte 0xFF is no text; expected UTF-8`},
		"a cardinality upside down":     {`src.id 3..1 as i -> tgt.id = i;`, `8:8 structure map-syntax: the cardinality 3..1 can never be; expected the smaller number first`},
		"a cardinality without an end":  {`src.id 1.. as i -> tgt.id = i;`, `8:12 structure map-syntax: expected a number or '*', found "as"`},
		"a huge cardinality":            {`src.id 0..99999999999 as i -> tgt.id = i;`, `8:11 structure map-syntax: expected a whole number of at most 32 bits`},
		"a fraction as a cardinality":   {`src.id 0.5..1 as i -> tgt.id = i;`, `8:8 structure map-syntax: expected a whole number`},
		"a minus of nothing":            {`src -> tgt.id = -x "x";`, `8:18 structure map-syntax: expected a number after '-'`},
		"a long name":                   {`src.` + strings.Repeat("x", 300) + ` -> tgt.id;`, `8:5 too-long map-syntax: expected a name of at most 255 bytes`},
		"then nothing":                  {`src.id then;`, `8:12 structure map-syntax: expected the name of a group, or '{', found ";"`},
	} {
		t.Run(name, func(t *testing.T) {
			text := `map "https://test.example/StructureMap/t" = "t"
conceptmap "sex" { prefix s = "urn:s" s:a == s:b }
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as source
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as target

let bad = (unknown());
let loop = (%loop); group main(source src : Patient, target tgt : Patient) {
` + c.rules + "\n} group other(source s, target t) {}\n"
			got := first(t, text)
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if !strings.Contains(got, "expected") {
				t.Errorf("%s does not say what was expected", got)
			}
		})
	}
}

// first is the first fault of a map: line:column type rule: words.
func first(t *testing.T, text string) string {
	t.Helper()
	_, err := Compile([]Source{{Name: "t.map", Text: text}}, Env{})
	all := issue.All(err)
	if len(all) == 0 {
		return "no fault"
	}
	e := all[0]
	if !strings.HasPrefix(e.Details, "t.map: ") {
		t.Errorf("%v does not name the file", e)
	}
	return fmt.Sprintf("%d:%d %s %s: %s", e.Line, e.Column, e.Type, e.Rule, strings.TrimPrefix(e.Details, "t.map: "))
}

// TestFaultsOfMaps: faults around the rules.
func TestFaultsOfMaps(t *testing.T) {
	const top = "map \"urn:t\" = \"t\"\n"
	const rest = "\ngroup main(source src, target tgt) { src.id -> tgt.id; }"
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                  {``, `1:1 structure map-syntax: expected 'map', 'uses', 'imports', 'conceptmap', 'let' or 'group', found the end of the map`},
		"no url":                   {`group main(source s, target t) {}`, `1:1 structure map-syntax: expected map "url" = "name" or /// url = '…' at the top`},
		"no name":                  {`map "urn:t" = ;`, `1:15 structure map-syntax: expected the name of the map in quotes, found ";"`},
		"import of nothing":        {top + `imports "urn:none"` + rest, `2:1 not-found map-import: no map with the url urn:none is here; expected one of the maps that are compiled with it, and there are none`},
		"a structure of no type":   {top + `uses "http://hl7.org/fhir/StructureDefinition/Nothing" as source` + rest, `2:1 not-found map-type: no type has the url http://hl7.org/fhir/StructureDefinition/Nothing; expected`},
		"a mode that is none":      {top + `uses "urn:x" as sauce` + rest, `2:17 structure map-syntax: expected source, target, queried or produced, found "sauce"`},
		"two groups of one name":   {top + "group a(source s, target t) {}\ngroup a(source s, target t) {}", `3:1 duplicate map-duplicate: a group of this map is called a already; expected another name`},
		"two constants":            {top + "let a = 1;\nlet a = 2;" + rest, `3:9 duplicate map-duplicate: a constant of this map is called a already`},
		"two concept maps":         {top + "conceptmap \"a\" { prefix s = \"x\" s:a == s:b }\nconceptmap \"a\" { prefix s = \"x\" s:a == s:b }" + rest, `3:1 duplicate map-duplicate: a concept map of this map is called a already`},
		"two parameters":           {top + "group a(source s, target s) {}", `2:19 structure map-variable: two parameters have the name s; expected another`},
		"a parameter of no type":   {top + "group a(source s : Nothing, target t) {}", `2:9 not-found map-type: no type is called Nothing here; expected`},
		"a mode of a parameter":    {top + "group a(sauce s) {}", `2:9 structure map-syntax: expected 'source' or 'target', found "sauce"`},
		"no such base group":       {top + "group a(source s, target t)\n  extends b {}", `3:3 not-found map-group: no group is called b, which this group extends; expected one of a`},
		"extends itself":           {top + "group a(source s, target t) extends a {}", `2:29 structure map-group: the group a extends itself through a`},
		"extends in a ring":        {top + "group a(source s, target t) extends b {}\ngroup b(source s, target t) extends a {}", `2:29 structure map-group: the group a extends itself through b`},
		"extends other parameters": {top + "group a(source s, target t) extends b {}\ngroup b(source s) {}", `2:29 structure map-group: a group and the group it extends have the same parameters; expected 1, as b has`},
		"a type mode":              {top + "group a(source s, target t) <<typ>> {}", `2:31 structure map-syntax: expected 'types' or 'type+', found "typ"`},
		"no brace":                 {top + "group a(source s, target t)", `2:28 structure map-syntax: expected '{', found the end of the map`},
		"an open group":            {top + "group a(source s, target t) {", `2:30 structure map-syntax: expected a variable, found the end of the map`},
		"words after the groups":   {top + "group a(source s, target t) {} uses", `2:32 structure map-syntax: expected 'group' or the end of the map, found "uses"`},
		"a prefix of nothing":      {top + `conceptmap "a" { s:a == t:b }` + rest, `2:18 structure map-syntax: the prefix s is not declared; expected one that`},
		"an operator":              {top + `conceptmap "a" { prefix s = "x" s:a => s:b }` + rest, `2:38 structure map-syntax: expected`},
		"an open concept map":      {top + `conceptmap "a" {`, `2:17 structure map-syntax: expected a prefix, found the end of the map`},
		"an open type mode":        {top + `group a(source s) <<types`, `2:26 structure map-syntax: expected '>>', found the end of the map`},
		"open parameters":          {top + `group a(source s`, `2:17 structure map-syntax: expected ')', found the end of the map`},
		"an open call":             {top + `group a(source s) { s then a(s`, `2:31 structure map-syntax: expected ',', found the end of the map`},
		"an open import":           {top + `imports`, `2:8 structure map-syntax: expected the url of a map in quotes, found the end of the map`},
		"unmapped":                 {top + `conceptmap "a" { prefix s = "x" unmapped for s = fixed }` + rest, `2:50 structure map-syntax: expected provided`},
		"nested too deep":          {top + "group a(source s, target t) { " + strings.Repeat("s then { ", 100) + strings.Repeat("};", 100) + "}", `2:605 structure map-syntax: rules are nested more than 64 deep`},
		"brackets too deep":        {top + "group a(source s, target t) { s where " + strings.Repeat("(", 10000) + "1" + strings.Repeat(")", 10000) + " then {}; }", `2:239 structure map-syntax: expected brackets nested at most 200 deep`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := first(t, c.text); !strings.HasPrefix(got, c.want) || !strings.Contains(got, "expected") {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestFaultsOfResources: a fault in a StructureMap names its element and its line.
func TestFaultsOfResources(t *testing.T) {
	resource := func(source, target string) string {
		return `{"resourceType":"StructureMap","url":"urn:t","name":"t","status":"draft",
"structure":[{"url":"http://hl7.org/fhir/StructureDefinition/Patient","mode":"source"},{"url":"http://hl7.org/fhir/StructureDefinition/Patient","mode":"target"}],
"group":[{"name":"main","typeMode":"none","input":[{"name":"src","type":"Patient","mode":"source"},{"name":"tgt","type":"Patient","mode":"target"}],
"rule":[{"name":"r",
  "source":[{"context":"src",
    ` + source + `}],
  "target":[{"context":"tgt","contextType":"variable",
    ` + target + `}]}]}]}`
	}
	for name, c := range map[string]struct{ source, target, want string }{
		"element":     {`"element":"nam"`, `"element":"name"`, `5:13 StructureMap.group[0].rule[0].source[0] map-element: Patient has no element nam`},
		"condition":   {`"element":"name","condition":"use = 'ä' and usse = 'x'"`, `"element":"name"`, `6:34 StructureMap.group[0].rule[0].source[0].condition map-expression: the FHIRPath expression does not compile: HumanName has no element usse`},
		"brackets":    {`"condition":"(true"`, `"element":"name"`, `6:17 StructureMap.group[0].rule[0].source[0].condition map-syntax: the FHIRPath expression cannot be read: expected ) at the end`},
		"string":      {`"check":"'true"`, `"element":"name"`, `6:13 StructureMap.group[0].rule[0].source[0].check map-syntax: the FHIRPath expression cannot be read: a string does not end`},
		"cardinality": {`"min":3,"max":"1"`, `"element":"name"`, `5:13 StructureMap.group[0].rule[0].source[0] map-syntax: the cardinality 3..1 can never be`},
		"maximum":     {`"max":"many"`, `"element":"name"`, `6:11 StructureMap.group[0].rule[0].source[0].max map-syntax: expected a whole number`},
		"default":     {`"defaultValuePeriod":{"start":"2020"}`, `"element":"name"`, `6:26 StructureMap.group[0].rule[0].source[0].defaultValue map-syntax: a default value of this type is not supported`},
		"parameter":   {`"variable":"s"`, `"element":"id","transform":"copy","parameter":[{"valueId":"x"}]`, `8:63 StructureMap.group[0].rule[0].target[0].parameter[0].value map-variable: no variable is called x`},
		"arity":       {`"variable":"s"`, `"element":"id","transform":"truncate","parameter":[{"valueId":"s"}]`, `8:32 StructureMap.group[0].rule[0].target[0].transform map-transform: truncate takes other parameters`},
		"evaluate":    {`"variable":"s"`, `"element":"id","transform":"evaluate","parameter":[{"valueString":"s"},{"valueString":"s"}]`, `7:13 StructureMap.group[0].rule[0].target[0] map-syntax: expected evaluate(variable, expression)`},
		"share":       {`"variable":"s"`, `"element":"name","listMode":["share"]`, `7:13 StructureMap.group[0].rule[0].target[0] map-syntax: expected a listRuleId`},
		"modes":       {`"variable":"s"`, `"element":"name","listMode":["first","last"]`, `8:42 StructureMap.group[0].rule[0].target[0].listMode[1] map-syntax: expected one list mode`},
		"unknown":     {`"elemnt":"name"`, `"element":"name"`, `6:14 StructureMap.group[0].rule[0].source[0].elemnt unknown-element: `},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile([]Source{{Name: "t.json", Text: resource(c.source, c.target)}}, Env{})
			all := issue.All(err)
			if len(all) == 0 {
				t.Fatal("no fault")
			}
			got := fmt.Sprintf("%d:%d %s %s: %s", all[0].Line, all[0].Column, all[0].Expression, all[0].Rule, strings.TrimPrefix(all[0].Details, "t.json: "))
			if !strings.HasPrefix(got, c.want) || !strings.HasPrefix(all[0].Details, "t.json: ") {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if name == "condition" && !strings.HasSuffix(got, "(column 16 of the expression)") {
				t.Errorf("got %s", got)
			}
		})
	}
	deep := resource(`"element":"id"`, `"element":"id"`)
	deep = strings.Replace(deep, `"rule":[{"name":"r",`, strings.Repeat(`"rule":[{"name":"r","source":[{"context":"src"}],`, 10000)+`"rule":[{"name":"r",`, 1) + strings.Repeat("}]", 10000)
	if _, err := Compile([]Source{{Name: "deep.json", Text: deep}}, Env{}); len(issue.All(err)) == 0 || issue.All(err)[0].Type == issue.Exception {
		t.Errorf("rules nested 10,000 deep: %v", err)
	}
}

// TestMapsInARing: maps may import each other, and groups call each other, as far as the
// message goes.
func TestMapsInARing(t *testing.T) {
	a := "map \"urn:a\" = \"a\"\nimports \"urn:b\"\n" + uses + "group a(source s : Observation, target t : Observation) { s.id -> t.id; s then b(s, t) \"x\"; }"
	b := "map \"urn:b\" = \"b\"\nimports \"urn:a\"\ngroup b(source s, target t) { s.status -> t.status; s.component as c then b(c, t) \"y\"; }"
	b = strings.Replace(b, "s.status -> t.status; ", "", 1)
	_, err := Compile([]Source{{Name: "a.map", Text: a}, {Name: "b.map", Text: b}}, Env{})
	if err == nil {
		t.Fatal("a component has no component")
	}
	if all := issue.All(err); all[0].Details != "b.map: Observation.component has no element component; expected one of code, dataAbsentReason, extension, id, interpretation, modifierExtension, referenceRange, value" {
		t.Errorf("got %v", err)
	}
	b = strings.Replace(b, "s.component as c then b(c, t)", "s.contained as c then a(s, t)", 1)
	set, err := Compile([]Source{{Name: "a.map", Text: a}, {Name: "b.map", Text: b}}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(`{"resourceType":"Observation","id":"1","contained":[{"resourceType":"Patient"}]}`), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = set.Maps()[0].Transform(context.Background(), Input{Source: root})
	if all := issue.All(err); len(all) != 1 || all[0].Type != issue.TooCostly || all[0].Rule != "map-depth" {
		t.Errorf("got %v", err)
	}
}

// TestMapsThatExplode: texts that are made to exhaust end with an issue.
func TestMapsThatExplode(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i, i+1)
		}
		return b.String()
	}
	const top = "map \"urn:t\" = \"t\"\n"
	// every group is called with every type for each of its parameters
	var calls [4]strings.Builder
	elements := strings.Fields("id implicitRules meta text extension identifier active name telecom birthDate address maritalStatus photo contact communication generalPractitioner link")
	for _, e := range elements {
		fmt.Fprintf(&calls[0], "p.%s as x then f1(p, x, t);\n", e)
		fmt.Fprintf(&calls[1], "p.%s as x then f2(p, a, x, t);\n", e)
		fmt.Fprintf(&calls[2], "p.%s as x then f3(p, a, b, x, t);\n", e)
		fmt.Fprintf(&calls[3], "p.%s as x then f4(a, b, c, x, t);\n", e)
	}
	pairs := "group main(source p : Patient, target t) {\n" + calls[0].String() + "}\n" +
		"group f1(source p, source a, target t) {\n" + calls[1].String() + "}\n" +
		"group f2(source p, source a, source b, target t) {\n" + calls[2].String() + "}\n" +
		"group f3(source p, source a, source b, source c, target t) {\n" + calls[3].String() + "}\n" +
		"group f4(source a, source b, source c, source d, target t) { a then {}; }"
	if got := first(t, top+pairs); !strings.Contains(got, "too-costly map-size: the groups are called with more than 50000 combinations") {
		t.Errorf("got %s", got)
	}
	for name, text := range map[string]string{
		"a chain of groups":        top + "group main(source a, target t) { a then g0(a, t); }\n" + many(3000, "group g%d(source a, target t) { a then g%d(a, t); }\n") + "group g3000(source a, target t) {}",
		"faults without end":       top + "group main(source a : Patient, target t) {\n" + many(10000, "a.x%d -> t.y%d;\n") + "}",
		"many groups of one name":  top + many(10000, "group g(source a%d, target t%d) {}\n"),
		"a long path":              top + "group main(source a, target t) { a" + strings.Repeat(".b", 100000) + " as x -> t.c; }",
		"many constants":           top + many(3000, "let k%d = (%%k%d & 'x');\n") + "let k3000 = 'x';\ngroup main(source a, target t) { a -> t.id = (%k0) \"x\"; }",
		"doubling constants":       top + many(60, "let k%[1]d = (%%k%[2]d & %%k%[2]d);\n") + "let k60 = 'x';\ngroup main(source a, target t) { a -> t.id = (%k0) \"x\"; }",
		"a megabyte in one name":   top + "group " + strings.Repeat("g", 1<<20) + "(source a, target t) {}",
		"a megabyte in one string": top + "group main(source a, target t) { a -> t.id = '" + strings.Repeat("g", 1<<20) + "' \"x\"; }",
		"six megabytes":            top + strings.Repeat(" ", 6<<20) + "group main(source a, target t) {}",
		"comments alone":           top + strings.Repeat("// x\n", 300000) + "group main(source a, target t) {}",
		"brackets alone":           top + "group main(source a, target t) { a -> t.id = " + strings.Repeat("(", 1<<17),
		"rules alone":              top + "group main(source a, target t) " + strings.Repeat("{ a then ", 1<<15),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile([]Source{{Name: "t.map", Text: text}}, Env{})
			for _, e := range issue.All(err) {
				if e.Type == issue.Exception || e.Line == 0 || len(e.Details) > 2000 {
					t.Errorf("got %.300s", e.Error())
				}
			}
			if _, err := Format(Source{Name: "t.map", Text: text}); err != nil && issue.All(err)[0].Type == issue.Exception {
				t.Error(err)
			}
		})
	}
}
