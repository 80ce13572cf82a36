package fhirpath

import (
	"math/big"
	"strconv"
	"strings"
	"sync"
)

// A measure is what a unit stands for: a factor times a product of dimensions. It is
// shared and never written to.
//
// Source: https://ucum.org/ucum, sections 2 to 26.
type measure struct {
	factor *big.Rat
	powers map[string]int // by dimension; none for a number
	offset *big.Rat       // of a temperature scale that stands alone; nil for all others
}

const (
	maxUnit       = 200  // bytes of a unit; a longer one is unknown
	maxUnitPower  = 30   // exponent in a unit
	maxUnitBits   = 2048 // of the numerator and denominator of its factor
	maxUnitsKnown = 1024 // units of which the measure is kept
)

var one = measure{factor: big.NewRat(1, 1)}

// measures keeps the units that were read. Records write few; once it is full,
// whoever makes more up has them read every time.
var measures struct {
	sync.RWMutex
	known map[string]measure // factor is nil for what is no unit
}

// measureOf reads a UCUM unit or a calendar word; ok is false for one it does not
// know, which compares with itself only.
func measureOf(unit string) (m measure, ok bool) {
	if word, found := calendar[unit]; found {
		if unit = word.ucum; unit == "" {
			return measure{}, false
		}
	}
	if len(unit) > maxUnit {
		return measure{}, false
	}
	measures.RLock()
	m, found := measures.known[unit]
	measures.RUnlock()
	if found {
		return m, m.factor != nil
	}
	p := &unitParser{src: unit}
	if m, ok = p.main(); !ok {
		m = measure{}
	}
	measures.Lock()
	if measures.known == nil {
		measures.known = map[string]measure{}
	}
	if len(measures.known) < maxUnitsKnown {
		measures.known[strings.Clone(unit)] = m
	}
	measures.Unlock()
	return m, ok
}

// measure is measureOf, of which the work is counted.
func (s *state) measure(unit string) (measure, bool) {
	s.steps -= 8 + 2*min(len(unit), maxUnit)
	return measureOf(unit)
}

// times is m times n to a power. ok is false for a factor without end, and where a
// temperature scale is multiplied with anything but a number: UCUM gives that no meaning.
func (m measure) times(n measure, power int) (out measure, ok bool) {
	if n.offset != nil && (power != 1 || len(m.powers) > 0 || m.offset != nil) ||
		m.offset != nil && len(n.powers) > 0 {
		return m, false
	}
	out = measure{factor: new(big.Rat).Mul(m.factor, raised(n.factor, power)), powers: make(map[string]int, len(m.powers)+len(n.powers))}
	if out.offset = m.offset; n.offset != nil {
		out.offset = n.offset
	}
	for k, v := range m.powers {
		out.powers[k] = v
	}
	for k, v := range n.powers {
		if out.powers[k] += v * power; out.powers[k] == 0 {
			delete(out.powers, k)
		}
	}
	return out, out.factor.Num().BitLen() <= maxUnitBits && out.factor.Denom().BitLen() <= maxUnitBits
}

// raised is a factor, which is never zero, to a power of at most maxUnitPower.
func raised(f *big.Rat, power int) *big.Rat {
	e := big.NewInt(int64(max(power, -power)))
	num, denom := new(big.Int).Exp(f.Num(), e, nil), new(big.Int).Exp(f.Denom(), e, nil)
	if power < 0 {
		num, denom = denom, num
	}
	return new(big.Rat).SetFrac(num, denom)
}

// base is a value of the unit in the base units.
func (m measure) base(value *big.Rat) *big.Rat {
	out := new(big.Rat).Mul(value, m.factor)
	if m.offset != nil {
		out.Add(out, m.offset)
	}
	return out
}

// from is a value in the base units in the unit.
func (m measure) from(base *big.Rat) *big.Rat {
	out := base
	if m.offset != nil {
		out = new(big.Rat).Sub(base, m.offset)
	}
	return new(big.Rat).Quo(out, m.factor)
}

// comparable reports whether two units measure the same.
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

