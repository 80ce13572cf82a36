package fhirpath

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
)

// answers evaluates an expression and joins the items; an error is "error".
func answers(t *testing.T, src string) string {
	t.Helper()
	e, err := Compile(src)
	if err != nil {
		return "error"
	}
	got, err := e.Eval(Context{Now: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)}, nil)
	if err != nil {
		return "error"
	}
	return strings.Join(texts(got), " ")
}

// TestThreeValuedLogic holds the operators against the tables of the standard,
// http://hl7.org/fhirpath/N1/#boolean-logic: rows true, false, empty, and so the columns.
func TestThreeValuedLogic(t *testing.T) {
	values := []string{"true", "false", "{}"}
	for operator, table := range map[string][9]string{
		"and":     {"true", "false", "", "false", "false", "false", "", "false", ""},
		"or":      {"true", "true", "true", "true", "false", "", "true", "", ""},
		"xor":     {"false", "true", "", "true", "false", "", "", "", ""},
		"implies": {"true", "false", "", "true", "true", "true", "true", "", ""},
	} {
		for i, want := range table {
			src := values[i/3] + " " + operator + " " + values[i%3]
			if got := answers(t, src); got != want {
				t.Errorf("%s gives %q, wanted %q", src, got, want)
			}
		}
	}
	for src, want := range map[string]string{
		"true.not()": "false", "false.not()": "true", "{}.not()": "", "(1 = {}).not()": "",
		"{} = {}": "", "{} != {}": "", "1 = {}": "", "{} < 1": "", "{} + 1": "", "{} ~ {}": "true", "1 ~ {}": "false",
		"1 and true": "true", "'a' or false": "true", "(1 | 2) and true": "error", // singleton evaluation
		"iif({}, 1, 2)": "2", "(true | {}).where($this = {})": "", "{} & 'a'": "a",
	} {
		if got := answers(t, src); got != want {
			t.Errorf("%s gives %q, wanted %q", src, got, want)
		}
	}
}

// TestEqualityAndEquivalence: = is exact and may not know, ~ is loose and always does.
func TestEqualityAndEquivalence(t *testing.T) {
	for _, c := range []struct{ a, b, equal, equivalent string }{
		{"1", "1.0", "true", "true"},
		{"1.00", "1.0", "true", "true"},
		{"1.55", "1.5", "false", "false"}, // rounded to the digits of the shorter: 1.6 and 1.5
		{"1.54", "1.5", "false", "true"},
		{"'Ada'", "'ada'", "false", "true"},
		{"'a  b'", "'A\\tB'", "false", "true"},
		{"1", "'1'", "false", "false"},
		{"true", "1", "false", "false"},
		// order counts for one and not for the other
		{"(1 | 2)", "(2 | 1)", "false", "true"},
		{"(1 | 2)", "(1 | 2)", "true", "true"},
		{"(1 | 2)", "1", "false", "false"},
		{"('a' | 'b').combine('a')", "('b' | 'a').combine('b')", "false", "false"},
		// dates: what is known to the same precision compares
		{"@2026-05", "@2026-05", "true", "true"},
		{"@2026-05", "@2026-05-01", "", "false"},
		{"@2026-05", "@2026-06-01", "false", "false"},
		{"@2026-05-06", "@2026-05-06T00:00:00", "", "false"},
		{"@2026-05-06T10:00:00Z", "@2026-05-06T11:00:00+01:00", "true", "true"},
		{"@2026-05-06T10:00:00", "@2026-05-06T10:00:00Z", "", "false"},
		{"@2026-05-06T10:00:00.0Z", "@2026-05-06T10:00:00Z", "true", "true"}, // seconds and their fraction are one
		{"@T10:30", "@T10:30:00", "", "false"},
		{"@T10:30", "@T10:31:00", "false", "false"},
		{"@2026-05-06", "@T10:30", "false", "false"},
	} {
		if got := answers(t, c.a+" = "+c.b); got != c.equal {
			t.Errorf("%s = %s gives %q, wanted %q", c.a, c.b, got, c.equal)
		}
		if got := answers(t, c.b+" = "+c.a); got != c.equal {
			t.Errorf("%s = %s gives %q, wanted %q", c.b, c.a, got, c.equal)
		}
		if got := answers(t, c.a+" ~ "+c.b); got != c.equivalent {
			t.Errorf("%s ~ %s gives %q, wanted %q", c.a, c.b, got, c.equivalent)
		}
		opposite := map[string]string{"true": "false", "false": "true", "": ""}
		if got := answers(t, c.a+" != "+c.b); got != opposite[c.equal] {
			t.Errorf("%s != %s gives %q", c.a, c.b, got)
		}
		if got := answers(t, c.a+" !~ "+c.b); got != opposite[c.equivalent] {
			t.Errorf("%s !~ %s gives %q", c.a, c.b, got)
		}
	}
}

