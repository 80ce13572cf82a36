package fhirpath

import (
	"math/big"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
)

// TestEveryUnitIsReadable: each symbol of the table has a factor that is exact and
// above zero, and ends in base units; a prefix is taken by the metric ones alone.
func TestEveryUnitIsReadable(t *testing.T) {
	for name, a := range atoms {
		m, ok := measureOf(name)
		if !ok || m.factor.Sign() <= 0 {
			t.Errorf("%s: %v %v", name, m, ok)
			continue
		}
		for base := range m.powers {
			if atoms[base].of != "" {
				t.Errorf("%s ends in %s, which is no base unit", name, base)
			}
		}
		milli, ok := measureOf("f" + name)
		if _, direct := atoms["f"+name]; ok != a.metric && !direct {
			t.Errorf("f%s is a unit: %v, and %s is metric: %v", name, ok, name, a.metric)
		} else if ok && !direct && new(big.Rat).Mul(milli.factor, rational("1e15")).Cmp(m.factor) != 0 {
			t.Errorf("f%s is %s", name, milli.factor)
		}
	}
	for name, factor := range prefixes {
		if m, ok := measureOf(name + "g"); !ok || m.factor.Cmp(rational(factor)) != 0 {
			t.Errorf("%sg: %v", name, ok)
		}
	}
}

// TestUnitsConvert: one value in two units, by the definitions of UCUM.
func TestUnitsConvert(t *testing.T) {
	for _, c := range []struct{ value, from, want, to string }{
		// laboratory
		{"5.5", "mmol/L", "5500", "umol/L"},
		{"1", "g/dL", "10", "g/L"},
		{"1", "g%", "1", "g/dl"},
		{"120", "mg/dL", "1.2", "g/L"},
		{"7", "10*9/L", "7000", "/uL"},
		{"4.5", "10*12/L", "4.5", "10*6/uL"},
		{"1", "10*-6", "1", "[ppm]"},
		{"48", "mmol/mol", "4.8", "%"},
		{"1", "meq/L", "1", "mmol/L"},
		{"290", "mosm/kg", "0.29", "osm/kg"},
		{"60", "U/L", "1", "umol/s/m3.1000"},
		{"1", "U/L", "16.6666666666666667", "nkat/L"},
		{"2", "k[iU]/L", "2", "[IU]/mL"},
		{"3", "{rbc}/[HPF]", "3", "1/[HPF]"},
		{"12", "ng/mL", "12", "ug/L"},
		{"1", "mL/min/{1.73_m2}", "0.06", "L/h"},
		// the body
		{"70", "kg", "11.0231131092438790", "[stone_av]"},
		{"1", "[lb_av]", "453.59237", "g"},
		{"1", "[oz_av]", "28.349523125", "g"},
		{"1", "[gr]", "64.79891", "mg"},
		{"6", "[ft_i]", "182.88", "cm"},
		{"1", "[mi_i]", "1.609344", "km"},
		{"25", "kg/m2", "0.0025", "kg/cm2"},
		{"120", "mm[Hg]", "15.99864", "kPa"},
		{"10", "cm[H2O]", "0.980665", "kPa"},
		{"72", "/min", "1.2", "Hz"},
		{"72", "{beats}/min", "1.2", "/s"},
		{"180", "deg", "3.1415926535897932", "rad"},
		{"1", "[diop]", "1", "m-1"},
		{"12", "[Ch]", "4", "mm"},
		{"37", "Cel", "310.15", "K"},
		{"37", "Cel", "98.6", "[degF]"},
		{"98.6", "[degF]", "37", "Cel"},
		{"-40", "[degF]", "-40", "Cel"},
		{"0", "K", "-459.67", "[degF]"},
		{"37000", "mCel", "37", "Cel"},
		// volumes, energy, dose, time
		{"1", "[pt_br]", "0.56826125", "l"},
		{"1", "[gal_us]", "3.785411784", "L"},
		{"1", "[tsp_us]", "4.92892159375", "mL"},
		{"1", "[foz_br]", "28.4130625", "ml"},
		{"1", "L", "1000", "cm3"},
		{"100", "[Cal]", "418.4", "kJ"},
		{"1", "Gy", "100", "RAD"},
		{"1", "mCi", "37", "MBq"},
		{"1", "Sv", "1", "m2/s2"},
		{"1", "[psi]", "6.8947572931683613", "kPa"},
		{"1", "wk", "168", "h"},
		{"1", "a", "12", "mo"},
		{"1", "a", "365.25", "d"},
		{"1", "KiBy", "8192", "bit"},
		// how a unit may be written
		{"1", "m.s-2", "1", "m/s2"},
		{"1", "m/s/s", "1", "m/(s.s)"},
		{"1", "kg.m/s2", "1", "N"},
		{"1", "(g/(m.(s)))", "0.001", "kg/m/s"},
		{"1", "/m", "1", "m-1"},
		{"1", "100.m", "1", "hm"},
		{"1", "10^3.g", "1", "kg"},
		{"1", "m+2", "10000", "cm2"},
		{"1", "g{dry}/L{plasma}", "1", "g/L"},
		{"1", "{}", "1", "1"},
		{"2", "day", "48", "hours"},
	} {
		from, ok := measureOf(c.from)
		to, ok2 := measureOf(c.to)
		if !ok || !ok2 || !from.comparable(to) {
			t.Errorf("%s and %s: %v %v", c.from, c.to, ok, ok2)
			continue
		}
		if got := converted(decimal.RequireFromString(c.value), from, to); !got.Equal(decimal.RequireFromString(c.want)) {
			t.Errorf("%s %s are %s %s, wanted %s", c.value, c.from, got, c.to, c.want)
		}
	}
}

