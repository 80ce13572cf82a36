package gateway

import (
	"slices"
	"strings"

	"spadapter/adapter/referral"
)

// inputSchema has the fields of every action; each action takes its own part of them.
const inputSchema = "Input"

// actionPath is a path of the document that stands for all actions of a table.
type actionPath struct {
	path  string
	noun  string
	table []referral.Move
}

var actionPaths = []actionPath{
	{apiBase + "/referrals/{id}/actions/{action}", "Referral", referral.Table},
	{apiBase + "/referrals/actions/{action}", "Referrals", referral.Table},
	{apiBase + "/activities/{id}/actions/{action}", "Activity", referral.Activities},
}

// actions puts one path for each action in the place of those that stand for all, with
// what its rows of the life-cycle table demand.
func (d *description) actions() {
	paths, out := d.root.at("paths"), newOrdered()
	for _, path := range paths.names {
		i := slices.IndexFunc(actionPaths, func(a actionPath) bool { return a.path == path })
		if i < 0 {
			out.set(path, paths.values[path])
			continue
		}
		for _, a := range actionsOf(actionPaths[i].table, actionPaths[i].noun) {
			item := paths.at(path).clone()
			if a.noun == "Referrals" {
				item = d.bulkAction(item, a)
			} else {
				item = d.action(item, a)
			}
			out.set(strings.Replace(path, "{action}", a.name, 1), item)
		}
	}
	schemas := d.root.at("components", "schemas")
	schemas.remove(bulkSchema) // each action has its own
	schemas.remove(bulkItemSchema)
	d.root.set("paths", out)
}

// action is an action with its rows of a table.
type action struct {
	name string
	noun string // "Referral", "Activity", or "Referrals" for many at once
	rows []*referral.Move
}

func actionsOf(table []referral.Move, noun string) (out []action) {
	for i := range table {
		m := &table[i]
		if m.Action == "" {
			continue
		}
		at := slices.IndexFunc(out, func(a action) bool { return a.name == m.Action })
		if at < 0 {
			at = len(out)
			out = append(out, action{name: m.Action, noun: noun})
		}
		out[at].rows = append(out[at].rows, m)
	}
	return out
}

// action makes the path of one action from that of all.
func (d *description) action(item *ordered, a action) *ordered {
	op := item.at("post")
	schema := a.id(true) + a.noun
	d.root.at("components", "schemas").set(schema, d.input(a))
	op.set("operationId", a.id(false)+a.noun)
	op.set("summary", a.summary())
	op.set("description", a.description()+"\n\n"+op.text("description"))
	op.set("x-moves", a.moves())
	body := op.at("requestBody")
	body.set("required", len(a.required()) > 0)
	content := body.at("content", contentJSON)
	reference := newOrdered()
	reference.set("$ref", "#/components/schemas/"+schema)
	content.set("schema", reference)
	if all := content.at("examples"); all != nil {
		content.set("examples", a.examples(all))
	}
	return item
}

// examples are those of an action: of its name, or beginning with it and a dot.
func (a action) examples(all *ordered) *ordered {
	own := newOrdered()
	for _, name := range all.names {
		if name == a.name || strings.HasPrefix(name, a.name+".") {
			own.set(name, all.values[name])
		}
	}
	return own
}

// id is the name of an action without hyphens: confirmCancellation.
func (a action) id(upper bool) string {
	var out strings.Builder
	for i, part := range strings.Split(a.name, "-") {
		if i > 0 || upper {
			part = strings.ToUpper(part[:1]) + part[1:]
		}
		out.WriteString(part)
	}
	return out.String()
}

// summary joins what the rows are called.
func (a action) summary() string {
	var names []string
	for _, m := range a.rows {
		if !slices.Contains(names, m.Name) {
			names = append(names, m.Name)
		}
	}
	text := strings.Join(names, "; or ")
	return strings.ToUpper(text[:1]) + text[1:]
}

// actorNames are the actors that call, in words.
var actorNames = map[referral.Actor]string{
	referral.ActorRequester: "the requester", referral.ActorWorker: "the service", referral.ActorProvider: "the provider", referral.ActorOperator: "an operator",
}

// callers are the actors of a row that call it.
func callers(m *referral.Move) (out []string) {
	for _, actor := range m.Actors {
		if name := actorNames[actor]; name != "" {
			out = append(out, name)
		}
	}
	return out
}

// description says of each row who may make it, from where it leads where, and what must
// hold.
func (a action) description() string {
	var lines []string
	for _, m := range a.rows {
		text := "- **" + m.ID + "** " + m.Name + ": by " + strings.Join(callers(m), " or ") + ", from " + strings.Join(m.From, ", ")
		switch m.During {
		case referral.Asked:
			text += " while a cancellation is asked for"
		case referral.Whichever:
			text += ", whether a cancellation is asked for or not"
		}
		if m.To != "" {
			text += ", to " + m.To
		} else {
			text += ", which stays"
		}
		if codes := m.ReasonCodes(); codes != nil {
			text += ". Reasons: " + strings.Join(codes, ", ")
		}
		for _, g := range m.Guards {
			text += ". Otherwise refused: " + g.Text
		}
		lines = append(lines, text+".")
	}
	return strings.Join(lines, "\n")
}

// moves are the rows for programs.
func (a action) moves() []any {
	var out []any
	for _, m := range a.rows {
		row := newOrdered()
		row.set("id", m.ID)
		row.set("name", m.Name)
		row.set("from", texts(m.From))
		if m.To != "" {
			row.set("to", m.To)
		}
		row.set("by", texts(callers(m)))
		if m.During != referral.Unasked {
			row.set("cancellation", m.During)
		}
		if codes := m.ReasonCodes(); codes != nil {
			row.set("reasons", texts(codes))
		}
		for _, list := range []struct {
			name   string
			values []string
		}{{"business_status", m.Business}, {"requires", m.Requires}, {"allows", m.Allows}} {
			if len(list.values) > 0 {
				row.set(list.name, texts(list.values))
			}
		}
		out = append(out, row)
	}
	return out
}
