package summary

import (
	"encoding/binary"
	"errors"
	"sync"
	"unicode"

	"github.com/go-fonts/dejavu/dejavusanscondensed"
)

// face is a TrueType font, read once. It is read-only.
// Source: https://learn.microsoft.com/typography/opentype/spec/otff.
type face struct {
	tables     map[string][]byte
	unitsPerEm int
	loca       []uint32 // where each glyph begins in glyf; one more than there are glyphs
	advance    []uint16 // in font units
	bearing    []uint16 // left side bearing
	glyphs     map[rune]uint16
}

// font is the font of every page. DejaVu covers Latin with all its marks, Greek,
// Cyrillic, Armenian and Georgian, and its licence lets a document embed it.
var font = sync.OnceValues(func() (*face, error) { return parseFace(dejavusanscondensed.TTF) })

// errFont is a fault of the font that the program was built with.
var errFont = errors.New("the font of the program cannot be read")

func u16(b []byte, at int) int { return int(binary.BigEndian.Uint16(b[at:])) }
func u32(b []byte, at int) int { return int(binary.BigEndian.Uint32(b[at:])) }

// parseFace reads a TrueType font with a cmap of format 12. It is for fonts that the
// program was built with: it checks that the tables are there, not what they hold.
func parseFace(data []byte) (*face, error) {
	if len(data) < 12 {
		return nil, errFont
	}
	f := &face{tables: map[string][]byte{}, glyphs: map[rune]uint16{}}
	for i := range u16(data, 4) {
		entry := data[12+16*i:]
		f.tables[string(entry[:4])] = data[u32(entry, 8) : u32(entry, 8)+u32(entry, 12)]
	}
	for _, name := range []string{"head", "hhea", "maxp", "hmtx", "loca", "glyf", "cmap"} {
		if f.tables[name] == nil {
			return nil, errFont
		}
	}
	head, loca, hmtx, cmap := f.tables["head"], f.tables["loca"], f.tables["hmtx"], f.tables["cmap"]
	f.unitsPerEm = u16(head, 18)
	count, metrics := u16(f.tables["maxp"], 4), u16(f.tables["hhea"], 34)
	for i := range count + 1 {
		if u16(head, 50) == 0 {
			f.loca = append(f.loca, uint32(2*u16(loca, 2*i)))
		} else {
			f.loca = append(f.loca, uint32(u32(loca, 4*i)))
		}
	}
	for i := range count {
		f.advance = append(f.advance, uint16(u16(hmtx, 4*min(i, metrics-1))))
		if i < metrics {
			f.bearing = append(f.bearing, uint16(u16(hmtx, 4*i+2)))
		} else {
			f.bearing = append(f.bearing, uint16(u16(hmtx, 4*metrics+2*(i-metrics))))
		}
	}
	for i := range u16(cmap, 2) {
		table := cmap[u32(cmap, 4+8*i+4):]
		if u16(table, 0) != 12 {
			continue
		}
		for group := range u32(table, 12) {
			g := table[16+12*group:]
			for r := u32(g, 0); r <= u32(g, 4); r++ {
				f.glyphs[rune(r)] = uint16(u32(g, 8) + r - u32(g, 0))
			}
		}
	}
	if f.glyphs[replacement] == 0 || f.glyphs[' '] == 0 {
		return nil, errFont
	}
	return f, nil
}

// replacement stands for what the font cannot show.
const replacement = unicode.ReplacementChar

// joined are scripts that are joined, reordered or written from the right. Without
// shaping they would be readable and wrong, which is worse than a replacement.
var joined = []*unicode.RangeTable{unicode.Arabic, unicode.Hebrew, unicode.Syriac, unicode.Thaana, unicode.Nko, unicode.Mongolian,
	unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Tamil, unicode.Telugu, unicode.Kannada, unicode.Malayalam,
	unicode.Sinhala, unicode.Thai, unicode.Lao, unicode.Tibetan, unicode.Myanmar, unicode.Khmer}

// shows reports whether a character can be shown on a page.
func (f *face) shows(r rune) bool {
	return f.glyphs[r] != 0 && (r < 0x590 || !unicode.In(r, joined...))
}

// width is how far a character moves the pen, in points at size.
func (f *face) width(r rune, size float64) float64 {
	return float64(f.advance[f.glyphs[r]]) * size / float64(f.unitsPerEm)
}

// glyph is the outline of a glyph, empty for a blank.
func (f *face) glyph(id uint16) []byte { return f.tables["glyf"][f.loca[id]:f.loca[id+1]] }
