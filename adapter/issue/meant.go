package issue

import "strings"

// longestName bounds what Edits compares: a longer name is like no other.
const longestName = 64

// Nearest is the name that was probably meant where another was written: the one that
// differs least, without regard to case. "" when none is near; a short name must be
// nearer than a long one.
func Nearest(names []string, written string) string {
	best, least := "", min(3, 1+len(written)/3)
	for _, name := range names {
		if difference := len(name) - len(written); difference >= least || -difference >= least {
			continue
		}
		if edits := Edits(written, name); edits < least {
			best, least = name, edits
		}
	}
	return best
}

// Edits counts the letters to put in, take out, change or swap with the next one to make
// one name of the other, without regard to case; 64 when one is longer than that.
func Edits(a, b string) int {
	if len(a) > longestName || len(b) > longestName {
		return longestName
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	if len(a) > longestName || len(b) > longestName { // a few letters grow
		return longestName
	}
	var rows [3][longestName + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
