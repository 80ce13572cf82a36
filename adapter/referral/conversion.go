package referral

import (
	"context"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
)

// Dialect is one way of sending a referral.
type Dialect struct {
	Name   string
	Inlet  *mapping.Dialect // from the sender's message to a transaction of UK Core R4; nil where that is what is sent
	Intake *mapping.Dialect // from that to the normalised referral
}

// Conversion is what one run of a dialect on real traffic read and made, for
// Config.Converted. The bytes are its own.
type Conversion struct {
	Organisation string // ODS code of the sending organisation, whose dialect it is
	Dialect      string // name of the folder of maps
	Request      string // X-Request-ID of what caused it
	Source       []byte
	Identity     string
	Now          time.Time
	Target       []byte // nil when it was refused
	Err          error
}

// convert runs a dialect for the sending organisation, and tells whoever watches.
// Errors: those of Dialect.Convert.
func (s *Service) convert(ctx context.Context, c Call, organisation string, d *mapping.Dialect, in mapping.Input) (*mapping.Result, error) {
	result, err := d.Convert(ctx, in)
	if err == nil {
		err = issue.Failures(issue.Join(result.Issues))
	}
	if s.Converted != nil && len(in.More) == 0 { // a second source is not part of what is told
		done := Conversion{Organisation: organisation, Dialect: d.Name, Request: c.RequestID, Source: fhir.Encode(in.Source), Identity: in.Identity, Now: in.Now, Err: err}
		if err == nil {
			done.Target = fhir.Encode(result.Target)
		}
		s.Converted(done)
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}
