package summary

import (
	"encoding/binary"
	"slices"
)

// subset is the part of a face that one document needs. Its glyphs are numbered anew, in
// the order in which characters come up, so that the same text makes the same subset.
type subset struct {
	face    *face
	numbers map[rune]uint16
	runes   []rune   // by new number; 0 for what is no character of its own
	old     []uint16 // by new number
}

func newSubset(f *face) *subset {
	return &subset{face: f, numbers: map[rune]uint16{}, runes: []rune{0}, old: []uint16{0}}
}

// number is the new number of the glyph of a character. Each character has one of its
// own, also where the font draws two the same, so that each can be read back.
func (s *subset) number(r rune) uint16 {
	n, ok := s.numbers[r]
	if !ok {
		n = uint16(len(s.old))
		s.numbers[r] = n
		s.runes, s.old = append(s.runes, r), append(s.old, s.face.glyphs[r])
	}
	return n
}

// Flags of a component of a composite glyph.
// Source: https://learn.microsoft.com/typography/opentype/spec/glyf.
const (
	argsAreWords    = 0x0001
	hasScale        = 0x0008
	moreComponents  = 0x0020
	hasTwoScales    = 0x0040
	hasTwoByTwo     = 0x0080
	hasInstructions = 0x0100
)

// outline is a glyph without its hinting instructions, whose components have the new
// numbers; parts numbers them.
func outline(glyph []byte, parts func(old uint16) uint16) []byte {
	if len(glyph) == 0 {
		return nil
	}
	if contours := int(int16(u16(glyph, 0))); contours >= 0 {
		ends := 10 + 2*contours
		out := append(slices.Clone(glyph[:ends]), 0, 0)
		return append(out, glyph[ends+2+u16(glyph, ends):]...)
	}
	out := slices.Clone(glyph)
	for at := 10; ; {
		flags := u16(out, at)
		binary.BigEndian.PutUint16(out[at:], uint16(flags&^hasInstructions))
		binary.BigEndian.PutUint16(out[at+2:], parts(uint16(u16(out, at+2))))
		at += 6
		if flags&argsAreWords != 0 {
			at += 2
		}
		switch {
		case flags&hasScale != 0:
			at += 2
		case flags&hasTwoScales != 0:
			at += 4
		case flags&hasTwoByTwo != 0:
			at += 8
		}
		if flags&moreComponents == 0 {
			return out[:at]
		}
	}
}

// file is the subset as a TrueType font with the tables that a PDF needs.
// Source: ISO 32000-1, 9.9 embedded font programs.
func (s *subset) file() []byte {
	components := map[uint16]uint16{}
	part := func(old uint16) uint16 {
		n, ok := components[old]
		if !ok {
			n = uint16(len(s.old))
			components[old] = n
			s.runes, s.old = append(s.runes, 0), append(s.old, old)
		}
		return n
	}
	var glyf, loca, hmtx []byte
	for i := 0; i < len(s.old); i++ { // components are added while it runs
		loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
		glyf = append(glyf, outline(s.face.glyph(s.old[i]), part)...)
		for len(glyf)%4 != 0 {
			glyf = append(glyf, 0)
		}
		hmtx = binary.BigEndian.AppendUint16(hmtx, s.face.advance[s.old[i]])
		hmtx = binary.BigEndian.AppendUint16(hmtx, s.face.bearing[s.old[i]])
	}
	loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
	head, hhea, maxp := slices.Clone(s.face.tables["head"]), slices.Clone(s.face.tables["hhea"]), slices.Clone(s.face.tables["maxp"])
	clear(head[8:12]) // checkSumAdjustment
	binary.BigEndian.PutUint16(head[50:], 1)
	binary.BigEndian.PutUint16(hhea[34:], uint16(len(s.old)))
	binary.BigEndian.PutUint16(maxp[4:], uint16(len(s.old)))
	clear(maxp[26:28]) // maxSizeOfInstructions

	names, tables := []string{"glyf", "head", "hhea", "hmtx", "loca", "maxp"}, [][]byte{glyf, head, hhea, hmtx, loca, maxp}
	out := []byte{0, 1, 0, 0, 0, byte(len(names)), 0, 64, 0, 2, 0, 32} // six tables: search range 64, selector 2, shift 32
	at := len(out) + 16*len(names)
	for i, table := range tables {
		out = append(out, names[i]...)
		out = binary.BigEndian.AppendUint32(out, checksum(table))
		out = binary.BigEndian.AppendUint32(out, uint32(at))
		out = binary.BigEndian.AppendUint32(out, uint32(len(table)))
		at += (len(table) + 3) &^ 3
	}
	for _, table := range tables {
		out = append(out, table...)
		for len(out)%4 != 0 {
			out = append(out, 0)
		}
	}
	return out
}

// checksum is that of a table: the sum of its words.
func checksum(table []byte) uint32 {
	var sum uint32
	for len(table) >= 4 {
		sum += binary.BigEndian.Uint32(table)
		table = table[4:]
	}
	if len(table) > 0 {
		var rest [4]byte
		copy(rest[:], table)
		sum += binary.BigEndian.Uint32(rest[:])
	}
	return sum
}
