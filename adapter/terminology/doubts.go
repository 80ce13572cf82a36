package terminology

import (
	"fmt"
	"slices"
	"strings"
)

// doubts collects why a question cannot be decided, and counts the work that it takes. The
// nil doubts collects and counts nothing.
type doubts struct {
	list []string
	work *work // nil: it is not counted
	mute bool  // nothing is collected
}

// maxDoubts is enough to act on; the first is nearly always the only one.
const maxDoubts = 5

func (d *doubts) add(format string, args ...any) {
	if d == nil || d.mute || len(d.list) >= maxDoubts {
		return
	}
	if text := fmt.Sprintf(format, args...); !slices.Contains(d.list, text) {
		d.list = append(d.list, text)
	}
}

// quiet counts the same work and collects nothing.
func (d *doubts) quiet() *doubts {
	if d == nil || d.work == nil {
		return nil
	}
	return &d.work.quiet
}

// spend counts steps of work; false when there may be no more.
func (d *doubts) spend(steps int) bool { return d == nil || d.work == nil || d.work.spend(steps) }

// over reports whether there may be no more work.
func (d *doubts) over() bool { return d != nil && d.work != nil && d.work.err != nil }

func (d *doubts) String() string { return strings.Join(d.list, "; ") }
