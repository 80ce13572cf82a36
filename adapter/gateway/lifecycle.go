package gateway

import (
	"net/http"
	"strconv"

	"spadapter/adapter/fhir"
	"spadapter/adapter/referral"
)

var lifecycleOperation = &operation{name: "lifecycle", definition: canonicalBase + "OperationDefinition/lifecycle"}

// lifecycle is GET [base]/$lifecycle: the tables of the life cycle, as Parameters. There
// is no R4 resource of a state machine; Parameters is what an operation answers with, and
// each row is one parameter with parts that any client can read.
func lifecycle(x *exchange) error {
	x.sendResource(http.StatusOK, lifecycleParameters())
	return nil
}

func lifecycleParameters() *fhir.Node {
	out := newOutputs()
	for _, t := range []struct {
		name  string
		moves []referral.Move
	}{{"referral", referral.Table}, {"activity", referral.Activities}} {
		for i := range t.moves {
			addMove(out.add("move"), t.name, &t.moves[i])
		}
	}
	for _, w := range referral.Waits {
		n := out.add("wait")
		setPart(n, "name", "valueString", w.Name)
		setPart(n, "status", "valueCode", w.Status)
		setPart(n, "business-status", "valueCode", w.Business)
		setPart(n, "cancellation-asked", "valueBoolean", strconv.FormatBool(w.Asked))
		setPart(n, "waits-for", "valueString", w.For)
	}
	return out.Node
}

// addMove fills a parameter with a row. What a row does not say is left out; a status
// before the Task exists has no value to be said with, and is left out too.
func addMove(n *fhir.Node, table string, m *referral.Move) {
	setPart(n, "table", "valueCode", table)
	setPart(n, "id", "valueId", m.ID)
	setPart(n, "action", "valueCode", m.Action)
	setPart(n, "name", "valueString", m.Name)
	many := func(name, member string, list []string) {
		for _, text := range list {
			setPart(n, name, member, text)
		}
	}
	many("from", "valueCode", m.From)
	setPart(n, "to", "valueCode", m.To)
	during := m.During
	if during == referral.Unasked {
		during = "unasked"
	}
	setPart(n, "cancellation", "valueCode", during)
	for _, a := range m.Actors {
		setPart(n, "actor", "valueCode", string(a))
	}
	many("business-status", "valueCode", m.Business)
	setPart(n, "keeps-business-status", "valueBoolean", only(m.Keeps))
	setPart(n, "restores-business-status", "valueBoolean", only(m.Restores))
	many("reason", "valueCode", m.ReasonCodes())
	many("outcome", "valueCode", m.Outcomes)
	many("requires", "valueCode", m.Requires)
	many("allows", "valueCode", m.Allows)
	for _, g := range m.Guards {
		guard := addPart(n, "guard")
		setPart(guard, "name", "valueCode", g.Name)
		setPart(guard, "text", "valueString", g.Text)
	}
	setPart(n, "opens", "valueCode", string(m.Opens))
	setPart(n, "proposes", "valueCode", m.Proposes)
	setPart(n, "writes", "valueCode", string(m.Writes))
	setPart(n, "sharing-level", "valueCode", m.Least)
	setPart(n, "tells", "valueCode", string(m.Tells))
	setPart(n, "provenance", "valueBoolean", only(m.Proof))
}

// only is true as text, and nothing for false.
func only(b bool) string {
	if b {
		return "true"
	}
	return ""
}
