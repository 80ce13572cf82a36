package main

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// eachMessage has the messages of the inputs worked on by some jobs at once, and hands
// what came of them to take, one after the other and in the order of the input. As many
// messages are in memory as keep the jobs busy. It ends early when ctx does, or with the
// error of take.
func eachMessage[T any](ctx context.Context, inputs []convertInput, jobs int, work func(convertMessage) T, take func(T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type slot struct {
		convertMessage
		done chan T
	}
	order := make(chan slot, 4*jobs)
	waiting := make(chan slot)
	var group sync.WaitGroup
	group.Go(func() {
		defer close(order)
		defer close(waiting)
		for i, in := range inputs {
			in.read(ctx, i, func(d convertMessage) bool {
				s := slot{d, make(chan T, 1)}
				for _, to := range []chan slot{order, waiting} {
					select {
					case to <- s:
					case <-ctx.Done():
						return false
					}
				}
				return true
			})
			if ctx.Err() != nil {
				return
			}
		}
	})
	for range jobs {
		group.Go(func() {
			for s := range waiting {
				s.done <- work(s.convertMessage)
			}
		})
	}
	var err error
	for s := range order {
		var result T
		select {
		case result = <-s.done:
		case <-ctx.Done():
		}
		if ctx.Err() != nil || err != nil {
			continue // drained, so that the reader can end
		}
		if err = take(result); err != nil {
			cancel()
		}
	}
	group.Wait()
	return err
}

// progress draws a bar of the bytes that are done, while someone looks at it and the
// sizes are known. clear takes it off the screen, redraw puts it back.
func progress(what string, inputs []convertInput, quiet bool, done *atomic.Int64) (clear, redraw func()) {
	var total int64
	for _, in := range inputs {
		total += in.bytes
	}
	if quiet || total < 1<<20 || !term.IsTerminal(int(os.Stderr.Fd())) {
		return func() {}, func() {}
	}
	bar := progressbar.NewOptions64(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
		progressbar.OptionFullWidth(), progressbar.OptionThrottle(200*time.Millisecond))
	// a bar that cannot be drawn is no loss
	return func() { _ = bar.Clear() }, func() { _ = bar.Set64(done.Load()) }
}
