package summary

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf16"
)

// PDF gives a Summary as a PDF on A4, with an embedded part of its font, a language, and
// tags that say what is a heading and what a paragraph. Its properties name the author
// and what it is, never the person.
//
// A page costs well under a millisecond: the font is read once, and a document takes
// from it what it needs. Errors: that the font of the program cannot be read.
// Source: ISO 32000-1; tags: 14.8, marked content: 14.6, text as Unicode: 9.10.
func PDF(s *Summary) ([]byte, error) {
	f, err := font()
	if err != nil {
		return nil, err
	}
	blocks := s.blocks()
	missing := 0
	for i := range blocks {
		var n int
		blocks[i].text, n = f.showable(blocks[i].text)
		missing += n
	}
	if missing > 0 {
		blocks = append(blocks[:1], append([]block{{roleLead, missingText(missing)}}, blocks[1:]...)...)
	}
	l := &layout{font: newSubset(f)}
	for _, b := range blocks {
		l.add(b)
	}
	l.footers(s)
	return write(s, l), nil
}

// missingText says what a replacement on the page stands for.
func missingText(n int) string {
	return fmt.Sprintf("Characters that these pages cannot show: %d. Each stands here as %c; the text form of this document has them.", n, replacement)
}

// The objects of every document, by number; pages, their contents and the elements of
// the structure tree follow.
const (
	objCatalog = iota + 1
	objPages
	objInfo
	objFont
	objDescendant
	objDescriptor
	objFontFile
	objUnicode
	objStructure
	objDocument
	objParents
	objFirstPage
)

// write makes the file of what was laid out.
func write(s *Summary, l *layout) []byte {
	var (
		out     bytes.Buffer
		offsets []int
	)
	object := func(n int, body string) {
		for len(offsets) <= n {
			offsets = append(offsets, 0)
		}
		offsets[n] = out.Len()
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", n, body)
	}
	stream := func(n int, entries string, data []byte) {
		packed := compress(data)
		object(n, fmt.Sprintf("<<%s /Filter /FlateDecode /Length %d>>\nstream\n%s\nendstream", entries, len(packed), packed))
	}
	pageObject := func(i int) int { return objFirstPage + 2*i }
	elementObject := func(i int) int { return objFirstPage + 2*len(l.pages) + i }

	out.WriteString("%PDF-1.7\n%\xE2\xE3\xCF\xD3\n")
	object(objCatalog, fmt.Sprintf("<</Type /Catalog /Pages %d 0 R /Lang (en-GB) /MarkInfo <</Marked true>> /StructTreeRoot %d 0 R /ViewerPreferences <</DisplayDocTitle true>>>>", objPages, objStructure))
	var kids, parents, children strings.Builder
	for i, p := range l.pages {
		fmt.Fprintf(&kids, "%d 0 R ", pageObject(i))
		fmt.Fprintf(&parents, "%d [", i)
		for _, e := range p.marks {
			fmt.Fprintf(&parents, "%d 0 R ", elementObject(e))
		}
		parents.WriteString("] ")
	}
	object(objPages, fmt.Sprintf("<</Type /Pages /Count %d /Kids [%s] /MediaBox [0 0 %s %s] /Resources <</Font <</F %d 0 R>>>>>>",
		len(l.pages), kids.String(), points(pageWidth), points(pageHeight), objFont))
	at := s.At.UTC().Format("D:20060102150405Z")
	object(objInfo, fmt.Sprintf("<</Title %s /Author %s /Subject %s /Producer (spadapter) /CreationDate (%s) /ModDate (%s)>>",
		unicodeText(s.Title), unicodeText(s.Author), unicodeText(s.Title+", "+s.At.UTC().Format(time.DateOnly)), at, at))
	file := l.font.file()
	writeFont(object, stream, l.font, file)
	object(objStructure, fmt.Sprintf("<</Type /StructTreeRoot /K %d 0 R /ParentTree %d 0 R /ParentTreeNextKey %d>>", objDocument, objParents, len(l.pages)))
	for i := range l.elements {
		fmt.Fprintf(&children, "%d 0 R ", elementObject(i))
	}
	object(objDocument, fmt.Sprintf("<</Type /StructElem /S /Document /P %d 0 R /K [%s]>>", objStructure, children.String()))
	object(objParents, fmt.Sprintf("<</Nums [%s]>>", parents.String()))
	for i, p := range l.pages {
		object(pageObject(i), fmt.Sprintf("<</Type /Page /Parent %d 0 R /Contents %d 0 R /StructParents %d /Tabs /S>>", objPages, pageObject(i)+1, i))
		stream(pageObject(i)+1, "", p.content.Bytes())
	}
	for i, e := range l.elements {
		var pieces strings.Builder
		for _, piece := range e.pieces {
			fmt.Fprintf(&pieces, "<</Type /MCR /Pg %d 0 R /MCID %d>> ", pageObject(piece[0]), piece[1])
		}
		object(elementObject(i), fmt.Sprintf("<</Type /StructElem /S /%s /P %d 0 R /K [%s]>>", e.tag, objDocument, pieces.String()))
	}
	id := sha256.Sum256(out.Bytes())
	start := out.Len()
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(offsets))
	for _, offset := range offsets[1:] {
		fmt.Fprintf(&out, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&out, "trailer\n<</Size %d /Root %d 0 R /Info %d 0 R /ID [<%X> <%X>]>>\nstartxref\n%d\n%%%%EOF\n", len(offsets), objCatalog, objInfo, id[:16], id[:16], start)
	return out.Bytes()
}

