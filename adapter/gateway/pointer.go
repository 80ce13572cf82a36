package gateway

import (
	"slices"
	"strconv"
	"strings"

	"spadapter/adapter/issue"
)

// maxPointer is how many steps a path may have; no resource is as deep.
const maxPointer = 1000

var unescaped = strings.NewReplacer("~1", "/", "~0", "~")

// pointer reads a JSON Pointer. Source: RFC 6901.
func pointer(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	if text[0] != '/' {
		return nil, issue.New(issue.Structure, "patch", "a path begins with a slash")
	}
	if strings.Count(text, "/") > maxPointer {
		return nil, badPatch("a path of the patch leads nowhere: no resource is so deep")
	}
	parts := strings.Split(text[1:], "/")
	for i, p := range parts {
		parts[i] = unescaped.Replace(p)
	}
	return parts, nil
}

func entryAt(text string, length int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n >= length || strconv.Itoa(n) != text {
		return 0, badPatch("a path of the patch leads nowhere: there is no entry " + strconv.Quote(text))
	}
	return n, nil
}

func lookupPointer(root any, path []string) (any, error) {
	for _, name := range path {
		switch at := root.(type) {
		case map[string]any:
			next, ok := at[name]
			if !ok {
				return nil, badPatch("a path of the patch leads nowhere: there is no " + strconv.Quote(name))
			}
			root = next
		case []any:
			i, err := entryAt(name, len(at))
			if err != nil {
				return nil, err
			}
			root = at[i]
		default:
			return nil, badPatch("a path of the patch leads into a value that has no parts")
		}
	}
	return root, nil
}

// edit changes one place of a tree and gives the tree; op is add, remove or replace. On an
// error the tree is of no use any more.
func edit(root any, path []string, op string, value any) (any, error) {
	if len(path) == 0 {
		if op == "remove" {
			return nil, badPatch("the whole resource cannot be removed")
		}
		return value, nil
	}
	name := path[0]
	switch at := root.(type) {
	case map[string]any:
		next, ok := at[name]
		if !ok && (len(path) > 1 || op != "add") {
			return nil, badPatch("a path of the patch leads nowhere: there is no " + strconv.Quote(name))
		}
		if len(path) == 1 && op == "remove" {
			delete(at, name)
			return at, nil
		}
		if len(path) == 1 {
			at[name] = value
			return at, nil
		}
		var err error
		at[name], err = edit(next, path[1:], op, value)
		return at, err
	case []any:
		if len(path) == 1 && op == "add" {
			i := len(at)
			if name != "-" {
				var err error
				if i, err = entryAt(name, len(at)+1); err != nil {
					return nil, err
				}
			}
			return slices.Insert(at, i, value), nil
		}
		i, err := entryAt(name, len(at))
		if err != nil {
			return nil, err
		}
		if len(path) == 1 && op == "remove" {
			return slices.Delete(at, i, i+1), nil
		}
		at[i], err = edit(at[i], path[1:], op, value)
		return at, err
	}
	return nil, badPatch("a path of the patch leads into a value that has no parts")
}
