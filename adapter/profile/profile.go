package profile

import (
	"strings"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/fhirpath"
	"spadapter/adapter/issue"
)

// Env is what a profile needs beside its own definition. All of it may be missing.
type Env struct {
	System *fhir.System // of the resources to validate; default R4

	// ValidateCode says whether a Coding, or a primitive code, is in a value set, which
	// is named without its version. When known is false the binding is not checked.
	ValidateCode func(valueSet string, coding *fhir.Node) (ok, known bool)

	// Profile finds another compiled profile by its canonical: a base that is itself a
	// profile, a profile on a type, conformsTo(). nil when there is none.
	Profile func(url string) *Profile

	Now func() time.Time // for now() and today() in invariants; nil: they are errors
}

// Profile is a compiled StructureDefinition. It is read-only and safe for concurrent use.
type Profile struct {
	URL  string // canonical, without version
	Name string
	Type string // of the resources it is for

	id   string
	env  Env
	base *Profile // nil when it derives from the base standard
	root *element
}

const standard = "http://hl7.org/fhir/StructureDefinition/"

// Compile makes a validator of a StructureDefinition of kind resource or complex-type.
// It reads the differential, and the snapshot only where there is no differential:
// what the base standard states is the business of fhir.Check and Base.
//
// Errors, all at once, each with the place in the definition: invalid where it names
// what does not exist (an element, a type, a FHIRPath that does not compile, a
// discriminator that a slice says nothing about); not-supported for slicing by profile
// or position; not-found when its base is a profile that Env.Profile does not know.
func Compile(sd *fhir.Node, env Env) (*Profile, error) {
	if env.System == nil {
		env.System = fhir.Types(fhir.R4)
	}
	p := &Profile{URL: sd.Text("url"), Name: sd.Text("name"), Type: sd.Text("type"), id: sd.Text("id"), env: env}
	if p.id == "" {
		p.id = p.URL[strings.LastIndexByte(p.URL, '/')+1:]
	}
	c := &compiler{profile: p}
	t := env.System.Type(p.Type)
	if sd.ResourceType() != "StructureDefinition" || t == nil {
		c.fail(issue.Invalid, sd, "a profile is a StructureDefinition whose type exists in FHIR %s", env.System.Version)
		return nil, issue.Join(c.found)
	}
	if base := sd.Text("baseDefinition"); base != "" && base != standard+p.Type {
		if env.Profile != nil {
			p.base = env.Profile(base)
		}
		if p.base == nil {
			c.fail(issue.NotFound, sd.Child("baseDefinition"), "the base of this profile is not loaded; load it first")
		}
	}
	definitions := sd.Child("differential").All("element")
	if len(definitions) == 0 {
		definitions = sd.Child("snapshot").All("element")
	}
	p.root = &element{path: p.Type, id: p.Type, types: []*fhir.Type{t}, min: unset, max: unset}
	for _, d := range definitions {
		c.element(d)
	}
	c.discriminators(p.root)
	if len(c.found) > 0 {
		return nil, issue.Join(c.found)
	}
	return p, nil
}

// Validate checks one resource (or element, for a profile on a data type) against the
// profile and the profiles it derives from. The resource should have passed fhir.Check.
//
// It returns every fault (at most 200) as one joined error in the order of the tree,
// each with the FHIRPath, line and column of the element, or of the element that should
// hold a missing one, and as rule the key of an invariant or else the id of the profile
// and of its element, such as "sp-referral-patient/Patient.name". Types: business-rule;
// code-invalid for bindings; too-costly. A binding that is not required, and an
// invariant of severity warning, give warnings; a required binding whose value set is
// not known gives information. nil when there is nothing to say.
func (p *Profile) Validate(resource *fhir.Node) error {
	if p == nil || resource == nil {
		return nil
	}
	v := &validator{profile: p}
	v.resource(p, resource)
	return issue.Join(v.found)
}

// Conforms reports whether a resource breaks no rule of the profile; warnings aside.
func (p *Profile) Conforms(resource *fhir.Node) bool {
	return issue.Failures(p.Validate(resource)) == nil
}

func (p *Profile) context() fhirpath.Context {
	ctx := fhirpath.Context{}
	if p.env.Now != nil {
		ctx.Now = p.env.Now()
	}
	return ctx
}
