package profile

import (
	"strings"
	"time"

	"spadapter/adapter/fhir"
	"spadapter/adapter/issue"
)

// Env is what a profile needs beside its own definition. All of it may be missing.
type Env struct {
	System *fhir.System // of the resources to validate; default R4

	// ValidateCode says whether a Coding, or a primitive code, is in a value set, which
	// is named without its version. When known is false the binding is not checked.
	ValidateCode func(valueSet string, coding *fhir.Node) (ok, known bool)

	// Codes names the codes of a value set for the words of a fault, as a person would
	// look for them; nil when there are too many or it is not known. It may be nil.
	Codes func(valueSet string) []string

	// Profile finds another compiled profile by its canonical: a base that is itself a
	// profile, a profile on a type, conformsTo(). nil when there is none. A Set has its
	// own and does not ask.
	Profile func(url string) *Profile

	Now func() time.Time // for now() and today() in invariants; nil: they are errors
}

// Profile is a compiled StructureDefinition. It is read-only and safe for concurrent use.
type Profile struct {
	URL     string // canonical, without version
	Version string // "" when it states none
	Name    string
	Type    string // of the resources it is for

	id       string
	env      Env
	base     *Profile // nil when it derives from the base standard
	root     *element
	contexts []*context // of an extension: where it may stand
	modifier bool       // of an extension: it changes the meaning of what holds it
	faults   []*issue.Error
}

const standard = "http://hl7.org/fhir/StructureDefinition/"

// Bounds on what a definition can make of us.
const (
	maxBases = 32 // profiles that derive from each other
	maxDepth = 64 // names in the path of an element
)

// Compile makes a validator of a StructureDefinition of kind resource or complex-type.
// It lays the differential over what the base profile says, down to the type of the base
// standard; what that standard states is the business of fhir.Check and Base. The
// snapshot is read where there is no differential, or where the base profile is not at
// hand and the snapshot says for itself what that one would.
//
// Errors, all at once, each with the place in the definition: invalid where it names
// what does not exist (an element, a type, a FHIRPath that does not compile, a
// discriminator that a slice says nothing about), contradicts itself or allows what its
// base does not; not-supported for slicing by position or by a path that is more than
// names, extension(), resolve() and ofType(), and for slices of slices; not-found when
// its base is a profile that Env.Profile does not know.
func Compile(sd *fhir.Node, env Env) (*Profile, error) {
	c := &compiler{lookup: env.Profile}
	c.typeOf = func(url string) string {
		if env.Profile != nil {
			if p := env.Profile(url); p != nil {
				return p.Type
			}
		}
		return ""
	}
	p := c.compile(sd, env)
	if err := issue.Failures(issue.Join(c.found)); err != nil {
		return nil, err
	}
	return p, nil
}

// compile is Compile that goes on: what is at fault is left out of the profile, and
// kept in compiler.found. nil where nothing can be made of the definition.
func (c *compiler) compile(sd *fhir.Node, env Env) *Profile {
	if env.System == nil {
		env.System = fhir.Types(fhir.R4)
	}
	p := &Profile{URL: sd.Text("url"), Version: sd.Text("version"), Name: sd.Text("name"), Type: sd.Text("type"), id: sd.Text("id"), env: env}
	if p.id == "" {
		p.id = p.URL[strings.LastIndexByte(p.URL, '/')+1:]
	}
	if p.Name == "" {
		p.Name = p.id
	}
	c.profile = p
	t := env.System.Type(p.Type)
	if sd.ResourceType() != "StructureDefinition" || t == nil || t.Kind == fhir.Backbone {
		c.fail(issue.Invalid, sd, "a profile is a StructureDefinition whose type exists in FHIR %s", env.System.Version)
		return nil
	}
	differential, snapshot := sd.Child("differential").All("element"), sd.Child("snapshot").All("element")
	definitions := differential
	if len(differential) == 0 {
		definitions, c.snapshot = snapshot, true
	}
	if base := sd.Text("baseDefinition"); base != "" && base != standard+p.Type && !c.derive(sd, base) {
		if len(snapshot) == 0 {
			c.fail(issue.NotFound, sd.Child("baseDefinition"), "the base of this profile is not loaded; load it first")
			return nil
		}
		definitions, c.snapshot = snapshot, true
		c.fail(issue.NotFound, sd.Child("baseDefinition"), "the base of this profile is not loaded; its snapshot is used instead").Graded(issue.SeverityWarning)
	}
	if p.root == nil {
		p.root = &element{path: p.Type, id: p.Type, types: []*fhir.Type{t}, min: unstated, max: unstated, maxLength: unstated}
	}
	for _, d := range definitions {
		c.element(d)
	}
	c.slicings(p.root, nil)
	c.contexts(sd)
	p.root.finish(p.root)
	p.faults = c.found
	return p
}

// derive starts the profile from a copy of what its base profile says. False when the
// base is not at hand.
func (c *compiler) derive(sd *fhir.Node, url string) bool {
	p := c.profile
	if name, ok := strings.CutPrefix(url, standard); ok && p.env.System.Type(name) != nil {
		// a type above its own, such as Quantity for Age: the standard says the rest
		if p.root == nil && !p.env.System.Type(p.Type).Is(name) {
			c.fail(issue.Invalid, sd.Child("baseDefinition"), "the base of a profile of %s cannot be %s", p.Type, name)
		}
		return true
	}
	if c.lookup == nil {
		return false
	}
	base := c.lookup(url)
	if base == nil {
		return false
	}
	depth := 1
	for b := base; b != nil; b = b.base {
		depth++
	}
	switch {
	case base.Type != p.Type:
		c.fail(issue.Invalid, sd.Child("baseDefinition"), "a profile of %s cannot derive from one of %s", p.Type, base.Type)
		return true
	case depth > maxBases:
		c.fail(issue.TooCostly, sd.Child("baseDefinition"), "more than %d profiles derive from each other here", maxBases)
		return true
	}
	p.base, p.modifier = base, base.modifier
	p.contexts = base.contexts
	p.root = base.root.clone()
	return true
}

// Validate checks one resource (or element, for a profile on a data type) against the
// profile and the profiles it derives from. The resource should have passed fhir.Check.
//
// It returns every fault (at most 200) as one joined error in the order of the tree,
// each with the FHIRPath, line and column of the element, or of the element that should
// hold a missing one, and as rule the key of an invariant or else the id of the profile
// that states it and of its element, such as "sp-referral-patient/Patient.name". Types:
// business-rule; code-invalid for bindings; too-costly. A binding that is not required,
// and an invariant of severity warning, give warnings; a binding whose value set is not
// known gives information, once. nil when there is nothing to say.
func (p *Profile) Validate(resource *fhir.Node) error {
	if p == nil || resource == nil {
		return nil
	}
	v := newValidator(nil, &p.env, resource)
	defer v.done()
	v.resource(p, resource)
	return issue.Join(v.all())
}

// conforms is Conforms for an invariant of a validation that goes on.
func (p *Profile) conforms(n *fhir.Node) bool {
	v := begin(nil, &p.env, n, true)
	defer v.done()
	v.resource(p, n)
	return !v.stopped && !fails(v.found)
}

// Conforms reports whether a resource breaks no rule of the profile; warnings aside.
func (p *Profile) Conforms(resource *fhir.Node) bool {
	return issue.Failures(p.Validate(resource)) == nil
}
