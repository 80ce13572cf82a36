package main

import (
	"bufio"
	"fmt"
	"io"

	"spadapter/adapter/fhir"
	"spadapter/adapter/gateway"
)

// outcomeReport writes the OperationOutcome of the only resource, or a Bundle with one
// for each.
type outcomeReport struct {
	out   *bufio.Writer
	alone bool
	n     int
}

// extensionFile names the file that an OperationOutcome is about.
// Source: the HL7 extensions pack, operationoutcome-file.
const extensionFile = "http://hl7.org/fhir/StructureDefinition/operationoutcome-file"

func newOutcomeReport(w io.Writer, alone bool) *outcomeReport {
	return &outcomeReport{out: bufio.NewWriter(w), alone: alone}
}

func (r *outcomeReport) add(v *validated) error {
	n := gateway.Outcome(v.issues, v.warnings)
	file := n.Add("extension")
	file.Set("url", extensionFile)
	file.Set("valueString", v.file)
	if r.alone {
		_, err := r.out.Write(append(fhir.EncodeIndent(n), '\n'))
		return err
	}
	before := ",\n"
	if r.n++; r.n == 1 {
		before = `{"resourceType":"Bundle","type":"collection","entry":[` + "\n"
	}
	fmt.Fprintf(r.out, `%s{"resource":%s}`, before, fhir.Encode(n))
	return nil
}

func (r *outcomeReport) end(*validateTally) error {
	switch {
	case r.alone:
	case r.n == 0: // an empty list would be no FHIR
		r.out.WriteString(`{"resourceType":"Bundle","type":"collection"}` + "\n")
	default:
		r.out.WriteString("\n]}\n")
	}
	return r.out.Flush()
}
