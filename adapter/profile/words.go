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

// show writes a value for people: a code as system|code, any other structure as JSON.
func show(n *fhir.Node) string {
	if n.HasValue() {
		return n.Value
	}
	if n.Type != nil {
		switch n.Type.Name {
		case "Coding", "CodeableConcept":
			words := codes(n)
			if text := n.Text("text"); text != "" {
				words += " with the text " + text
			}
			return words
		}
	}
	return string(encoded(n))
}

// encoded is a value of a definition as JSON.
func encoded(n *fhir.Node) []byte {
	if n.HasValue() {
		return []byte(n.Value)
	}
	return fhir.Encode(n)
}

func typeName(n *fhir.Node) string {
	if n.Type != nil {
		return n.Type.Name
	}
	return n.ResourceType()
}

// a puts the article before the name of a type.
func a(name string) string {
	if name != "" && strings.ContainsRune("AEIO", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
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

// mark says what an element of a slice has, by which it is told from the others: "whose
// system is x".
func (e *element) mark() string {
	var marks []string
	for i := range e.expected {
		x := &e.expected[i]
		at := "whose " + x.discriminator.path
		if x.discriminator.steps == nil {
			at = "that"
		}
		switch {
		case x.discriminator.kind == "exists" && x.present:
			marks = append(marks, "with "+x.discriminator.path)
		case x.discriminator.kind == "exists":
			marks = append(marks, "without "+x.discriminator.path)
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
	return strings.Join(marks, " and ")
}

// atMark writes what an element has where slices are told apart.
func (v *validator) atMark(e *element, n *fhir.Node) string {
	if len(v.found) > maxIssues {
		return ""
	}
	found, lost := "nothing there", v.lost
	v.each(n, e.discriminates[0].steps, func(at *fhir.Node) bool {
		switch e.discriminates[0].kind {
		case "type":
			found = typeName(at)
		case "profile", "exists":
			found = a(typeName(at))
		default:
			found = show(at)
		}
		return true
	})
	v.lost = lost
	return clip(found)
}
