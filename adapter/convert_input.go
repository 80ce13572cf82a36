package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"spadapter/adapter/issue"
)

// convertInput is one file to convert, or standard input.
type convertInput struct {
	path  string // "-" for standard input
	name  string // as it is shown, and below the folder for the results
	bytes int64
	lines bool  // NDJSON: a message in each line
	err   error // why it cannot be read, when that is known already
}

// convertMessage is one message of an input.
type convertMessage struct {
	input int // position of its input
	line  int // in an NDJSON file, from 1; 0 for a file that is one message
	body  []byte
	err   error // why it could not be read
}

// maxDocument is the largest message that convert reads. It is far above what the
// adapter takes over HTTP, and keeps a file that is no NDJSON from filling the memory.
const maxDocument = 256 << 20

// convertInputs lists the files of the paths: a folder gives its .json, .xml, .ndjson
// and .jsonl files, in the order of their names, folders below it included, but neither the one
// for the results nor hidden ones.
func convertInputs(paths []string, results string) ([]convertInput, error) {
	var out []convertInput
	var errs []error
	for _, path := range paths {
		if path == "-" {
			out = append(out, convertInput{path: "-", name: "standard input"})
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			errs = append(errs, unreadablePath(path, err))
			continue
		}
		if !info.IsDir() {
			out = append(out, convertInput{path: path, name: filepath.Base(path), bytes: info.Size(), lines: isNDJSON(path)})
			continue
		}
		found := 0
		err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() && (file != path && strings.HasPrefix(entry.Name(), ".") || results != "" && sameFile(file, results)) {
				return filepath.SkipDir // the latter holds what an earlier run made
			}
			if err != nil || entry.IsDir() || !isNDJSON(file) && !isXML(file) && !strings.EqualFold(filepath.Ext(file), ".json") {
				return err
			}
			// what a link leads to counts; whoever opens one that leads nowhere says so
			info, err := os.Stat(file)
			if err != nil {
				info, err = entry.Info()
			} else if !info.Mode().IsRegular() {
				return nil // a pipe would make it wait for ever
			}
			if err != nil {
				return err
			}
			name, err := filepath.Rel(path, file)
			if err != nil {
				return err
			}
			found++
			out = append(out, convertInput{path: file, name: name, bytes: info.Size(), lines: isNDJSON(file)})
			return nil
		})
		if err == nil && found == 0 {
			err = fmt.Errorf("%s: the folder holds no .json, .xml, .ndjson or .jsonl file", path)
		}
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

// unreadablePath says of a path why it cannot be read, without the name of a system call.
func unreadablePath(path string, err error) error {
	if inner, ok := err.(*fs.PathError); ok {
		err = inner.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

func isNDJSON(path string) bool {
	return slices.Contains([]string{".ndjson", ".jsonl"}, strings.ToLower(filepath.Ext(path)))
}

func isXML(path string) bool { return strings.EqualFold(filepath.Ext(path), ".xml") }

// read hands the messages of an input to yield, until it returns false.
func (in convertInput) read(ctx context.Context, number int, yield func(convertMessage) bool) {
	if in.err != nil {
		yield(convertMessage{input: number, err: in.err})
		return
	}
	var file io.ReadCloser = os.Stdin
	if in.path != "-" {
		f, err := os.Open(in.path)
		if err != nil {
			yield(convertMessage{input: number, err: unreadableFile(err)})
			return
		}
		file = f
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 64<<10)
	if in.path == "-" {
		in.lines = severalLines(r)
	}
	if !in.lines {
		body, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
		switch {
		case err != nil:
			err = unreadableFile(err)
		case len(body) > maxDocument:
			err = tooLong()
		}
		yield(convertMessage{input: number, body: body, err: err})
		return
	}
	for line := 1; ctx.Err() == nil; line++ {
		body, err := readLine(r)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, issue.TooLong) {
			yield(convertMessage{input: number, line: line, err: unreadableFile(err)})
			return
		}
		if errors.Is(err, issue.TooLong) {
			if !yield(convertMessage{input: number, line: line, err: err}) {
				return
			}
			continue
		}
		if len(bytes.TrimSpace(body)) > 0 && !yield(convertMessage{input: number, line: line, body: body}) {
			return
		}
		if err != nil {
			return
		}
	}
}

// severalLines reports whether what begins here is NDJSON: its first line is a whole
// object, and more follows.
func severalLines(r *bufio.Reader) bool {
	head, _ := r.Peek(64 << 10)
	first, rest, found := bytes.Cut(bytes.TrimLeft(head, " \t\r\n"), []byte("\n"))
	first = bytes.TrimSpace(first)
	return found && bytes.HasPrefix(first, []byte("{")) && bytes.HasSuffix(first, []byte("}")) && len(bytes.TrimSpace(rest)) > 0
}

// readLine reads one line of any length up to maxDocument; the rest of a longer one is
// passed over. Errors: io.EOF with the last line, too-long.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if !long {
			line = append(line, part...)
		}
		if len(line) > maxDocument {
			line, long = nil, true
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err == nil && long:
			return nil, tooLong()
		default:
			return line, err
		}
	}
}

func tooLong() error {
	return issue.Newf(issue.TooLong, "convert-size", "the message is larger than %d MiB", maxDocument>>20)
}

func unreadableFile(err error) error {
	return issue.New(issue.NotFound, "convert-input", "the input cannot be read: "+err.Error()).Because(err)
}
