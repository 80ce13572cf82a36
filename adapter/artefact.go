package main

import (
	"io/fs"
	"log/slog"
	"os"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/mapping"
	"spadapter/adapter/profile"
	"spadapter/adapter/referral"
	"spadapter/adapter/terminology"
	"spadapter/conformance"
	"spadapter/mappings"
)

// artefacts are the standard artefacts that are the program, compiled.
type artefacts struct {
	terminology *terminology.Registry // what conformance holds
	codes       *terminology.Registry // and what the maps bring: the needs are theirs, since a deployment may replace them
	instruments *referral.Instruments
	library     *mapping.Library
	invariants  *profile.Invariants
	profiles    *profile.Set
	letters     *profile.Set   // of STU3: what goes out over MESH
	packages    packages       // of the deployment
	notes       []*issue.Error // what of them cannot be used
	definitions []*fhir.Node   // of the operations that no standard defines
	messages    []*fhir.Node   // MessageDefinitions of what is taken as a message
}

// compile reads and compiles everything that ships, with the deployment's own terminology
// and maps over it where there are folders of them, and the terminology of its packages
// beside. What does not compile stops the program before it listens.
func compile(c Config, given packages, log *slog.Logger) (*artefacts, error) {
	r4 := fhir.Types(fhir.R4)
	a := &artefacts{invariants: profile.Base(r4), packages: given}
	var err error
	if a.terminology, err = loadTerminology(c.Terminology, log); err != nil {
		return nil, err
	}
	a.terminology, a.notes = withPackages(a.terminology, r4, given[r4])
	if a.library, err = loadLibrary(a.terminology, c.Maps); err != nil {
		return nil, err
	}
	a.codes = a.library.Codes("")
	if c.Terminology != "" {
		tellMissing(a.codes, log)
		tellDifferences(a.codes, log)
	}
	instruments, err := document("instruments/Bundle-instruments.json")
	if err != nil {
		return nil, err
	}
	if a.instruments, err = referral.LoadInstruments(instruments); err != nil {
		return nil, err
	}
	for _, name := range []string{"convert", "lifecycle"} {
		definition, err := document("operations/OperationDefinition-" + name + ".json")
		if err != nil {
			return nil, err
		}
		a.definitions = append(a.definitions, definition)
	}
	for _, name := range []string{"referral", "referral-cancelled"} {
		definition, err := document("messagedefinitions/MessageDefinition-bars-social-prescribing-" + name + ".json")
		if err != nil {
			return nil, err
		}
		a.messages = append(a.messages, definition)
	}
	return a, a.compileProfiles()
}

// The folders of maps that the adapter runs by itself: of a dialect NAME, NAME+inletSuffix
// makes a transaction of UK Core R4 of its messages, and outletPrefix+NAME its messages of
// what became of a referral.
const (
	usualDialect  = "ukcore-r4"
	intakeDialect = usualDialect + "-to-referral"
	inletSuffix   = "-to-" + usualDialect
	outletPrefix  = "outcome-to-"
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

// dialect is how a sending organisation's messages of a dialect are converted, nil when it is
// not spoken here.
func (a *artefacts) dialect(organisation, name string) *referral.Dialect {
	d := &referral.Dialect{Name: name, Intake: a.library.Dialect(organisation, intakeDialect)}
	if name == "" || name == usualDialect {
		d.Name = usualDialect
		return d
	}
	if d.Inlet = a.library.Dialect(organisation, name+inletSuffix); d.Inlet == nil {
		return nil
	}
	return d
}

// profileFolders are where the StructureDefinitions lie, with the folders in them.
var profileFolders = []string{"profiles", "extensions"}

// compileProfiles compiles every profile that ships, so that a fault in one stops the
// program, and makes sure that those the domain asks for are among them.
func (a *artefacts) compileProfiles() error {
	packages, err := ownPackages()
	if err != nil {
		return err
	}
	if a.profiles, err = profile.Load(profile.Env{ValidateCode: codeCheck(a.codes), Codes: codeWords(a.codes)}, packages...); err != nil {
		return err
	}
	if err := a.profiles.Compile(); err != nil {
		return err
	}
	letters, err := fs.Sub(conformance.Letters, "letters")
	if err != nil {
		return err
	}
	p, err := fhir.PackageFS(letters, "letters")
	if err != nil {
		return err
	}
	if a.letters, err = profile.Load(profile.Env{System: fhir.Types(fhir.STU3), ValidateCode: codeCheck(a.codes), Codes: codeWords(a.codes)}, p); err != nil {
		return err
	}
	if err := a.letters.Compile(); err != nil {
		return err
	}
	for _, canonical := range referral.Letters() {
		if a.letters.Profile(canonical) == nil {
			return issue.New(issue.NotFound, "profile", "the profile "+canonical+" does not ship with the program")
		}
	}
	for _, canonical := range referral.Profiles() {
		if a.profiles.Profile(canonical) == nil {
			return issue.New(issue.NotFound, "profile", "the profile "+canonical+" does not ship with the program")
		}
	}
	return nil
}

// ownPackages are the StructureDefinitions that ship.
func ownPackages() ([]*fhir.Package, error) {
	var packages []*fhir.Package
	for _, folder := range profileFolders {
		files, err := fs.Sub(conformance.FS, folder)
		if err != nil {
			return nil, err
		}
		p, err := fhir.PackageFS(files, folder)
		if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
	return packages, nil
}

// conforms checks a tree against one of our profiles.
func (a *artefacts) conforms(canonical string, n *fhir.Node) error {
	if p := a.letters.Profile(canonical); p != nil {
		return p.Validate(n)
	}
	return a.profiles.Profile(canonical).Validate(n)
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
