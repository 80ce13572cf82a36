package directory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// reading is one service being read: what was wrong with it.
type reading struct {
	faults []Fault // what makes it unusable
	notes  []Fault // what was left out of it
}

func (r *reading) fault(path, format string, args ...any) {
	r.faults = append(r.faults, Fault{Path: path, Words: fmt.Sprintf(format, args...)})
}

func (r *reading) note(path, format string, args ...any) {
	r.notes = append(r.notes, Fault{Path: path, Words: fmt.Sprintf(format, args...)})
}

// object is a JSON object of a feed with its path. Members that are null count as absent.
type object struct {
	members map[string]any
	path    string
	r       *reading
}

func (o object) at(name string) string { return strings.TrimPrefix(o.path+"."+name, ".") }

// text gives a member as text: a number or a boolean in its own letters, which is what
// sloppy feeds mean. "" when absent; a fault when it is an object or an array.
func (o object) text(name string, most int) string {
	switch v := o.members[name].(type) {
	case nil:
		return ""
	case string:
		return plain(v, most)
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	o.r.fault(o.at(name), "this must be text")
	return ""
}

// number gives a member as the letters of a number, also one that was sent as text.
func (o object) number(name string) string {
	switch v := o.members[name].(type) {
	case nil:
		return ""
	case json.Number:
		return v.String()
	case string:
		v = strings.TrimSpace(v)
		if v == "" {
			return ""
		}
		if _, err := strconv.ParseFloat(v, 64); err != nil || len(v) > 40 || strings.ContainsAny(v, "xXpPnN_") {
			o.r.note(o.at(name), "this is no number; it is left out")
			return ""
		}
		return v
	}
	o.r.fault(o.at(name), "this must be a number")
	return ""
}

// object gives a member that is an object; false when absent.
func (o object) object(name string) (object, bool) {
	switch v := o.members[name].(type) {
	case nil:
	case map[string]any:
		return object{v, o.at(name), o.r}, true
	default:
		o.r.fault(o.at(name), "this must be an object")
	}
	return object{}, false
}

// maxParts bounds the elements of one list of one service: more is no directory entry.
const maxParts = 200

// list gives the objects of an array; nil when absent.
func (o object) list(name string) []object {
	switch v := o.members[name].(type) {
	case nil:
	case []any:
		if len(v) > maxParts {
			o.r.note(o.at(name), "only the first %d are kept", maxParts)
			v = v[:maxParts]
		}
		out := make([]object, 0, len(v))
		for i, e := range v {
			path := o.at(name) + "[" + strconv.Itoa(i) + "]"
			switch m := e.(type) {
			case nil:
			case map[string]any:
				out = append(out, object{m, path, o.r})
			default:
				o.r.fault(path, "this must be an object")
			}
		}
		return out
	default:
		o.r.fault(o.at(name), "this must be an array")
	}
	return nil
}

// decodeObject reads JSON that must be one object, numbers as they were written.
func decodeObject(raw []byte) (map[string]any, bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var m map[string]any
	if d.Decode(&m) != nil || m == nil || d.More() {
		return nil, false
	}
	return m, true
}
