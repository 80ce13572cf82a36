package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// terminal writes for a person: colour only where a person looks, never into a file
// or pipe, and not when NO_COLOR is set (https://no-color.org).
type terminal struct {
	w      io.Writer
	colour bool
}

func newTerminal(f *os.File) *terminal {
	return &terminal{w: f, colour: term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// The colours used, by what they mean.
const (
	heading = "1"    // bold
	good    = "32"   // green
	bad     = "31"   // red
	caution = "33"   // yellow
	faint   = "2"    // dim
	actor   = "1;36" // bold cyan
)

func (t *terminal) paint(style, text string) string {
	if !t.colour {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (t *terminal) line(format string, args ...any) {
	fmt.Fprintf(t.w, format+"\n", args...)
}

// pad fills a text up to a width before it is painted, since escapes have no width.
func pad(text string, width int) string {
	if n := len([]rune(text)); n < width {
		return text + strings.Repeat(" ", width-n)
	}
	return text
}
