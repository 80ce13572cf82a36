package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"spadapter/adapter/issue"
)

// sarifReport writes one run in SARIF 2.1.0. Results are written as they come, and the
// rules that they name at the end, where they are known.
// Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.
type sarifReport struct {
	out    *bufio.Writer
	values bool
	n      int
	rules  map[string]int
	order  []sarifRule
}

type sarifRule struct {
	ID string `json:"id"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID       string            `json:"ruleId,omitempty"`
	RuleIndex    *int              `json:"ruleIndex,omitempty"`
	Level        string            `json:"level"`
	Message      sarifText         `json:"message"`
	Locations    []sarifLocation   `json:"locations"`
	Fingerprints map[string]string `json:"partialFingerprints"`
}

type sarifLocation struct {
	Physical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region *sarifRegion `json:"region,omitempty"`
	} `json:"physicalLocation"`
	Logical []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifRegion struct {
	StartLine   int        `json:"startLine"`
	StartColumn int        `json:"startColumn,omitempty"`
	Snippet     *sarifText `json:"snippet,omitempty"`
}

type sarifLogical struct {
	Name string `json:"fullyQualifiedName"`
}

func newSARIFReport(c *validateCmd, w io.Writer) *sarifReport {
	r := &sarifReport{out: bufio.NewWriter(w), values: c.Values, rules: map[string]int{}}
	r.out.WriteString(`{"$schema":"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json","version":"2.1.0","runs":[{"columnKind":"unicodeCodePoints","results":[`)
	return r
}

func (r *sarifReport) add(v *validated) error {
	source := newSourceText(v.body, v.line)
	for _, e := range v.issues {
		if err := r.result(v, source, e); err != nil {
			return err
		}
	}
	return nil
}

func (r *sarifReport) result(v *validated, source *sourceText, e *issue.Error) error {
	out := sarifResult{RuleID: e.Rule, Level: sarifLevel(e), Message: sarifText{e.Details}, Locations: make([]sarifLocation, 1)}
	if e.Rule != "" {
		i, known := r.rules[e.Rule]
		if !known {
			i = len(r.order)
			r.rules[e.Rule] = i
			r.order = append(r.order, sarifRule{e.Rule})
		}
		out.RuleIndex = &i
	}
	if out.Message.Text = wordsOf(e); r.values && e.Diagnostics != "" {
		out.Message.Text += " (" + e.Diagnostics + ")"
	}
	at := &out.Locations[0]
	at.Physical.Artifact.URI = fileURI(v.file)
	if e.Line > 0 {
		at.Physical.Region = &sarifRegion{StartLine: e.Line, StartColumn: source.runeColumn(e.Line, e.Column)}
		if line, ok := source.line(e.Line); ok && r.values && len(line) <= 2000 {
			at.Physical.Region.Snippet = &sarifText{string(line)}
		}
	}
	if e.Expression != "" {
		at.Logical = []sarifLogical{{e.Expression}}
	}
	// what stays the same when lines move, so that a known fault is not told as a new one
	sum := sha256.Sum256([]byte(e.Rule + "\x00" + e.Expression + "\x00" + e.Details))
	out.Fingerprints = map[string]string{"ruleAndElement/v1": hex.EncodeToString(sum[:16])}
	body, err := json.Marshal(out)
	if err != nil {
		return err
	}
	if r.n++; r.n > 1 {
		r.out.WriteByte(',')
	}
	r.out.WriteByte('\n')
	_, err = r.out.Write(body)
	return err
}

func (r *sarifReport) end(*validateTally) error {
	rules := r.order
	if rules == nil {
		rules = []sarifRule{}
	}
	tool, err := json.Marshal(map[string]any{"driver": map[string]any{"name": "adapter validate", "version": version(), "rules": rules}})
	if err != nil {
		return err
	}
	r.out.WriteString("\n]," + `"tool":` + string(tool) + "}]}\n")
	return r.out.Flush()
}

// sarifLevel is what SARIF calls a severity.
func sarifLevel(e *issue.Error) string {
	if word := severityWord(e); word != "information" {
		return word
	}
	return "note"
}

// fileURI is a path as a URI: relative where the path is.
func fileURI(path string) string {
	if path == "<stdin>" {
		return "stdin"
	}
	u := url.URL{Path: strings.TrimPrefix(filepath.ToSlash(path), "./")}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
	}
	return u.String()
}
