package issue

// Type is one code of the code system http://hl7.org/fhir/issue-type. The codes
// form a tree, and a Type is itself an error, so that errors.Is(err, Transient)
// asks whether err lies anywhere on that branch.
type Type string

// The issue-type tree of FHIR R4 (4.0.1), top branch first.
const (
	Invalid   Type = "invalid"
	Structure Type = "structure"
	Required  Type = "required"
	Value     Type = "value"
	Invariant Type = "invariant"

	Security   Type = "security"
	Login      Type = "login"
	Unknown    Type = "unknown"
	Expired    Type = "expired"
	Forbidden  Type = "forbidden"
	Suppressed Type = "suppressed"

	Processing      Type = "processing"
	NotSupported    Type = "not-supported"
	Duplicate       Type = "duplicate"
	MultipleMatches Type = "multiple-matches"
	NotFound        Type = "not-found"
	Deleted         Type = "deleted"
	TooLong         Type = "too-long"
	CodeInvalid     Type = "code-invalid"
	Extension       Type = "extension"
	TooCostly       Type = "too-costly"
	BusinessRule    Type = "business-rule"
	Conflict        Type = "conflict"

	Transient  Type = "transient"
	LockError  Type = "lock-error"
	NoStore    Type = "no-store"
	Exception  Type = "exception"
	Timeout    Type = "timeout"
	Incomplete Type = "incomplete"
	Throttled  Type = "throttled"

	Informational Type = "informational"
)

// parents holds every code of the code system; a top-level code has the parent "".
var parents = map[Type]Type{
	Invalid: "", Structure: Invalid, Required: Invalid, Value: Invalid, Invariant: Invalid,
	Security: "", Login: Security, Unknown: Security, Expired: Security, Forbidden: Security, Suppressed: Security,
	Processing: "", NotSupported: Processing, Duplicate: Processing, MultipleMatches: Processing,
	NotFound: Processing, Deleted: NotFound, TooLong: Processing, CodeInvalid: Processing,
	Extension: Processing, TooCostly: Processing, BusinessRule: Processing, Conflict: Processing,
	Transient: "", LockError: Transient, NoStore: Transient, Exception: Transient, Timeout: Transient,
	Incomplete: Transient, Throttled: Transient,
	Informational: "",
}

// Error makes a Type an error, so that it can be the target of errors.Is.
func (t Type) Error() string { return string(t) }

// Parent is the code above t in the tree, "" for a top-level or unknown code.
func (t Type) Parent() Type { return parents[t] }

// Valid reports whether t is a code of the code system.
func (t Type) Valid() bool { _, ok := parents[t]; return ok }

// Within reports whether t is branch or lies below it.
func (t Type) Within(branch Type) bool {
	for ; t != ""; t = t.Parent() {
		if t == branch {
			return true
		}
	}
	return false
}

// Is lets errors.Is(t, branch) climb the tree.
func (t Type) Is(target error) bool {
	branch, ok := target.(Type)
	return ok && t.Within(branch)
}

// Severity is one code of http://hl7.org/fhir/issue-severity.
type Severity string

// The severities, worst first. The zero Severity of an Error counts as SeverityError.
const (
	SeverityFatal       Severity = "fatal"
	SeverityError       Severity = "error"
	SeverityWarning     Severity = "warning"
	SeverityInformation Severity = "information"
)
