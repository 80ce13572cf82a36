package terminology

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"spadapter/adapter/issue"
)

// The releases of the tests are made up: ids of the namespace 9999999 with a right check
// digit, around the few concepts that the release format itself is written in.

// made is the identifier with a number in a partition of the namespace 9999999.
func made(number, partition int) string {
	base := strconv.Itoa(number) + "99999991" + strconv.Itoa(partition)
	for digit := range 10 {
		if text := base + strconv.Itoa(digit); valid(text) {
			return text
		}
	}
	panic("every number has a check digit")
}

func valid(text string) bool { _, ok := sctid(text); return ok }

// numbered is the n-th concept of the tests.
func numbered(n int) string { return made(100+n, partitionConcept) }

const (
	member0 = "80000000-0000-4000-8000-000000000000"
	module  = "900000000000207008"
	day     = "20260301"
)

// lines are the rows of a file: columns stand between spaces, and _ is a space in one.
func lines(header string, rows ...string) *fstest.MapFile {
	out := header + "\r\n"
	for _, row := range rows {
		out += strings.ReplaceAll(strings.ReplaceAll(row, " ", "\t"), "_", " ") + "\r\n"
	}
	return &fstest.MapFile{Data: []byte(out)}
}

func conceptRow(id string, active int) string {
	return fmt.Sprint(id, " ", day, " ", active, " ", module, " ", statusPrimitive)
}

func termRow(n, active int, of, language string, kind int, term string) string {
	return fmt.Sprint(made(n, partitionDescription), " ", day, " ", active, " ", module, " ", of, " ", language, " ", kind, " ", term, " 900000000000448009")
}

func isARow(n, active int, from, to string) string {
	return fmt.Sprint(made(n, partitionRelationship), " ", day, " ", active, " ", module, " ", from, " ", to, " 0 ", conceptIsA, " 900000000000011006 900000000000451002")
}

func memberRow(active int, refset, id string) string {
	return fmt.Sprint(member0, " ", day, " ", active, " ", module, " ", refset, " ", id)
}

const root = "138875005"

var (
	refset  = numbered(90)
	another = numbered(91)
	absent  = numbered(99)
)

// tree is a small release:
//
//	root ─ 1 ─ 2 ─ 4
//	     │   └ 3 ─ 4, 5
//	     └ 6 (no relationship leads on from 7, which lies nowhere; 8 is inactive)
func tree() fstest.MapFS {
	c := numbered
	return fstest.MapFS{
		"Snapshot/Terminology/sct2_Concept_Snapshot_XX_20260301.txt": lines(conceptTable.columns,
			conceptRow(root, 1), conceptRow(c(1), 1), conceptRow(c(2), 1), conceptRow(c(3), 1), conceptRow(c(4), 1), conceptRow(c(5), 1), conceptRow(c(6), 1), conceptRow(c(7), 1), conceptRow(c(8), 0)),
		"Snapshot/Terminology/sct2_Description_Snapshot-en_XX_20260301.txt": lines(descriptionTable.columns,
			termRow(1, 1, c(1), "en", typeFSN, "Finding_one_(finding)"), termRow(2, 1, c(1), "en", typeSynonym, "One_finding"), termRow(3, 1, c(1), "en-gb", typeSynonym, "First"), termRow(4, 0, c(1), "en", typeSynonym, "Gone"),
			termRow(5, 1, c(2), "en", typeFSN, "Two_(finding)"), termRow(6, 1, c(3), "en", typeFSN, "Three_(finding)"), termRow(7, 1, c(4), "en", typeSynonym, "Four")),
		"Snapshot/Terminology/sct2_Relationship_Snapshot_XX_20260301.txt": lines(relationshipTable.columns,
			isARow(1, 1, c(1), root), isARow(2, 1, c(2), c(1)), isARow(3, 1, c(3), c(1)), isARow(4, 1, c(4), c(2)), isARow(5, 1, c(4), c(3)), isARow(6, 1, c(5), c(3)), isARow(7, 1, c(6), root), isARow(8, 0, c(6), c(1))),
		"Snapshot/Refset/Language/der2_cRefset_LanguageSnapshot-en_XX_20260301.txt": lines(languageTable.columns,
			memberRow(1, strconv.Itoa(languageGB), made(3, 1))+" "+strconv.Itoa(preferred), memberRow(1, strconv.Itoa(languageUS), made(2, 1))+" "+strconv.Itoa(preferred), memberRow(1, strconv.Itoa(languageGB), made(1, 1))+" "+strconv.Itoa(preferred)),
		"Snapshot/Refset/Content/der2_Refset_SimpleSnapshot_XX_20260301.txt": lines(simpleTable.columns,
			memberRow(1, refset, c(4)), memberRow(1, refset, c(5)), memberRow(0, refset, c(2)), memberRow(1, refset, c(8)), memberRow(0, another, c(1))),
		"Full/Refset/Content/der2_Refset_SimpleFull_XX_20260301.txt":                 lines(simpleTable.columns, memberRow(1, refset, c(1))),
		"Snapshot/Refset/Map/der2_iisssccRefset_ExtendedMapSnapshot_XX_20260301.txt": {Data: []byte("id\n")},
		"readme.txt": {Data: []byte("This is a release.\n")},
	}
}

