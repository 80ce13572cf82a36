package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
	"spadapter/adapter/profile"
	"spadapter/adapter/referral"
	"spadapter/adapter/terminology"
)

// packages are the FHIR packages of a deployment, by the version that they are for.
type packages map[*fhir.System][]*fhir.Package

// openPackages opens packages by the paths of their files or folders. What cannot be used
// of one is left out and told in notes; one that cannot be read at all is an error.
func openPackages(paths []string) (out packages, notes []*issue.Error, err error) {
	out = packages{}
	for _, path := range paths {
		p, err := fhir.OpenPackage(path)
		if p == nil {
			return nil, nil, err
		}
		notes = append(notes, within(path, err)...)
		out[systemOf(p)] = append(out[systemOf(p)], p)
	}
	return out, notes, nil
}

// newValidator makes a validator with the profiles that ship and those of packages. What
// cannot be used of a package is left out and told in notes.
func newValidator(compiled *artefacts) (v *validator, notes []*issue.Error, err error) {
	own, err := ownPackages()
	if err != nil {
		return nil, nil, err
	}
	v = &validator{sets: map[*fhir.System]*profile.Set{}, loaded: map[string]*fhir.System{}, types: map[string]string{}, versioned: map[string]bool{}}
	r4, stu3 := fhir.Types(fhir.R4), fhir.Types(fhir.STU3)
	all := packages{r4: append(own, compiled.packages[r4]...), stu3: compiled.packages[stu3]}
	for _, system := range []*fhir.System{r4, stu3} {
		list := all[system]
		known := compiled.codes // which has what the packages for R4 hold
		if system == stu3 {
			var more []*issue.Error
			known, more = withPackages(known, system, list)
			notes = append(notes, more...)
		}
		set, err := profile.Load(profile.Env{System: system, ValidateCode: codeCheck(known), Codes: codeWords(known)}, list...)
		notes = append(notes, issue.All(err)...)
		v.sets[system] = set
		v.index(system, list)
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
// first of two with one canonical counts, what the deployment or the program brings
// before all.
func withPackages(codes *terminology.Registry, system *fhir.System, packages []*fhir.Package) (*terminology.Registry, []*issue.Error) {
	var notes []*issue.Error
	for _, p := range packages {
		var nodes []*fhir.Node
		seen := map[string]bool{}
		for _, n := range slices.Concat(codes.CodeSystems(), codes.ValueSets()) {
			seen[n.Text("url")] = true
		}
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

// codesWithin is how long the words of a fault may look for codes: a list that takes longer
// is too long to be read.
const codesWithin = 50 * time.Millisecond

// codeWords names the codes of a value set: the system where it begins or changes, the
// code, and its display. Each value set is listed once.
func codeWords(codes *terminology.Registry) func(valueSet string) []string {
	var known sync.Map // of []string, by value set
	return func(valueSet string) []string {
		if words, ok := known.Load(valueSet); ok {
			return words.([]string)
		}
		ctx, done := context.WithTimeout(context.Background(), codesWithin)
		defer done()
		url, _, _ := strings.Cut(valueSet, "|")
		var words []string
		// what cannot be listed is not named: that it could not is no news to the sender
		if list, err := codes.List(ctx, terminology.Wanted{ValueSet: url, Count: maxWords, Choosable: true}); err == nil && list.Total <= maxWords {
			system := ""
			for _, m := range list.Members {
				word := m.Code
				if m.Display != "" {
					word += " (" + m.Display + ")"
				}
				if m.System != system {
					system, word = m.System, m.System+"|"+word
				}
				words = append(words, word)
			}
		}
		known.Store(valueSet, words)
		return words
	}
}

// maxWords is how many codes a fault may name: of a longer list the beginning says
// nothing.
const maxWords = 12

// codeCheck answers a profile's question about a code, by the value set that is loaded in
// whatever version. In the value sets of the program itself a legacy code counts as the SNOMED
// CT code that a ConceptMap has for it.
func codeCheck(codes *terminology.Registry) func(valueSet string, n *fhir.Node) (ok, known bool) {
	return func(valueSet string, n *fhir.Node) (ok, known bool) {
		valueSet, _, _ = strings.Cut(valueSet, "|")
		if strings.HasPrefix(valueSet, ownValueSets) {
			return codes.HasMeaning(valueSet, n)
		}
		return codes.HasCode(valueSet, n)
	}
}

// ownValueSets is how the canonicals of the program's own value sets begin.
const ownValueSets = "https://spadapter.example/fhir/ValueSet/"
