package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"spadapter/adapter/mapping"
	"spadapter/adapter/terminology"
	"spadapter/mappings"
)

// dialectFolder is a folder that an author works on.
type dialectFolder struct {
	path         string
	root         string // the folder of dialects it lies in
	organisation string // where it lies below organisations/ODS/
	name         string
}

// errCheckFailed is said at the end of a check; what failed was told.
var errCheckFailed = errors.New("the check failed")

// check compiles the named dialects and runs their cases; with -watch again on every save.
func (c *convertCmd) check(ctx context.Context, codes *terminology.Registry) error {
	folders, err := dialectFolders(c.Paths)
	if err != nil {
		return err
	}
	t := newTerminal(os.Stdout)
	err = c.checkAll(ctx, t, codes, folders)
	if !c.Watch {
		return err
	}
	return c.watch(ctx, t, folders, func() {
		t.line("\n%s", t.paint(faint, time.Now().Format(time.TimeOnly)))
		_ = c.checkAll(ctx, t, codes, folders) // told on the terminal; the author goes on
	})
}

// dialectFolders finds the dialects in the paths: a path is a dialect's folder, or one
// with dialects in it.
func dialectFolders(paths []string) ([]dialectFolder, error) {
	if len(paths) == 0 {
		return nil, errors.New("-check needs the folder of a dialect, such as mappings/ukcore-r4-to-referral")
	}
	var out []dialectFolder
	for _, path := range paths {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		if info, err := os.Stat(abs); err != nil {
			return nil, err
		} else if !info.IsDir() {
			return nil, fmt.Errorf("%s is a file; -check takes the folder of a dialect", path)
		}
		var found []string
		err = filepath.WalkDir(abs, func(file string, entry fs.DirEntry, err error) error {
			if dir := filepath.Dir(file); err == nil && isDialectFile(file) && filepath.Base(dir) != "base" && !slices.Contains(found, dir) {
				found = append(found, dir)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: neither a map nor a case is here", path)
		}
		for _, dir := range found {
			f := dialectFolder{path: dir, name: filepath.Base(dir), root: filepath.Dir(dir)}
			if above := filepath.Dir(f.root); filepath.Base(above) == "organisations" {
				f.organisation, f.root = filepath.Base(f.root), filepath.Dir(above)
			}
			out = append(out, f)
		}
	}
	return out, nil
}

func isDialectFile(file string) bool {
	return slices.Contains([]string{".map", ".txtar"}, filepath.Ext(file))
}

// checkAll checks each folder over what ships.
func (c *convertCmd) checkAll(ctx context.Context, t *terminal, codes *terminology.Registry, folders []dialectFolder) error {
	passed, failed := 0, 0
	for _, f := range folders {
		library, err := loadOver(codes, f)
		if err != nil {
			failed++
			t.line("%s  %s", t.paint(heading, f.name), t.paint(bad, "does not compile"))
			writeIssues(t.w, err)
			continue
		}
		d := library.Dialect(f.organisation, f.name)
		files, err := filepath.Glob(filepath.Join(f.path, "*.txtar"))
		if err != nil {
			return err
		}
		t.line("%s  %s", t.paint(heading, f.name), t.paint(good, "compiles"))
		if len(files) == 0 {
			failed++
			t.line("  %s", t.paint(bad, "has no case: write one, NAME.txtar with a reason and source.json, and make the rest with -update"))
		}
		for _, file := range files {
			ok, err := c.checkCase(ctx, t, d, file)
			if err != nil {
				return err
			}
			if ok {
				passed++
			} else {
				failed++
			}
		}
	}
	style := good
	if failed > 0 {
		style = bad
	}
	t.line("%s", t.paint(style, fmt.Sprintf("%d passed, %d failed", passed, failed)))
	if failed > 0 {
		return errCheckFailed
	}
	return nil
}

// loadOver compiles one folder, and the base beside it, over the shipped dialects: a
// fault in another folder is not this one's.
func loadOver(codes *terminology.Registry, f dialectFolder) (*mapping.Library, error) {
	layers := []mapping.Layer{{FS: mappings.FS}}
	own := []string{"base", f.name}
	if f.organisation != "" {
		own = []string{"base", "organisations"}
	}
	// without a name, so that a trace reads as it does when the folder ships
	layers = append(layers, mapping.Layer{FS: only{os.DirFS(f.root), own}})
	return mapping.LoadLibrary(mapping.Env{Terminology: codes}, layers...)
}

// only is a file system in which the root shows no other folders than these.
type only struct {
	fs.FS
	names []string
}

// ReadDir implements fs.ReadDirFS.
func (o only) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.FS, name)
	if name == "." {
		entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !slices.Contains(o.names, e.Name()) })
	}
	return entries, err
}

// checkCase runs one case and shows how the result differs from what it says.
func (c *convertCmd) checkCase(ctx context.Context, t *terminal, d *mapping.Dialect, file string) (bool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	name := strings.TrimSuffix(filepath.Base(file), ".txtar")
	tell := func(style, verdict string) { t.line("  %s  %s", pad(name, 40), t.paint(style, verdict)) }
	story, err := mapping.ParseCase(filepath.Base(file), text)
	if err != nil {
		tell(bad, "is no case")
		writeIssues(t.w, err)
		return false, nil
	}
	verdict, err := story.Run(ctx, d)
	if err != nil {
		tell(bad, "cannot be run")
		writeIssues(t.w, err)
		return false, nil
	}
	if c.Update && len(verdict.Sections) > 0 {
		if err := os.WriteFile(file, story.Updated(verdict), 0o644); err != nil {
			return false, err
		}
		tell(good, "updated")
		verdict.Sections = nil
		if verdict.Passed() {
			return true, nil
		}
	}
	switch {
	case verdict.Passed():
		tell(good, "passes")
		return true, nil
	case len(verdict.Faults) > 0:
		tell(bad, "is wrong")
	default:
		tell(bad, "differs")
	}
	return false, verdict.Report(t.w)
}

// watch calls again whenever a file of the folders was saved, until ctx ends.
func (c *convertCmd) watch(ctx context.Context, t *terminal, folders []dialectFolder, again func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer watcher.Close()
	for _, f := range folders {
		// folders and not files: editors save by putting a new file in place of the old
		if err := watcher.Add(f.path); err != nil {
			return err
		}
		if shared := filepath.Join(f.root, "base"); isFolder(shared) {
			if err := watcher.Add(shared); err != nil {
				return err
			}
		}
	}
	t.line("%s", t.paint(faint, "watching; press Ctrl-C to stop"))
	// an editor makes several events of one save
	const settle = 100 * time.Millisecond
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-watcher.Events:
			// what -update writes itself is no reason to run again
			if extension := filepath.Ext(event.Name); isDialectFile(event.Name) && !(c.Update && extension == ".txtar") || extension == ".json" {
				due = time.After(settle)
			}
		case err := <-watcher.Errors:
			return err
		case <-due:
			due = nil
			again()
		}
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
