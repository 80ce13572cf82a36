package fhirpath

import (
	"html"
	"slices"
	"strings"
	"unicode"
)

const xhtmlNamespace = "http://www.w3.org/1999/xhtml"

// What a narrative may hold: basic formatting, no script, form, frame or style sheet.
// Source: http://hl7.org/fhir/R4/narrative.html#Narrative, rules txt-1 and txt-2.
// Links and pictures are narrower than the rules: whoever displays a narrative must
// neither run nor fetch anything by it.
// Source: http://hl7.org/fhir/R4/narrative.html#security.
var (
	htmlElements = words(`a abbr acronym b big blockquote br caption cite code col colgroup
		dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img li ol p pre q samp small span strong
		sub sup table tbody td tfoot th thead tr tt ul var`)
	htmlAttributes = words(`abbr accesskey align alt axis bgcolor border cellhalign cellpadding
		cellspacing cellvalign char charoff charset cite class colspan compact coords dir frame
		headers height href hreflang hspace id lang longdesc name nowrap rel rev rowspan rules
		scope shape span src start style summary tabindex title type valign value vspace width
		xmlns xml:lang xml:space`)
	// XML knows five entities; the standard allows those of HTML 4 too, of which these
	// are the ones that occur
	htmlEntities = words(`amp lt gt quot apos nbsp copy reg trade deg plusmn micro middot
		frac12 frac14 frac34 pound euro sect para laquo raquo lsquo rsquo ldquo rdquo ndash
		mdash bull hellip larr rarr times divide le ge ne eacute egrave agrave ccedil uuml ouml auml`)
	htmlSchemes = []string{"http", "https", "mailto", "tel"}
	// what a style sheet can run or fetch with, url( apart
	htmlStyles = []string{"expression", "javascript", "vbscript", "-moz-binding", "behavior:", "@import", "image-set(", "src(", "\\", "/*"}
)

func words(text string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(text) {
		out[w] = true
	}
	return out
}

// htmlChecks is htmlChecks() of FHIR: every item is well-formed XHTML in one div of its
// namespace, of the elements, attributes and links above, and says something.
func htmlChecks(s *state, items []Value) (truth, error) {
	for _, v := range items {
		if v = s.system(v); v.kind != String {
			return no, nil
		}
		if err := s.spend(1 + len(v.text)/32); err != nil {
			return no, err
		}
		c := htmlChecker{src: v.text}
		if !c.check() {
			return no, nil
		}
	}
	return yes, nil
}

// NarrativeFault says what htmlChecks() has against the XHTML of a narrative, in words that
// hold nothing of it, and what of it they are about; "" when there is nothing.
func NarrativeFault(div string) (words, got string) {
	c := htmlChecker{src: div}
	c.check()
	return c.why, c.got
}

// htmlChecker reads XHTML once, from left to right.
type htmlChecker struct {
	src   string
	pos   int
	open  []string
	says  bool // text or a picture was met
	roots int
	named bool // the div has the namespace

	why, got string // the first fault: in our words, and the sender's
}

// fault keeps what is wrong, and is always false.
func (c *htmlChecker) fault(why, got string) bool {
	if c.why == "" {
		c.why, c.got = why, got[:min(len(got), 40)]
	}
	return false
}

func (c *htmlChecker) check() bool {
	for c.pos < len(c.src) {
		next := strings.IndexByte(c.src[c.pos:], '<')
		if next < 0 {
			next = len(c.src) - c.pos
		}
		if !c.text(c.src[c.pos : c.pos+next]) {
			return false
		}
		if c.pos += next; c.pos < len(c.src) && !c.markup() {
			return false
		}
	}
	switch {
	case len(c.open) > 0:
		return c.fault("an element is not closed", "<"+c.open[len(c.open)-1]+">")
	case c.roots != 1:
		return c.fault("it must be one div", "")
	case !c.named:
		return c.fault(`its div needs xmlns="`+xhtmlNamespace+`"`, "")
	case !c.says:
		return c.fault("it says nothing: it needs text or a picture", "")
	}
	return true
}

// text checks characters between tags: none outside the div, entities that XML knows.
func (c *htmlChecker) text(text string) bool {
	if strings.TrimSpace(text) != "" {
		if len(c.open) == 0 {
			return c.fault("there is text outside its div", "")
		}
		c.says = true
	}
	return entities(text) || c.fault("an & begins no character that is allowed: write &amp; or a reference such as &#160;", "")
}

func entities(text string) bool {
	for {
		at := strings.IndexByte(text, '&')
		if at < 0 {
			return true
		}
		end := strings.IndexByte(text[at:], ';')
		if end < 2 {
			return false
		}
		name := text[at+1 : at+end]
		if name[0] == '#' {
			digits, allowed := name[1:], "0123456789"
			if hex, ok := strings.CutPrefix(digits, "x"); ok {
				digits, allowed = hex, "0123456789abcdefABCDEF"
			}
			if digits == "" || strings.Trim(digits, allowed) != "" {
				return false
			}
		} else if !htmlEntities[name] {
			return false
		}
		text = text[at+end+1:]
	}
}

// endsAlike reports whether a comment with that text ends at the same place in XML and
// in HTML, where <!--> and <!---> are whole comments and --!> ends one: a browser must
// not run what we passed over. XML allows no -- in a comment.
// Source: https://html.spec.whatwg.org/multipage/parsing.html#comment-start-state.
func endsAlike(text string) bool {
	return !strings.HasPrefix(text, ">") && !strings.HasPrefix(text, "->") && !strings.HasSuffix(text, "-") && !strings.Contains(text, "--")
}