// TestPrecisionOfDatesAndTimes: an order that the missing digits could turn round is empty.
func TestPrecisionOfDatesAndTimes(t *testing.T) {
	for src, want := range map[string]string{
		"@2026 < @2027-01": "true", "@2026 < @2026-01": "", "@2026-05 <= @2026-05-31": "", "@2026-05-06T10 > @2026-05-06T09:59": "true",
		"@2026-05-06T10 > @2026-05-06T10:00": "", "@T10:30 < @T10:30:30": "", "@T10:30 < @T10:31": "true",
		"@2026-05-06T23:00:00-05:00 > @2026-05-07T00:00:00Z":                           "true",
		"@2026-05-06T10:00:00 < @2026-05-09T10:00:00Z":                                 "true", // no offset spans three days
		"@2026-05-06T10:00:00 < @2026-05-06T11:00:00Z":                                 "",
		"@2026-05 + 1 month":                                                           "2026-06",
		"@2026-01-31 + 1 month":                                                        "2026-02-28",
		"@2026-05-06T23:59:59.999Z + 1 millisecond":                                    "2026-05-07T00:00:00.000Z",
		"@2026-05-06 + 25 hours":                                                       "2026-05-07",
		"@2026-03-29T00:30:00+00:00 + 1 day":                                           "2026-03-30T00:30:00Z",
		"@2026-05-06 - 1 week":                                                         "2026-04-29",
		"@2026-05-06 + 1 'd'":                                                          "2026-05-07",
		"@2026-05-06 + 1 'a'":                                                          "error", // a length of time, no step of the calendar
		"@2026-05-06 + 1 'kg'":                                                         "error",
		"@2026.lowBoundary() | @2026.highBoundary()":                                   "2026-01-01 2026-12-31",
		"@2026-02.highBoundary(8)":                                                     "2026-02-28",
		"@2026-05-06T10:30.lowBoundary()":                                              "2026-05-06T10:30:00.000+14:00",
		"@2026-05-06T10:30.highBoundary()":                                             "2026-05-06T10:30:59.999-12:00",
		"@2026-05-06T10:30Z.highBoundary()":                                            "2026-05-06T10:30:59.999Z",
		"@T10:30.lowBoundary() | @T10:30.highBoundary()":                               "10:30:00.000 10:30:59.999",
		"1.587.lowBoundary() | 1.587.highBoundary()":                                   "1.58650000 1.58750000",
		"1.587.lowBoundary(2) | 1.587.highBoundary(2)":                                 "1.58 1.59",
		"(1.5 'mg').lowBoundary(2) | (1.5 'mg').highBoundary(2)":                       "1.45 'mg' 1.55 'mg'",
		"1.lowBoundary(40)":                                                            "",
		"@2026.precision() | @2026-05-06T10:30:00.000.precision() | 1.500.precision()": "4 17 3",
		"today() | timeOfDay()":                                                        "2026-05-06 07:08:09.000",
		"now().toDate() = today()":                                                     "true",
	} {
		if got := answers(t, src); got != want {
			t.Errorf("%s gives %q, wanted %q", src, got, want)
		}
	}
}

