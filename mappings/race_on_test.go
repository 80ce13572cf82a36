//go:build race

package mappings

// raced says that the race detector is on.
const raced = true
