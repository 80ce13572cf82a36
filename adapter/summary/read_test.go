package summary

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

// file is a PDF as a reader finds it: by its cross-reference table.
type file struct {
	t       *testing.T
	data    []byte
	objects map[int]string
}

var (
	entry     = regexp.MustCompile(`(\d{10}) 00000 n `)
	reference = regexp.MustCompile(`(\d+) 0 R`)
	shown     = regexp.MustCompile(`BT /F ([\d.]+) Tf .* ([\d.]+) ([\d.]+) Td <([0-9A-F]*)> Tj ET`)
	mapped    = regexp.MustCompile(`<([0-9A-F]{4})> <([0-9A-F]+)>\nendbfchar`)
)

// open reads the table, and wants each object where the table says.
func open(t *testing.T, data []byte) *file {
	t.Helper()
	f := &file{t: t, data: data, objects: map[int]string{}}
	at := bytes.LastIndex(data, []byte("startxref\n"))
	start, err := strconv.Atoi(strings.Fields(string(data[at:]))[1])
	if err != nil || !bytes.HasPrefix(data[start:], []byte("xref\n")) || !bytes.HasSuffix(data, []byte("%%EOF\n")) {
		t.Fatalf("no table at %d: %v", start, err)
	}
	for i, m := range entry.FindAllSubmatch(data[start:], -1) {
		offset, _ := strconv.Atoi(string(m[1]))
		head := strconv.Itoa(i+1) + " 0 obj\n"
		if !bytes.HasPrefix(data[offset:], []byte(head)) {
			t.Fatalf("object %d is not at %d", i+1, offset)
		}
		body := data[offset+len(head):]
		f.objects[i+1] = string(body[:bytes.Index(body, []byte("\nendobj\n"))])
	}
	return f
}

// leads is the object that an entry of another leads to.
func (f *file) leads(object int, name string) int {
	f.t.Helper()
	_, rest, ok := strings.Cut(f.objects[object], name+" ")
	m := reference.FindStringSubmatch(rest)
	if !ok || m == nil {
		f.t.Fatalf("object %d has no %s: %s", object, name, f.objects[object])
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

func (f *file) stream(object int) []byte {
	f.t.Helper()
	head, rest, _ := strings.Cut(f.objects[object], "\nstream\n")
	packed := strings.TrimSuffix(rest, "\nendstream")
	if !strings.Contains(head, "/Length "+strconv.Itoa(len(packed))+">>") {
		f.t.Errorf("the stream of object %d has %d bytes: %s", object, len(packed), head)
	}
	r, err := zlib.NewReader(strings.NewReader(packed))
	if err != nil {
		f.t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		f.t.Fatal(err)
	}
	return data
}

// readPDF gives the text of all pages in order, a line for a line, without what is no
// part of the text. It wants every line inside its page and every glyph in the font.
func readPDF(t *testing.T, data []byte) string {
	t.Helper()
	f := open(t, data)
	glyphs := f.font()
	unicodes := map[string]string{}
	for _, m := range mapped.FindAllSubmatch(f.stream(f.leads(objFont, "/ToUnicode")), -1) {
		raw, _ := hex.DecodeString(string(m[2]))
		units := make([]uint16, len(raw)/2)
		for i := range units {
			units[i] = binary.BigEndian.Uint16(raw[2*i:])
		}
		unicodes[string(m[1])] = string(utf16.Decode(units))
	}
	var out strings.Builder
	pages := reference.FindAllStringSubmatch(strings.SplitN(strings.SplitN(f.objects[objPages], "/Kids [", 2)[1], "]", 2)[0], -1)
	for number, page := range pages {
		n, _ := strconv.Atoi(page[1])
		content, artifacts, ok := strings.Cut(string(f.stream(f.leads(n, "/Contents"))), "/Artifact")
		if !ok || strings.Count(content, " BDC\n") != strings.Count(content, "EMC\n") {
			t.Fatalf("page %d has unbalanced tags", number+1)
		}
		for _, m := range shown.FindAllStringSubmatch(content+artifacts, -1) {
			size, _ := strconv.ParseFloat(m[1], 64)
			x, _ := strconv.ParseFloat(m[2], 64)
			y, _ := strconv.ParseFloat(m[3], 64)
			width := 0.0
			for i := 0; i < len(m[4]); i += 4 {
				g, _ := strconv.ParseUint(m[4][i:i+4], 16, 16)
				if g == 0 || int(g) >= len(glyphs) {
					t.Fatalf("glyph %d is not in the font", g)
				}
				width += glyphs[g] * size
			}
			// the blank that a line was broken at may stand out
			if y < 20 || y+size > pageHeight-margin+size || x+width > pageWidth-margin+size {
				t.Fatalf("page %d: a line at %v, %v is %v wide", number+1, x, y, width)
			}
		}
		for _, m := range shown.FindAllStringSubmatch(content, -1) {
			for i := 0; i < len(m[4]); i += 4 {
				out.WriteString(unicodes[m[4][i:i+4]])
			}
			out.WriteString("\n")
		}
	}
	return out.String()
}

// font reads the embedded font: how wide each glyph is, as part of its size. It wants the
// tables that a PDF needs, each with its checksum, and every outline and component inside.
func (f *file) font() []float64 {
	f.t.Helper()
	data := f.stream(f.leads(objDescriptor, "/FontFile2"))
	tables := map[string][]byte{}
	for i := range u16(data, 4) {
		e := data[12+16*i:]
		table := data[u32(e, 8) : u32(e, 8)+u32(e, 12)]
		tables[string(e[:4])] = table
		if checksum(table) != binary.BigEndian.Uint32(e[4:]) {
			f.t.Errorf("the checksum of %s is wrong", e[:4])
		}
	}
	count := u16(tables["maxp"], 4)
	if len(tables["loca"]) != 4*(count+1) || len(tables["hmtx"]) != 4*count || u16(tables["head"], 50) != 1 || u16(tables["hhea"], 34) != count {
		f.t.Fatalf("the tables of %d glyphs do not fit each other", count)
	}
	widths := make([]float64, count)
	for i := range count {
		widths[i] = float64(u16(tables["hmtx"], 4*i)) / float64(u16(tables["head"], 18))
		outline(tables["glyf"][u32(tables["loca"], 4*i):u32(tables["loca"], 4*i+4)], func(part uint16) uint16 {
			if int(part) >= count {
				f.t.Errorf("glyph %d has a component %d outside the font", i, part)
			}
			return part
		})
	}
	return widths
}
