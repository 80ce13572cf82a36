package main

import (
	"bufio"
	"encoding/json"
	"io"

	"spadapter/adapter/fhir"
)

// jsonReport writes one object in a line for each resource.
type jsonReport struct{ out *bufio.Writer }

func newJSONReport(w io.Writer) *jsonReport { return &jsonReport{bufio.NewWriter(w)} }

// jsonResult is a line of it.
type jsonResult struct {
	File         string      `json:"file"`
	Line         int         `json:"line,omitempty"` // of the resource, in an NDJSON file
	ResourceType string      `json:"resourceType,omitempty"`
	FHIR         string      `json:"fhir,omitempty"`
	Errors       int         `json:"errors"`
	Warnings     int         `json:"warnings"`
	Issues       []jsonIssue `json:"issues"`
}

type jsonIssue struct {
	Severity    string `json:"severity"`
	Type        string `json:"type"`
	Rule        string `json:"rule,omitempty"`
	Details     string `json:"details"`
	Diagnostics string `json:"diagnostics,omitempty"`
	Expression  string `json:"expression,omitempty"`
	Line        int    `json:"line,omitempty"`
	Column      int    `json:"column,omitempty"` // in bytes, from 1
}

func (r *jsonReport) add(v *validated) error {
	out := jsonResult{File: v.file, Line: v.line, ResourceType: v.resource, Errors: v.errors, Warnings: v.warnings, Issues: []jsonIssue{}}
	if v.system != nil {
		out.FHIR = releaseName(v.system)
	}
	for _, e := range v.issues {
		out.Issues = append(out.Issues, jsonIssue{severityWord(e), string(e.Type), e.Rule, e.Details, e.Diagnostics, e.Expression, e.Line, e.Column})
	}
	encoder := json.NewEncoder(r.out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out); err != nil {
		return err
	}
	return r.out.Flush()
}

func (r *jsonReport) end(*validateTally) error { return r.out.Flush() }

// releaseName is what people call a version of FHIR.
func releaseName(system *fhir.System) string {
	if system == fhir.Types(fhir.STU3) {
		return "STU3"
	}
	return "R4"
}
