package main

import (
	"testing"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
	"spadapter/adapter/referral"
)

// BenchmarkChecks measures what a message of eight entries costs before it is converted
// (structure, rules of the base standard, profiles of what is received) and after
// (profile of the normalised referral, of its Task); and the whole of a write-back.
func BenchmarkChecks(b *testing.B) {
	a := shipped(b)
	message := someone(demoPractice).bundle()
	requires := func(n int) {
		if got := len(message.All("entry")); got != n {
			b.Fatalf("the message has %d entries", got)
		}
	}
	requires(8)
	body := fhir.Encode(message)
	parse := func() *fhir.Node {
		n, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	root := parse()
	profiles := map[string]string{"ServiceRequest": referral.ProfileRequest, "Observation": referral.ProfileObservation,
		"Patient": referral.ProfilePatient, "Organization": referral.ProfileOrganization}
	none := func(err error) {
		if issue.Failures(err) != nil {
			b.Fatal(err)
		}
	}
	received := func() {
		for _, e := range root.All("entry") {
			n := e.Child("resource")
			if p := profiles[n.ResourceType()]; p != "" {
				none(a.conforms(p, n))
			}
		}
	}
	result, err := a.dialect(demoPractice, "").Intake.Convert(b.Context(), mapping.Input{Source: root, Identity: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	all := examples(b, a)
	held := func(profile string) *fhir.Node {
		var longest *fhir.Node
		for _, x := range all[profile] {
			n, err := fhir.Parse(fhir.Types(fhir.R4), x.text, fhir.Limits{})
			if err != nil {
				b.Fatal(err)
			}
			if longest == nil || len(x.text) > len(fhir.Encode(longest)) {
				longest = n
			}
		}
		return longest
	}
	task, outcome := held(referral.ProfileTask), held(referral.ProfileOutcome)
	for _, c := range []struct {
		name string
		run  func()
	}{
		{"parse", func() { parse() }},
		{"structure", func() { none(fhir.Check(root)) }},
		{"base", func() { none(a.invariants.Validate(root)) }},
		{"received", received},
		{"structure and received", func() { none(fhir.Check(root)); received() }},
		{"normalised", func() { none(a.conforms(referral.ProfileReferral, result.Target)) }},
		{"Task", func() { none(a.conforms(referral.ProfileTask, task)) }},
		{"write-back", func() { none(a.conforms(referral.ProfileOutcome, outcome)) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.run()
			}
		})
	}
}
