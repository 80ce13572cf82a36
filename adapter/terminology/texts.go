package terminology

// texts keeps terms in blocks, so that a growing store is never copied.
type texts struct {
	blocks []string
	open   []byte
	full   bool
}

const (
	textBlock = 1 << 20
	maxBlocks = 1 << 12 // a place is 32 bits: block and offset
)

// add keeps a term, which is shorter than a block.
func (t *texts) add(term []byte) (at uint32, size uint16) {
	if len(t.open)+len(term) > textBlock || len(t.blocks) == 0 {
		if len(t.blocks) == maxBlocks {
			t.full = true
			return 0, 0
		}
		t.close()
		t.open = make([]byte, 0, textBlock)
		t.blocks = append(t.blocks, "")
	}
	at = uint32(len(t.blocks)-1)<<20 | uint32(len(t.open))
	t.open = append(t.open, term...)
	return at, uint16(min(len(term), maxTerm))
}

// maxTerm is the longest term in bytes. The release format allows 255 characters.
const maxTerm = 1<<16 - 1

// close makes the open block readable.
func (t *texts) close() {
	if len(t.blocks) > 0 {
		t.blocks[len(t.blocks)-1] = string(t.open)
	}
	t.open = nil
}
