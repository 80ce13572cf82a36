package referral

import (
	"strings"

	"spadapter/adapter/fhir"
)

func person(n *fhir.Node) Person {
	p := Person{NHSNumber: nhsNumberOf(n.All("identifier")), BirthDate: n.Text("birthDate"), Gender: n.Text("gender"), Language: n.Text("communication", "language", "text")}
	if p.Language == "" {
		p.Language = n.Text("communication", "language", "coding", "display")
	}
	p.Name = personName(n.All("name"))
	for _, t := range n.All("telecom") {
		if t.Text("use") != "old" {
			p.Telecom = append(p.Telecom, strings.TrimSpace(t.Text("system")+" "+t.Text("value")))
		}
	}
	for _, a := range n.All("address") {
		if a.Text("use") == "old" {
			continue
		}
		if p.Address = a.Text("text"); p.Address == "" {
			var parts []string
			for _, line := range a.All("line") {
				parts = append(parts, line.Value)
			}
			for _, part := range []string{"city", "district", "postalCode"} {
				if v := a.Text(part); v != "" {
					parts = append(parts, v)
				}
			}
			p.Address = strings.Join(parts, ", ")
		}
		break
	}
	return p
}

// personName chooses the name to call a person by: the usual or official one, never
// an old one.
func personName(names []*fhir.Node) string {
	var best *fhir.Node
	rank := map[string]int{"usual": 4, "official": 3, "": 2, "nickname": 1, "temp": 1, "anonymous": 1}
	for _, n := range names {
		if r := rank[n.Text("use")]; r > 0 && (best == nil || r > rank[best.Text("use")]) {
			best = n
		}
	}
	if best == nil {
		return ""
	}
	if text := best.Text("text"); text != "" {
		return text
	}
	var parts []string
	for _, g := range best.All("given") {
		parts = append(parts, g.Value)
	}
	return strings.TrimSpace(strings.Join(append(parts, best.Text("family")), " "))
}
