package terminology

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
)

const (
	readHeader = "MapId\tReadCode\tTermCode\tConceptId\tDescriptionId\tIS_ASSURED\tEffectiveDate\tMapStatus\r\n"
	ctv3Header = "MAPID\tCTV3_CONCEPTID\tCTV3_TERMID\tCTV3_TERMTYPE\tSCT_CONCEPTID\tSCT_DESCRIPTIONID\tMAPSTATUS\tEFFECTIVEDATE\tIS_ASSURED\r\n"
)

// oursForRead is a ConceptMap as it ships: a few rows, and the national map behind them.
const oursForRead = `{"resourceType":"ConceptMap","url":"https://spadapter.example/fhir/ConceptMap/readv2-snomed","status":"active","group":[{
 "source":"http://read.info/readv2","target":"http://snomed.info/sct",
 "element":[{"code":"8T09.","target":[{"code":"871731000000106","equivalence":"equivalent"}]},{"code":"13D..11","target":[{"code":"32911000","equivalence":"equivalent"}]}],
 "unmapped":{"mode":"other-map","url":"https://spadapter.example/fhir/ConceptMap/readv2-snomed-national"}}]}`

func withOurs(t testing.TB, files fstest.MapFS) (*Registry, []File, error) {
	t.Helper()
	n, err := fhir.Parse(fhir.Types(fhir.R4), []byte(oursForRead), fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Load(n)
	if err != nil {
		t.Fatal(err)
	}
	return r.WithFolder(Folder{FS: files})
}

// TestNationalReadV2: what ships goes before the national rows, a code with its term code
// before the code alone, and what is not decided is not translated.
func TestNationalReadV2(t *testing.T) {
	r, files, err := withOurs(t, fstest.MapFS{"rcsctmap2_uk_20200401000001.txt": {Data: []byte(readHeader +
		"{A1}\t8T09.\t00\t306206005\t\t1\t20200401\t1\r\n" + // otherwise than ours
		"{A2}\t13D..\t00\t105531004\t\t1\t20200401\t1\r\n" +
		"{A3}\t13D..\t12\t32911000\t\t0\t20200401\t1\r\n" + // not assured
		"{A4}\tH33..\t00\t195967001\t\t1\t20190401\t1\r\n" +
		"{A4}\tH33..\t00\t73211009\t\t1\t20200401\t1\r\n" + // the newer revision
		"{A5}\tH34..\t00\t195967001\t\t1\t20200401\t1\r\n" +
		"{A6}\tH34..\t00\t73211009\t\t1\t20200401\t1\r\n" + // two candidates
		"{A7}\tH35..\t00\t195967001\t\t1\t20200401\t0\r\n" + // inactive
		"{A8}\taB1..\t00\t_DRUG\t\t1\t20200401\t1\r\n")}})
	if err != nil {
		t.Fatal(err)
	}
	const url = conceptMaps + "readv2-snomed"
	for code, want := range map[string]string{
		"8T09.": "871731000000106", "8T09.00": "306206005", "8T09.11": "871731000000106",
		"13D..": "105531004", "13D..00": "105531004", "13D..11": "32911000", "13D..12": "", "13D..13": "105531004",
		"H33..": "73211009", "H33..00": "73211009", "H33..19": "73211009", "H34..": "", "H34..00": "", "H35..": "", "aB1..": "", "AB1..": "", "h33..": "", "H33..001": "",
	} {
		matches, err := r.Translate(url, ReadV2, code)
		got := ""
		if len(matches) == 1 {
			got = matches[0].Code
		}
		if err != nil || got != want {
			t.Errorf("%s leads to %q, %v; want %q", code, got, err, want)
		}
		answer, err := r.Answer(Question{Map: url, Codings: []Coding{{System: ReadV2, Code: code}}})
		if err != nil || answer.Result != (want != "") || want != "" && answer.Matches[0].Concept.Code != want {
			t.Errorf("$translate of %s: %+v, %v; want %q", code, answer, err, want)
		}
	}
	if got := r.NationalDifferences(); len(got) != 1 || got[0] != "http://read.info/readv2 8T09.: 871731000000106 here, 306206005 in the national map" {
		t.Errorf("the differences are %q", got)
	}
	matches, _ := r.Translate(url, ReadV2, "H33..")
	if m := matches[0]; m.Map != conceptMaps+"readv2-snomed-national" || m.Row != 4 || m.Equivalence != "relatedto" {
		t.Errorf("the row is named as %+v", m)
	}
	if text := files[0].String(); !strings.Contains(text, "map of Read v2 to SNOMED CT, 9 rows, 1 of them inactive; 3 codes are translated; not translated are 1 without an assured row, 1 with several candidates and 1 that have no concept") {
		t.Error(text)
	}
	if n := r.ConceptMap(conceptMaps + "readv2-snomed-national"); fhir.Check(n) != nil {
		t.Errorf("the ConceptMap is not valid: %v", fhir.Check(n))
	}
	back, err := r.Answer(Question{Map: conceptMaps + "readv2-snomed-national", Codings: []Coding{{System: SNOMED, Code: "73211009"}}, Reverse: true})
	if err != nil || len(back.Matches) != 2 || back.Matches[0].Concept.Code != "H33.." {
		t.Errorf("the way back: %+v, %v", back, err)
	}
}

// TestNationalCTV3: the preferred term decides where the terms of a code lead to several
// concepts.
func TestNationalCTV3(t *testing.T) {
	r, _, err := withOurs(t, fstest.MapFS{"a/ctv3sctmap2_uk_20200401000001.txt": {Data: []byte(ctv3Header +
		"{A1}\tX0001\tY0001\tP\t195967001\t\t1\t20200401\t1\r\n" +
		"{A2}\tX0001\tY0002\tS\t73211009\t\t1\t20200401\t1\r\n" +
		"{A3}\tX0002\tY0003\tS\t73211009\t\t1\t20200401\t1\r\n" +
		"{A4}\tX0003\tY0004\tP\t73211009\t\t1\t20200401\t0\r\n" +
		"{A5}\tX0003\tY0005\tS\t195967001\t\t1\t20200401\t1\r\n")}})
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]string{"X0001": "195967001", "X0002": "73211009", "X0003": "195967001", "X0004": ""} {
		matches, err := r.Translate(conceptMaps+"ctv3-snomed-national", CTV3, code)
		got := ""
		if len(matches) == 1 {
			got = matches[0].Code
		}
		if err != nil || got != want {
			t.Errorf("%s leads to %q, %v; want %q", code, got, err, want)
		}
	}
}

