package terminology

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"spadapter/adapter/issue"
)

// rows reads a table line by line, so that a file of any length takes the same memory.
type rows struct {
	from     *bufio.Reader
	faults   *faults
	fields   [][]byte // of the row; they hold until the next
	line     int
	count    int // of rows that were read, the header left out
	read     int64
	columns  int
	split    func(line []byte, into [][]byte) ([][]byte, bool)
	progress func(rows int, read int64)
}

// maxLine is the longest row. A description has at most 255 characters, a text definition
// 4,096.
const maxLine = 64 << 10

// progressRows is how often a long load says how far it is.
const progressRows = 100_000

func newRows(from io.Reader, f *faults, progress func(rows int, read int64)) *rows {
	return &rows{from: bufio.NewReaderSize(from, maxLine), faults: f, split: splitTabs, progress: progress}
}

// text reads one line, without its end and without a byte order mark; false at the end
// of the file, or when it cannot be read.
func (r *rows) text() ([]byte, bool) {
	line, err := r.from.ReadSlice('\n')
	r.line++
	r.read += int64(len(line))
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		r.faults.add(r.line, issue.TooLong, "table-line", "the line is longer than %d bytes; this is no table of the expected form", maxLine)
		return nil, false
	case err != nil && !errors.Is(err, io.EOF):
		r.faults.add(r.line, issue.NotFound, "table-read", "the file cannot be read to its end")
		return nil, false
	case len(line) == 0:
		return nil, false
	}
	if r.line == 1 {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), true
}

// next reads a row of the right number of columns. Rows that are at fault are passed
// over, and told.
func (r *rows) next() bool {
	for {
		line, ok := r.text()
		if !ok {
			return false
		}
		if len(line) == 0 {
			continue
		}
		r.count++
		if r.progress != nil && r.count%progressRows == 0 {
			r.progress(r.count, r.read)
		}
		r.fields, ok = r.split(line, r.fields[:0])
		switch {
		case !ok:
			r.faults.add(r.line, issue.Structure, "table-quote", "a quotation mark is not closed on its line, or text follows a closed one")
		case len(r.fields) != r.columns:
			r.faults.add(r.line, issue.Structure, "table-columns", "the row has %d columns; the header has %d", len(r.fields), r.columns)
		case !utf8.Valid(line):
			r.faults.add(r.line, issue.Structure, "table-encoding", "the row is not UTF-8; export the file as UTF-8")
		default:
			return true
		}
	}
}

// splitTabs cuts a row of RF2, which has no quotation.
func splitTabs(line []byte, into [][]byte) ([][]byte, bool) {
	for {
		i := bytes.IndexByte(line, '\t')
		if i < 0 {
			return append(into, line), true
		}
		into = append(into, line[:i])
		line = line[i+1:]
	}
}

// splitQuoted cuts a row of a list with a separator, where a field may stand in quotation
// marks. False when one is not closed on its line, or when text follows it.
// Source: RFC 4180.
func splitQuoted(separator byte) func(line []byte, into [][]byte) ([][]byte, bool) {
	return func(line []byte, into [][]byte) ([][]byte, bool) {
		for {
			var field []byte
			if len(line) > 0 && line[0] == '"' {
				rest := line[1:]
				doubled := false
				end := -1
				for i := 0; i < len(rest); i++ {
					if rest[i] != '"' {
						continue
					}
					if i+1 < len(rest) && rest[i+1] == '"' {
						doubled = true
						i++
						continue
					}
					end = i
					break
				}
				if end < 0 {
					return into, false
				}
				if field = rest[:end]; doubled {
					field = bytes.ReplaceAll(field, []byte(`""`), []byte(`"`))
				}
				line = rest[end+1:]
				if len(line) > 0 && line[0] != separator {
					return into, false
				}
			} else {
				i := bytes.IndexByte(line, separator)
				if i < 0 {
					i = len(line)
				}
				field, line = line[:i], line[i:]
			}
			into = append(into, bytes.TrimSpace(field))
			if len(line) == 0 {
				return into, true
			}
			line = line[1:]
		}
	}
}

// peeked lets the first lines of a file be read twice.
type peeked struct {
	from  io.Reader
	first []byte
}

// lines are up to n lines from the first, without their ends, as far as one row may go. One
// that is not whole is left out, unless it is the first.
func (p *peeked) lines(n int) [][]byte {
	buffer := make([]byte, 4096)
	ended := false
	for !ended && len(p.first) < maxLine && bytes.Count(p.first, []byte("\n")) < n {
		read, err := p.from.Read(buffer)
		p.first = append(p.first, buffer[:read]...)
		ended = err != nil
	}
	out := bytes.SplitN(p.first, []byte("\n"), n+1)
	if len(out) > n || len(out) > 1 && !ended {
		out = out[:len(out)-1]
	}
	for i, line := range out {
		out[i] = bytes.TrimSuffix(line, []byte("\r"))
	}
	return out
}

func (p *peeked) Read(into []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(into, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.from.Read(into)
}
