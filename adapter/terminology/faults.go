package terminology

import (
	"fmt"

	"spadapter/adapter/issue"
)

// faults collects what is wrong with the files of a folder, by file and line.
type faults struct {
	list []*issue.Error
	file string
	told int // of the file
	more int // of the file, beyond those
}

// What is told of one file and of all. The first few faults of a file show what is wrong
// with it; a million would show no more.
const (
	maxFileFaults = 20
	maxFaults     = 200
)

// in begins a file.
func (f *faults) in(file string) {
	f.end()
	f.file, f.told, f.more = file, 0, 0
}

// add keeps a fault at a line of the file; line 0 is the file as a whole.
func (f *faults) add(line int, t issue.Type, rule, format string, args ...any) {
	if f.told >= maxFileFaults || len(f.list) >= maxFaults {
		f.more++
		return
	}
	f.told++
	at := f.file
	if line > 0 {
		at = fmt.Sprintf("%s, line %d", f.file, line)
	}
	f.list = append(f.list, issue.New(t, rule, at+": "+fmt.Sprintf(format, args...)))
}

// end says how many faults of the file were not told.
func (f *faults) end() {
	if f.more > 0 {
		f.list = append(f.list, issue.Newf(issue.Value, "terminology-faults", "%s: there are %d more faults in this file", f.file, f.more))
		f.more = 0
	}
}
