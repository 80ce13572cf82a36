package gateway

import (
	"slices"
	"strings"

	"spadapter/adapter/directory"
	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
	"spadapter/adapter/terminology"
)

// fields are the fields of the body that a row demands, and those that it takes.
func fields(m *referral.Move) (required, taken []string) {
	required = slices.Clone(m.Requires)
	if m.Reason {
		required = append(required, "reason")
	}
	return required, slices.Concat(required, m.Allows, []string{"at", "note", "note_audience"})
}

// required are the fields that every row of an action demands.
func (a action) required() []string {
	out, _ := fields(a.rows[0])
	for _, m := range a.rows[1:] {
		must, _ := fields(m)
		out = slices.DeleteFunc(out, func(name string) bool { return !slices.Contains(must, name) })
	}
	return out
}

// input makes the schema of the body of an action: its part of the fields of all actions,
// with the codes that its rows allow.
func (d *description) input(a action) *ordered {
	all, properties := d.root.at("components", "schemas", inputSchema), newOrdered()
	for _, name := range all.at("properties").names {
		if !slices.ContainsFunc(a.rows, func(m *referral.Move) bool {
			_, taken := fields(m)
			return slices.Contains(taken, name)
		}) {
			continue
		}
		schema := all.at("properties", name).clone()
		switch name {
		case "note_audience":
			if a.noun != "Referral" || !slices.ContainsFunc(a.rows, func(m *referral.Move) bool { return m.By(referral.ActorWorker) }) {
				continue // everybody who sees the Task reads the note
			}
			if slices.Contains(a.required(), "note") { // it tells the practice why
				schema.set("enum", texts([]string{referral.ForPractice, referral.ForPerson}))
				schema.remove(codesOfValueSet)
			}
		case "reason":
			schema = d.reason(a)
		case "status":
			schema.set("enum", texts(union(a.rows, func(m *referral.Move) []string { return m.Business })))
		}
		properties.set(name, schema)
	}
	out := newOrdered()
	out.set("type", "object")
	out.set("description", "What is given with "+a.name+".")
	out.set("properties", properties)
	if required := a.required(); len(required) > 0 {
		out.set("required", texts(required))
	}
	out.set("additionalProperties", false)
	return out
}

// reason is a Coded with the codes of an action: business statuses, and the close reasons
// that lead to one of them.
func (d *description) reason(a action) *ordered {
	codes := union(a.rows, (*referral.Move).ReasonCodes)
	systems := []string{referral.SystemBusinessStatus}
	for _, c := range d.expand(canonicalBase + "ValueSet/sp-close-reason") {
		matches, err := d.terminology().Translate(canonicalBase+"ConceptMap/close-reason-business-status", referral.SystemCloseReason, c)
		if err != nil || len(matches) == 0 || !slices.Contains(codes, matches[0].Code) {
			continue
		}
		if len(systems) == 1 {
			systems = append(systems, referral.SystemCloseReason)
		}
		if !slices.Contains(codes, c) {
			codes = append(codes, c)
		}
	}
	out := d.root.at("components", "schemas", "Coded").clone()
	out.set("description", "Why: a code of "+strings.Join(systems, " (which it is without system) or of ")+", and a text where more is to be said.")
	out.at("properties", "system").set("enum", texts(systems))
	out.at("properties", "code").set("enum", texts(codes))
	out.set("required", []any{"code"})
	return out
}

// union joins the codes of rows, each once.
func union(rows []*referral.Move, of func(*referral.Move) []string) (out []string) {
	for _, m := range rows {
		for _, code := range of(m) {
			if !slices.Contains(out, code) {
				out = append(out, code)
			}
		}
	}
	return out
}

// The members of a schema that name where its codes are, instead of an enum.
const (
	codesOfValueSet   = "x-value-set"    // canonical of a ValueSet
	codesOfCodeSystem = "x-code-system"  // canonical of a CodeSystem
	codesOfElement    = "x-fhir-element" // path of an element with a required binding, such as Task.status
	codesOfTable      = "x-codes"        // name of a table of the program
	codesOrEmpty      = "x-empty"        // the empty string is allowed too
)

// codes gives every schema that names where its codes are the codes that hold here. Where
// they are not known any string may stand.
func (d *description) codes() {
	tables := tables()
	each(d.root, func(schema *ordered) {
		var list []string
		switch {
		case schema.text(codesOfValueSet) != "":
			list = d.expand(schema.text(codesOfValueSet))
		case schema.text(codesOfCodeSystem) != "":
			list = d.concepts(schema.text(codesOfCodeSystem))
		case schema.text(codesOfElement) != "":
			list = boundCodes(schema.text(codesOfElement))
		case schema.text(codesOfTable) != "":
			list = tables[schema.text(codesOfTable)]
		}
		if len(list) == 0 {
			return
		}
		if schema.values[codesOrEmpty] == true {
			list = append(slices.Clone(list), "")
		}
		schema.remove(codesOrEmpty)
		schema.remove(codesOfTable)
		schema.set("enum", texts(list))
	})
}

// tables are the codes that tables of the program know.
func tables() map[string][]string {
	out := map[string][]string{"weekday": directory.Weekdays, "service-status": serviceStatuses, "delivery-state": {
		string(referral.DeliveryQueued), string(referral.DeliverySending), string(referral.DeliveryDelivered), string(referral.DeliveryDead), string(referral.DeliverySuperseded),
	}}
	add := func(table, code string) {
		if code != "" && !slices.Contains(out[table], code) {
			out[table] = append(out[table], code)
		}
	}
	for _, life := range []struct {
		table string
		moves []referral.Move
	}{{"referral-status", referral.Table}, {"activity-status", referral.Activities}} {
		for i := range life.moves {
			m := &life.moves[i]
			for _, status := range append(slices.Clone(m.From), m.To) {
				add(life.table, status)
				add("status", status)
			}
			for _, status := range m.Outcomes {
				add("outcome-status", status)
			}
		}
	}
	for _, m := range slices.Concat(referral.Table, referral.Activities) {
		add("move", m.ID)
	}
	for _, w := range referral.Waits {
		add("wait", w.Name)
		add("waits-for", w.For)
	}
	return out
}

func (d *description) terminology() *terminology.Registry {
	if d.Terminology == nil {
		return nil
	}
	return d.Terminology("")
}

// expand lists the codes of a value set, nil when not all are known here.
func (d *description) expand(canonical string) (out []string) {
	concepts, complete := d.terminology().Expand(canonical)
	if !complete {
		return nil
	}
	for _, c := range concepts {
		out = append(out, c.Code)
	}
	return out
}

// concepts lists the codes of a code system in its order.
func (d *description) concepts(canonical string) (out []string) {
	for _, system := range d.terminology().CodeSystems() {
		if system.Text("url") == canonical {
			for _, c := range system.All("concept") {
				out = append(out, c.Text("code"))
			}
		}
	}
	return out
}

// boundCodes lists the codes of the required binding of an element of R4.
func boundCodes(path string) []string {
	name, rest, _ := strings.Cut(path, ".")
	for t := fhir.Types(fhir.R4).Type(name); t != nil; {
		name, rest, _ = strings.Cut(rest, ".")
		e := t.Element(name)
		switch {
		case e == nil:
			return nil
		case rest == "":
			return e.Codes
		}
		t = e.Types[0]
	}
	return nil
}