// brought is a registry with a folder, and resources beside it.
func brought(t testing.TB, folder fs.FS, texts ...string) *Registry {
	t.Helper()
	r, _, err := load(t, texts...).WithFolder(Folder{FS: folder})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSCTIDs(t *testing.T) {
	for text, want := range map[string]bool{
		root: true, "999007691000230101": true, "1373501000000105": true, "116680003": true, "900000000000003001": true, made(7, 1): true,
		"138875006": false, "": false, "12345": false, "0138875005": false, "13887500a": false, "1234567890123456789": false, "138875005 ": false, "１38875005": false,
		"1388750050": false, // the partition does not exist
	} {
		if valid(text) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
	if id, _ := sctid("999007691000230101"); namespace(id) != 1000230 || partition(id) != partitionConcept {
		t.Errorf("namespace %d, partition %d", namespace(id), partition(id))
	}
	if id, _ := sctid(root); namespace(id) != 0 {
		t.Error("the International Release has no namespace")
	}
}

// TestMembershipHasThreeAnswers asks value sets of SNOMED CT with a release, with a part of
// one, and without any.
func TestMembershipHasThreeAnswers(t *testing.T) {
	whole, without := brought(t, tree()), load(t, colours)
	refsets := tree()
	for name := range refsets {
		if !strings.Contains(name, "SimpleSnapshot") {
			delete(refsets, name)
		}
	}
	part := brought(t, refsets)
	vs := func(query string) string { return SNOMED + "?fhir_vs" + query }
	for _, c := range []struct {
		in        *Registry
		set, code string
		want      string
	}{
		{whole, Refset(refset), numbered(4), "yes"},
		{whole, Refset(refset), numbered(2), "no"},  // its row is inactive
		{whole, Refset(another), numbered(1), "no"}, // and no row is active
		{whole, Refset(refset), numbered(99), "no"}, // not loaded, and no member
		{whole, Refset(refset), "not-a-code", "no"}, //
		{whole, Refset(absent), numbered(4), "the reference set " + absent + " is not loaded"},
		{part, Refset(refset), numbered(4), "yes"},
		{part, vs("=isa/" + numbered(1)), numbered(4), "the relationships of SNOMED CT are not loaded"},
		{part, vs(""), numbered(4), "yes"},
		{part, vs(""), numbered(50), "the concepts of SNOMED CT are not loaded"},
		{without, Refset(refset), numbered(4), "the reference set " + refset + " is not loaded"},
		{without, vs(""), numbered(4), "SNOMED CT is not loaded"},
		{without, vs(""), "4", "no"},
		{without, vs("=ecl/" + numbered(4) + " OR " + numbered(5)), numbered(5), "yes"},
		{without, vs("=ecl/" + numbered(4) + " OR " + numbered(5)), numbered(6), "no"},
		{whole, vs(""), numbered(8), "yes"},
		{whole, vs(""), numbered(50), "no"}, // the namespace is loaded
		{whole, vs(""), "404684003", "no"},  // and the International Release, for its root is
		{whole, vs(""), "999007691000230101", "no concepts of SNOMED CT with the namespace 1000230 are loaded"},
		{whole, vs(""), numbered(4) + ":363698007=" + numbered(5), "an expression of SNOMED CT is not read here"},
		{whole, vs(""), made(3, 1), "no"}, // a description
		{whole, vs("=isa/" + numbered(1)), numbered(4), "yes"},
		{whole, vs("=isa/" + numbered(1)), numbered(1), "yes"},
		{whole, vs("=isa/" + numbered(2)), numbered(5), "no"},
		{whole, vs("=isa/" + numbered(1)), numbered(6), "no"}, // the row that says so is inactive
		{whole, vs("=isa/" + numbered(1)), numbered(7), "the parents of the concept " + numbered(7) + " are not loaded"},
		{whole, vs("=isa/" + numbered(1)), numbered(8), "no"}, // an inactive concept lies nowhere
		{whole, vs("=isa/" + numbered(1)), numbered(50), "the concept " + numbered(50) + " is not loaded"},
		{whole, vs("=isa/x"), numbered(4), `the filter "concept is-a x" cannot be run: its value is no concept of SNOMED CT`},
		{whole, vs("=refset"), numbered(4), `the filter "constraint = refset" cannot be run: this kind of value set of SNOMED CT is not known here`},
		{whole, vs("=ecl/%3C%3C" + numbered(3) + "%20MINUS%20%5E" + refset), numbered(3), "yes"},
		{whole, vs("=ecl/%3C%3C" + numbered(3) + "%20MINUS%20%5E" + refset), numbered(5), "no"},
		{whole, SNOMED + "/83821000000107?fhir_vs=refset/" + refset, numbered(4), "yes"},
		{whole, SNOMED + "/83821000000107/version/20260301?fhir_vs=refset/" + refset, numbered(4), "the code system " + SNOMED + "|" + SNOMED + "/83821000000107/version/20260301 is loaded, but not known to be in this version"},
		{whole, SNOMED + "?other", numbered(4), "no such value set"},
		{whole, SNOMED + "x?fhir_vs", numbered(4), "no such value set"},
	} {
		if got := verdict(c.in, c.set, SNOMED, c.code); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.set, c.code, got, c.want)
		}
	}
}

