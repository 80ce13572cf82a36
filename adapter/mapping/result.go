package mapping

import (
	"sync"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Input is what a transform works on.
type Input struct {
	Source *fhir.Node   // the first source of the map's first group; never changed
	More   []*fhir.Node // its further sources, in order

	// Identity seeds uuid(): the n-th call gives the UUIDv5 of Identity and n, so that the
	// same message gives the same ids. Use what names the message: its id, or a hash of its
	// bytes. A map that calls uuid() fails without it.
	Identity string

	Now   time.Time // now() and today() in expressions
	Trace bool      // fill Result.Trace
}

// Result is what a transform made.
type Result struct {
	Map     *Map
	Dialect string // its name, "" for a map that was run by itself

	Source *fhir.Node   // Input.Source
	Target *fhir.Node   // a tree of its own, to change or encode
	Trace  []Step       // in the order of the rules' work, nil without Input.Trace
	Unread []*fhir.Node // the topmost source elements of which no rule read anything, in document order
	Issues []*issue.Error
	Work   int // elements that the rules looked at: what it cost, the same on every machine

	targets []*fhir.Node // of all targets of the first group; Target is the first

	indexing sync.Once
	made     map[*fhir.Node]int // the last step of Trace for each target element
}

// Step says where one target element comes from.
type Step struct {
	Target  *fhir.Node
	Sources []*fhir.Node // the source elements the rule was at, outermost first
	Map     string       // url of the map
	Group   string
	Rule    string
	File    string
	Line    int

	ConceptMap string // canonical, when a code was translated
	Row        int    // the row of that ConceptMap, as in terminology.Match
}
