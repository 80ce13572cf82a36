package directory

// Report says how a refresh went.
type Report struct {
	Feed      string
	Unchanged bool // the feed said that nothing is new; nothing else was read
	Complete  bool // all that the feed says it has was read; only then is what is missing withdrawn
	Pages     int
	Total     int // how many services the feed says it has, -1 when it does not say
	Read      int // services offered, each once
	Taken     int // of these, taken over
	Reused    int // of these, not read again since the list says that they are as they were
	LeftOut   int // not taken over; what was here of them before stays
	Withdrawn int // vanished since the refresh before
	Notes     int // parts of services that were left out
	Faults    []Fault
}

// maxFaults bounds the faults that a report lists; all are counted.
const maxFaults = 500

func (r *Report) add(list []Fault) {
	for _, f := range list {
		if !f.Left {
			r.Notes++
		}
		if len(r.Faults) < maxFaults {
			r.Faults = append(r.Faults, f)
		}
	}
}
