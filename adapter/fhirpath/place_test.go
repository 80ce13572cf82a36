package fhirpath

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// marked takes the mark « out of an expression; the error is wanted where it stood.
func marked(src string) (clean string, want Place) {
	before, after, _ := strings.Cut(src, "«")
	return before + after, Place{len(before), strings.Count(before, "\n") + 1, len(before) - strings.LastIndexByte(before, '\n')}
}

// TestCompileErrorsHaveTheirPlace: what cannot be is found before the evaluation, at
// its own token, and the words say what was expected.
func TestCompileErrorsHaveTheirPlace(t *testing.T) {
	patient := fhir.Types(fhir.R4).Type("Patient")
	for _, c := range []struct {
		src    string
		branch issue.Type
		words  string
	}{
		// syntax
		{"name.«", issue.Structure, "the expression ends too early: expected the name of an element or function"},
		{"name\n.where(\n  use = «)", issue.Structure, "expected a value, an element or a function"},
		{"name.where(use = 'x' «use = 'y')", issue.Structure, "expected ',' or ')' after an argument"},
		{"(1 + 2«", issue.Structure, "expected ')' after an expression in brackets"},
		{"name[0«", issue.Structure, "expected ']' after an index"},
		{"active and «or", issue.Structure, "expected a value before the operator or"},
		{"'Zoë' + «#", issue.Structure, "no meaning"},
		{"«@2024-02-30", issue.Structure, "expected @YYYY-MM-DD"},
		{"1 + «12345678901", issue.Structure, "an integer has 32 bits"},
		{"1 +\n /* a\n b */ «'open", issue.Structure, "the text that starts here has no end"},
		{"active is «", issue.Structure, "expected the name of a type"},
		{"name.«$this", issue.Structure, "expected the name of an element or function after '.'"},
		// functions
		{"name.«exist()", issue.NotSupported, "there is no function exist(); did you mean exists()?"},
		{"name.select(\n\tgiven.«firsd()\n)", issue.NotSupported, "did you mean first()?"},
		{"name.«quux()", issue.NotSupported, "there is no function quux()"},
		{"name.«first(1)", issue.Structure, "first() takes no argument and got 1"},
		{"name.«where()", issue.Structure, "where() takes one argument and got 0"},
		{"id.«substring(1, 2, 3)", issue.Structure, "substring() takes one argument to two arguments and got 3"},
		{"name.«memberOf('x')", issue.NotSupported, "needs a terminology"},
		{"«conformsTo('x')", issue.NotSupported, "needs profiles"},
		{"maritalStatus.«subsumes(maritalStatus)", issue.NotSupported, "needs a terminology"},
		{"name.«elementDefinition()", issue.NotSupported, "needs profiles"},
		{"name.«slice('x', 'y')", issue.NotSupported, "needs profiles"},
		// elements
		{"«nam", issue.Invalid, "Patient has no element nam; it has name, "},
		{"name.where(«us = 'official').given", issue.Invalid, "HumanName has no element us; it has use, "},
		{"name.given | contact.name.«famly", issue.Invalid, "HumanName has no element famly; it has family, "},
		{"«deceasedBoolean", issue.Invalid, "FHIRPath writes deceased, and deceased.ofType(boolean)"},
		{"«Observation.status", issue.Invalid, "Patient has no element Observation and is no Observation"},
		{"active.not().«x", issue.Invalid, "a Boolean has no elements"},
		{"(deceased as dateTime).«period", issue.Invalid, "dateTime has no element period; it has "},
		// types and variables
		{"name is «Humanname", issue.Invalid, "has no type Humanname; did you mean HumanName?"},
		{"name.ofType(«Humanname)", issue.Invalid, "has no type Humanname; did you mean HumanName?"},
		{"name.ofType(«1 + 1)", issue.Structure, "expected the name of a type"},
		{"name.given = «%limt", issue.Invalid, "there is no variable %limt; there are %limit, "},
		// kinds that cannot meet
		{"birthDate «< 5", issue.Invalid, "a date and an Integer have no order"},
		{"birthDate «+ 5", issue.Invalid, "the operator + does not work on a date and an Integer"},
		{"1 «- 'a'", issue.Invalid, "the operator - does not work on an Integer and a String"},
		{"id «& 1", issue.Invalid, "write toString()"},
		{"name.«startsWith('A')", issue.Invalid, "what startsWith() works on must be a String and is a HumanName"},
		{"id.startsWith(«1 + 1)", issue.Invalid, "the argument of startsWith() must be a String and is an Integer"},
		{"id.substring(«'1')", issue.Invalid, "the argument of substring() must be an Integer and is a String"},
		{"iif(«1, 2, 3)", issue.Invalid, "the criterion of iif() must be a Boolean"},
	} {
		src, want := marked(c.src)
		_, err := Compile(src, Type(patient), Variables("limit", "other"))
		list := issue.All(err)
		if len(list) != 1 || !errors.Is(err, c.branch) || !strings.Contains(list[0].Details, c.words) {
			t.Errorf("%s\n\tgives %v\n\twanted %s with %q", src, err, c.branch, c.words)
			continue
		}
		if got, ok := PlaceOf(err); !ok || got != want || list[0].Line != want.Line || list[0].Column != want.Column {
			t.Errorf("%s\n\tis placed at %+v, wanted %+v", src, got, want)
		}
		if len(list[0].Details) > 200 {
			t.Errorf("%s: too many words: %s", src, list[0].Details)
		}
	}
}

