package fhirpath

import (
	"math/big"
	"strconv"
	"strings"
)

// A measure is what a unit stands for: a factor times a product of base dimensions.
// An arbitrary unit of UCUM, such as [iU], and a unit with an offset, such as Cel, is
// a dimension of its own here: it can be compared with itself only.
//
// Source: https://ucum.org/ucum, tables 1 to 6; the units that health records of this
// program's users hold, not all of UCUM.
type measure struct {
	factor *big.Rat
	powers map[string]int
}

// prefixes are the metric prefixes by power of ten, UCUM section 27.
var prefixes = map[string]int{
	"Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
	"d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}

// atoms are the units by what they are made of; a metric unit takes prefixes.
var atoms = map[string]struct {
	factor string
	of     string // "" for a base dimension
	metric bool
}{
	"m": {"1", "", true}, "g": {"1", "", true}, "s": {"1", "", true}, "K": {"1", "", true},
	"C": {"1", "", true}, "cd": {"1", "", true}, "rad": {"1", "", true}, "Cel": {"1", "", true},
	"[degF]": {"1", "", false}, "[iU]": {"1", "", true}, "[arb'U]": {"1", "", false}, "[pH]": {"1", "", false},

	"min": {"60", "s", false}, "h": {"3600", "s", false}, "d": {"86400", "s", false},
	"wk": {"604800", "s", false}, "mo": {"2629800", "s", false}, "a": {"31557600", "s", false},

	"10*": {"10", "1", false}, "10^": {"10", "1", false}, "%": {"1/100", "1", false},
	"[ppm]": {"1/1000000", "1", false}, "mol": {"602213670000000000000000", "1", true},
	"eq": {"1", "mol", true}, "osm": {"1", "mol", true}, "kat": {"1", "mol/s", true},
	"U": {"1/60000000", "mol/s", true},

	"l": {"1/1000", "m3", true}, "L": {"1/1000", "m3", true}, "ar": {"100", "m2", true}, "t": {"1000000", "g", true},
	"N": {"1000", "g.m/s2", true}, "Pa": {"1", "N/m2", true}, "bar": {"100000", "Pa", true},
	"J": {"1", "N.m", true}, "W": {"1", "J/s", true}, "Hz": {"1", "s-1", true},
	"A": {"1", "C/s", true}, "V": {"1", "J/C", true}, "cal": {"4.184", "J", true}, "[Cal]": {"1000", "cal", false},
	"m[Hg]": {"133322", "Pa", true}, "m[H2O]": {"9806.65", "Pa", true},

	"[in_i]": {"0.0254", "m", false}, "[ft_i]": {"0.3048", "m", false}, "[yd_i]": {"0.9144", "m", false},
	"[mi_i]": {"1609.344", "m", false}, "[lb_av]": {"453.59237", "g", false}, "[oz_av]": {"28.349523125", "g", false},
	"[stone_av]": {"6350.29318", "g", false}, "[pt_br]": {"0.00056826125", "m3", false},
}

// measureOf reads a UCUM unit or a calendar word; ok is false for one it does not know.
func measureOf(unit string) (measure, bool) {
	if word, found := calendar[unit]; found {
		if unit = word.ucum; unit == "" {
			return measure{}, false
		}
	}
	if len(unit) > 64 {
		return measure{}, false
	}
	p := &unitParser{src: unit}
	m, ok := p.term()
	return m, ok && p.src == ""
}

func (m measure) times(n measure, power int) measure {
	out := measure{factor: new(big.Rat).Set(m.factor), powers: map[string]int{}}
	for k, v := range m.powers {
		out.powers[k] = v
	}
	f := new(big.Rat).Set(n.factor)
	if power < 0 {
		f.Inv(f)
	}
	for i := power; i != 0; i -= sign(int64(power)) {
		out.factor.Mul(out.factor, f)
	}
	for k, v := range n.powers {
		if out.powers[k] += v * power; out.powers[k] == 0 {
			delete(out.powers, k)
		}
	}
	return out
}

func (m measure) comparable(n measure) bool {
	if len(m.powers) != len(n.powers) {
		return false
	}
	for k, v := range m.powers {
		if n.powers[k] != v {
			return false
		}
	}
	return true
}

type unitParser struct{ src string }

var one = measure{factor: big.NewRat(1, 1)}

func (p *unitParser) term() (measure, bool) {
	m := one
	power := 1
	if strings.HasPrefix(p.src, "/") {
		p.src, power = p.src[1:], -1
	}
	for {
		c, ok := p.component()
		if !ok {
			return m, false
		}
		m = m.times(c, power)
		switch {
		case strings.HasPrefix(p.src, "."):
			power = 1
		case strings.HasPrefix(p.src, "/"):
			power = -1
		default:
			return m, true
		}
		p.src = p.src[1:]
	}
}

func (p *unitParser) component() (measure, bool) {
	m, ok := one, true
	switch {
	case strings.HasPrefix(p.src, "("):
		p.src = p.src[1:]
		if m, ok = p.term(); !ok || !strings.HasPrefix(p.src, ")") {
			return m, false
		}
		p.src = p.src[1:]
	case strings.HasPrefix(p.src, "{"):
	default:
		if m, ok = p.atom(); !ok {
			return m, false
		}
	}
	if strings.HasPrefix(p.src, "{") { // an annotation means nothing
		end := strings.IndexByte(p.src, '}')
		if end < 0 {
			return m, false
		}
		p.src = p.src[end+1:]
	}
	return m, true
}

func (p *unitParser) atom() (measure, bool) {
	end := 0
	for bracket := false; end < len(p.src); end++ {
		c := p.src[end]
		if bracket = c == '[' || bracket && c != ']'; !bracket && strings.IndexByte("./(){}", c) >= 0 {
			break
		}
	}
	text := p.src[:end]
	p.src = p.src[end:]
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return measure{factor: big.NewRat(int64(n), 1)}, true
	}
	name := strings.TrimRight(text, "0123456789")
	if strings.HasSuffix(name, "-") || strings.HasSuffix(name, "+") {
		name = name[:len(name)-1]
	}
	power := 1
	if len(name) < len(text) {
		n, err := strconv.Atoi(text[len(name):])
		if err != nil || n == 0 || n > 9 || n < -9 {
			return one, false
		}
		power = n
	}
	m, ok := unitAtom(name)
	if !ok {
		return one, false
	}
	return one.times(m, power), true
}

func unitAtom(name string) (measure, bool) {
	tens := 0
	a, found := atoms[name]
	for n := 1; n <= 2 && !found && n < len(name); n++ {
		if p, ok := prefixes[name[:n]]; ok {
			if a, found = atoms[name[n:]]; found && a.metric {
				tens, name = p, name[n:]
			} else {
				found = false
			}
		}
	}
	if !found {
		return one, false
	}
	m := measure{factor: big.NewRat(1, 1), powers: map[string]int{name: 1}}
	if a.of != "" {
		m, found = measureOf(a.of)
	}
	f, _ := new(big.Rat).SetString(a.factor)
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(tens, -tens))), nil))
	if tens < 0 {
		scale.Inv(scale)
	}
	m.factor = new(big.Rat).Mul(m.factor, f.Mul(f, scale))
	return m, found
}
