package fhirpath

import (
	"spadapter/adapter/fhir"
)

// The functions of http://hl7.org/fhirpath/N1/#tree-navigation, repeat(), and type().
func init() {
	register(map[string]function{
		"children":    onItems(static{}, children),
		"descendants": onItems(static{}, descendants),
		"repeat":      {1, 1, buildRepeat},
		"type":        onItems(systemStatic(TypeInfo), typeInfo),
	})
}

func isElement(n *fhir.Node) bool { return n.Kind != fhir.Null && n.Kind != fhir.Array }

func children(s *state, base int) error {
	mid := len(s.stack)
	for i := base; i < mid; i++ {
		n := s.stack[i].node
		if n == nil {
			continue
		}
		if err := s.spend(1 + len(n.Children)); err != nil {
			return err
		}
		for _, c := range n.Children {
			if isElement(c) {
				s.push(Value{node: c})
			}
		}
	}
	s.keep(base, mid)
	return nil
}

func descendants(s *state, base int) error {
	mid := len(s.stack)
	for i := base; i < mid; i++ {
		if n := s.stack[i].node; n != nil {
			if err := s.pushDescendants(n); err != nil {
				return err
			}
		}
	}
	s.keep(base, mid)
	return nil
}

func (s *state) pushDescendants(n *fhir.Node) error {
	if err := s.spend(1 + len(n.Children)); err != nil {
		return err
	}
	for _, c := range n.Children {
		if !isElement(c) {
			continue
		}
		s.push(Value{node: c})
		if len(c.Children) == 0 {
			continue
		}
		if err := s.pushDescendants(c); err != nil {
			return err
		}
	}
	return nil
}

// buildRepeat: the projection of the input, and of what it gives, and so on, each
// value once.
func buildRepeat(c call) (code, error) {
	// what the projection gives is projected again: its type cannot be known
	arg, err := c.compile(c.term.args[0], static{})
	if err != nil {
		return code{}, err
	}
	projection := arg.run()
	return c.after(static{}, func(s *state, base int) error {
		mid := len(s.stack)
		found := set{}
		queue := append([]Value(nil), s.stack[base:]...)
		old := s.frame
		for i := 0; i < len(queue); i++ {
			s.focus, s.index = queue[i:i+1:i+1], i
			if err := projection(s); err != nil {
				return err
			}
			for _, v := range s.stack[mid:] {
				added, err := found.add(s, v)
				if err != nil {
					return err
				}
				if added {
					queue = append(queue, v)
				}
			}
			s.drop(mid)
			if err := s.spend(1); err != nil {
				return err
			}
		}
		s.frame = old
		s.drop(base)
		s.stack = append(s.stack, found.items...)
		return nil
	})
}

// typeInfo gives the type of each item as namespace and name.
func typeInfo(s *state, base int) error {
	for i := base; i < len(s.stack); i++ {
		v := s.stack[i]
		name := "System." + systemName(v.kind)
		if n := v.node; n != nil {
			name = "FHIR." + n.ResourceType()
			if n.Type != nil {
				name = "FHIR." + n.Type.Name
			}
		}
		s.stack[i] = Value{kind: TypeInfo, text: name}
	}
	return s.spend(len(s.stack) - base)
}

func systemName(k Kind) string {
	for name, have := range systemKinds {
		if have == k {
			return name
		}
	}
	return "Any"
}
