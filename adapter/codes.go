package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"runtime/debug"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/terminology"
	"spadapter/conformance"
)

// progressEvery is how often a long load of terminology says how far it is.
const progressEvery = 2 * time.Second

// maxMissing is how much of what is missing the log names.
const maxMissing = 20

// packaged gives the terminology that a FHIR package holds.
func packaged(from io.Reader, name string) ([]*fhir.Node, error) {
	p, err := fhir.ReadPackage(from, name)
	if p == nil {
		return nil, err
	}
	var out []*fhir.Node
	found := []error{err}
	for _, kind := range []string{"CodeSystem", "ValueSet", "ConceptMap"} {
		nodes, err := p.Resources(systemOf(p), kind)
		out, found = append(out, nodes...), append(found, err)
	}
	return out, errors.Join(found...)
}

// commandLog is where a command that reads the deployment's folders says what is doubtful
// in them.
func commandLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// loadTerminology reads the terminology that ships, with a folder of the deployment over
// it; "" is none. What each of its files gave is logged, and which were passed over.
func loadTerminology(folder string, log *slog.Logger) (*terminology.Registry, error) {
	codes, err := terminology.LoadFS(conformance.FS)
	if err != nil || folder == "" {
		return codes, err
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("ADAPTER_TERMINOLOGY_DIR: there is no folder %s", folder)
	}
	began := time.Now()
	last := began
	codes, files, err := codes.WithFolder(terminology.Folder{FS: os.DirFS(folder), Package: packaged, Progress: func(p terminology.Progress) {
		if now := time.Now(); now.Sub(last) >= progressEvery {
			last = now
			log.Info("loading terminology", "file", p.File, "rows", p.Rows, "read_bytes", p.Read, "size_bytes", p.Size)
		}
	}})
	if err != nil {
		return nil, fmt.Errorf("ADAPTER_TERMINOLOGY_DIR: %w", err)
	}
	read := 0
	for _, f := range files {
		level := slog.LevelInfo
		switch resource := path.Ext(f.Name) == ".json" || path.Ext(f.Name) == ".xml"; {
		case f.Doubtful:
			level = slog.LevelWarn
		case f.Passed != "" || resource: // a folder of definitions has a thousand
			level = slog.LevelDebug
		}
		if f.Passed != "" {
			log.Log(context.Background(), level, "terminology passed over", "file", f.Name, "reason", f.Passed)
			continue
		}
		read++
		if len(f.Wrong) > 0 {
			log.Warn("codes of a published value set are no identifiers of SNOMED CT, and are taken as they are", "file", f.Name, "codes", f.Wrong)
		}
		attributes := []any{"file", f.Name, "kind", f.Kind, "rows", f.Rows, "inactive_rows", f.Inactive}
		if f.Note != "" {
			attributes = append(attributes, "note", f.Note)
		}
		log.Log(context.Background(), level, "terminology", attributes...)
	}
	if read == 0 {
		log.Warn("the folder of terminology has nothing that is read", "folder", folder)
	}
	log.Info("terminology loaded", "files", read, "passed_over", len(files)-read, "duration_ms", time.Since(began).Milliseconds())
	// what the reading took is a multiple of what is kept
	debug.FreeOSMemory()
	return codes, nil
}

// tellDifferences logs which rows of the ConceptMaps for legacy codes differ from the national
// map files that were loaded.
func tellDifferences(codes *terminology.Registry, log *slog.Logger) {
	if list := codes.NationalDifferences(); len(list) > 0 {
		log.Warn("legacy codes have another meaning in the national map than in the ConceptMaps of the maps, which count: put your own ConceptMap in their place where the national one is right",
			"codes", len(list), "first", list[:min(len(list), maxMissing)])
	}
}

// tellMissing logs what value sets draw on and what is not loaded. The maps bring code
// systems of their own: codes are what is there with them.
func tellMissing(codes *terminology.Registry, log *slog.Logger) {
	if missing := codes.Missing(); len(missing) > 0 {
		log.Warn("value sets draw on content that is not loaded: what depends on it is not decided", "missing", len(missing), "first", missing[:min(len(missing), maxMissing)])
	}
}
