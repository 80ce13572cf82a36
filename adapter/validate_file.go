package main

import (
	"errors"
	"os"
	"path/filepath"
)

// reportFile is a file that has its name only once it is whole.
type reportFile struct {
	*os.File
	name string // "" when it has its name already: a pipe or device cannot be replaced
}

func createReport(name string) (*reportFile, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		return &reportFile{File: f}, err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return nil, unreadablePath(name, err)
	}
	return &reportFile{f, name}, nil
}

// keep ends the file and gives it its name.
func (f *reportFile) keep() error {
	if f.name == "" {
		return f.Close()
	}
	err := errors.Join(f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.File.Name(), f.name)
	}
	if err == nil {
		f.name = ""
	}
	return err
}

// discard takes away a file that was not kept.
func (f *reportFile) discard() {
	if f.name != "" {
		_ = f.Close()
		_ = os.Remove(f.File.Name())
	}
}