// writeFont writes the subset as a composite font whose codes are glyph numbers, and
// which character each stands for.
func writeFont(object func(int, string), stream func(int, string, []byte), s *subset, file []byte) {
	f := s.face
	per := func(v int) int { return v * 1000 / f.unitsPerEm }
	signed := func(table string, at int) int { return per(int(int16(u16(f.tables[table], at)))) }
	const name = "SPSUMM+DejaVuSansCondensed"
	var widths, unicodes strings.Builder
	for n, old := range s.old {
		widths.WriteString(strconv.Itoa(per(int(f.advance[old]))) + " ")
		if n > 0 && s.runes[n] != 0 {
			fmt.Fprintf(&unicodes, "1 beginbfchar\n<%04X> <%s>\nendbfchar\n", n, utf16Hex(string(s.runes[n])))
		}
	}
	object(objFont, fmt.Sprintf("<</Type /Font /Subtype /Type0 /BaseFont /%s /Encoding /Identity-H /DescendantFonts [%d 0 R] /ToUnicode %d 0 R>>", name, objDescendant, objUnicode))
	object(objDescendant, fmt.Sprintf("<</Type /Font /Subtype /CIDFontType2 /BaseFont /%s /CIDSystemInfo <</Registry (Adobe) /Ordering (Identity) /Supplement 0>> /FontDescriptor %d 0 R /CIDToGIDMap /Identity /W [0 [%s]]>>",
		name, objDescriptor, widths.String()))
	object(objDescriptor, fmt.Sprintf("<</Type /FontDescriptor /FontName /%s /Flags 4 /FontBBox [%d %d %d %d] /ItalicAngle 0 /Ascent %d /Descent %d /CapHeight %d /StemV 80 /FontFile2 %d 0 R>>",
		name, signed("head", 36), signed("head", 38), signed("head", 40), signed("head", 42), signed("hhea", 4), signed("hhea", 6), signed("hhea", 4), objFontFile))
	stream(objFontFile, fmt.Sprintf("/Length1 %d", len(file)), file)
	stream(objUnicode, "", []byte("/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n"+
		"/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n"+unicodes.String()+
		"endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"))
}

// unicodeText is a string of a PDF in UTF-16.
func unicodeText(text string) string { return "<FEFF" + utf16Hex(text) + ">" }

func utf16Hex(text string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		fmt.Fprintf(&b, "%04X", unit)
	}
	return b.String()
}

// packers are kept: making one costs more than what it does here.
var packers = sync.Pool{New: func() any {
	w, err := zlib.NewWriterLevel(io.Discard, zlib.BestSpeed)
	if err != nil {
		panic(err) // a level that zlib has
	}
	return w
}}

// compress packs a stream.
func compress(data []byte) []byte {
	var out bytes.Buffer
	w := packers.Get().(*zlib.Writer)
	defer packers.Put(w)
	w.Reset(&out)
	// a buffer takes everything
	_, _ = w.Write(data)
	_ = w.Close()
	return out.Bytes()
}