// unitParser reads a unit from left to right: units with '.' and '/' between, of which
// both bind alike. Its depth is that of the brackets, which maxUnit bounds.
type unitParser struct{ src string }

func (p *unitParser) main() (measure, bool) {
	m, ok := p.term()
	return m, ok && p.src == ""
}

func (p *unitParser) term() (measure, bool) {
	m, power := one, 1
	if p.took("/") {
		power = -1
	}
	for {
		c, ok := p.component()
		if !ok {
			return m, false
		}
		if m, ok = m.times(c, power); !ok {
			return m, false
		}
		switch {
		case p.took("."):
			power = 1
		case p.took("/"):
			power = -1
		default:
			return m, true
		}
	}
}

// took moves over a symbol where it stands next.
func (p *unitParser) took(symbol string) bool {
	rest, ok := strings.CutPrefix(p.src, symbol)
	p.src = rest
	return ok
}

// component reads (term), a number or a symbol with its exponent, and an annotation.
func (p *unitParser) component() (m measure, ok bool) {
	switch {
	case p.took("("):
		if m, ok = p.term(); !ok || !p.took(")") {
			return m, false
		}
	case strings.HasPrefix(p.src, "{"): // an annotation alone is the unit 1
		m = one
	default:
		if m, ok = p.symbol(); !ok {
			return m, false
		}
	}
	if p.took("{") {
		var text string
		text, p.src, ok = strings.Cut(p.src, "}")
		if !ok || strings.Contains(text, "{") {
			return m, false
		}
	}
	return m, true
}

func (p *unitParser) symbol() (measure, bool) {
	end := 0
	for inside := false; end < len(p.src); end++ {
		c := p.src[end]
		if c <= ' ' || c > '~' {
			return one, false
		}
		if inside = c == '[' || inside && c != ']'; !inside && strings.IndexByte("./(){}", c) >= 0 {
			break
		}
	}
	text := p.src[:end]
	p.src = p.src[end:]
	if text != "" && strings.Trim(text, "0123456789") == "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n == 0 {
			return one, false
		}
		return measure{factor: big.NewRat(n, 1)}, true
	}
	name := strings.TrimRight(text, "0123456789")
	exponent := text[len(name):]
	power := 1
	if exponent != "" {
		if n := len(name); n > 0 && (name[n-1] == '-' || name[n-1] == '+') {
			name, exponent = name[:n-1], text[n-1:]
		}
		n, err := strconv.Atoi(exponent)
		if err != nil || n == 0 || n > maxUnitPower || n < -maxUnitPower {
			return one, false
		}
		power = n
	}
	m, ok := unitOf(name)
	if !ok {
		return one, false
	}
	return one.times(m, power)
}

// unitOf looks a symbol up, as it stands first and then with a prefix.
func unitOf(name string) (measure, bool) {
	a, found := atoms[name]
	scale := "1"
	for n := 1; n <= 2 && n < len(name) && !found; n++ {
		var isPrefix bool
		if scale, isPrefix = prefixes[name[:n]]; isPrefix {
			if a, found = atoms[name[n:]]; found && a.metric {
				name = name[n:]
			} else {
				found = false
			}
		}
	}
	if !found {
		return one, false
	}
	m := measure{factor: rational(scale)}
	if a.of == "" {
		m.powers = map[string]int{name: 1}
		return m, true
	}
	of, ok := measureOf(a.of)
	if !ok {
		return one, false
	}
	m.factor.Mul(m.factor, rational(a.factor))
	m.factor.Mul(m.factor, of.factor)
	m.powers = of.powers
	if a.offset != "" {
		m.offset = rational(a.offset)
	}
	return m, true
}

// rational reads a number of the tables above.
func rational(text string) *big.Rat {
	r, _ := new(big.Rat).SetString(text)
	return r
}

// Unit reports whether text is a unit of UCUM that is known here. One that is not known
// may still be one: what no health record holds is left out.
// Source: https://ucum.org/ucum.
func Unit(text string) bool {
	if _, word := calendar[text]; word { // "day" is a word of FHIRPath; UCUM writes "d"
		return false
	}
	_, ok := measureOf(text)
	return ok
}
