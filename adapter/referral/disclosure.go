package referral

import (
	"bytes"
	"context"
	"encoding/json"

	"spadapter/adapter/auth"
	"spadapter/adapter/fhir"
)

// What the service recorded is stored whole, and shown to the practice as far as the
// sharing level allows, by the rules of a write-back. A version says in meta.tag which
// level held when it was written, where that level keeps something of it; a resource of
// which nothing may be shown is stored as the service's own, so that no search counts it.

// label says in a resource the sharing level that keeps something of it; a level that is
// at least least keeps nothing.
func label(n *fhir.Node, level, least string) {
	meta := n.Child("meta")
	if meta == nil {
		meta = n.Add("meta")
	}
	kept := meta.Children[:0:0]
	for _, c := range meta.Children {
		if c.Name != "tag" || c.Text("system") != SystemSharing {
			kept = append(kept, c)
		}
	}
	if meta.Children = kept; !sharesAtLeast(level, least) {
		tag := meta.Add("tag")
		tag.Set("system", SystemSharing)
		tag.Set("code", level)
	}
}

// labelOf is the level that a resource is labelled with, "" for none.
func labelOf(n *fhir.Node) string {
	for _, tag := range n.Child("meta").All("tag") {
		if tag.Text("system") == SystemSharing {
			return tag.Text("code")
		}
	}
	return ""
}

// disclose gives a version as a caller may read it.
func disclose(role auth.Role, v *Version) error {
	if role != auth.RoleRequester || !bytes.Contains(v.Body, []byte(SystemSharing)) {
		return nil
	}
	n, err := parse(v.Body)
	if err != nil {
		return err
	}
	withholdFrom(n)
	v.Body = fhir.Encode(n)
	return nil
}

// discloseAll is disclose for a list.
func discloseAll(role auth.Role, list []Version) error {
	for i := range list {
		if err := disclose(role, &list[i]); err != nil {
			return err
		}
	}
	return nil
}

// withholdFrom leaves out of a resource what the level that it is labelled with keeps from
// the practice.
func withholdFrom(n *fhir.Node) {
	level := labelOf(n)
	if level == "" {
		return
	}
	summary := sharesAtLeast(level, SharingSummary)
	wordless := func(name string) {
		if c := n.Child(name); c != nil && !summary {
			c.Remove("text")
		}
	}
	switch {
	case n.ResourceType() == "Provenance" && !summary:
		n.Remove("reason")
	case n.ResourceType() == "Task" && n.Child("partOf") != nil:
		n.Remove("description")
		wordless("code")
		wordless("reasonCode")
		wordless("statusReason")
		if !summary {
			n.Remove("note")
			n.Remove("output")
		}
		if level == SharingNone {
			n.Remove("reasonCode")
		}
	case n.ResourceType() == "Task":
		gone := map[string]string{}
		kept := n.Children[:0:0]
		for _, c := range n.Children {
			kind, ref := codeOf(c.Child("type"), SystemTaskOutput), c.Text("value", "reference")
			switch {
			case c.Name != "output" || kind == "proposed-status":
			case ref != "" && (level == SharingNone || kind == "summary"):
				gone[ref] = kind
			case level == SharingNone:
				continue
			}
			kept = append(kept, c)
		}
		n.Children = kept
		withhold(n, gone, level)
	default:
		wordless("code")
	}
}

// within reports whether a sharing level lets a resource out. One that is nothing but
// words has no code to share.
func (o *outcomeResource) within(level string, n *fhir.Node) bool {
	words := n.Child("code") != nil && n.Descend("code", "coding") == nil
	return sharesAtLeast(level, o.least) && (!words || sharesAtLeast(level, SharingSummary))
}

// kept settles who reads a resource that was recorded: the practice, as far as the sharing
// level allows, or the service alone.
func (st *step) kept(o *outcomeResource) error {
	n, err := parse(o.version.Body)
	if err != nil {
		return err
	}
	r := st.after
	if o.kind != "DocumentReference" { // whose words are those of a level
		label(n, r.Sharing, SharingSummary)
	}
	o.version.Body = fhir.Encode(n)
	if o.version.Organisation = r.Organisation; !o.within(r.Sharing, n) && r.Owner != "" {
		o.version.Organisation = r.Owner
	}
	return nil
}

