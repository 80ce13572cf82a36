package directory

import (
	"html"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The most characters that are kept of a text.
const (
	maxName = 500
	maxText = 20_000
)

// plain makes plain text of what feeds send: markup is taken out, with blocks and breaks
// as new lines and whatever is in a script or style left out, and so are control
// characters. Markup that was escaped stays text, which nobody must take for markup.
func plain(text string, most int) string {
	if strings.ContainsAny(text, "<&") {
		text = html.UnescapeString(unmarked(text))
	}
	var b strings.Builder
	b.Grow(len(text))
	blank, lines, count := false, 0, 0
	for _, r := range text {
		switch {
		case r == '\n' || r == '\u2028' || r == '\u2029':
			lines++
		case unicode.IsSpace(r):
			blank = true
		case unicode.IsControl(r) || r == utf8.RuneError || r == '\uFEFF' || r >= '\u202A' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069':
			// left out: no character of a text, or one that turns its direction
		default:
			if b.Len() > 0 {
				switch {
				case lines > 1:
					b.WriteString("\n\n")
				case lines == 1:
					b.WriteByte('\n')
				case blank:
					b.WriteByte(' ')
				}
			}
			blank, lines = false, 0
			if count++; count > most {
				b.WriteRune('…')
				return b.String()
			}
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unmarked takes tags and comments out. A "<" that begins neither is text.
func unmarked(text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "<")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if strings.HasPrefix(rest, "!--") {
			_, text, _ = strings.Cut(rest, "-->")
			continue
		}
		name := tagName(rest)
		if name == "" {
			b.WriteByte('<')
			text = rest
			continue
		}
		_, text, _ = strings.Cut(rest, ">")
		switch name {
		case "script", "style":
			end := strings.Index(strings.ToLower(text), "</"+name)
			if end < 0 {
				return b.String()
			}
			text = text[end:]
		case "br", "/p", "/div", "/li", "/ul", "/ol", "/tr", "/h1", "/h2", "/h3", "/h4", "p", "li":
			b.WriteByte('\n')
		default:
			b.WriteByte(' ')
		}
	}
}

// tagName gives the name of the tag that text goes on with after its "<", with its "/",
// in lower case; "" when it is no tag.
func tagName(text string) string {
	end := 0
	for end < len(text) && end < 20 {
		c := text[end]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '!' && end == 0 || c == '/' && end == 0 || c >= '0' && c <= '9' && end > 0 {
			end++
			continue
		}
		break
	}
	if end == 0 || text[:end] == "/" {
		return ""
	}
	return strings.ToLower(text[:end])
}

// webAddress gives an http or https URL, "" for any other text.
func webAddress(text string) string {
	text = strings.TrimSpace(text)
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(text) > 2048 || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '<' || r == '"' }) {
		return ""
	}
	return text
}

// words takes a text apart into words in lower case and singular, as phrases and
// searches compare them.
func words(text string) []string {
	list := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	for i, w := range list {
		if n := len(w); n > 3 && w[n-1] == 's' && w[n-2] != 's' && w[n-2] != 'u' && w[n-2] != 'i' {
			list[i] = w[:n-1]
		}
	}
	return list
}

// fold is the form in which names are sorted and compared.
func fold(name string) string { return strings.Join(strings.Fields(strings.ToLower(name)), " ") }
