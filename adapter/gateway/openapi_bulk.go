package gateway

import "encoding/json"

// bulkSchema is the body of a bulk action and bulkItemSchema an item of it, for every action.
const (
	bulkSchema     = "BulkInput"
	bulkItemSchema = "BulkItem"
)

// bulkAction makes the path of one action on many referrals from that of all: an item takes
// what the action on one referral takes, and the examples are those of one.
func (d *description) bulkAction(item *ordered, a action) *ordered {
	op, schemas := item.at("post"), d.root.at("components", "schemas")
	one := action{a.name, "Referral", a.rows}
	op.set("operationId", a.id(false)+a.noun)
	op.set("summary", a.summary()+", of many referrals")
	op.set("description", "The same as "+one.id(false)+one.noun+", of each item. "+op.text("description"))

	taken := schemas.at(bulkItemSchema).clone()
	input := newOrdered()
	input.set("$ref", "#/components/schemas/"+one.id(true)+one.noun)
	taken.at("properties").set("input", input)
	if len(a.required()) > 0 {
		required, _ := taken.values["required"].([]any)
		taken.set("required", append(append([]any{}, required...), "input"))
	}
	body := schemas.at(bulkSchema).clone()
	body.at("properties", "items").set("items", taken)
	schema := a.id(true) + a.noun
	schemas.set(schema, body)

	content := op.at("requestBody", "content", contentJSON)
	reference := newOrdered()
	reference.set("$ref", "#/components/schemas/"+schema)
	content.set("schema", reference)
	examples := a.examples(content.at("examples").orEmpty())
	of := a.examples(d.root.at("paths", actionPaths[0].path, "post", "requestBody", "content", contentJSON, "examples").orEmpty())
	for _, name := range of.names {
		examples.set(name, of.at(name).forMany())
	}
	content.set("examples", examples)
	return item
}

// forMany is the example of an action on one referral as one of a list of them.
func (o *ordered) forMany() *ordered {
	item, value, out := newOrdered(), newOrdered(), newOrdered()
	item.set("id", "0190a1b2-3c4d-7e5f-8a6b-7c8d9e0f1a2b")
	item.set("version", json.Number("3"))
	item.set("input", o.values["value"])
	value.set("items", []any{item})
	out.set("summary", o.text("summary"))
	out.set("value", value)
	return out
}

// orEmpty lets one look into what is not there.
func (o *ordered) orEmpty() *ordered {
	if o == nil {
		return newOrdered()
	}
	return o
}