// markup reads a tag or a comment that starts at pos.
func (c *htmlChecker) markup() bool {
	rest := c.src[c.pos:]
	if strings.HasPrefix(rest, "<!--") {
		end := strings.Index(rest[4:], "-->")
		c.pos += end + 7
		return end >= 0 && endsAlike(rest[4:4+end]) || c.fault("a comment does not end, or browsers end it sooner", "")
	}
	if strings.HasPrefix(rest, "</") {
		end := strings.IndexByte(rest, '>')
		if end < 0 || len(c.open) == 0 || strings.TrimSpace(rest[2:end]) != c.open[len(c.open)-1] {
			return c.fault("an end tag does not close the element that is open", rest[:max(0, end+1)])
		}
		c.open = c.open[:len(c.open)-1]
		c.pos += end + 1
		return true
	}
	c.pos++
	name := c.name()
	switch {
	case len(c.open) == 0 && name != "div":
		return c.fault("it must be one div", "<"+name+">")
	case !htmlElements[name]:
		return c.fault("an element is not allowed in a narrative", "<"+name+">")
	case len(c.open) > 200:
		return c.fault("it is nested more than 200 deep", "")
	}
	if len(c.open) == 0 {
		c.roots++
	}
	for {
		c.blank()
		switch {
		case strings.HasPrefix(c.src[c.pos:], "/>"):
			c.pos += 2
			return true
		case strings.HasPrefix(c.src[c.pos:], ">"):
			c.pos++
			c.open = append(c.open, name)
			return true
		}
		if !c.attribute(name) {
			return false
		}
	}
}

func (c *htmlChecker) attribute(element string) bool {
	name := c.name()
	if name == "" {
		return c.fault("a tag is not well formed", "<"+element)
	}
	if !htmlAttributes[name] {
		return c.fault("an attribute is not allowed in a narrative", name+" of <"+element+">")
	}
	c.blank()
	if !strings.HasPrefix(c.src[c.pos:], "=") {
		return c.fault("an attribute has no value in quotes", name+" of <"+element+">")
	}
	c.pos++
	c.blank()
	if c.pos == len(c.src) || c.src[c.pos] != '"' && c.src[c.pos] != '\'' {
		return c.fault("an attribute has no value in quotes", name+" of <"+element+">")
	}
	end := strings.IndexByte(c.src[c.pos+1:], c.src[c.pos])
	if end < 0 {
		return c.fault("an attribute has no value in quotes", name+" of <"+element+">")
	}
	value := c.src[c.pos+1 : c.pos+1+end]
	c.pos += end + 2
	if element == "img" && name == "src" {
		c.says = true
	}
	if strings.Contains(value, "<") || !entities(value) {
		return c.fault("the value of an attribute has a < or & that is not written as &lt; or &amp;", name+" of <"+element+">")
	}
	return c.allowed(name, value) || c.fault("the value of an attribute is not allowed: it must neither run nor fetch anything, and xmlns must be that of XHTML", name+" of <"+element+">")
}

// allowed reports whether the value of an attribute is harmless.
func (c *htmlChecker) allowed(name, value string) bool {
	switch name {
	case "xmlns":
		// what the div says comes before any other element
		c.named = c.named || len(c.open) == 0 && value == xhtmlNamespace
		return value == xhtmlNamespace
	case "href", "cite", "longdesc":
		return link(bare(value))
	case "src":
		return picture(bare(value))
	case "style":
		return style(bare(value))
	}
	return true
}

// bare gives a value as a browser may come to read it: with its entities replaced, in
// lower case, without white space, control and invisible characters.
func bare(value string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf) {
			return -1
		}
		return unicode.ToLower(r)
	}, html.UnescapeString(value))
}

// link reports whether a bare URL leads to a place and runs nothing.
func link(url string) bool {
	scheme, ok := schemeOf(url)
	return !ok || slices.Contains(htmlSchemes, scheme)
}

// picture reports whether a bare URL is that of a picture which comes with the
// resource: one inside it, one beside it or its own data.
func picture(url string) bool {
	if _, ok := schemeOf(url); ok {
		return strings.HasPrefix(url, "data:image/")
	}
	remote := len(url) > 1 && strings.Trim(url[:2], `/\`) == ""
	return !remote
}

// maxScheme is longer than any scheme that a browser knows.
const maxScheme = 100

// schemeOf gives what stands before the first colon of a URL that is not relative.
func schemeOf(url string) (scheme string, ok bool) {
	url = url[:min(len(url), maxScheme)]
	end := strings.IndexAny(url, ":/?#\\")
	if end < 0 || url[end] != ':' {
		return "", false
	}
	return url[:end], true
}

// style reports whether bare declarations run and fetch nothing.
func style(text string) bool {
	for _, word := range htmlStyles {
		if strings.Contains(text, word) {
			return false
		}
	}
	for {
		_, rest, ok := strings.Cut(text, "url(")
		if !ok {
			return true
		}
		if !picture(strings.TrimLeft(rest, `"'`)) {
			return false
		}
		text = rest
	}
}

func (c *htmlChecker) name() string {
	from := c.pos
	for c.pos < len(c.src) && strings.IndexByte(" \t\r\n=<>/\"'", c.src[c.pos]) < 0 {
		c.pos++
	}
	return c.src[from:c.pos]
}

func (c *htmlChecker) blank() {
	for c.pos < len(c.src) && strings.IndexByte(" \t\r\n", c.src[c.pos]) >= 0 {
		c.pos++
	}
}
