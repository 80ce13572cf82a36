package terminology

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

func TestFolderSaysWhatItRead(t *testing.T) {
	var told []Progress
	_, files, err := (*Registry)(nil).WithFolder(Folder{FS: tree(), Progress: func(p Progress) { told = append(told, p) }})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.String())
	}
	want := []string{
		"Full/Refset/Content/der2_Refset_SimpleFull_XX_20260301.txt: passed over, a Full file has other versions of its rows than the one in force; the Snapshot is read",
		"Snapshot/Refset/Content/der2_Refset_SimpleSnapshot_XX_20260301.txt: RF2 simple reference sets, 5 rows, 2 of them inactive",
		"Snapshot/Refset/Language/der2_cRefset_LanguageSnapshot-en_XX_20260301.txt: RF2 language reference sets, 3 rows",
		"Snapshot/Refset/Map/der2_iisssccRefset_ExtendedMapSnapshot_XX_20260301.txt: passed over, this content of a release is not used here",
		"Snapshot/Terminology/sct2_Concept_Snapshot_XX_20260301.txt: RF2 concepts, 9 rows, 1 of them inactive",
		"Snapshot/Terminology/sct2_Description_Snapshot-en_XX_20260301.txt: RF2 descriptions, 7 rows, 1 of them inactive",
		"Snapshot/Terminology/sct2_Relationship_Snapshot_XX_20260301.txt: RF2 relationships, 8 rows, 1 of them inactive",
		"readme.txt: passed over, its header is neither that of RF2 nor one of a list of members: refsetId and referencedComponentId",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if len(told) != 0 {
		t.Errorf("a short load need not be told of: %v", told)
	}
}

func TestLists(t *testing.T) {
	c := numbered
	want := map[string]string{c(1): "yes", c(2): "yes", c(3): "no"}
	for name, text := range map[string]string{
		"comma":     "refsetId,referencedComponentId,term,active\n" + refset + "," + c(1) + ",\"One, or \"\"first\"\"\",1\n" + refset + "," + c(2) + ",Two,true\n\n" + refset + "," + c(3) + ",Three,0\n",
		"tab":       "active\treferencedComponentId\trefsetId\r\n1\t" + c(1) + "\t" + refset + "\r\nYES\t" + c(2) + "\t" + refset + "\r\nno\t" + c(3) + "\t" + refset,
		"semicolon": "\ufeffRefset ID;SNOMED code\n" + refset + ";" + c(1) + "\n" + refset + "; " + c(2) + " \n",
		"clusters":  "Cluster_ID,Cluster_Description,SNOMED_code,SNOMED_code_description,PCD_Refset_ID\nX_COD,\"A, b\"," + c(1) + ",One," + refset + "\nX_COD,A," + c(2) + ",Two," + refset + "\n",
	} {
		r := brought(t, fstest.MapFS{"a.csv": {Data: []byte(text)}})
		for code, want := range want {
			if got := verdict(r, Refset(refset), SNOMED, code); got != want {
				t.Errorf("%s, %s: got %s, want %s", name, code, got, want)
			}
		}
		if found, _ := r.Lookup(SNOMED, c(1)); name == "comma" && found.Display != `One, or "first"` {
			t.Errorf("%s: got %q", name, found.Display)
		}
	}
}

