package mapping

import "strings"

// join adds a comment to the documentation of a declaration.
func join(doc *string, text string) {
	if text = tidy(text); text == "" {
		return
	}
	if *doc != "" {
		*doc += "\n"
	}
	*doc += text
}

// tidy is a comment as it can be written and read again: no blanks at the ends of lines,
// no empty lines around it.
func tidy(text string) string {
	if text == "" {
		return ""
	}
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t")
	}
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines, "\n")
}

// line is a comment in one line, for declarations that take one line.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }

// metadataOnTop is the tokens with the /// lines below the first group as comments: they are
// metadata only above it.
func metadataOnTop(tokens []token) []token {
	for i, t := range tokens {
		if t.kind != name || t.delimited || t.value != "group" {
			continue
		}
		out := tokens[:i:i]
		var kept []comment
		for _, t := range tokens[i:] {
			kept = append(kept, t.comments...)
			if t.kind == statement {
				kept = append(kept, comment{text: t.value})
				continue
			}
			t.comments, kept = kept, nil
			out = append(out, t)
		}
		return out
	}
	return tokens
}

// leading moves the comments before the present token to doc.
func (p *parser) leading(doc *string) { p.comments(p.pos, doc, false) }

// trailing moves the comments that follow on the line of the token before to doc.
func (p *parser) trailing(doc *string) { p.comments(p.pos, doc, true) }

// inside moves the comments that are left between the tokens since start to doc.
func (p *parser) inside(start int, doc *string) {
	for i := start; i < p.pos; i++ {
		p.comments(i, doc, false)
	}
}

func (p *parser) comments(at int, doc *string, after bool) {
	t := &p.tokens[at]
	var lines []string
	for len(t.comments) > 0 && (!after || t.comments[0].after) {
		lines = append(lines, t.comments[0].text)
		t.comments = t.comments[1:]
	}
	join(doc, strings.Join(lines, "\n"))
}