// TestUnitsThatAreNone: what UCUM has no meaning for is unknown, and reading it ends.
func TestUnitsThatAreNone(t *testing.T) {
	for _, unit := range []string{
		"", " ", "kg ", "k g", "KG", "Kg", "mmHg", "ºC", "°C", "beats", "m2.", "/", "//m", "m..s", "m/", "(m", "m)", "()", "{", "m{a", "m{{a}}", "m}",
		"m0", "m-", "m--1", "2m", "m31", "m-31", "0", "00", "99999999999999999999", "[lb", "lb]", "kmin", "k[lb_av]", "mCel/s", "Cel2", "Cel.m", "/Cel", "m.Cel",
		strings.Repeat("(", 199) + "m", strings.Repeat("m.", 200) + "m", strings.Repeat("Ym30.", 30) + "m", "year", "months", "'m'",
	} {
		if m, ok := measureOf(unit); ok {
			t.Errorf("%q is read as %s", unit, m.factor.FloatString(3))
		}
	}
}

// TestQuantitiesMeet: =, ~ and < across units, and what the sums and products are.
func TestQuantitiesMeet(t *testing.T) {
	root := parsed(t, bundle)
	for _, c := range []struct{ src, want string }{
		{"37 'Cel' = 98.6 '[degF]'", "true"},
		{"37 'Cel' > 98 '[degF]'", "true"},
		{"(98.6 '[degF]').toQuantity('Cel')", "37 'Cel'"},
		{"38.5 'Cel' ~ 101.3 '[degF]'", "true"},
		{"5.5 'mmol/L' = 5500 'umol/L'", "true"},
		{"5.5 'mmol/L' != 5.4 'mmol/L'", "true"},
		{"1 'm2' = 1 'm.m'", "true"},
		{"50 '%' = 0.5", "true"},
		{"1 '{score}' = 1", "true"},
		// what cannot be compared is neither equal nor different nor in order
		{"1 'kg' = 1 'm'", ""},
		{"1 'kg' != 1 'm'", ""},
		{"1 'kg' < 1 'm'", ""},
		{"1 'kg' ~ 1 'm'", "false"},
		{"1 'kg' !~ 1 'm'", "true"},
		{"(1 'kg').comparable(1 'm') | (1 'kg').comparable(1 '[lb_av]')", "false true"},
		// an arbitrary unit and one that is not known compare with themselves
		{`1 '[iU]' = 1 '[arb\'U]'`, ""},
		{"2 '[iU]' > 1 '[IU]'", "true"},
		{"7 '[pH]' < 7.4 '[pH]'", "true"},
		{"7 '[pH]' = 7 'mol/L'", ""},
		{"2 'mmHg' > 1 'mmHg'", "true"},
		{"2 'mmHg' > 1 'mm[Hg]'", ""},
		{"2 'mmHg' = 2 'mmHg'", "true"},
		{"(1 'Ym9').toQuantity('m')", ""}, // more digits than a decimal has
		// sums take the finer unit, products make one
		{"1 'kg' + 1 '[oz_av]'", "36.2739619495804129 '[oz_av]'"},
		{"1 'kg' + 1 'm'", ""},
		{"37 'Cel' + 1 'K'", ""},
		{"37 'Cel' - 1 'Cel'", "36 'Cel'"},
		{"(80 'kg' / (2 'm' * 2 'm')) = 20 'kg/m2'", "true"},
		{"(10 'mg' / 2 'mL') = 5 'g/L'", "true"},
		{"1 'kg' / 0 'm'", ""},
		// the calendar: days and shorter are exact, months and years are not UCUM's
		{"1 day = 24 'h'", "true"},
		{"7 days = 1 'wk'", "true"},
		{"1 month = 1 'mo'", ""},
		{"1 month ~ 1 'mo'", "true"},
		{"12 months = 1 year", "true"},
		{"1 year > 1 'd'", ""},
		// many of them
		{"(1 'kg' | 1000 'g' | 1 'm' | 100 'cm' | 1 '%' | 0.01 | 1 day | 24 'h' | 1 'x' | 1 'x' | 1 'y' | 37 'Cel' | 310.15 'K' | 98.6 '[degF]').count()", "7"},
	} {
		e, err := Compile(c.src, Type(root.Type))
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := e.Eval(Context{}, root)
		if have := strings.Join(texts(got), " "); err != nil || have != c.want {
			t.Errorf("%s gives %q and %v, wanted %q", c.src, have, err, c.want)
		}
	}
}

