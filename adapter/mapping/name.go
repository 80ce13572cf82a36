package mapping

import (
	"strconv"
	"strings"
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
