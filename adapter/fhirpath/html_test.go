package fhirpath

import (
	"strings"
	"testing"
)

// TestNarrativeIsSafe holds what may stand in a narrative against what runs or fetches
// something when a browser shows it.
func TestNarrativeIsSafe(t *testing.T) {
	const ns = ` xmlns="http://www.w3.org/1999/xhtml"`
	in := func(body string) string { return "<div" + ns + ">" + body + "</div>" }
	link := func(url string) string { return in(`<a href="` + url + `">x</a>`) }
	picture := func(url string) string { return in(`<img src="` + url + `" alt="x"/>`) }
	style := func(text string) string { return in(`<p style="` + text + `">x</p>`) }
	for _, tc := range []struct {
		div  string
		want bool
	}{
		{in("x"), true},
		{"<div" + ns + "><!--><script>alert(1)</script>-->x</div>", false},
		{"<div" + ns + "><!---><script>alert(1)</script>-->x</div>", false},
		{"<div" + ns + "><!-- --!><script>alert(1)</script>-->x</div>", false},
		{"<div" + ns + "><!-- a - b -->x</div>", true},
		{"<div" + ns + " xml:lang='en'><!-- c --><p>a &#60; b &#x3C; c &eacute;</p></div>", true},
		{"<div>x</div>", false},
		{`<div xmlns="http://www.w3.org/2000/svg">x</div>`, false},
		{`<div xmlns="">x</div>`, false},
		{`<div><p` + ns + `>x</p></div>`, false},
		{in(`<p xmlns="http://www.w3.org/2000/svg">x</p>`), false},
		{in("&#6a;"), false},
		{in("&#xx6a;"), false},

		{link("http://example.org/a:b"), true},
		{link("HTTPS://example.org"), true},
		{link("mailto:a@example.org"), true},
		{link("tel:+44%20113"), true},
		{link("#a:b"), true},
		{link("Patient/1"), true},
		{link("/fhir/a:b?c#d"), true},
		{link("?a=b:c"), true},
		{link("a.html?x=1&amp;y=2"), true},
		{link(""), true},
		{link("javascript:alert(1)"), false},
		{link(" JavaScript:alert(1)"), false},
		{link("&#106;avascript:alert(1)"), false},
		{link("&#x6A;avascript:alert(1)"), false},
		{link("&#0000106;avascript:alert(1)"), false},
		{link("java\tscript:alert(1)"), false},
		{link("java\nscript:alert(1)"), false},
		{link("java&#9;script:alert(1)"), false},
		{link("java&#xA;script&#58;alert(1)"), false},
		{link("\x01javascript:alert(1)"), false},
		{link("java\u200bscript:alert(1)"), false},
		{link("vbscript:x"), false},
		{link("data:text/html,x"), false},
		{link("file:///etc/passwd"), false},
		{link("blob:x"), false},
		{in(`<q cite="javascript:x">x</q>`), false},
		{in(`<a href="#" href="&#106;avascript:x">x</a>`), false},

		{picture("#pic"), true},
		{picture("tbl_spacer.png"), true},
		{picture("/Binary/1"), true},
		{picture("data:image/png;base64,iVBORw0K"), true},
		{picture("http://evil.example/x.png"), false},
		{picture("https&#58;//evil.example/x.png"), false},
		{picture("//evil.example/x.png"), false},
		{picture(`/\evil.example/x.png`), false},
		{picture("/&#9;/evil.example/x.png"), false},
		{picture("data:text/html,x"), false},
		{picture("cid:x"), false},

		{style("text-align: left; background-image: url(tbl_bck0.png)"), true},
		{style("background: url('data:image/png;base64,iVBO')"), true},
		{style("background:url(javascript:alert(1))"), false},
		{style("background:url(http://evil.example/x)"), false},
		{style("background:url( &quot;//evil.example/x&quot; )"), false},
		{style("background:url(a.png),url(https://evil.example)"), false},
		{style("background:u&#114;l(https://evil.example)"), false},
		{style(`background:u\72l(https://evil.example)`), false},
		{style("width:ex/**/pression(alert(1))"), false},
		{style("width: EXPRESSION(alert(1))"), false},
		{style("-moz-binding:x"), false},
		{style("background:image-set('https://evil.example' 1x)"), false},
	} {
		c := htmlChecker{src: tc.div}
		if got := c.check(); got != tc.want {
			t.Errorf("%q: %v", tc.div, got)
		}
	}
}

