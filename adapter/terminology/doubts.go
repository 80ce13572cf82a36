package terminology

import (
	"fmt"
	"slices"
	"strings"
)

// doubts collects why a question cannot be decided. The nil doubts collects nothing.
type doubts struct{ list []string }

// maxDoubts is enough to act on; the first is nearly always the only one.
const maxDoubts = 5

func (d *doubts) add(format string, args ...any) {
	if d == nil || len(d.list) >= maxDoubts {
		return
	}
	if text := fmt.Sprintf(format, args...); !slices.Contains(d.list, text) {
		d.list = append(d.list, text)
	}
}

func (d *doubts) String() string { return strings.Join(d.list, "; ") }
