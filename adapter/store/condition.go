package store

import (
	"slices"
	"strings"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// maxValues is how many alternatives one statement may have. Each takes up to three
// arguments, of which SQLite takes 32,766 and PostgreSQL 65,535; well below that the
// time that SQLite needs to plan a statement grows faster than its length.
const maxValues = 1000

func affordable(values int) error {
	if values <= maxValues {
		return nil
	}
	return issue.Newf(issue.TooCostly, "search-values", "a search may ask for at most %d values: divide it into several", maxValues)
}

// inGroup is how many alternatives stand in one pair of parentheses: SQLite takes
// expressions up to a depth of 1,000, and counts every OR as one level.
const inGroup = 100

// anyOf joins alternatives by OR.
func anyOf(list []string) string {
	if len(list) <= inGroup {
		return "(" + strings.Join(list, " OR ") + ")"
	}
	var groups []string
	for group := range slices.Chunk(list, inGroup) {
		groups = append(groups, anyOf(group))
	}
	return anyOf(groups)
}

// condition adds one Condition about a resource that is at hand, named by alias.
func (w *clause) condition(c referral.Condition, alias string) error {
	if c.Absent != referral.Either {
		return w.absent(c, alias)
	}
	text, args, err := alternatives(c, alias)
	if err != nil {
		return err
	}
	switch c.Kind {
	case referral.ParamToken, referral.ParamString, referral.ParamRef:
		not := ""
		if c.Not {
			not = "NOT "
		}
		// Without t.type, which the id implies, only the index on ids can serve this.
		w.and(not+"EXISTS (SELECT 1 FROM term t WHERE t.id = "+alias+".id AND t.param = ? AND "+text+")", append([]any{c.Param}, args...)...)
	default:
		w.and(text, args...)
	}
	return nil
}

// absent adds a Condition on whether there is any value. Errors: exception for a kind that
// every resource has.
func (w *clause) absent(c referral.Condition, alias string) error {
	yes := c.Absent == referral.Yes
	either := func(without, with string) string {
		if yes {
			return without
		}
		return with
	}
	switch c.Kind {
	case referral.ParamToken, referral.ParamString, referral.ParamRef:
		w.and(either("NOT ", "")+"EXISTS (SELECT 1 FROM term t WHERE t.id = "+alias+".id AND t.param = ?)", c.Param)
	case referral.ParamDate:
		w.and(alias + ".since IS " + either("NULL", "NOT NULL"))
	case referral.ParamPatient:
		w.and("(" + alias + ".patient || '') " + either("= ''", "<> ''"))
	default:
		return issue.Newf(issue.Exception, "store-query", "a condition of kind %d is never without a value", c.Kind)
	}
	return nil
}

// alternatives writes the Values of a Condition: one of them must hold. A condition
// without values holds for nothing.
func alternatives(c referral.Condition, alias string) (string, []any, error) {
	switch c.Kind {
	case referral.ParamID:
		text, args := in(alias+".id", texts(c))
		return text, args, nil
	case referral.ParamPatient:
		text, args := in(alias+".patient", texts(c))
		return text, args, nil
	case referral.ParamRef:
		list := texts(c)
		for i := range list {
			list[i] = short(list[i])
		}
		text, args := in("t.value", list)
		return text, args, nil
	case referral.ParamRequester:
		// a referral is asked for by the practice, a sub-Task by the service, a question by
		// whoever it says
		// scalars are asked for each row, where of an EXISTS PostgreSQL may read a whole table
		practices, args := in("(SELECT f.organisation FROM referral f WHERE f.id = "+alias+".id)", texts(c))
		services, more := in("(SELECT f.owner FROM activity a CROSS JOIN referral f WHERE a.id = "+alias+".id AND f.id = a.referral)", texts(c))
		others, last := in("t.value", texts(c))
		return "(" + practices + " OR " + services + " OR EXISTS (SELECT 1 FROM term t WHERE t.id = " + alias + ".id AND t.param = 'requester' AND " + others + "))", slices.Concat(args, more, last), nil
	case referral.ParamOwner:
		referrals, args := in("f.owner", texts(c))
		activities, more := in("a.owner", texts(c))
		practices, last := in("t.value", texts(c)) // of questions
		return "(EXISTS (SELECT 1 FROM referral f WHERE f.id = " + alias + ".id AND " + referrals + ") OR EXISTS (SELECT 1 FROM activity a WHERE a.id = " + alias + ".id AND " + activities +
			") OR EXISTS (SELECT 1 FROM term t WHERE t.id = " + alias + ".id AND t.param = 'owner' AND " + practices + "))", slices.Concat(args, more, last), nil
	}
	var or []string
	var args []any
	for _, v := range c.Values {
		text, more, err := alternative(c.Kind, v, alias)
		if err != nil {
			return "", nil, err
		}
		or, args = append(or, text), append(args, more...)
	}
	switch len(or) {
	case 0:
		return nothing, nil, nil
	case 1:
		return or[0], args, nil
	}
	return anyOf(or), args, nil
}

// texts are the values of a Condition that is met by one of them being equal.
func texts(c referral.Condition) []string {
	list := make([]string, len(c.Values))
	for i, v := range c.Values {
		list[i] = clean(v.Text)
	}
	return list
}

func alternative(kind referral.ParamKind, v referral.Value, alias string) (string, []any, error) {
	switch kind {
	case referral.ParamToken:
		text, args := token(v)
		return text, args, nil
	case referral.ParamString:
		text, args := startsWith(strings.ToLower(v.Text))
		return text, args, nil
	case referral.ParamDate:
		return within(alias+".since", alias+".until", v)
	case referral.ParamUpdated:
		return within(alias+".updated", alias+".updated + 1", v)
	}
	return "", nil, issue.Newf(issue.Exception, "store-query", "a condition of kind %d is not known", kind)
}

// token writes the forms of a token: code, system|code, |code, system| and, with both
// left open, any value at all.
// Source: https://hl7.org/fhir/R4/search.html#token.
func token(v referral.Value) (string, []any) {
	switch {
	case v.AnySystem && v.AnyCode:
		return "1 = 1", nil
	case v.AnySystem:
		return "t.value = ?", []any{short(v.Text)}
	case v.AnyCode:
		return "t.system = ?", []any{short(v.System)}
	}
	return "(t.value = ? AND t.system = ?)", []any{short(v.Text), short(v.System)}
}

// startsWith compares by a range, which an index serves on both databases, where LIKE
// differs in case. Behind the length where values are cut it compares that much.
func startsWith(prefix string) (string, []any) {
	prefix = prefixOf(clean(prefix))
	return "(t.value >= ? AND t.value < ?)", []any{prefix, prefix + "\U0010FFFF"} // the last code point there is
}

// within compares the range of a resource with the range of a search value. A
// resource without a date meets no comparison.
// Source: https://hl7.org/fhir/R4/search.html#prefix.
func within(since, until string, v referral.Value) (string, []any, error) {
	from, to := int64(farPast), int64(farFuture)
	if !v.From.IsZero() {
		from = v.From.UnixMilli()
	}
	if !v.To.IsZero() {
		to = ceilMilli(v.To)
	}
	inside := "(" + since + " >= ? AND " + until + " <= ?)"
	switch v.Prefix {
	case "", "eq":
		return inside, []any{from, to}, nil
	case "ne":
		return "(" + since + " < ? OR " + until + " > ?)", []any{from, to}, nil
	case "gt":
		return until + " > ?", []any{to}, nil
	case "lt":
		return since + " < ?", []any{from}, nil
	case "ge":
		return "(" + until + " > ? OR " + inside + ")", []any{to, from, to}, nil
	case "le":
		return "(" + since + " < ? OR " + inside + ")", []any{from, from, to}, nil
	}
	return "", nil, issue.New(issue.Value, "search-prefix", "a date is compared with eq, ne, gt, lt, ge or le").With("got %q", v.Prefix)
}

// ceilMilli rounds up, so that the end of a range still lies behind what it held.
func ceilMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}
