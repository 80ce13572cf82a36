package terminology

import (
	"context"

	"spadapter/adapter/issue"
)

// maxWork is how many steps one question may take: a clause that is asked about a code is
// one, its filters are more by their size. The whole of SNOMED CT by a few clauses is
// within it.
const maxWork = 40_000_000

// workBetween is how many steps are taken before it is looked whether anybody waits.
const workBetween = 1024

// work bounds one question in steps, since a value set that is sent says itself how much
// there is to do.
type work struct {
	ctx    context.Context
	left   int
	unseen int // steps since ctx was looked at
	err    error
	quiet  doubts
}

func newWork(ctx context.Context) *work {
	w := &work{ctx: ctx, left: maxWork}
	w.quiet = doubts{work: w, mute: true}
	return w
}

// spend counts steps; false when there may be no more, which err explains.
func (w *work) spend(steps int) bool {
	if w.err != nil {
		return false
	}
	w.left -= steps
	if w.unseen += steps; w.unseen >= workBetween {
		w.unseen = 0
		if err := w.ctx.Err(); err != nil {
			w.err = issue.New(issue.Timeout, "expansion-time", "the question was given up, because nobody waits for the answer any more").Because(err)
			return false
		}
	}
	if w.left < 0 {
		w.err = issue.New(issue.TooCostly, "valueset-work", "the value set takes more work than one question may: its clauses and filters times the codes they are asked about; ask with fewer clauses and filters, or about fewer codes")
		return false
	}
	return true
}
