package main

import (
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"
)

// fullDisk is an outage of a SQLite file: the adapter cannot write any file beyond its
// first bytes, as on a full disk. Permissions would not do: they are not asked again
// for a file that is open, and never for root.
func fullDisk(t *testing.T) *outage {
	limit := func(bytes uint64) func(*adapter) {
		return func(a *adapter) {
			t.Helper()
			const unlimited = ^uint64(0)
			rlimit := [2]uint64{bytes, unlimited}
			_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(a.child.Process.Pid), syscall.RLIMIT_FSIZE,
				uintptr(unsafe.Pointer(&rlimit)), 0, 0, 0)
			if errno != 0 {
				t.Fatal(errno)
			}
		}
	}
	return &outage{"sqlite:" + filepath.Join(t.TempDir(), "adapter.db"), limit(1), limit(^uint64(0))}
}
