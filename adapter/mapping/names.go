package mapping

import (
	"strconv"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// keywords of the mapping language: as a name they are written in backticks.
var keywords = words("map uses alias as imports group extends types type source target queried produced conceptmap prefix unmapped for let default where check log then share first not_first last not_last only_one single collate true false provided")

func words(list string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(list) {
		out[w] = true
	}
	return out
}

// plainName reports whether a name can stand without backticks where no keyword can.
func plainName(name string) bool {
	for i := range len(name) {
		if !letter(name[i]) && (i == 0 || !digit(name[i])) {
			return false
		}
	}
	return name != ""
}

// written is a name as the mapping language writes it.
func written(name string) string {
	if plainName(name) && !keywords[name] {
		return name
	}
	return quote(name, '`')
}

// member is the name of an element after a dot, where no keyword can stand.
func member(name string) string {
	if plainName(name) {
		return name
	}
	return quote(name, '`')
}

// quote writes a text between quotes, with the escapes of FHIRPath.
// Source: http://hl7.org/fhirpath/N1/#string.
func quote(text string, q byte) string {
	var b strings.Builder
	b.WriteByte(q)
	for i := range len(text) {
		switch c := text[i]; {
		case c == q || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ':
			b.WriteString(`\u00` + strconv.FormatUint(uint64(c>>4), 16) + strconv.FormatUint(uint64(c&15), 16))
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte(q)
	return b.String()
}

// trimmed is an expression from its first to its last token. Errors: structure for what
// cannot stand between brackets in a map.
func trimmed(text string) (string, *issue.Error) {
	f := newFile("", text)
	tokens, err := scan(f)
	if err != nil {
		e := *issue.All(err)[0]
		e.Details = strings.TrimPrefix(e.Details, ": ")
		return "", &e
	}
	var open []string
	first, last := -1, 0
	for i, t := range tokens {
		if t.kind == end || t.kind == statement {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
		if t.kind != mark {
			continue
		}
		switch close := brackets[t.value]; {
		case close != "":
			if open = append(open, close); len(open) > maxExpression {
				return "", issue.Newf(issue.Structure, "map-syntax", "brackets are nested more than %d deep", maxExpression)
			}
		case t.value == ")" || t.value == "]" || t.value == "}":
			if len(open) == 0 || open[len(open)-1] != t.value {
				return "", issue.Newf(issue.Structure, "map-syntax", "expected no %s, which closes nothing", t.value)
			}
			open = open[:len(open)-1]
		}
	}
	switch {
	case first < 0:
		return "", issue.New(issue.Structure, "map-syntax", "expected an expression")
	case len(open) > 0:
		return "", issue.Newf(issue.Structure, "map-syntax", "expected %s at the end", open[len(open)-1])
	}
	return text[tokens[first].start:tokens[last].stop], nil
}

// decimalText is a JSON number in digits alone: the mapping language has no exponents.
func decimalText(number string) (string, bool) {
	mantissa, exponent := number, ""
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		mantissa, exponent = number[:i], strings.TrimPrefix(number[i+1:], "+")
	}
	negative := strings.HasPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	shift := 0
	if exponent != "" {
		var err error
		if shift, err = strconv.Atoi(exponent); err != nil || shift > 400 || shift < -400 {
			return "", false
		}
	}
	for ; shift > 0; shift-- {
		if fraction == "" {
			whole += "0"
		} else {
			whole, fraction = whole+fraction[:1], fraction[1:]
		}
	}
	for ; shift < 0; shift++ {
		if whole == "" {
			fraction = "0" + fraction
		} else {
			whole, fraction = whole[:len(whole)-1], whole[len(whole)-1:]+fraction
		}
	}
	if whole == "" {
		whole = "0"
	}
	out := plain(whole)
	if fraction != "" {
		out += "." + fraction
	}
	if negative {
		out = "-" + out
	}
	return out, len(out) <= 800
}

// The extensions that carry what an R4 StructureMap cannot say.
const (
	extensionBase       = "https://spadapter.example/fhir/StructureDefinition/"
	extensionName       = extensionBase + "map-name"       // the name, where it is no id
	extensionExpression = extensionBase + "map-expression" // the text beside it is FHIRPath
	extensionLiteral    = extensionBase + "map-literal"    // the literal that a call passes
	extensionConstant   = extensionBase + "map-constant"   // let name = value
	extensionAbout      = extensionBase + "map-about"      // key=value of a /// line
	extensionEmpty      = extensionBase + "map-empty"      // stands for no rule at all
)

// extensions are the values of the extensions of n with that url.
func extensions(n *fhir.Node, url string) []*fhir.Node {
	var out []*fhir.Node
	for _, x := range n.All("extension") {
		if v := x.Child("value"); v != nil && x.Text("url") == url {
			out = append(out, v)
		}
	}
	return out
}

// extension is the first of them, nil when there is none.
func extension(n *fhir.Node, url string) *fhir.Node {
	for _, v := range extensions(n, url) {
		return v
	}
	return nil
}
