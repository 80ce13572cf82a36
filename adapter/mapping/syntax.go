package mapping

import "spadapter/adapter/fhir"

// The syntax tree of one map. at is the offset in the file.

type mapDecl struct {
	file        *file
	url, name   string
	doc         string      // the comment at the top, and /// description
	about       []aboutDecl // what other /// lines say
	uses        []useDecl
	imports     []importDecl
	constants   []constantDecl
	groups      []*groupDecl
	conceptMaps []*conceptMapDecl
	contained   []*fhir.Node // the ConceptMaps inside a StructureMap resource
}

// aboutDecl is a line such as: /// status = "draft"
type aboutDecl struct{ key, value string }

type useDecl struct {
	url, alias, mode string
	doc              string // one line
	at               int
}

type importDecl struct {
	url string
	doc string // one line
	at  int
}

// constantDecl is: let name = expression;
type constantDecl struct {
	name, expression string
	doc              string // one line
	at               int    // of the expression
}

type groupDecl struct {
	name      string
	doc       string
	params    []paramDecl
	extends   string
	mode      string // "", "types", "type+"
	rules     []*ruleDecl
	at        int
	extendsAt int
	owner     *mapDecl
}

type paramDecl struct {
	mode, name, typ string
	at              int
}

type ruleDecl struct {
	name    string
	doc     string
	sources []*sourceDecl
	targets []*targetDecl
	calls   []*callDecl
	rules   []*ruleDecl
	then    bool
	at      int
}

type sourceDecl struct {
	context  string
	elements []string // the path below context, empty for the context itself
	typ      string
	card     bool
	min, max int // max -1 for *
	def      string
	list     string // "", first, not_first, last, not_last, only_one
	alias    string
	where    string
	check    string
	log      string
	at       int
	whereAt  int
	checkAt  int
	logAt    int
	defAt    int
}

type targetDecl struct {
	context   string // "" when the target is a bare transform
	elements  []string
	transform string // "" when none; "copy", "create", "evaluate"…
	params    []paramValue
	alias     string
	list      string // "", first, last, single, share
	share     string
	at        int
	valueAt   int
}

// paramValue is a literal, a variable or an expression.
type paramValue struct {
	kind  paramKind
	value string
	at    int
}

type paramKind uint8

const (
	textParam paramKind = iota
	numberParam
	booleanParam
	variableParam
	expressionParam
)

type callDecl struct {
	group string
	args  []paramValue
	at    int
}

// conceptMapDecl is a conceptmap block, found by #id.
type conceptMapDecl struct {
	id       string
	doc      string // one line
	rows     []rowDecl
	unmapped map[string]string // source system → mode
	at       int
}

type rowDecl struct {
	sourceSystem, sourceCode string
	targetSystem, targetCode string
	equivalence              string
}
