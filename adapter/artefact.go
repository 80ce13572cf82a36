package main

import (
	"io/fs"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/mapping"
	"spadapter/adapter/profile"
	"spadapter/adapter/referral"
	"spadapter/adapter/terminology"
	"spadapter/conformance"
	"spadapter/mappings"
)

// artefacts are the standard artefacts that are the program, compiled.
type artefacts struct {
	terminology *terminology.Registry
	instruments *referral.Instruments
	dialect     referral.Dialect
	invariants  *profile.Invariants
	profiles    map[string]referral.Validate
}

// compile reads and compiles everything that ships. What does not compile stops the
// program before it listens.
func compile() (*artefacts, error) {
	a := &artefacts{profiles: map[string]referral.Validate{}, invariants: profile.Base(fhir.Types(fhir.R4))}
	var err error
	if a.terminology, err = terminology.LoadFS(conformance.FS); err != nil {
		return nil, err
	}
	library, err := mapping.LoadLibrary(mapping.Env{Terminology: a.terminology}, mapping.Layer{FS: mappings.FS})
	if err != nil {
		return nil, err
	}
	a.dialect = referral.Dialect{
		Name: "ukcore-r4", Intake: library.Dialect("", "ukcore-r4-to-referral").Map, Outcome: library.Dialect("", "outcome-to-ukcore-r4").Map,
	}
	instruments, err := document("instruments/Bundle-instruments.json")
	if err != nil {
		return nil, err
	}
	if a.instruments, err = referral.LoadInstruments(instruments); err != nil {
		return nil, err
	}
	return a, a.compileProfiles()
}

func (a *artefacts) compileProfiles() error {
	env := profile.Env{ValidateCode: a.validateCode}
	files, err := fs.Glob(conformance.FS, "profiles/*.json")
	if err != nil {
		return err
	}
	for _, file := range files {
		definition, err := document(file)
		if err != nil {
			return err
		}
		p, err := profile.Compile(definition, env)
		if err != nil {
			return err
		}
		a.profiles[definition.Text("type")] = p.Validate
	}
	return nil
}

// validateCode answers a profile's question about a code.
func (a *artefacts) validateCode(valueSet string, coding *fhir.Node) (ok, known bool) {
	if coding.HasValue() {
		return false, false // a plain code names no system; fhir.Check holds it to the base value set
	}
	valueSet, _, _ = strings.Cut(valueSet, "|")
	return a.terminology.ValidateCode(valueSet, coding.Text("system"), coding.Text("code"))
}

// document reads one shipped resource.
func document(file string) (*fhir.Node, error) {
	body, err := fs.ReadFile(conformance.FS, file)
	if err != nil {
		return nil, err
	}
	n, err := fhir.Parse(fhir.Types(fhir.R4), body, fhir.Limits{})
	if err != nil {
		return nil, err
	}
	return n, fhir.Check(n)
}
