package mapping

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"spadapter/adapter/fhir"
)

// sameMap compares what two texts say: the syntax trees without places.
var sameMap = []cmp.Option{
	cmp.AllowUnexported(mapDecl{}, aboutDecl{}, useDecl{}, importDecl{}, constantDecl{}, groupDecl{}, paramDecl{}, ruleDecl{}, sourceDecl{}, targetDecl{}, paramValue{}, callDecl{}, conceptMapDecl{}, rowDecl{}),
	cmpopts.IgnoreFields(mapDecl{}, "file", "contained"),
	cmpopts.IgnoreFields(useDecl{}, "at"), cmpopts.IgnoreFields(importDecl{}, "at"), cmpopts.IgnoreFields(constantDecl{}, "at"),
	cmpopts.IgnoreFields(groupDecl{}, "at", "extendsAt", "owner"), cmpopts.IgnoreFields(paramDecl{}, "at"), cmpopts.IgnoreFields(ruleDecl{}, "at"),
	cmpopts.IgnoreFields(sourceDecl{}, "at", "whereAt", "checkAt", "logAt", "defAt"), cmpopts.IgnoreFields(targetDecl{}, "at", "valueAt"),
	cmpopts.IgnoreFields(paramValue{}, "at"), cmpopts.IgnoreFields(callDecl{}, "at"), cmpopts.IgnoreFields(conceptMapDecl{}, "at"),
	cmpopts.EquateEmpty(),
}

func differ(a, b *mapDecl) string {
	if equal(reflect.ValueOf(a), reflect.ValueOf(b)) {
		return ""
	}
	return cmp.Diff(a, b, sameMap...) // slow, and says where
}

// places are the fields in which two maps may differ and say the same.
var places = map[string]bool{"file": true, "contained": true, "owner": true, "at": true, "extendsAt": true, "whereAt": true, "checkAt": true, "logAt": true, "defAt": true, "valueAt": true}

func equal(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Pointer:
		return equal(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if !places[a.Type().Field(i).Name] && !equal(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !equal(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.Len() != b.Len() {
			return false
		}
		for _, k := range a.MapKeys() {
			if v := b.MapIndex(k); !v.IsValid() || !equal(a.MapIndex(k), v) {
				return false
			}
		}
		return true
	}
	return a.Equal(b)
}

// roundTrip prints a map that parses and reads it again. It returns what differs.
func roundTrip(src Source) string {
	first, err := read(src)
	if err != nil || len(first.contained) > 0 {
		return ""
	}
	printed, err := Format(src)
	if err != nil {
		return "no text: " + err.Error()
	}
	second, err := parse(Source{Name: "printed.map", Text: printed})
	if err != nil {
		return "the text cannot be read: " + err.Error() + "\n" + printed
	}
	if diff := differ(first, second); diff != "" {
		return diff + "\n" + printed
	}
	again, err := Format(Source{Name: "printed.map", Text: printed})
	if err != nil || again != printed {
		return "not stable: " + cmp.Diff(printed, again)
	}
	return ""
}

// mapFiles are the maps of the published suite, where it is here, and those of the product.
func mapFiles(t testing.TB) []Source {
	t.Helper()
	var out []Source
	for _, pattern := range []string{filepath.Join(suiteFolder(), "*/*.map"), "../../mappings/*/*.map"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, Source{Name: filepath.Base(f), Text: string(text)})
		}
	}
	return out
}

func TestFormatRoundTrip(t *testing.T) {
	files := mapFiles(t)
	for _, src := range files {
		if diff := roundTrip(src); diff != "" {
			t.Errorf("%s: %s", src.Name, diff)
		}
		n, err := Resource(src)
		if err != nil {
			t.Errorf("%s: %v", src.Name, err)
			continue
		}
		if diff := roundTrip(Source{Name: src.Name, Text: string(fhir.Encode(n))}); diff != "" {
			t.Errorf("%s as a resource: %s", src.Name, diff)
		}
	}
	t.Logf("%d maps", len(files))
}

func TestFormat(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"all there is": {`
// The map.
//   - indented

/// url = 'https://test.example/StructureMap/f'
/// name = "f"
/// status = draft
/// version = '1'
// still the map
conceptmap "#cm" { // codes
  prefix a = "urn:a" prefix b = "urn:b" unmapped for a = provided
  a:x == b:"y z" a:"1" -- a:where <= b:'q';
}
uses "urn:s" alias ` + "`source`" + ` as source // where it comes from
// what it becomes
uses "urn:t" as target;
imports "urn:other/*"
let greeting = 'it' & 's' ; // said
// The group.
group main(source src:` + "`source`" + `, target tgt) extends base <<type+>> { // more
    src.a.first 0..1 default 'x' only_one as ` + "`first`" + ` where(a='//') check (b) or (c) log ("l") ;
    // above
    src.b as b, src as ` + "`b-c`" + `-> tgt.c = create("T") as t share id, tgt.d=append('it\'s',b ,-1.50,( %x & '\u0007' )) last, tgt.e = b.c.d, (now()) as n, uuid() as u // behind
      "named"; // last
    src.then -> tgt then other(src, tgt, 'x', 1, true), more(src) { src -> tgt.value then {}; // inner
      // end
    };
    src.d -> tgt.x = evaluate(src, iif(a,"b",'c')), tgt = copy((a)), tgt.f = copy(a, b);
} // after
group g2(target t) {}
`, `// The map.
//   - indented
// still the map
/// url = "https://test.example/StructureMap/f"
/// name = "f"
/// status = "draft"
/// version = "1"

conceptmap "#cm" { // codes
  prefix s = "urn:a"
  prefix t = "urn:b"
  unmapped for s = provided
  s:x == t:"y z"
  s:"1" --
  s:"where" <= t:q
}

uses "urn:s" alias ` + "`source`" + ` as source // where it comes from
uses "urn:t" as target // what it becomes

imports "urn:other/*"

let greeting = ('it' & 's'); // said

// The group.
// more
// after
group main(source src : ` + "`source`" + `, target tgt) extends base <<type+>> {
  src.a.first 0..1 default ('x') only_one as ` + "`first`" + ` where (a='//') check ((b) or (c)) log ("l");
  // above
  // last
  // behind
  src.b as b, src as ` + "`b-c`" + `
      -> tgt.c = create('T') as t share id, tgt.d = append('it\'s', b, -1.50, (%x & '\u0007')) last, tgt.e = (b.c.d), (now()) as n, uuid() as u "named";
  // end
  src.then -> tgt then other(src, tgt, 'x', 1, true), more(src) {
    src -> tgt.value then {}; // inner
  };
  src.d -> tgt.x = evaluate(src, iif(a,"b",'c')), tgt = copy((a)), tgt.f = copy(a, b);
}

group g2(target t) {}
`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Format(Source{Name: "f.map", Text: c.text})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := roundTrip(Source{Name: "f.map", Text: c.text}); diff != "" {
				t.Error(diff)
			}
		})
	}
}