func TestFolderRefuses(t *testing.T) {
	c := numbered
	simple, list := "der2_Refset_SimpleSnapshot_XX_20260301.txt", "a.csv"
	one := memberRow(1, refset, c(1))
	for text, file := range map[string]struct {
		name string
		rows []string
	}{
		"der2_Refset_SimpleSnapshot_XX_20260301.txt, line 3: the row has 5 columns; the header has 6":        {simple, []string{one, strings.TrimSuffix(one, " "+c(1))}},
		"line 2: the id of a member of a reference set is a UUID":                                            {simple, []string{strings.Replace(one, member0, "8", 1)}},
		"line 2: effectiveTime has the form YYYYMMDD":                                                        {simple, []string{strings.Replace(one, day, "2026", 1)}},
		"line 2: active is 1 or 0":                                                                           {simple, []string{strings.Replace(one, " 1 ", " 2 ", 1)}},
		`line 2: moduleId is "900000000000207000", which is no SNOMED CT identifier`:                         {simple, []string{strings.Replace(one, module, "900000000000207000", 1)}},
		`line 2: refsetId is ` + made(1, 1) + `, which is the identifier of a description, not of a concept`: {simple, []string{strings.Replace(one, refset, made(1, 1), 1)}},
		`line 2: the member is "1.01999E+14", which a spreadsheet has rounded`:                               {list, []string{refset + "	1.01999E+14"}},
		`line 2: the reference set is "", which is no SNOMED CT identifier`:                                  {list, []string{"	" + c(1)}},
		`line 2: a quotation mark is not closed`:                                                             {list, []string{refset + "	\"" + c(1)}},
		`line 2: the row is not UTF-8`:                                                                       {list, []string{refset + "	" + c(1) + "\xff"}},
		`line 2: the line is longer than 65536 bytes`:                                                        {list, []string{refset + "	" + strings.Repeat("1", 70_000)}},
	} {
		header := simpleTable.columns
		if file.name == list {
			header = "refsetId\treferencedComponentId"
		}
		_, _, err := (*Registry)(nil).WithFolder(Folder{FS: fstest.MapFS{file.name: lines(header, file.rows...)}})
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("want %s\ngot  %v", text, err)
		}
	}
	many := make([]string, 1000)
	for i := range many {
		many[i] = "x"
	}
	_, _, err := (*Registry)(nil).WithFolder(Folder{FS: fstest.MapFS{simple: lines(simpleTable.columns, many...), list: {Data: []byte("{")}, "b.json": {Data: []byte("{")}}})
	all := issue.All(err)
	if len(all) != maxFileFaults+2 || !strings.Contains(all[maxFileFaults+1].Details, "980 more faults") || !strings.HasPrefix(all[0].Details, "b.json, line 1: ") {
		t.Errorf("%d faults: %v", len(all), err)
	}
	for name, file := range map[string]*fstest.MapFile{
		"sct2_Concept_Snapshot_XX_20260301.txt": lines(simpleTable.columns), "a.zip": {Data: []byte("no archive")},
		"b.json": {Data: []byte(`{"resourceType":"ValueSet","status":"active"}`)},
	} {
		if _, _, err := (*Registry)(nil).WithFolder(Folder{FS: fstest.MapFS{name: file}}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestListsThatAreNotUnderstood: members must not be absent because a header or an encoding
// is another than is read.
func TestListsThatAreNotUnderstood(t *testing.T) {
	row := refset + "," + numbered(1) + "\n"
	units := func(text string) string {
		out := "\xff\xfe"
		for _, c := range text {
			out += string([]byte{byte(c), 0})
		}
		return out
	}
	for text, want := range map[string]string{
		"refset,concept\n" + row:                                    `structure [list-header]: a.csv, line 1: the file looks like a list of reference set members, and its header "refset,concept" is not understood: the first line needs one column refsetId and one referencedComponentId`,
		"code;name\n" + numbered(1) + ";One\n123456;Two\n":          "is not understood",
		"name\tcode\nOne\t" + numbered(1) + "\nTwo\t" + numbered(2): "is not understood",
		row + row: "is not understood",
		row:       "is not understood",
		units("refsetId,referencedComponentId\n" + row):     "a.csv, line 1: the file is UTF-16",
		units("refsetId,referencedComponentId\n" + row)[2:]: "a.csv, line 1: the file is UTF-16",
		"":                           "",
		"who,when\nme,today\n":       "",
		"room,tel\nA,123456\nB,12\n": "",
		"123456\n234567\n":           "",
		"one line of words":          "",
	} {
		_, files, err := (*Registry)(nil).WithFolder(Folder{FS: fstest.MapFS{"a.csv": {Data: []byte(text)}}})
		switch {
		case want == "" && (err != nil || !files[0].Doubtful):
			t.Errorf("%q: got %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q:\ngot  %v\nwant %s", text, err, want)
		}
	}
	_, _, err := (*Registry)(nil).WithFolder(Folder{FS: fstest.MapFS{"support.csv": {Data: []byte("refsetId,referencedComponentId\n" + refset + ",7\n")}}})
	if err == nil || strings.Count(err.Error(), "line 2") != 1 {
		t.Errorf("the position comes once: %v", err)
	}
}

// TestFolderOfResources: FHIR resources, packages and archives lie beside the tables.
func TestFolderOfResources(t *testing.T) {
	files := fstest.MapFS{
		"colours.json": {Data: []byte(colours)}, "package.json": {Data: []byte(`{"name":"x"}`)}, "notes.md": {Data: []byte("x")}, ".hidden.json": {Data: []byte("{")}, "..2026/colours.json": {Data: []byte(colours)},
		"more.tgz": {Data: []byte("packed")}, "release.zip": {Data: zipped(t, tree())},
	}
	r, list, err := (*Registry)(nil).WithFolder(Folder{FS: files, Package: func(from io.Reader, name string) ([]*fhir.Node, error) {
		if body, err := io.ReadAll(from); string(body) != "packed" || name != "more.tgz" {
			t.Errorf("got %s %s %v", name, body, err)
		}
		return parse(t, shapes), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.URLs("CodeSystem"); !slices.Equal(got, []string{"urn:colours", "urn:shapes"}) {
		t.Errorf("got %v", got)
	}
	if got := verdict(r, Refset(refset), SNOMED, numbered(4)); got != "yes" {
		t.Errorf("the archive was not read: %s", got)
	}
	read := 0
	for _, f := range list {
		if f.Passed == "" {
			read++
		}
	}
	if read != 7 || len(list) != 12 {
		t.Errorf("%d of %d files were read: %v", read, len(list), list)
	}
	if _, list, err = r.WithFolder(Folder{FS: fstest.MapFS{"more.tgz": files["more.tgz"]}}); err != nil || list[0].Passed == "" || !list[0].Doubtful {
		t.Errorf("a package that nobody reads is passed over: %v %v", list, err)
	}
}

// TestLinkedFiles: files that a mount shows by links are read, each once.
func TestLinkedFiles(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "..data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "..data", "release.zip"), zipped(t, tree()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, link := range [][2]string{{"..data/release.zip", "release.zip"}, {"..data", "folder"}} {
		if err := os.Symlink(link[0], filepath.Join(folder, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	r, files, err := (*Registry)(nil).WithFolder(Folder{FS: os.DirFS(folder)})
	if err != nil {
		t.Fatal(err)
	}
	if got := verdict(r, Refset(refset), SNOMED, numbered(4)); got != "yes" || !files[0].Doubtful || files[0].Name != "folder" {
		t.Errorf("got %s, %v", got, files)
	}
}
