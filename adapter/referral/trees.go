package referral

import (
	"bytes"

	lru "github.com/hashicorp/golang-lru/v2"

	"spadapter/adapter/fhir"
)

// maxTrees is how many normalised referrals are kept parsed: some forty pages of a worklist.
// A tree takes 40 kB, so all of them 80 MB at most.
const maxTrees = 2000

// trees keeps the parsed content of referrals by id: who works on a referral reads it several
// times within minutes, and parsing it is half of what showing it costs. Safe for
// concurrent use.
type trees struct {
	kept *lru.Cache[string, parsed]
}

// parsed is a content and its tree. The content is compared whenever the tree is used, which
// costs a thousandth of parsing it: no tree is ever shown for other bytes.
type parsed struct {
	content []byte
	tree    *fhir.Node
}

func newTrees() trees {
	kept, err := lru.New[string, parsed](maxTrees)
	if err != nil {
		panic(err) // of a size below one
	}
	return trees{kept}
}

// content gives the tree of the record's Content. Nobody changes it: others read it too.
// Errors: exception for a content that cannot be read.
func (s *Service) content(r *Record) (*fhir.Node, error) {
	if r.tree != nil {
		return r.tree, nil
	}
	if p, ok := s.trees.kept.Get(r.ID); ok && bytes.Equal(p.content, r.Content) {
		r.tree = p.tree
		return p.tree, nil
	}
	tree, err := parse(r.Content)
	if err != nil {
		return nil, err
	}
	r.tree = tree
	s.trees.kept.Add(r.ID, parsed{r.Content, tree})
	return tree, nil
}
