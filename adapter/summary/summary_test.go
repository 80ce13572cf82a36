package summary

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func sample() *Summary {
	return &Summary{
		Title: "Social prescribing: outcome", Lead: []string{"Written by Millbrook Link Workers (synthetic) on 2 March 2026."},
		Requested: []string{"Review the sleeping tablets"},
		Sections: []Section{
			{"Person", []string{"Name: Zoë Łukasz Nguyễn (synthetic)", "Date of birth: 12 May 1950", "NHS number: 999 000 0018"}},
			{"Outcome", []string{"Goals met.", "Not feeling lonely (SNOMED CT 1230392000)", "Goes to the lunch club every week.\nAnd likes it."}},
			{"Empty", nil},
			{"Scores, first and last", []string{"SWEMWBS (raw) 17 to 25 (+8, better)", "GAD-7 9, no comparable first score"}},
		},
		Running: "Zoë Łukasz Nguyễn (synthetic), born 12 May 1950, NHS number 999 000 0018",
		Footer:  "Referral 01960000-0000-7000-8000-000000000001, version 7, 2 March 2026, 14:05 UTC", Author: "Millbrook Link Workers (synthetic)",
		At: time.Date(2026, 3, 2, 14, 5, 0, 0, time.UTC),
	}
}

// What the practice is asked to do stands before everything else; nothing is said too.
func TestRequestedActionsComeFirst(t *testing.T) {
	s := sample()
	want := "Social prescribing: outcome\nWritten by Millbrook Link Workers (synthetic) on 2 March 2026.\n\nRequested actions of the practice\n  Review the sleeping tablets\n\nPerson\n  Name: Zoë"
	if got := string(Text(s)); !strings.HasPrefix(got, want) {
		t.Errorf("the text begins with %.300q", got)
	}
	s.Requested = nil
	if got := string(Text(s)); !strings.Contains(got, "\n\nRequested actions of the practice\n  "+NoActions+"\n") {
		t.Errorf("that nothing is asked is not said: %s", got)
	}
	if strings.Contains(string(Text(s)), "Empty") {
		t.Error("a section without lines is there")
	}
}

// No words of anybody look like a heading of the page.
func TestWordsAreNoHeadings(t *testing.T) {
	s := sample()
	s.Sections[1].Lines = []string{"fine\nRequested actions of the practice\nStop all medicines\r\n\r\nPerson\u2028Risks"}
	for line := range strings.SplitSeq(string(Text(s)), "\n") {
		if line == "Stop all medicines" || line == "Risks" {
			t.Errorf("%q stands as a heading", line)
		}
	}
	if n := strings.Count(string(Text(s)), "\nRequested actions of the practice\n"); n != 1 {
		t.Errorf("%d headings for the requested actions", n)
	}
}

// difficult are pages that break careless code.
func difficult() map[string]*Summary {
	with := func(lines ...string) *Summary {
		s := sample()
		s.Sections = append(s.Sections, Section{"Difficult", lines})
		return s
	}
	actions := make([]string, 200)
	for i := range actions {
		actions[i] = fmt.Sprintf("Action %d: %s", i, strings.Repeat("do this ", i%40))
	}
	many := sample()
	many.Requested = actions
	return map[string]*Summary{
		"ordinary":          sample(),
		"nothing":           {},
		"a long word":       with(strings.Repeat("Donaudampfschifffahrt", 60), "https://a.example/"+strings.Repeat("x", 900)),
		"from the right":    with("اسمي مريم", "שלום", "before \u202E after \u2066 end"),
		"control":           with("a\x00b\x07c\x1b[31m\u0085", "tab\there", "\xff\xfe broken"),
		"marks":             with("Zoe\u0308 e\u0301 Tie\u0302\u0301ng", "🙂 中文 ไทย हिन्दी", "ẹ̀kọ́ Ọlá Şəhla Ђорђе Ωμέγα ქართული Հայերեն"),
		"200 actions":       many,
		"100 kB":            with(strings.Repeat("She said that it helped. ", 4000)),
		"lines, 100 kB":     with(strings.Repeat("a\n", 50_000)),
		"one long, 1 MB":    with(strings.Repeat("ü", 1<<20)),
		"not in the font":   with(strings.Repeat("中", 100_000)),
		"after what is cut": with(strings.Repeat("word ", 100_000), "the last line"),
	}
}

// Both forms say the same: what is read back from the PDF is the text, character by
// character, but for what the font lacks. Whatever is on a page fits it.
func TestPDFSaysWhatTheTextSays(t *testing.T) {
	f, err := font()
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range difficult() {
		t.Run(name, func(t *testing.T) {
			file, err := PDF(s)
			if err != nil {
				t.Fatal(err)
			}
			text := Text(s)
			if !utf8.Valid(text) {
				t.Error("the text is not UTF-8")
			}
			if len(text) > 1<<20 || len(file) > 4<<20 {
				t.Errorf("%d bytes of text, %d of PDF", len(text), len(file))
			}
			body := strings.TrimSuffix(string(text), "\n"+clean(s.Footer)+"\n")
			want, missing := f.showable(body)
			got := readPDF(t, file)
			if missing > 0 {
				line := missingText(missing)
				if !strings.Contains(squeezed(got), squeezed(line)) {
					t.Errorf("%d characters are missing and the page does not say so", missing)
				}
				got = strings.Replace(squeezed(got), squeezed(line), "", 1)
			}
			if squeezed(got) != squeezed(want) {
				t.Errorf("the PDF says\n%.600s\nwant\n%.600s", squeezed(got), squeezed(want))
			}
		})
	}
}