// TestQuantitiesOfOtherSystems: a code means what its own system says.
func TestQuantitiesOfOtherSystems(t *testing.T) {
	root := parsed(t, `{"resourceType":"Observation","status":"final","code":{"text":"x"},
 "referenceRange":[{"low":{"value":1,"code":"m","system":"https://x.example/units"},"high":{"value":2,"code":"m","system":"https://x.example/units"}},
  {"low":{"value":1,"code":"m","system":"http://unitsofmeasure.org"},"high":{"value":200,"unit":"cm"}}]}`)
	for src, want := range map[string]string{
		"referenceRange[0].select(low < high)":                                      "true",
		"referenceRange[0].low = referenceRange[1].low":                             "",
		"referenceRange[0].low = 1 'm'":                                             "",
		"referenceRange[1].low = 100 'cm' and referenceRange[1].select(low < high)": "true",
	} {
		got, err := MustCompile(src, Type(root.Type)).Eval(Context{}, root)
		if have := strings.Join(texts(got), " "); err != nil || have != want {
			t.Errorf("%s gives %q and %v, wanted %q", src, have, err, want)
		}
	}
}

// TestUnitsOfMeasureAreKeptWithinLimits: units that are made up as one goes are read
// every time and not remembered without end.
func TestUnitsOfMeasureAreKeptWithinLimits(t *testing.T) {
	for i := range 5 * maxUnitsKnown {
		if _, ok := measureOf(decimal.NewFromInt(int64(i+1)).String() + ".m"); !ok {
			t.Fatal(i)
		}
	}
	measures.RLock()
	defer measures.RUnlock()
	if n := len(measures.known); n > maxUnitsKnown {
		t.Errorf("%d units are kept", n)
	}
}
