package fhirpath

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// TestHostileSources: a source that is too long, too deep or too chained is refused by
// the parser, with the place where it went too far.
func TestHostileSources(t *testing.T) {
	const many = 20_000
	type source struct {
		name, src string
		branch    issue.Type
		column    int // 0: no place
	}
	list := []source{
		{"blank beyond the limit", strings.Repeat(" ", maxSource+1), issue.TooLong, 0},
		{"a string beyond the limit", "'" + strings.Repeat("a", maxSource) + "'", issue.TooLong, 0},
		{"brackets", strings.Repeat("(", many) + "1" + strings.Repeat(")", many), issue.TooCostly, maxDepth + 1},
		{"indexes", "a" + strings.Repeat("[a", many), issue.TooCostly, 2*maxDepth + 1},
		{"calls", strings.Repeat("a(", many), issue.TooCostly, 2*maxDepth + 1},
		{"signs", strings.Repeat("-", many) + "1", issue.TooCostly, maxDepth + 1},
		{"members", "a" + strings.Repeat(".a", many), issue.TooCostly, 0},
		{"filters", "a" + strings.Repeat(".tail()", 9000), issue.TooCostly, 0},
		{"indexers", "a" + strings.Repeat("[0]", many), issue.TooCostly, 0},
		{"type tests", "a" + strings.Repeat(" is b", 12000), issue.TooCostly, 0},
		{"a number", strings.Repeat("9", 60_000), issue.Structure, 1},
		{"a decimal", "0." + strings.Repeat("0", 60_000) + "1", issue.Structure, 1},
		{"a date", "@" + strings.Repeat("1", 60_000), issue.Structure, 1},
		{"an open comment", "1 /*" + strings.Repeat("**", many), issue.Structure, 3},
		{"an open string", "1 + '" + strings.Repeat(`\'`, many), issue.Structure, 5},
		{"an open escape", "'" + strings.Repeat(`\u`, 2), issue.Structure, 0},
		{"a name that is none", strings.Repeat("x", 60_000) + "()", issue.NotSupported, 1},
	}
	for operator := range precedences {
		// the source stays below the limit of its length, the operators go beyond that of the chain
		n := min(many, (maxSource-8)/(len(operator)+3))
		list = append(list, source{fmt.Sprintf("%d operators %s", n, operator), "a" + strings.Repeat(" "+operator+" a", n), issue.TooCostly, 0})
		list = append(list, source{"operators " + operator + " alone", strings.Repeat(operator+" ", n/2), issue.Structure, 0})
	}
	for _, short := range []string{"+", "-", "*", "/", "|", "&", "=", "~", "<", ">"} {
		list = append(list, source{"20,000 operators " + short, "1" + strings.Repeat(short+"1", many), issue.TooCostly, 0})
	}
	for _, c := range list {
		_, err := Compile(c.src)
		switch c.name {
		case "operators + alone", "operators - alone": // they are signs
			c.branch = issue.TooCostly
		case "operators is alone", "operators in alone", "operators as alone": // they are also names of elements
			c.branch = issue.TooCostly
		}
		if !errors.Is(err, c.branch) {
			t.Errorf("%s: %v, wanted %s", c.name, err, c.branch)
			continue
		}
		place, ok := PlaceOf(err)
		if ok == (c.branch == issue.TooLong) || c.column != 0 && place.Column != c.column {
			t.Errorf("%s: placed at %+v %v, wanted column %d", c.name, place, ok, c.column)
		}
		for _, i := range issue.All(err) {
			if len(i.Details) > 300 || len(i.Diagnostics) > 500 {
				t.Errorf("%s: the issue is %d and %d bytes long", c.name, len(i.Details), len(i.Diagnostics))
			}
		}
	}
}