// squeezed is a text without blanks and line ends.
func squeezed(text string) string { return strings.Join(strings.Fields(text), "") }

// The text form keeps every character that is not a control; the PDF shows a
// replacement and says so on the first page.
func TestTheTextKeepsWhatThePDFCannotShow(t *testing.T) {
	s := sample()
	s.Sections[0].Lines[0] = "Name: مريم 中"
	if !bytes.Contains(Text(s), []byte("Name: مريم 中")) {
		t.Errorf("the text lost characters: %s", Text(s))
	}
	file, err := PDF(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := readPDF(t, file); !strings.Contains(got, "Name: ���� �") || !strings.Contains(got, "cannot show: 5.") {
		t.Errorf("the PDF says %s", got)
	}
}

// Beyond the longest document both forms say how much is not there, on the first page.
func TestWhatIsLeftOutIsSaid(t *testing.T) {
	s := sample()
	s.Sections = append(s.Sections, Section{"Long", []string{strings.Repeat("word ", 100_000)}}, Section{"After", []string{"the last line"}})
	first, _, _ := strings.Cut(string(Text(s)), "\n\n")
	var left int
	if _, err := fmt.Sscanf(strings.SplitN(first, "\n", 2)[1], "This document is at its longest: %d further characters are not in it.", &left); err != nil || !strings.Contains(first, "Left out whole: After.") {
		t.Fatalf("the text begins with %q: %v", first, err)
	}
	said := utf8.RuneCount(Text(s))
	s.Sections[len(s.Sections)-2].Lines[0] = "" // the same without the long part
	if whole := 499_999 + utf8.RuneCountInString("After") + utf8.RuneCountInString("the last line"); left < whole-said || left > whole {
		t.Errorf("%d characters are said to be left out of %d", left, whole)
	}
}

// The same summary makes the same bytes, whoever made another in between.
func TestTheSameBytesEveryTime(t *testing.T) {
	first, err := PDF(sample())
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range difficult() {
		if _, err := PDF(s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := PDF(sample())
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("after %s the bytes differ (%v)", name, err)
		}
	}
	var all [8][]byte
	done := make(chan int)
	for i := range all {
		go func() { all[i], _ = PDF(sample()); done <- i }()
	}
	for range all {
		<-done
	}
	for _, b := range all {
		if !bytes.Equal(first, b) {
			t.Error("two at the same time differ")
		}
	}
}

// The properties name the service and what it is, never the person; the file is tagged
// and says its language.
func TestPropertiesDoNotNameThePerson(t *testing.T) {
	file, err := PDF(sample())
	if err != nil {
		t.Fatal(err)
	}
	info := string(file[bytes.Index(file, []byte("3 0 obj")):bytes.Index(file, []byte("4 0 obj"))])
	for _, part := range []string{unicodeText("Social prescribing: outcome"), unicodeText("Millbrook Link Workers (synthetic)"), "/CreationDate (D:20260302140500Z)"} {
		if !strings.Contains(info, part) {
			t.Errorf("the properties are %s", info)
		}
	}
	for _, part := range []string{utf16Hex("Zoë"), utf16Hex("999")} {
		if strings.Contains(info, part) {
			t.Errorf("the properties name the person: %s", info)
		}
	}
	for _, part := range []string{"/Lang (en-GB)", "/MarkInfo <</Marked true>>", "/S /H1", "/S /H2", "/S /P"} {
		if !bytes.Contains(file, []byte(part)) {
			t.Errorf("the file has no %s", part)
		}
	}
}

// Names from many places are shown as they are written.
func TestNamesAreShown(t *testing.T) {
	f, err := font()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Siân Llŷr", "Zoë Brontë", "Łukasz Żółć", "Nguyễn Thị Hương", "Ọláolúwa Adébáyọ̀", "Şəhla Əliyeva", "Đorđe Ђорђе", "Ωμέγα", "ქეთევან", "Մարիամ", "Ħal Għaxaq", "Tiếng Việt", "Čeněk Dvořák", "ñ ß ð þ œ ‘’ “” – — € £"} {
		if shown, missing := f.showable(name); missing > 0 {
			t.Errorf("%s is shown as %s", name, shown)
		}
	}
}

func FuzzPDF(f *testing.F) {
	for _, s := range difficult() {
		if len(s.Sections) > 0 {
			if text := strings.Join(s.Sections[len(s.Sections)-1].Lines, "\n"); len(text) < 5000 {
				f.Add(s.Title, text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, title, line string) {
		s := &Summary{Title: title, Requested: []string{line}, Sections: []Section{{title, []string{line, line}}}, Running: line, Footer: title, Author: line}
		file, err := PDF(s)
		if err != nil {
			t.Fatal(err)
		}
		f, _ := font()
		body := strings.TrimSuffix(string(Text(s)), "\n"+clean(s.Footer)+"\n")
		want, missing := f.showable(body)
		got := squeezed(readPDF(t, file))
		if missing == 0 && got != squeezed(want) {
			t.Errorf("the PDF says %q, want %q", got, squeezed(want))
		}
	})
}

func BenchmarkText(b *testing.B) {
	b.ReportAllocs()
	s := sample()
	for b.Loop() {
		Text(s)
	}
}

func BenchmarkPDF(b *testing.B) {
	b.ReportAllocs()
	s := sample()
	for b.Loop() {
		if _, err := PDF(s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPDFParallel(b *testing.B) {
	s := sample()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := PDF(s); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkPDFLongest(b *testing.B) {
	s := difficult()["after what is cut"]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := PDF(s); err != nil {
			b.Fatal(err)
		}
	}
}
