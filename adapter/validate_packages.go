package main

import (
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/profile"
	"spadapter/adapter/referral"
	"spadapter/adapter/terminology"
)

// newValidator makes a validator with the profiles that ship and those of packages, by
// the paths of their files or folders. compiled is what is known without the packages.
//
// What cannot be used of a package is left out and told in notes; a package that cannot
// be read at all is an error.
func newValidator(compiled *artefacts, paths []string) (v *validator, notes []*issue.Error, err error) {
	own, err := ownPackages()
	if err != nil {
		return nil, nil, err
	}
	v = &validator{sets: map[*fhir.System]*profile.Set{}, loaded: map[string]*fhir.System{}, types: map[string]string{}, versioned: map[string]bool{}}
	r4, stu3 := fhir.Types(fhir.R4), fhir.Types(fhir.STU3)
	packages := map[*fhir.System][]*fhir.Package{r4: own, stu3: nil}
	for _, path := range paths {
		p, err := fhir.OpenPackage(path)
		if p == nil {
			return nil, nil, err
		}
		notes = append(notes, within(path, err)...)
		packages[systemOf(p)] = append(packages[systemOf(p)], p)
	}
	for _, system := range []*fhir.System{r4, stu3} {
		known, more := withPackages(compiled.codes, system, packages[system])
		notes = append(notes, more...)
		set, err := profile.Load(profile.Env{System: system, ValidateCode: codeCheck(known)}, packages[system]...)
		notes = append(notes, issue.All(err)...)
		v.sets[system] = set
		v.index(system, packages[system])
	}
	v.intake = referral.NewService(referral.Config{Instruments: compiled.instruments, Terminology: compiled.codes,
		Conforms: func(canonical string, n *fhir.Node) error { return v.sets[r4].Profile(canonical).Validate(n) }})
	return v, notes, nil
}

// index notes which profiles there are.
func (v *validator) index(system *fhir.System, packages []*fhir.Package) {
	for _, p := range packages {
		for _, d := range p.Definitions {
			if d.ResourceType != "StructureDefinition" || d.Derivation == "specialization" || d.Kind == "logical" || d.Type == "Extension" {
				continue
			}
			full := d.URL
			if d.Version != "" {
				full += "|" + d.Version
			}
			for _, name := range []string{d.URL, full} {
				v.loaded[name], v.types[name] = system, d.Type
			}
			v.versioned[full] = true
		}
	}
}

// systemOf is the FHIR version that a package is for, R4 when it does not say.
func systemOf(p *fhir.Package) *fhir.System {
	for _, version := range p.FHIRVersions {
		if strings.HasPrefix(version, "3.0") {
			return fhir.Types(fhir.STU3)
		}
	}
	return fhir.Types(fhir.R4)
}

// withPackages adds the code systems and value sets of packages to what is known. The
// first of two with one canonical counts.
func withPackages(codes *terminology.Registry, system *fhir.System, packages []*fhir.Package) (*terminology.Registry, []*issue.Error) {
	var notes []*issue.Error
	for _, p := range packages {
		var nodes []*fhir.Node
		seen := map[string]bool{}
		for _, kind := range []string{"CodeSystem", "ValueSet"} {
			list, err := p.Resources(system, kind)
			notes = append(notes, within(p.Name, err)...)
			for _, n := range list {
				if url := n.Text("url"); !seen[url] {
					seen[url] = true
					nodes = append(nodes, n)
				}
			}
		}
		more, err := codes.With(nodes...)
		if err != nil {
			notes = append(notes, within(p.Name, err)...)
			continue
		}
		codes = more
	}
	return codes, notes
}

// within puts the name of a package before what is said of it.
func within(name string, err error) []*issue.Error {
	list := issue.All(err)
	for _, e := range list {
		e.Details = name + ": " + e.Details
	}
	return list
}

// codeCheck answers a profile's question about a code, by the value set that is loaded in
// whatever version.
func codeCheck(codes *terminology.Registry) func(valueSet string, n *fhir.Node) (ok, known bool) {
	return func(valueSet string, n *fhir.Node) (ok, known bool) {
		valueSet, _, _ = strings.Cut(valueSet, "|")
		return codes.HasCode(valueSet, n)
	}
}
