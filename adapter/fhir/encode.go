package fhir

import (
	"bytes"
	"encoding/json"
	"sync"
	"unicode/utf8"
)

// Encode writes a resource or element as compact JSON: members in the order of the
// tree, numbers with their own digits, the companion members of primitives after
// them. It does not check the tree.
func Encode(n *Node) []byte {
	// the text grows in a buffer that is used again; what is kept has its exact size
	b := buffers.Get().(*[]byte)
	*b = AppendJSON((*b)[:0], n)
	out := bytes.Clone(*b)
	if cap(*b) <= 1<<20 { // one huge document must not stay in memory
		buffers.Put(b)
	}
	return out
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 8192); return &b }}

// EncodeIndent is Encode for people: two blanks a level.
func EncodeIndent(n *Node) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, Encode(n), "", "  "); err != nil {
		return Encode(n) // a tree that JSON has no words for; show it as it is
	}
	return b.Bytes()
}

// AppendJSON appends what Encode gives to dst.
func AppendJSON(dst []byte, n *Node) []byte {
	switch n.Kind {
	case String:
		return appendString(dst, n.Value)
	case Number, Boolean:
		if n.Kind == Number && !isNumber(n.Value) || n.Kind == Boolean && n.Value != "true" && n.Value != "false" {
			return appendString(dst, n.Value) // XML may say anything, and it must not become JSON
		}
		return append(dst, n.Value...)
	case Null:
		return append(dst, "null"...)
	case Absent:
		return appendObject(dst, n)
	case Array:
		dst = append(dst, '[')
		for i, c := range n.Children {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendJSON(dst, c)
		}
		return append(dst, ']')
	default:
		return appendObject(dst, n)
	}
}

func appendObject(dst []byte, n *Node) []byte {
	dst = append(dst, '{')
	first := true
	if n.resourceType != "" {
		dst = append(dst, `"resourceType":`...)
		dst = appendString(dst, n.resourceType)
		first = false
	}
	for i := 0; i < len(n.Children); {
		c := n.Children[i]
		j := i + 1
		for c.List && j < len(n.Children) && n.Children[j].List && n.Children[j].Name == c.Name {
			j++
		}
		dst, first = appendMember(dst, n.Children[i:j], first)
		i = j
	}
	return append(dst, '}')
}

// appendMember writes one element, or all the elements of one array.
func appendMember(dst []byte, group []*Node, first bool) ([]byte, bool) {
	c := group[0]
	values, companions := false, false
	for _, g := range group {
		if g.Kind != Absent {
			values = true
		}
		if len(g.Children) > 0 && g.Kind != Object && g.Kind != Array {
			companions = true
		}
	}
	name := func(prefix string) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendString(dst, prefix+c.Name), ':')
	}
	if values {
		name("")
		switch {
		case c.List && len(group) == 1 && c.Kind == Array && len(c.Children) == 0:
			dst = append(dst, "[]"...) // an empty array, kept as it was
		case c.List:
			for i, g := range group {
				dst = append(dst, "[,"[min(i, 1)])
				if g.Kind == Absent {
					dst = append(dst, "null"...)
				} else {
					dst = AppendJSON(dst, g)
				}
			}
			dst = append(dst, ']')
		default:
			dst = AppendJSON(dst, c)
		}
	}
	if companions {
		name("_")
		if !c.List {
			return appendObject(dst, c), first
		}
		for i, g := range group {
			dst = append(dst, "[,"[min(i, 1)])
			if len(g.Children) == 0 || g.Kind == Object {
				dst = append(dst, "null"...)
			} else {
				dst = appendObject(dst, g)
			}
		}
		dst = append(dst, ']')
	}
	return dst, first
}

const hexDigits = "0123456789abcdef"

// appendString writes a JSON string; it escapes what RFC 8259 section 7 demands and
// nothing else, so that text stays readable.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf || c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}
