package referral

import (
	"slices"
	"strings"

	"spadapter/adapter/fhir"
)

// Concept is a coded element: its words, and every code of it.
type Concept struct {
	Text  string  `json:"text"` // the words of the sender, else of the first code
	Codes []Coded `json:"codes,omitempty"`
}

// Detail is an element that has no field of its own, as it was sent.
type Detail struct {
	Element string   `json:"element"` // its path below the resource
	Values  []string `json:"values"`  // every value in it, in the order of the message
}

// reading notes which values of a tree were shown, so that the others can be listed:
// nothing that was sent vanishes because nobody thought of a field for it.
type reading map[*fhir.Node]bool

// text is fhir.Node.Text, noted.
func (r reading) text(n *fhir.Node, names ...string) string {
	leaf := n.Descend(names...)
	if leaf == nil {
		return ""
	}
	r[leaf] = true
	return leaf.Value
}

// texts are the values of a repeating element, noted.
func (r reading) texts(n *fhir.Node, name string) []string {
	var out []string
	for _, leaf := range n.All(name) {
		r[leaf] = true
		if leaf.HasValue() {
			out = append(out, leaf.Value)
		}
	}
	return out
}

// hide notes everything below n: it is shown elsewhere, or must not be.
func (r reading) hide(n *fhir.Node) {
	if n == nil {
		return
	}
	r[n] = true
	for _, c := range n.Children {
		r.hide(c)
	}
}

// coding reads one Coding.
func (r reading) coding(n *fhir.Node) Coded {
	return Coded{System: r.text(n, "system"), Code: r.text(n, "code"), Display: r.text(n, "display")}
}

// codings reads several.
func (r reading) codings(list []*fhir.Node) []Coded {
	var out []Coded
	for _, n := range list {
		out = append(out, r.coding(n))
	}
	return out
}

// concept reads a CodeableConcept, nil where there is none.
func (r reading) concept(n *fhir.Node) *Concept {
	if n == nil {
		return nil
	}
	c := &Concept{Text: r.text(n, "text"), Codes: r.codings(n.All("coding"))}
	for _, code := range c.Codes {
		if c.Text == "" {
			c.Text = code.Display
		}
	}
	if c.Text == "" && len(c.Codes) > 0 {
		c.Text = c.Codes[0].Code
	}
	return c
}

// concepts reads a repeating CodeableConcept.
func (r reading) concepts(list []*fhir.Node) []Concept {
	var out []Concept
	for _, n := range list {
		out = append(out, *r.concept(n))
	}
	return out
}

// period is when something holds: a date, a Period, an age, or words.
func (r reading) period(n *fhir.Node) (start, end string) {
	switch {
	case n == nil:
		return "", ""
	case n.HasValue():
		return r.text(n), ""
	case n.Type != nil && n.Type.Is("Period"):
		return r.text(n, "start"), r.text(n, "end")
	case n.Type != nil && n.Type.Is("Quantity"):
		return r.quantity(n), ""
	}
	return "", ""
}

// quantity is a Quantity in words: "<5 kg". The code of a unit of UCUM says what the unit
// says.
func (r reading) quantity(n *fhir.Node) string {
	unit := r.text(n, "unit")
	if n.Text("system") == "http://unitsofmeasure.org" {
		r.text(n, "system")
		if code := r.text(n, "code"); unit == "" {
			unit = code
		}
	}
	return strings.TrimSpace(r.text(n, "comparator") + r.text(n, "value") + " " + unit)
}

// rest lists what of a resource was not noted, one Detail for each element of it; nil
// when everything was. Left out is what says nothing of the person: ids, versions, the
// narrative that was generated from the rest, that something is in use, and references for
// which linked is true.
func (r reading) rest(resource *fhir.Node, linked func(reference string) bool) []Detail {
	var out []Detail
	for _, child := range resource.Children {
		d := Detail{}
		r.unread(child, linked, &d.Values)
		if len(d.Values) == 0 {
			continue
		}
		d.Element = strings.TrimPrefix(child.Path(), resource.Path()+".")
		out = append(out, d)
	}
	return out
}

func (r reading) unread(n *fhir.Node, linked func(string) bool, values *[]string) {
	switch {
	case slices.Contains(unspoken, n.Name) && n.Parent.ResourceType() != "":
		return
	case n.Name == "active" && n.Value == "true":
		return // what is listed is in use unless it says otherwise
	case n.Type != nil && n.Type.Name == "Narrative":
		if n.Text("status") == "additional" && n.Child("div") != nil { // says more than the elements do
			*values = append(*values, words(n.Child("div").Value))
		}
		return
	case n.Type != nil && n.Type.Name == "base64Binary":
		return // a document is read at its reference
	case n.Name == "versionId" || n.Name == "lastUpdated" || n.Name == "profile" || n.Name == "source":
		if n.Parent.Name == "meta" {
			return
		}
	case n.Parent != nil && n.Parent.Type != nil && n.Parent.Type.Name == "Reference":
		if n.Name == "type" || n.Name == "reference" && linked(n.Value) {
			return
		}
	}
	if n.HasValue() && !r[n] {
		*values = append(*values, n.Value)
	}
	for _, c := range n.Children {
		r.unread(c, linked, values)
	}
}

// unspoken are elements of a resource that say how it is stored.
var unspoken = []string{"id", "implicitRules", "language", "resourceType"}

// words is the text of a piece of XHTML.
func words(div string) string {
	var b strings.Builder
	inside := false
	for _, c := range div {
		switch {
		case c == '<':
			inside = true
			b.WriteByte(' ')
		case c == '>':
			inside = false
		case !inside:
			b.WriteRune(c)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
