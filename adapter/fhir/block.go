package fhir

import (
	"strconv"
	"strings"

	"spadapter/adapter/issue"
)

// The elements of one document, and their lists of children, are cut from a few blocks:
// an allocation for each would cost more than the reading.

// node gives the next element, too-costly when there are too many.
func (p *parser) node(start int) (*Node, error) {
	if p.count++; p.count > p.limits.Nodes {
		e := p.fail("node-limit", "the resource has more than "+strconv.Itoa(p.limits.Nodes)+" elements; send it in parts")
		e.Type = issue.TooCostly
		return nil, e
	}
	if len(p.slab) == cap(p.slab) {
		p.slab = make([]Node, 0, p.guess())
	}
	p.slab = p.slab[:len(p.slab)+1] // zero as it was made; an append would copy a Node
	n := &p.slab[len(p.slab)-1]
	n.start, n.doc = int32(start), p.doc
	return n, nil
}

// guess is how many elements come next: in JSON as many as there are commas and opening
// braces, and one. Those in texts make it too high, which costs memory alone; the length
// says nothing, since it may be that of one attachment. It looks so far ahead only, that
// each byte is looked at about once.
func (p *parser) guess() int {
	const ahead = 64 << 10
	rest := p.src[p.pos:min(len(p.src), p.pos+ahead)]
	if p.doc.xml {
		return min(strings.Count(rest, "<")+1, 2048) // the end tags are too many
	}
	return min(strings.Count(rest, ",")+strings.Count(rest, "{")+1, 2048)
}

// children gives a list of its own, cut from a block, to what an object holds.
func (p *parser) children(of []*Node) []*Node {
	if len(p.lists)+len(of) > cap(p.lists) {
		p.lists = make([]*Node, 0, len(p.stack)+p.guess()) // what waits for its list, and what comes
	}
	from := len(p.lists)
	p.lists = append(p.lists, of...)
	return p.lists[from:len(p.lists):len(p.lists)]
}
