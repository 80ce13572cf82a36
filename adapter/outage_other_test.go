//go:build !linux

package main

import "testing"

// fullDisk is not known on this system: nil.
func fullDisk(t *testing.T) *outage {
	t.Log("NOT TESTED on SQLite: only Linux limits the files of a running process")
	return nil
}
