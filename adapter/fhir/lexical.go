package fhir

import (
	"strings"
	"time"
)

// lexical says whether text is a legal value of each primitive, written by hand where
// the standard's regular expression would be slow. A test holds every function
// against the pattern that the type system states.
//
// Source: http://hl7.org/fhir/R4/datatypes.html#primitive.
var lexical = map[string]func(text string) bool{
	"boolean":      func(s string) bool { return s == "true" || s == "false" },
	"string":       isString,
	"markdown":     isString,
	"xhtml":        isXHTML,
	"uri":          isURI,
	"url":          isURI,
	"canonical":    isURI,
	"oid":          isOID,
	"uuid":         isUUID,
	"code":         isCode,
	"id":           isID,
	"base64Binary": isBase64,
	"decimal":      isDecimal,
	"integer":      func(s string) bool { return isInteger(s, true) },
	"unsignedInt":  func(s string) bool { return isInteger(s, false) },
	"positiveInt":  func(s string) bool { return isInteger(s, false) && s != "0" },
	"date":         func(s string) bool { p, ok := datePart(s); return ok && p == len(s) },
	"dateTime":     isDateTime,
	"instant":      isInstant,
	"time":         func(s string) bool { p, ok := timePart(s); return ok && p == len(s) },
}

// isString: no control characters but TAB, CR and LF.
// Source: http://hl7.org/fhir/R4/datatypes.html#string.
func isString(s string) bool {
	return strings.TrimSpace(s) != "" && len(s) <= 1<<20 && !controls(s, true)
}

// controls reports whether s holds a character below U+0020, TAB, CR and LF excepted
// where they are allowed.
func controls(s string, layout bool) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && !(layout && (c == '\t' || c == '\n' || c == '\r')) {
			return true
		}
	}
	return false
}

func isXHTML(s string) bool {
	if s = strings.TrimSpace(s); controls(s, true) || !entities(s) {
		return false
	}
	return strings.HasPrefix(s, "<div") && (strings.HasSuffix(s, "</div>") || strings.HasSuffix(s, "/>"))
}

// entities reports whether every & starts one of the five entities of XML or a character
// reference: XHTML without a DTD knows no others.
// Source: http://hl7.org/fhir/R4/narrative.html#xhtml, https://www.w3.org/TR/xml/#sec-predefined-ent.
func entities(s string) bool {
	for {
		at := strings.IndexByte(s, '&')
		if at < 0 {
			return true
		}
		s = s[at+1:]
		name, _, ok := strings.Cut(s[:min(len(s), 12)], ";")
		if !ok {
			return false
		}
		switch digits, numeric := strings.CutPrefix(name, "#"); {
		case numeric && digits != "" && strings.Trim(digits, "0123456789") == "":
		case numeric && len(digits) > 1 && digits[0] == 'x' && strings.Trim(digits[1:], "0123456789abcdefABCDEF") == "":
		case name == "amp" || name == "lt" || name == "gt" || name == "quot" || name == "apos":
		default:
			return false
		}
	}
}

// isURI: a URN that names a UUID or an OID has its form, in either case, before any
// fragment.
// Source: http://hl7.org/fhir/R4/datatypes.html#uri.
func isURI(s string) bool {
	if s == "" || strings.IndexByte(s, ' ') >= 0 || controls(s, false) {
		return false
	}
	if !strings.HasPrefix(s, "urn:") {
		return true
	}
	s, _, _ = strings.Cut(s, "#")
	if rest, ok := strings.CutPrefix(s, "urn:uuid:"); ok {
		return uuidForm(rest, true)
	}
	return !strings.HasPrefix(s, "urn:oid:") || isOID(s)
}

// isDecimal takes any JSON number, in XML too, that every party to an exchange can keep: the digits
// of the widest decimal type in common use. The standard sets no most.
func isDecimal(s string) bool {
	if !isNumber(s) {
		return false
	}
	mantissa, exponent := s, ""
	if at := strings.IndexAny(s, "eE"); at >= 0 {
		mantissa, exponent = s[:at], strings.TrimLeft(s[at+1:], "+-0")
	}
	mantissa = strings.TrimPrefix(strings.TrimPrefix(mantissa, "-"), "0.")
	return len(mantissa)-strings.Count(mantissa, ".") <= 28 && len(exponent) <= 3
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == '\f' }

