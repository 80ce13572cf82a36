package summary

import "strings"

// Text gives a Summary as plain text in UTF-8, with \n at the end of each line. Headings
// begin a line; everything else under them is indented, so that no words of anybody look
// like a heading. Lines are not broken: a record shows them in its own width.
func Text(s *Summary) []byte {
	var b strings.Builder
	for _, block := range s.blocks() {
		switch block.role {
		case roleTitle:
			b.WriteString(block.text + "\n")
		case roleLead:
			b.WriteString(strings.ReplaceAll(block.text, "\n", " ") + "\n")
		case roleHeading:
			b.WriteString("\n" + strings.ReplaceAll(block.text, "\n", " ") + "\n")
		case roleLine:
			for line := range strings.SplitSeq(block.text, "\n") {
				b.WriteString(strings.TrimRight("  "+line, " ") + "\n")
			}
		}
	}
	if s.Footer != "" {
		b.WriteString("\n" + clean(s.Footer) + "\n")
	}
	return []byte(b.String())
}