// raised gives the practice what a lower level kept: the next version of each resource
// that the service recorded below it.
func (st *step) raised(ctx context.Context, task *fhir.Task) ([]Version, error) {
	var list []Version
	for _, output := range task.Output {
		o, err := st.recorded(ctx, output)
		if err != nil {
			return nil, err
		}
		if o == nil || o.wrong || o.version.Organisation == st.after.Organisation && !bytes.Contains(o.version.Body, []byte(SystemSharing)) {
			continue
		}
		was := o.version
		if err := st.kept(o); err != nil {
			return nil, err
		}
		if o.version.Organisation == was.Organisation && bytes.Equal(o.version.Body, was.Body) {
			continue
		}
		n, err := parse(o.version.Body)
		if err != nil {
			return nil, err
		}
		o.version.Number, o.version.Updated = was.Number+1, st.at
		stamp(n, o.id, o.version.Number, st.at)
		o.version.Body = fhir.Encode(n)
		o.version.Terms, o.version.From, o.version.To = terms(n)
		o.version.Terms = append(o.version.Terms, referralTerm(st.after.ID))
		list = append(list, o.version)
	}
	return list, nil
}

// toldFrom is the sharing level from which the practice is told a field of what was given
// with a move; a field that is not here is told at full.
var toldFrom = map[string]string{
	"at": SharingNone, "status": SharingNone, "service": SharingNone, "follows": SharingNone, "question": SharingNone, "reason": SharingNone,
	"review_on": SharingCodes, "outcome": SharingCodes, "activity": SharingCodes, "plan": SharingSummary, "signpost": SharingSummary,
	"requested_action": SharingSummary, "sessions": SharingSummary, "note": SharingSummary, "note_audience": SharingSummary, "replaces": SharingSummary,
}

// told is what the practice reads at a sharing level of what the service gave with a move.
func told(data []byte, level string) json.RawMessage {
	if sharesAtLeast(level, SharingFull) || len(data) == 0 {
		return data
	}
	var members map[string]json.RawMessage
	var in Input
	if json.Unmarshal(data, &members) != nil || json.Unmarshal(data, &in) != nil {
		return nil
	}
	for field := range members {
		if least, known := toldFrom[field]; !known || !sharesAtLeast(level, least) {
			delete(members, field)
		}
	}
	put := func(field string, value any) {
		if members[field] != nil {
			members[field] = mustJSON(value)
		}
	}
	summary := sharesAtLeast(level, SharingSummary)
	if p := in.Plan; p != nil {
		put("plan", Plan{Summary: p.Summary, Needs: p.Needs, Reviewer: p.Reviewer, Agreed: p.Agreed})
	}
	if a := in.Activity; a != nil {
		less := ActivityInput{Provider: a.Provider, Name: a.Name, Code: a.Code, Consent: a.Consent}
		if !summary {
			less.Name, less.Code = "", nil
			if list := codesOf(a.Code); len(list) > 0 {
				less.Code = &list[0]
			}
		}
		put("activity", less)
	}
	if !summary {
		if o := in.Outcome; o != nil {
			less := Outcome{Status: o.Status}
			for i := range o.Findings {
				less.Findings = append(less.Findings, codesOf(&o.Findings[i])...)
			}
			for i := range o.Interventions {
				less.Interventions = append(less.Interventions, codesOf(&o.Interventions[i])...)
			}
			put("outcome", less)
		}
		if in.Reason != nil {
			list := codesOf(in.Reason)
			if delete(members, "reason"); len(list) > 0 && (list[0].System != SystemCloseReason || level != SharingNone) {
				members["reason"] = mustJSON(list[0])
			}
		}
	}
	return mustJSON(members)
}

// codesOf is a code without words; none for one that is only words.
func codesOf(c *Coded) []Coded {
	if c == nil || c.Code == "" {
		return nil
	}
	return []Coded{{System: c.System, Code: c.Code, Display: c.Display}}
}
