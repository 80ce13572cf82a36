//go:build race

package main

// raced: the race detector watches, which makes everything ten times as slow. Tests that ask
// much of the same thing then ask a part of it; the whole is asked without it.
const raced = true