// TestEvalErrorsHaveTheirPlace: the innermost term that fails is the place inside the
// expression; the issue itself says where in the document the focus is.
func TestEvalErrorsHaveTheirPlace(t *testing.T) {
	root := parsed(t, bundle)
	for _, c := range []struct {
		src    string
		branch issue.Type
	}{
		{"entry.«single()", issue.Invalid},
		{"entry\n  .resource\n  .«single()\n  .id", issue.Invalid},
		{"entry.where(resource.id = 'p1' and resource.select(id | 1) «> 2)", issue.Invalid},
		{"entry.where((1 «| 2) and true)", issue.Invalid},
		{"true and entry.«fullUrl", issue.Invalid},
		{"(1 | 'b').last() «+ 1", issue.Invalid},
		{"type & entry.fullUrl.«toInteger()", issue.Invalid},
		{"1.select(%resource.«entry.not())", issue.Invalid},
		{"type = «%nobody", issue.Invalid},
		{"«now() > @2020", issue.Invalid},
		{"type.«matches('(')", issue.Invalid},
		{"entry«[type]", issue.Invalid},
		{"«-type", issue.Invalid},
		{"entry «as Bundle", issue.Invalid},
		{"iif(type.exists(), entry.«single(), 1)", issue.Invalid},
		{"1.repeat($this «+ 1)", issue.TooCostly},
		{"entry.fullUrl.aggregate($total «& 'x', entry)", issue.Invalid},
	} {
		src, want := marked(c.src)
		e, err := Compile(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		got, err := e.Eval(Context{}, root)
		if !errors.Is(err, c.branch) {
			t.Errorf("%s gives %v and %v, wanted %s", src, texts(got), err, c.branch)
			continue
		}
		place, ok := PlaceOf(fmt.Errorf("wrapped: %w", err))
		if c.branch == issue.TooCostly {
			// the work may run out at either term of the loop
			place, want = Place{Line: place.Line}, Place{Line: 1}
		}
		if !ok || place != want {
			t.Errorf("%s is placed at %+v, wanted %+v", src, place, want)
		}
		i := issue.All(err)[0]
		if i.Expression != "Bundle" || i.Line != 1 || !strings.Contains(i.Diagnostics, "of the FHIRPath "+src[:4]) {
			t.Errorf("%s: %q on line %d with %q", src, i.Expression, i.Line, i.Diagnostics)
		}
	}
	if _, ok := PlaceOf(issue.New(issue.Invalid, "x", "no expression")); ok {
		t.Error("an error of something else has a place")
	}
}

// TestNearestNamesComeFirst: slips of the keyboard find what was meant.
func TestNearestNamesComeFirst(t *testing.T) {
	have := []string{"id", "name", "gender", "birthDate", "managingOrganization", "link"}
	for slip, want := range map[string]string{"nmae": "name", "Gender": "gender", "birthdate": "birthDate", "managing": "managingOrganization", "lnk": "link"} {
		if names, more := nearest(slip, have); names[0] != want || !more || len(names) != 5 {
			t.Errorf("%s finds %v", slip, names)
		}
	}
	long := strings.Repeat("a", 60000)
	if names, _ := nearest(long, have); len(names) != 5 {
		t.Error(names)
	}
}