// TestNationalFaults: a file with a fault is refused by its line.
func TestNationalFaults(t *testing.T) {
	good := "{A1}\tH33..\t00\t195967001\t\t1\t20200401\t1\n"
	for _, c := range []struct{ row, want string }{
		{"{A2}\tH33.\t00\t195967001\t\t1\t20200401\t1\n", `rcsctmap2_uk_x.txt, line 3: the code is "H33."`},
		{"{A2}\tH34..\t0\t195967001\t\t1\t20200401\t1\n", `line 3: the term code is "0"`},
		{"{A2}\tH34..\t00\t195967002\t\t1\t20200401\t1\n", `line 3: "195967002" is no identifier of a concept`},
		{"{A2}\tH34..\t00\t195967001\t\tyes\t20200401\t1\n", `line 3: is_assured is "yes"; it is 1 or 0`},
		{"{A2}\tH34..\t00\t195967001\t\t1\tApril\t1\n", `line 3: the effective date is "April"`},
		{"{A2}\tH34..\t00\n", `line 3: the row has 3 columns; the header has 8`},
	} {
		_, _, err := withOurs(t, fstest.MapFS{"rcsctmap2_uk_x.txt": {Data: []byte(readHeader + good + c.row)}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v; want %s", err, c.want)
		}
	}
	twice := fstest.MapFile{Data: []byte(readHeader + good)}
	if _, _, err := withOurs(t, fstest.MapFS{"rcsctmap2_uk_1.txt": &twice, "rcsctmap2_uk_2.txt": &twice}); err == nil || !strings.Contains(err.Error(), "another map of Read v2") {
		t.Errorf("two releases: %v", err)
	}
}

// TestOtherTablesOfRead: what else is in a release does not stop the start.
func TestOtherTablesOfRead(t *testing.T) {
	_, files, err := withOurs(t, fstest.MapFS{
		"a/rcsctmap_uk_1.txt": {Data: []byte("MapId\tReadCode\tConceptId\r\n{A}\tH33..\t195967001\r\n")},
		"b/ctv3rctmap_1.txt":  {Data: []byte("MAPID\tCTV3_CONCEPTID\tV2_CONCEPTID\r\n{A}\tX0001\tH33..\r\n")},
	})
	if err != nil || len(files) != 2 || files[0].Passed == "" || files[1].Passed == "" {
		t.Errorf("%v, %v", files, err)
	}
}

// TestWithoutNationalMaps: what ships works alone, and only the national maps may be missing.
func TestWithoutNationalMaps(t *testing.T) {
	r, _, err := withOurs(t, fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]int{"8T09.": 1, "8T09.00": 1, "13D..": 0, "13D..00": 0, "13D..11": 1} {
		if matches, err := r.Translate(conceptMaps+"readv2-snomed", ReadV2, code); err != nil || len(matches) != want {
			t.Errorf("%s: %v, %v", code, matches, err)
		}
	}
	if _, err := r.Translate(conceptMaps+"another", ReadV2, "8T09."); err == nil {
		t.Error("a ConceptMap that is not loaded is taken for an empty one")
	}
}

// nationalFile is a file of as many codes, each with two terms.
func nationalFile(codes int) []byte {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var b strings.Builder
	b.WriteString(readHeader)
	for i := range codes {
		code := []byte{letters[i%62], letters[i/62%62], letters[i/62/62%62], letters[i/62/62/62%62], '.'}
		for _, term := range []string{"00", "11"} {
			fmt.Fprintf(&b, "{%08X-0000-4000-8000-0000000000%s}\t%s\t%s\t195967001\t301480018\t1\t20200401\t1\r\n", i, term, code, term)
		}
	}
	return []byte(b.String())
}

// BenchmarkNational reads 200,000 rows.
func BenchmarkNational(b *testing.B) {
	files := fstest.MapFS{"rcsctmap2_uk_20200401000001.txt": {Data: nationalFile(100_000)}}
	b.SetBytes(int64(len(files["rcsctmap2_uk_20200401000001.txt"].Data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := (*Registry)(nil).WithFolder(Folder{FS: files}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTranslateNational(b *testing.B) {
	r, _, err := withOurs(b, fstest.MapFS{"rcsctmap2_uk_20200401000001.txt": {Data: nationalFile(100_000)}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if m, err := r.Translate(conceptMaps+"readv2-snomed", ReadV2, "zz1..00"); err != nil || len(m) > 1 {
			b.Fatal(m, err)
		}
	}
}
