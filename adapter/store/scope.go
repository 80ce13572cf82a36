package store

import (
	"slices"
	"strings"

	"spadapter/adapter/auth"
	"spadapter/adapter/referral"
)

// clause is a FROM and a WHERE with their arguments.
type clause struct {
	from string // with the first of args
	text strings.Builder
	args []any
}

// and adds a condition; it must be true for a row to be found.
func (c *clause) and(text string, args ...any) {
	if c.text.Len() > 0 {
		c.text.WriteString("\n  AND ")
	}
	c.text.WriteString(text)
	c.args = append(c.args, args...)
}

// nothing is the condition of a scope that holds no rows, as that of a caller without
// organisations or with a role nobody knows.
const nothing = "1 = 0"

// referralScope is the condition for rows of referral, named by alias.
func referralScope(s referral.Scope, alias string) (string, []any) {
	switch s.Role {
	case auth.RoleOperator:
		return "1 = 1", nil
	case auth.RoleRequester:
		return in(alias+".organisation", s.Organisations)
	case auth.RoleOwner:
		return in(holderOf(alias), holders(s))
	}
	return nothing, nil
}

// holderOf is who has a referral on its list, as 0004_worklist.sql has indexes on it: the
// owner, or the pool behind a slash.
func holderOf(alias string) string {
	return "(CASE WHEN " + alias + ".owner <> '' THEN " + alias + ".owner ELSE '/' || " + alias + ".pool END)"
}

// holders are the holders whose referrals an owner sees, each once.
func holders(s referral.Scope) []string {
	var list []string
	for _, ods := range s.Organisations {
		if ods != "" && ods[0] != '/' { // no organisation is a pool
			list = append(list, ods)
		}
	}
	for _, pool := range s.Pools {
		if pool != "" {
			list = append(list, "/"+pool)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// besideScope is referralScope for a row that is found by its key: no index serves it, so
// that nobody walks through a whole list to check one row.
func besideScope(s referral.Scope, alias string) (string, []any) {
	if s.Role == auth.RoleOwner {
		return in("("+holderOf(alias)+" || '')", holders(s))
	}
	return referralScope(s, alias)
}

// resourceScope is the condition for rows of resource of one type, named r.
func resourceScope(s referral.Scope, resourceType string) (string, []any) {
	return scopeOf(s, resourceType, "r")
}

// scopeOf is the condition for rows of resource of one type, named by alias. An owner
// sees what belongs to its referrals, and their patients; a provider the sub-Tasks sent to it.
func scopeOf(s referral.Scope, resourceType, alias string) (string, []any) {
	if s.Role == auth.RoleRequester {
		return in(alias+".organisation", s.Organisations)
	}
	own, args := besideScope(s, "f")
	if s.Role != auth.RoleOwner || own == nothing {
		return own, args
	}
	text := "EXISTS (SELECT 1 FROM referral f WHERE f.id = " + alias + ".referral AND " + own + ")"
	switch resourceType {
	case "Patient":
		return "(" + text + " OR EXISTS (SELECT 1 FROM referral f WHERE f.patient = " + alias + ".id AND " + own + "))", append(slices.Clone(args), args...)
	case "Task":
		// a sub-Task is also its provider's
		sent, more := in("a.owner", s.Organisations)
		return "(" + text + " OR EXISTS (SELECT 1 FROM activity a WHERE a.id = " + alias + ".id AND " + sent + "))", append(slices.Clone(args), more...)
	}
	// who took over a request sees what came with it and what was found until then, by
	// whichever service, not the Tasks before and nothing that a service kept to itself
	return "(" + text + " OR EXISTS (SELECT 1 FROM referral f WHERE f.root = " + alias + ".referral AND f.root <> '' AND f.organisation = " + alias + ".organisation AND " + own + ")" +
			" OR EXISTS (SELECT 1 FROM referral o CROSS JOIN referral f WHERE o.id = " + alias + ".referral AND o.root <> '' AND f.root = o.root AND f.root <> '' AND f.created > o.created AND f.organisation = " + alias + ".organisation AND " + own + "))",
		slices.Concat(args, args, args)
}

// in is the condition that column is one of list. "" is never in a list: it would
// match rows that belong to nobody.
func in(column string, list []string) (string, []any) {
	var args []any
	for _, s := range list {
		if s != "" {
			args = append(args, s)
		}
	}
	switch len(args) {
	case 0:
		return nothing, nil
	case 1:
		return column + " = ?", args
	}
	return column + " IN (" + marks(len(args)) + ")", args
}
