package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// headOf runs the program, reads the beginning of its output and hangs up, as head does.
// It gives what the program said on standard error, and its wait status.
func headOf(t *testing.T, dir string, args ...string) (string, int) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = dir, append(plainEnvironment(), asProgram+"=1")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // ended by a signal
	return errs.String(), int(cmd.ProcessState.Sys().(syscall.WaitStatus))
}

// Ten thousand files, every one of them at fault, take no more memory than two thousand.
func TestValidateTakesBoundedMemory(t *testing.T) {
	peak := func(count int, format string) int64 {
		dir := t.TempDir()
		for i := range count {
			body := fmt.Sprintf(`{"resourceType":"Patient","gender":"x","name":[{"given":"a"}],"birthDate":"%d"}`, i)
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d.json", i)), []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		program, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, "validate", "-format", format, dir)
		cmd.Env = append(plainEnvironment(), asProgram+"=1")
		var out bytes.Buffer
		cmd.Stderr = &out
		_ = cmd.Run() // exit status 1, as there are faults
		if want := fmt.Sprintf("%s, ", plural(count, "file")); !bytes.HasPrefix(out.Bytes(), []byte(want)) {
			t.Fatalf("%s", out.Bytes())
		}
		return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss // in KiB on Linux
	}
	for _, format := range []string{"sarif", "junit"} {
		few, many := peak(2_000, format), peak(10_000, format)
		t.Logf("%s: %d MiB for 2,000 files, %d MiB for 10,000", format, few>>10, many>>10)
		if many > few+64<<10 {
			t.Errorf("%s: %d KiB for 2,000 files, %d KiB for 10,000", format, few, many)
		}
	}
}

// A pipe in a folder would be waited for without end: it is passed over, by the commands
// that read folders.
func TestFoldersWithPipes(t *testing.T) {
	dir := write(t, map[string][]byte{"in/a.json": []byte(`{"resourceType":"Patient"}`)})
	if err := syscall.Mkfifo(filepath.Join(dir, "in", "b.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.json", filepath.Join(dir, "in", "c.json")); err != nil {
		t.Fatal(err)
	}
	command(t, dir, nil, "validate", "in").want(t, 0, "2 files")
}