// verdict is the answer of a value set in words: yes, no, or why it is unknown.
func verdict(r *Registry, set, system, code string) string {
	s := r.set(set)
	if s == nil {
		return "no such value set"
	}
	var why doubts
	switch s.holds(system, code, 0, &why) {
	case yes:
		return "yes"
	case no:
		return "no"
	}
	return why.String()
}

func TestConstraints(t *testing.T) {
	r := brought(t, tree())
	c := numbered
	for text, want := range map[string]string{
		c(1):                                 "1",
		c(1) + " |One, two (x)|":             "1",
		"(" + c(1) + ")":                     "1",
		"<" + c(1):                           "2 3 4 5",
		"<< " + c(1):                         "1 2 3 4 5",
		"<!" + c(1):                          "2 3",
		"<<!" + c(1):                         "1 2 3",
		">" + c(4):                           "1 2 3 root",
		">>" + c(4):                          "1 2 3 4 root",
		">!" + c(4):                          "2 3",
		">>!" + c(4):                         "2 3 4",
		"^" + refset:                         "4 5 8",
		"memberOf " + refset + " or " + c(1): "1 4 5 8",
		"DescendantOrSelfOf " + c(2) + " OR DescendantOf " + c(3): "2 4 5",
		"descendantorselfof " + c(1) + " AND ^" + refset:          "4 5",
		"(<" + c(1) + " , <" + c(3) + ")":                         "4 5",
		"(<" + c(1) + " MINUS (" + c(2) + " OR " + c(4) + "))":    "3 5",
		"* MINUS <<" + c(1):                                       "6 8 root", // 7 is not known to be out
		"<" + c(1) + " MINUS ^" + absent:                          "",         // nothing is known to stay
		c(1) + " OR " + c(2) + " AND " + c(3):                     "bad",
		c(1) + " MINUS " + c(2) + " MINUS " + c(3):                "bad",
		"<" + c(1) + " : 363698007 = *":                           "bad",
		"<(" + c(1) + " OR " + c(2) + ")":                         "bad",
		"<(" + c(1) + ")":                                         "2 3 4 5",
		"(" + c(1):                                                "bad",
		c(1) + " |x":                                              "bad",
		"":                                                        "bad",
		"<":                                                       "bad",
		"12":                                                      "bad",
		strings.Repeat("(", 100) + c(1) + strings.Repeat(")", 100): "bad",
		strings.Repeat(c(1)+" OR ", 10_000) + c(1):                 "bad", // too long
		"^ *": "bad",
	} {
		e, bad := parseConstraint(text)
		if (bad != "") != (want == "bad") {
			t.Errorf("%.80s: %q", text, bad)
		}
		if bad != "" {
			continue
		}
		var got []string
		list, _ := e.list(r.release, nil)
		for _, id := range r.release.ids {
			name := strconv.FormatUint(id, 10)
			for n := range 10 {
				if name == c(n) {
					name = strconv.Itoa(n)
				}
			}
			if name == root {
				name = "root"
			}
			_, listed := slices.BinarySearch(list, id)
			if holds := e.holds(r.release, id, nil) == yes; holds && !listed {
				t.Errorf("%s holds %s and does not list it", text, name)
			} else if holds {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", text, got, want)
		}
	}
}

func TestConceptsAreDescribed(t *testing.T) {
	r := brought(t, tree())
	d, err := r.Describe(SNOMED, "", numbered(1))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%s; %v; %v; %v; %v; %v", d.Display, d.Inactive, d.Parents, d.Children, d.Properties, d.Designations)
	fsn := Coding{System: SNOMED, Code: "900000000000003001", Display: "Fully specified name"}
	synonym := Coding{System: SNOMED, Code: "900000000000013009", Display: "Synonym"}
	want := fmt.Sprintf("First; false; [%s]; [%s %s]; %v; %v", root, numbered(2), numbered(3),
		[]Property{{Code: "inactive", Type: "boolean", Value: "false"}, {Code: "sufficientlyDefined", Type: "boolean", Value: "false"}},
		[]Designation{{"en-gb", synonym, "First"}, {"en", synonym, "One finding"}, {"en", fsn, "Finding one (finding)"}})
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for code, want := range map[string]string{numbered(2): "Two (finding)", numbered(4): "Four", numbered(5): "", root: ""} {
		if c, ok := r.Lookup(SNOMED, code); !ok || c.Display != want {
			t.Errorf("%s: got %q, want %q", code, c.Display, want)
		}
	}
	if _, err := r.Describe(SNOMED, "", numbered(50)); !errors.Is(err, issue.NotFound) || issue.All(err)[0].Rule != "code-unknown" {
		t.Errorf("got %v", err)
	}
	if _, err := r.Describe(SNOMED, "", "999007691000230101"); !errors.Is(err, issue.NotFound) || issue.All(err)[0].Rule != "terminology-not-loaded" {
		t.Errorf("got %v", err)
	}
	if _, err := r.Describe(SNOMED, SNOMED+"/1/version/20260101", numbered(1)); !errors.Is(err, issue.NotFound) || issue.All(err)[0].Rule != "codesystem-version" {
		t.Errorf("got %v", err)
	}
	for pair, want := range map[[2]int]string{{1, 4}: "subsumes", {4, 1}: "subsumed-by", {2, 2}: "equivalent", {2, 3}: "not-subsumed"} {
		if got, err := r.Subsumes(SNOMED, "", numbered(pair[0]), numbered(pair[1])); err != nil || got != want {
			t.Errorf("%v: got %s %v", pair, got, err)
		}
	}
	if _, err := r.Subsumes(SNOMED, "", numbered(1), numbered(7)); !errors.Is(err, issue.NotFound) {
		t.Errorf("the parents of 7 are not loaded: %v", err)
	}
}

// TestMissing: what value sets draw on and what was not brought is told by its canonical.
func TestMissing(t *testing.T) {
	texts := []string{colours, shapes, animals,
		set("urn:a", `{"include":[{"system":"urn:none"},{"system":"urn:animals","version":"9"},{"system":"urn:listed","concept":[{"code":"1"}]},{"valueSet":["urn:nowhere","urn:b"]}]}`),
		set("urn:b", `{"include":[{"system":"http://snomed.info/sct","filter":[{"property":"concept","op":"in","value":"`+refset+`"}]},{"system":"http://snomed.info/sct","filter":[{"property":"constraint","op":"=","value":"^`+absent+` OR `+numbered(1)+`"}]}]}`),
		set("urn:c", `{"include":[{"system":"http://snomed.info/sct","filter":[{"property":"concept","op":"is-a","value":"`+numbered(1)+`"}]}],"exclude":[{"system":"urn:colours"},{"valueSet":["`+Refset(another)+`"]}]}`)}
	want := []string{SNOMED, Refset(refset), Refset(another), Refset(absent), "urn:animals|9", "urn:none", "urn:nowhere"}
	if got := load(t, texts...).Missing(); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	want = []string{Refset(absent), "urn:animals|9", "urn:none", "urn:nowhere"}
	if got := brought(t, tree(), texts...).Missing(); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// TestDeepHierarchies: a chain that is longer than any that is published, and a circle.
func TestDeepHierarchies(t *testing.T) {
	const length = 600
	concepts, relations := []string{conceptRow(root, 1)}, []string{isARow(1, 1, numbered(1), root), isARow(2, 1, numbered(1000), numbered(1001)), isARow(3, 1, numbered(1001), numbered(1000))}
	for n := 1; n <= length; n++ {
		concepts = append(concepts, conceptRow(numbered(n), 1))
		if n > 1 {
			relations = append(relations, isARow(n+10, 1, numbered(n), numbered(n-1)))
		}
	}
	r := brought(t, fstest.MapFS{
		"sct2_Concept_Snapshot_XX_20260301.txt":      lines(conceptTable.columns, concepts...),
		"sct2_Relationship_Snapshot_XX_20260301.txt": lines(relationshipTable.columns, relations...),
	})
	isA := func(n int) string { return SNOMED + "?fhir_vs=isa/" + numbered(n) }
	for _, c := range []struct {
		above, below int
		want         string
	}{{1, length, "yes"}, {length, 1, "no"}, {2000, length, "no"}, {1000, 1001, "yes"}, {1001, 1000, "yes"}, {1, 1000, "no"}} {
		if got := verdict(r, isA(c.above), SNOMED, numbered(c.below)); got != c.want {
			t.Errorf("%d below %d: got %s", c.below, c.above, got)
		}
	}
	if list, err := r.List(t.Context(), Wanted{ValueSet: isA(1), Count: -1}); err != nil || list.Total != length {
		t.Errorf("got %v", err)
	}
	if list, err := r.List(t.Context(), Wanted{ValueSet: SNOMED + "?fhir_vs=ecl/<" + numbered(1000), Count: -1}); err != nil || list.Total != 1 {
		t.Errorf("got %v", err)
	}
}

func TestReleasesAreSettledByTime(t *testing.T) {
	files := tree()
	later := strings.ReplaceAll(conceptRow(numbered(6), 0), day, "20260401")
	files["more/sct2_Concept_Snapshot_YY_20260401.txt"] = lines(conceptTable.columns, later)
	files["more/sct2_Description_Snapshot-en_YY_20260401.txt"] = lines(descriptionTable.columns,
		strings.ReplaceAll(termRow(7, 0, numbered(4), "en", typeSynonym, "Four"), day, "20260401"), termRow(20, 1, numbered(4), "en", typeSynonym, "Fore"))
	r := brought(t, files)
	if d, err := r.Describe(SNOMED, "", numbered(6)); err != nil || !d.Inactive {
		t.Errorf("the newer row says that it is inactive: %v %v", d, err)
	}
	if d, _ := r.Lookup(SNOMED, numbered(4)); d.Display != "Fore" {
		t.Errorf("got %q", d.Display)
	}
	again := tree()
	again["more/sct2_Concept_Snapshot_XX_20260401.txt"] = lines(conceptTable.columns, later)
	if _, _, err := r.WithFolder(Folder{FS: again}); !errors.Is(err, issue.Duplicate) {
		t.Errorf("two releases of one file: %v", err)
	}
}
