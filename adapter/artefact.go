package main

import (
	"io/fs"
	"log/slog"
	"os"

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
	library     *mapping.Library
	invariants  *profile.Invariants
	profiles    map[string]referral.Validate
	definitions []*fhir.Node // of the operations that no standard defines
}

// compile reads and compiles everything that ships, with the deployment's own terminology
// and maps over it where there are folders of them. What does not compile stops the
// program before it listens.
func compile(c Config, log *slog.Logger) (*artefacts, error) {
	a := &artefacts{profiles: map[string]referral.Validate{}, invariants: profile.Base(fhir.Types(fhir.R4))}
	var err error
	if a.terminology, err = loadTerminology(c.Terminology, log); err != nil {
		return nil, err
	}
	if a.library, err = loadLibrary(a.terminology, c.Maps); err != nil {
		return nil, err
	}
	instruments, err := document("instruments/Bundle-instruments.json")
	if err != nil {
		return nil, err
	}
	if a.instruments, err = referral.LoadInstruments(instruments); err != nil {
		return nil, err
	}
	convert, err := document("operations/OperationDefinition-convert.json")
	if err != nil {
		return nil, err
	}
	a.definitions = []*fhir.Node{convert}
	return a, a.compileProfiles()
}

// The dialects that the adapter runs by itself.
const (
	intakeDialect  = "ukcore-r4-to-referral"
	outcomeDialect = "outcome-to-ukcore-r4"
)

// loadLibrary compiles the shipped dialects with the folders of the deployment over
// them; "" is none.
func loadLibrary(codes *terminology.Registry, folders ...string) (*mapping.Library, error) {
	layers := []mapping.Layer{{FS: mappings.FS}}
	for _, folder := range folders {
		if folder != "" {
			layers = append(layers, mapping.Layer{Name: folder, FS: os.DirFS(folder)})
		}
	}
	return mapping.LoadLibrary(mapping.Env{Terminology: codes}, layers...)
}

// dialect is how a sending organisation's messages are converted.
func (a *artefacts) dialect(organisation string) referral.Dialect {
	return referral.Dialect{
		Name: "ukcore-r4", Intake: a.library.Dialect(organisation, intakeDialect), Outcome: a.library.Dialect(organisation, outcomeDialect),
	}
}

func (a *artefacts) compileProfiles() error {
	env := profile.Env{ValidateCode: codeCheck(a.terminology)}
	own, err := ownProfiles()
	if err != nil {
		return err
	}
	for _, definition := range own {
		p, err := profile.Compile(definition, env)
		if err != nil {
			return err
		}
		a.profiles[definition.Text("type")] = p.Validate
	}
	return nil
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