// TestHostileNarratives: what is large or repeats without end is read once.
func TestHostileNarratives(t *testing.T) {
	const ns = ` xmlns="http://www.w3.org/1999/xhtml"`
	const many = 1 << 18
	for _, c := range []struct {
		name, div string
		want      bool
	}{
		{"urls of a style", "<div" + ns + `><p style="` + strings.Repeat("url(", many) + `">x</p></div>`, true},
		{"open elements", "<div" + ns + ">" + strings.Repeat("<p>", many), false},
		{"closed elements", "<div" + ns + ">" + strings.Repeat("<p>x</p>", many) + "</div>", true},
		{"open comments", "<div" + ns + ">" + strings.Repeat("<!--", many), false},
		{"comments", "<div" + ns + ">x" + strings.Repeat("<!---->", many) + "</div>", true},
		{"ampersands", "<div" + ns + ">" + strings.Repeat("&", many) + "</div>", false},
		{"entities", "<div" + ns + ">" + strings.Repeat("&amp;", many) + "</div>", true},
		{"a number without end", "<div" + ns + ">&#" + strings.Repeat("1", many) + ";</div>", true},
		{"attributes", "<div" + ns + strings.Repeat(` id="x"`, many) + ">x</div>", true},
		{"a link", "<div" + ns + `><a href="` + strings.Repeat("a", many) + `">x</a></div>`, true},
		{"an open quote", "<div" + ns + ` id="` + strings.Repeat("'", many), false},
		{"angle brackets", "<div" + ns + ">" + strings.Repeat("<", many), false},
	} {
		checker := htmlChecker{src: c.div}
		if got := checker.check(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestNarrativeFault: the cause is named in our words, and what of the sender's it is about apart.
func TestNarrativeFault(t *testing.T) {
	const ns = ` xmlns="http://www.w3.org/1999/xhtml"`
	in := func(body string) string { return "<div" + ns + ">" + body + "</div>" }
	for _, c := range []struct{ div, want, got string }{
		{in("x"), "", ""},
		{"<div>x</div>", "needs xmlns", ""},
		{"x", "text outside", ""},
		{"<p" + ns + ">x</p>", "one div", "<p>"},
		{in("x") + in("y"), "one div", ""},
		{in(""), "says nothing", ""},
		{in("<p>x"), "does not close", "</div>"},
		{"<div" + ns + "><p>x</p>", "not closed", "<div>"},
		{in("<br>x"), "does not close", "</div>"},
		{in("<iframe>x</iframe>"), "element is not allowed", "<iframe>"},
		{in(`<p onclick="x()">x</p>`), "attribute is not allowed", "onclick of <p>"},
		{in(`<a href="javascript:x()">x</a>`), "neither run nor fetch", "href of <a>"},
		{in(`<p class=a>x</p>`), "no value in quotes", "class of <p>"},
		{in(`<p title="a<b">x</p>`), "not written as &lt;", "title of <p>"},
		{in("Marks & Spencer"), "write &amp;", ""},
		{in("<p <b>x</b></p>"), "not well formed", "<p"},
		{in("<!--><b>x</b>-->x"), "comment does not end", ""},
	} {
		words, got := NarrativeFault(c.div)
		if !strings.Contains(words, c.want) || c.want == "" && words != "" || got != c.got {
			t.Errorf("%s: %q, %q", c.div, words, got)
		}
	}
}