func isOID(s string) bool {
	rest, ok := strings.CutPrefix(s, "urn:oid:")
	if !ok || rest == "" || rest[0] < '0' || rest[0] > '2' {
		return false
	}
	parts := strings.Split(rest, ".")
	for i, part := range parts {
		if part == "" || len(part) > 1 && part[0] == '0' || i == 0 && len(part) > 1 || strings.Trim(part, "0123456789") != "" {
			return false
		}
	}
	return len(parts) > 1
}

func isUUID(s string) bool {
	rest, ok := strings.CutPrefix(s, "urn:uuid:")
	return ok && uuidForm(rest, false)
}

// uuidForm reports whether s has the form 8-4-4-4-12 in hexadecimal digits.
func uuidForm(s string, upper bool) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || upper && c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// isCode: no white space but single spaces inside.
// Source: http://hl7.org/fhir/R4/datatypes.html#code.
func isCode(s string) bool {
	return s != "" && s[0] != ' ' && s[len(s)-1] != ' ' && !strings.Contains(s, "  ") && !controls(s, false)
}

func isID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return true
}

func isBase64(s string) bool {
	digits, padding := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case base64Digits[c]: // first: nearly all
			if digits++; padding > 0 {
				return false
			}
		case c == '=':
			padding++
		case isBlank(rune(c)):
		default:
			return false
		}
	}
	return digits > 0 && padding <= 2 && (digits+padding)%4 == 0
}

var base64Digits = func() (is [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		is[c] = true
	}
	return is
}()

// isNumber: what JSON writes as a number.
func isNumber(s string) bool {
	p := parser{src: s}
	return p.number() && p.pos == len(s)
}

func isInteger(s string, negative bool) bool {
	digits := s
	if negative {
		digits = strings.TrimPrefix(s, "-")
	}
	if digits == "" || len(digits) > 10 || len(digits) > 1 && digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return false
	}
	limit := "2147483647"
	if len(digits) < len(s) {
		limit = "2147483648"
	}
	return len(digits) < 10 || digits <= limit
}

// digitsAt reads exactly n digits at i; -1 when they are not there.
func digitsAt(s string, i, n int) int {
	if i+n > len(s) {
		return -1
	}
	v := 0
	for ; n > 0; i, n = i+1, n-1 {
		if s[i] < '0' || s[i] > '9' {
			return -1
		}
		v = v*10 + int(s[i]-'0')
	}
	return v
}

// datePart reads YYYY, YYYY-MM or YYYY-MM-DD at the start of s and gives where it ends.
func datePart(s string) (end int, ok bool) {
	year := digitsAt(s, 0, 4)
	if year < 1 {
		return 0, false
	}
	if len(s) == 4 || s[4] != '-' {
		return 4, true
	}
	month := digitsAt(s, 5, 2)
	if month < 1 || month > 12 {
		return 0, false
	}
	if len(s) == 7 || s[7] != '-' {
		return 7, true
	}
	day := digitsAt(s, 8, 2)
	last := time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return 10, day >= 1 && day <= last
}

// timePart reads hh:mm:ss with an optional fraction at the start of s.
func timePart(s string) (end int, ok bool) {
	if len(s) < 8 || s[2] != ':' || s[5] != ':' {
		return 0, false
	}
	h, m, sec := digitsAt(s, 0, 2), digitsAt(s, 3, 2), digitsAt(s, 6, 2)
	if h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec > 60 {
		return 0, false
	}
	end = 8
	if end < len(s) && s[end] == '.' {
		from := end + 1
		for end = from; end < len(s) && s[end] >= '0' && s[end] <= '9'; end++ {
		}
		return end, end > from
	}
	return end, true
}

// offsetPart says whether s is Z or an offset of at most 14 hours.
func offsetPart(s string) bool {
	if s == "Z" {
		return true
	}
	if len(s) != 6 || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return false
	}
	h, m := digitsAt(s, 1, 2), digitsAt(s, 4, 2)
	return h >= 0 && m >= 0 && m < 60 && (h < 14 || h == 14 && m == 0)
}

func isDateTime(s string) bool {
	end, ok := datePart(s)
	if !ok || end == len(s) {
		return ok
	}
	return end == 10 && isInstant(s)
}

func isInstant(s string) bool {
	end, ok := datePart(s)
	if !ok || end != 10 || len(s) < 12 || s[10] != 'T' {
		return false
	}
	n, ok := timePart(s[11:])
	return ok && offsetPart(s[11+n:])
}