// TestDecimalsAreExact: no result goes through a binary float, and every digit that was
// written stays.
func TestDecimalsAreExact(t *testing.T) {
	for src, want := range map[string]string{
		"0.1 + 0.2": "0.3", "1.10 + 2.20": "3.30", "1.1 * 1.1": "1.21", "0.3 - 0.1 = 0.2": "true",
		"1.50.toString()": "1.50", "123456789012345678.123456789 + 0.000000001": "123456789012345678.123456790",
		"9007199254740993.0 - 9007199254740992.0": "1.0", "1 / 3": "0.3333333333333333", "2 / 3": "0.6666666666666667",
		"5.5 div 0.7": "7", "5.5 mod 0.7": "0.6", "(-5.5) mod 0.7": "-0.6", "0.1.round(0)": "0", "2.5.round()": "3", "3.14159.round(3)": "3.142",
		"2.power(0.5) = 2.sqrt()": "true", "1.exp()": "2.7182818284590452", "100.log(10)": "2", "16.log(2)": "4", "1.ln()": "0", "2.power(-1)": "0.5",
		"81.sqrt()": "9", "(-1).sqrt()": "", "0.ln()": "", "(-8).power(0.5)": "", "(-2).power(3)": "-8", "(-1.5).abs()": "1.5", "(-1.5).truncate()": "-1",
		"(-1.5).ceiling() | (-1.5).floor()": "-1 -2", "10.power(12)": "", "2147483647 + 1": "", "1000.exp()": "",
		"'1e3'.toDecimal()": "", "'1.0'.convertsToInteger()": "false",
	} {
		if got := answers(t, src); got != want {
			t.Errorf("%s gives %q, wanted %q", src, got, want)
		}
	}
	// exp and ln undo each other to the digits they promise
	for _, x := range []string{"0.0001", "0.5", "1", "1.5", "2", "3.7", "9.99", "10", "42.42", "99"} {
		l, _ := logarithm(decimal.RequireFromString(x))
		back, _ := exponential(l)
		if d := back.Sub(decimal.RequireFromString(x)).Abs(); d.GreaterThan(decimal.New(1, -quotientDigits)) {
			t.Errorf("exp(ln(%s)) is %s", x, back)
		}
	}
}

// TestSetsAgreeWithEquality: what the index of a large set finds is what = finds, for
// every kind of value that equality brings together across forms.
func TestSetsAgreeWithEquality(t *testing.T) {
	values := []string{"1", "1.0", "1.00", "2", "'1'", "true", "1 '1'", "100 '%'", "1 'kg'", "1000 'g'", "1000.0 'g'", "1 'x'", "1 'y'", "12 months", "1 year", "1 'a'",
		"1 day", "24 'h'", "37 'Cel'", "98.6 '[degF]'", "@2026", "@2026-01", "@2026-01-01", "@2026-01-01T", "@2026-01-01T00:00:00Z", "@2026-01-01T01:00:00+01:00",
		"@2026-01-01T00:00:00.000Z", "@2026-01-01T00:00:00", "@T00:00:00", "@T00:00"}
	s := begin(Context{}, nil)
	defer s.end()
	var all []Value
	for _, src := range values {
		got, err := MustCompile(src).Eval(Context{}, nil)
		if err != nil || len(got) != 1 {
			t.Fatal(src, err)
		}
		all = append(all, got[0])
	}
	for i, a := range all {
		for j, b := range all {
			same, err := s.same(a, b)
			if err != nil {
				t.Fatal(err)
			}
			if same == yes && s.key(a) != s.key(b) {
				t.Errorf("%s = %s, and their keys differ", values[i], values[j])
			}
		}
	}
	if got := answers(t, "("+strings.Join(values, " | ")+").count()"); got != "18" {
		t.Errorf("there are %s different values, wanted 18", got)
	}
}