// wide is a Bundle of many siblings, of which no two are equal.
func wide(t testing.TB, n int) *fhir.Node {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"collection","link":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"relation":"r%d","url":"u"}`, i)
	}
	b.WriteString(`]}`)
	root, err := fhir.Parse(fhir.Types(fhir.R4), []byte(b.String()), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// deep is a Patient with extensions inside each other.
func deep(t testing.TB, n int) (*fhir.Node, error) {
	body := `{"resourceType":"Patient"` + strings.Repeat(`,"extension":[{"url":"u"`, n) + strings.Repeat(`}]`, n) + `}`
	return fhir.Parse(fhir.Types(fhir.R4), []byte(body), fhir.Limits{Depth: 4 * n})
}

// TestHostileExpressions: work, memory and text without end are ended by an issue that
// names the place, whatever the operations that make them.
func TestHostileExpressions(t *testing.T) {
	root := wide(t, 100_000)
	digits := "(1|2|3|4|5|6|7|8|9|10)"
	thousand := digits + ".select(" + digits + ").select(" + digits + ")"
	quantity := parsed(t, `{"resourceType":"Observation","valueQuantity":{"value":1,"extension":[`+strings.Repeat(`{"url":"u"},`, 20_000)+`{"url":"u"}],"code":"g"}}`).Child("value")
	big, same := strings.Repeat("a", 1<<20), strings.Repeat("a", 1<<20)
	million := thousand + ".select(" + digits + ").select(" + digits + ").select(" + digits + ")"
	for i, src := range []string{
		// products of collections
		million + ".select(" + digits + ")",
		"(1|2|3|4|5|6|7|8|9)" + strings.Repeat(".select($this | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9)", 12),
		"descendants()" + strings.Repeat(".select(%resource.descendants())", 9),
		"link.select(%resource.link.url)",
		"link.where(%resource.link.url.exists($this = 'x'))",
		"link.combine(link)" + strings.Repeat(".combine($this.link)", 1500) + ".relation",
		"1" + strings.Repeat(".combine(%resource)", 1900) + ".children()",
		"%resource" + strings.Repeat(".combine(%resource)", 1900) + ".link",
		"%resource" + strings.Repeat(".combine(%resource)", 1900) + ".descendants()",
		"link.select(" + "1" + strings.Repeat(".combine(1)", 1500) + ")",
		"link.select(%resource.link.relation.where($this = 'none'))",
		// paths that find nothing are work too
		"link.select(%resource).where(entry.resource.id.exists())",
		"link.select(%resource.entry)",
		"link.where(%resource.link.nothing.exists())",
		"link.where(%resource.extension('x').exists())",
		"link.select(%resource.link.select('#a').resolve())",
		"link.where(%resource.link.select('Patient/1').resolve().exists())",
		"link.select('#x').where(resolve().exists())",
		"link.where(%wide.htmlChecks() or %wide.resolve().exists() or %wide.extension('x').exists())",
		"link.where(%wide = 2 'g' or %wide.value.getValue() = 3)",
		// every item against every other
		"link.where($this in %resource.link.skip(1))",
		"link.relation ~ link.relation.sort(-$this)",
		"link.select(relation ~ url) | link.where(%resource.link ~ %resource.link.tail().combine(%resource.link.first())).relation",
		"link.all(%resource = %resource.children().first().combine(%resource).last()) and link.where(%resource.link = %resource.link.tail()).exists()",
		"link.where(%resource.link.distinct().count() > 1)",
		"link.where(%resource.link.relation.intersect(%resource.link.url).exists())",
		"link.where(%resource.link.sort(relation).exists())",
		"link.where(%resource.link.skip(99999).exists())",
		"link.where(%resource.link.ofType(Patient).exists())",
		"link.where(%resource.link.count() = 0)",
		"link.where(%resource.link[99999].exists())",
		// recursion without end
		"1.repeat($this + 1)",
		"'a'.repeat($this & 'a')",
		"repeat($this | %resource).repeat(%resource.descendants()) | link.repeat(%resource.link)",
		"link.repeat(%resource.link | %resource)" + strings.Repeat(".select(%resource.link)", 3),
		// texts that grow
		"link.aggregate($total & $total, '0123456789')",
		"link.aggregate(iif($total.empty(), 'ab', $total + $total))",
		"link.aggregate($total.replace('a', 'aaaaaaaaaaaaaaaa'), 'a')",
		"link.aggregate($total.replace('', 'aaaaaaaaaaaaaaaa'), 'a')",
		"link.aggregate($total.replaceMatches('.', '$0$0$0$0$0$0$0$0'), 'a')",
		"link.aggregate($total.encode('hex'), 'a')",
		"link.aggregate($total.escape('html'), '&')",
		"link.relation.aggregate($total & $this & (link.join('') | ''), '')",
		"link.relation.join('" + strings.Repeat("x", 60_000) + "')",
		"link.aggregate($total.combine($total), 1)",
		"link.aggregate($total | $this.relation)",
		"link.select('" + strings.Repeat("a", 60_000) + "'.toChars())",
		"link.select('" + strings.Repeat("a", 60_000) + "'.split(''))",
		"link.select('" + strings.Repeat("a", 60_000) + "'.upper().length())",
		"link.select('" + strings.Repeat("a", 60_000) + "'.toInteger() | '" + strings.Repeat("1", 3000) + "'.toDecimal() | '1'.toQuantity())" + strings.Repeat(".select(%resource.link)", 3),
		"link.where('" + strings.Repeat("a", 30_000) + "' = '" + strings.Repeat("a", 29_999) + "b')",
		"link.where('" + strings.Repeat("a", 30_000) + "' ~ '" + strings.Repeat("A", 29_999) + "b')",
		"link.where('" + strings.Repeat("a", 30_000) + "' < '" + strings.Repeat("a", 29_999) + "b')",
		"link.where(%big = %same and %big < %same and %big ~ %same)",
		"link.select(%big).isDistinct()",
		"link.select(%big).intersect(link.select(%same))",
		"link.select(%big).subsetOf(link.select(%same))",
		"link.select(iif($index > 50000, %big, %same)).sort()",
		"link.where(%big.toDate() | %big.toDecimal() | %big.toQuantity() | %big.toBoolean() | %big.toTime() | %big.toInteger())" + strings.Repeat(".select(%resource.link)", 3),
		"link.select(%big.resolve() | %big.trim() | %big.substring(1))",
		// regular expressions
		"link.where('" + strings.Repeat("a", 1000) + "'.matches('(a?){1000}(a){1000}'))",
		"link.where('" + strings.Repeat("a", 50_000) + "'.matches('(x+x+)+y|(a|a)*b'))",
		"link.where(relation.matches('^(a{200}|' & relation & ')$'))",
		"link.where('" + strings.Repeat("a", 20_000) + "'.replaceMatches('(a*)', '$1$1$1$1').exists())",
		// numbers
		"link.select(2.5.power(99.123456789) | 1.0000001.log(1.0000000000001))",
		"link.select(1.0 / 3.0).aggregate($total * $this + $total, 9.9) | link.select((1.0/7.0).exp().ln().sqrt())",
		"link.select(1.0 'Ym30.Ym30.Ym30.Ym30' = 1 'm') | link.select($index.toString() & '.m').select(1.toQuantity($this))" + strings.Repeat(" | link.select(%resource.link)", 3),
	} {
		e, err := Compile(src)
		if err != nil {
			t.Errorf("%.80s: %v", src, err)
			continue
		}
		// what no step counts does not end with fewer steps either: the default for some is enough
		ctx := Context{Steps: 50_000, Variables: map[string]Collection{"big": {StringOf(big)}, "same": {StringOf(same)}, "wide": {Of(quantity)}}}
		if i%8 == 0 {
			ctx.Steps = 0
		}
		got, err := e.Eval(ctx, root)
		if !errors.Is(err, issue.TooCostly) {
			t.Errorf("%.100s gives %d items and %v, wanted too-costly", src, len(got), err)
			continue
		}
		if p, ok := PlaceOf(err); !ok || p.Line != 1 || p.Column > len(src) || issue.All(err)[0].Expression != "Bundle" {
			t.Errorf("%.100s is placed at %+v", src, p)
		}
	}
}

// TestPatternsAreBounded: a regular expression that would become huge is refused.
func TestPatternsAreBounded(t *testing.T) {
	root := parsed(t, bundle)
	for _, pattern := range []string{
		strings.Repeat("a{1000}", 200), "((a{10}){10}){10}" + strings.Repeat("(b{100}){10}", 30), strings.Repeat("a", maxPattern+1), "a{1001}", "((a{100}){100}){100}", "(?=a)", `(a)\\1`, "(",
	} {
		_, err := MustCompile("type.matches('"+pattern+"')").Eval(Context{}, root)
		if !errors.Is(err, issue.Invalid) {
			t.Errorf("%.40s: %v", pattern, err)
		}
	}
	for i := range 3000 {
		if _, err := MustCompile(fmt.Sprintf("type.matches('(a{%d}){10}%d')", i%90+1, i)).Eval(Context{}, root); err != nil {
			t.Fatal(err)
		}
	}
	patterns.RLock()
	defer patterns.RUnlock()
	if patterns.size > maxPatterns {
		t.Errorf("the patterns that are kept have %d instructions", patterns.size)
	}
}

// TestLargeDocuments: what is linear stays within the limit on 100,000 siblings.
func TestLargeDocuments(t *testing.T) {
	root := wide(t, 100_000)
	for src, want := range map[string]string{
		"link.count()":                                        "100000",
		"link.where(relation = 'r99999').url":                 "u",
		"link.relation.distinct().count()":                    "100000",
		"link.relation.isDistinct()":                          "true",
		"(link.relation | 'r5').count()":                      "100000",
		"link.relation.intersect('r7' | 'x')":                 "r7",
		"link.relation = link.relation":                       "true",
		"link = link":                                         "true",
		"link.exclude(link.first()).count()":                  "99999",
		"link.last().relation & link[50000].relation":         "r99999r50000",
		"link.url.distinct()":                                 "u",
		"descendants().count()":                               "300001",
		"link.relation ~ link.relation":                       "true",
		"link.sort(-relation).first().relation":               "r99999",
		"link.where(relation.matches('^r[0-9]{2}$')).count()": "90",
		"link.relation.supersetOf('r1' | 'r2')":               "true",
	} {
		got, err := MustCompile(src).Eval(Context{}, root)
		if have := strings.Join(texts(got), " "); err != nil || have != want {
			t.Errorf("%s gives %.60q and %v, wanted %q", src, have, err, want)
		}
	}
}

// TestDeepDocuments: 10,000 nested extensions are refused where messages come in, and
// where a caller lets them in, evaluation ends in a result or in an issue.
func TestDeepDocuments(t *testing.T) {
	body := `{"resourceType":"Patient"` + strings.Repeat(`,"extension":[{"url":"u"`, 10_000) + strings.Repeat(`}]`, 10_000) + `}`
	if _, err := fhir.Parse(fhir.Types(fhir.R4), []byte(body), fhir.Limits{}); !errors.Is(err, issue.TooCostly) && !errors.Is(err, issue.Invalid) {
		t.Errorf("10,000 nested extensions are read: %v", err)
	}
	root, err := deep(t, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for src, want := range map[string]string{
		"descendants().count()":                          "20000",
		"repeat(extension).count()":                      "", // each is compared with its like: too costly
		"descendants().distinct().count()":               "",
		"extension = extension.extension":                "false",
		"(extension | extension.extension).count()":      "2",
		"descendants().where(extension.empty()).count()": "10001",
		"extension ~ extension.first()":                  "true",
		"%resource.descendants().last().url.empty()":     "true",
	} {
		got, err := MustCompile(src).Eval(Context{}, root)
		have := strings.Join(texts(got), " ")
		if want == "" && !errors.Is(err, issue.TooCostly) || want != "" && (err != nil || have != want) {
			t.Errorf("%s gives %q and %v, wanted %q", src, have, err, want)
		}
	}
}

// TestDividesByZero: no operator and no function panics; the result is empty.
func TestDividesByZero(t *testing.T) {
	for _, src := range []string{"1 / 0", "1 div 0", "1 mod 0", "1.0 / 0.0", "1.0 div 0.0", "1.0 mod 0.0", "1 'm' / 0 's'", "1 / (1 - 1)", "0.power(-1)", "0.0.power(-0.5)", "2.log(1)", "0.ln()"} {
		if got := answers(t, src); got != "" {
			t.Errorf("%s gives %q", src, got)
		}
	}
}

// TestStepsAreTheCallersToSet: fewer steps end sooner, and the work beyond them is small.
func TestStepsAreTheCallersToSet(t *testing.T) {
	root := wide(t, 1000)
	e := MustCompile("link.where(relation = 'r999').url")
	if _, err := e.Eval(Context{Steps: 500}, root); !errors.Is(err, issue.TooCostly) {
		t.Error(err)
	}
	if got, err := e.Eval(Context{Steps: 10_000}, root); err != nil || len(got) != 1 {
		t.Error(got, err)
	}
}
