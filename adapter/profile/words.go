package profile

import (
	"fmt"
	"strings"

	"spadapter/adapter/fhir"
)

// maxNamed is how many slices or codes a fault names: more than that nobody reads.
const maxNamed = 12

func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	case 2:
		return "twice"
	case unlimited:
		return "any number of times"
	}
	return fmt.Sprintf("%d times", n)
}

// show writes a value of a definition.
func show(n *fhir.Node) string {
	if n.HasValue() {
		return n.Value
	}
	return string(fhir.Encode(n))
}

func clip(text string) string {
	if len(text) <= 200 {
		return text
	}
	if r := []rune(text); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return text
}

// list joins words, and says how many more there are.
func list(words []string) string {
	if len(words) > maxNamed {
		return strings.Join(words[:maxNamed], ", ") + fmt.Sprintf(" and %d more", len(words)-maxNamed)
	}
	return strings.Join(words, ", ")
}

// sliceNames names the slices of an element, each with what marks it.
func sliceNames(e *element) string {
	var names []string
	for _, s := range e.slices[:min(len(e.slices), maxNamed)] {
		names = append(names, s.slice+" ("+s.mark()+")")
	}
	if more := len(e.slices) - maxNamed; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// mark says what an element of a slice has, by which it is told from the others.
func (e *element) mark() string {
	var marks []string
	for i := range e.expected {
		x := &e.expected[i]
		at := x.discriminator.path
		if at == "" || at == "$this" {
			at = "it"
		}
		switch {
		case x.discriminator.kind == "exists" && x.present:
			marks = append(marks, "with "+at)
		case x.discriminator.kind == "exists":
			marks = append(marks, "without "+at)
		case x.discriminator.kind == "type":
			marks = append(marks, at+" is "+typeNames(x.types))
		case x.discriminator.kind == "profile":
			marks = append(marks, at+" conforms to "+strings.Join(x.profiles, " or "))
		case x.value != nil && x.exact:
			marks = append(marks, at+" is "+clip(show(x.value)))
		case x.value != nil:
			marks = append(marks, at+" holds "+clip(show(x.value)))
		case x.binding != nil:
			marks = append(marks, at+" is of "+x.binding.valueSet)
		}
	}
	return strings.Join(marks, ", ")
}
