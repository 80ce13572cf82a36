package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// convertResults writes what was converted: to standard output, or to a folder with one
// file for each input. A file has its name only when it is whole.
type convertResults struct {
	inputs  []convertInput
	folder  string
	current int // the input whose file is open, -1 when none
	file    *os.File
	out     *bufio.Writer
}

// newConvertResults refuses a folder in which two results would have one name, or a
// result would take the place of its input.
func newConvertResults(v *conversion) (*convertResults, error) {
	r := &convertResults{inputs: v.inputs, folder: v.command.Out, current: -1}
	if r.folder == "" {
		r.out = bufio.NewWriterSize(os.Stdout, 64<<10)
		return r, nil
	}
	r.out = bufio.NewWriterSize(io.Discard, 64<<10)
	taken := map[string]string{}
	for _, in := range v.inputs {
		to := r.path(in)
		if other, twice := taken[to]; twice {
			return nil, fmt.Errorf("%s and %s would both be written to %s; convert them one after the other", other, in.path, to)
		}
		taken[to] = in.path
		if from, err := os.Stat(in.path); err == nil {
			if there, err := os.Stat(to); err == nil && os.SameFile(from, there) {
				return nil, fmt.Errorf("%s would be written over itself; name another folder with -o", in.path)
			}
		}
	}
	return r, os.MkdirAll(r.folder, 0o755)
}

func (r *convertResults) path(in convertInput) string {
	name := in.name
	switch {
	case in.path == "-":
		name = "converted.ndjson"
	case isXML(name): // what is written is JSON
		name = strings.TrimSuffix(name, filepath.Ext(name)) + ".json"
	}
	return filepath.Join(r.folder, name)
}

// write takes the next result, in the order of the input.
func (r *convertResults) write(c converted) error {
	if len(c.body) == 0 {
		return nil
	}
	if r.folder != "" && r.current != c.input {
		if err := r.close(); err != nil {
			return err
		}
		to := r.path(r.inputs[c.input])
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		file, err := os.CreateTemp(filepath.Dir(to), "."+strings.TrimSuffix(filepath.Base(to), filepath.Ext(to))+"-*")
		if err != nil {
			return err
		}
		r.file, r.current = file, c.input
		r.out.Reset(file)
	}
	_, err := r.out.Write(c.body)
	return err
}

// close ends the file that is open.
func (r *convertResults) close() error {
	err := r.out.Flush()
	if r.file == nil {
		return err
	}
	err = errors.Join(err, r.file.Chmod(0o644), r.file.Close())
	if err == nil {
		err = os.Rename(r.file.Name(), r.path(r.inputs[r.current]))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(r.file.Name()))
	}
	r.file = nil
	return err
}

// abandon leaves no file by half.
func (r *convertResults) abandon() {
	if r.file == nil {
		_ = r.out.Flush() // what was converted before the interruption
		return
	}
	_ = r.file.Close()
	_ = os.Remove(r.file.Name())
	r.file = nil
}
