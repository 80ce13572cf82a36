package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"spadapter/adapter/issue"
	"spadapter/adapter/terminology"
)

const neverNo = "A question that what is loaded does not decide is an error that says what is missing, never the answer false. A display is right when it is a name of the code in any language and case."

// validateMemberOperation is $validate-code of a value set.
// Source: http://hl7.org/fhir/R4/valueset-operation-validate-code.html.
var validateMemberOperation = &operation{
	name: "validate-code", definition: "http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code",
	inputs: []input{
		{name: "url", kind: "uri"},
		{name: "context", kind: "uri", refused: noContext},
		{name: "valueSet", kind: wholeResource},
		{name: "valueSetVersion", kind: "string"},
		{name: "code", kind: "code"},
		{name: "system", kind: "uri"},
		{name: "systemVersion", kind: "string"},
		{name: "display", kind: "string"},
		{name: "coding", kind: "Coding"},
		{name: "codeableConcept", kind: "CodeableConcept"},
		{name: "date", kind: "dateTime", refused: noDate},
		{name: "abstract", kind: "boolean"},
		{name: "displayLanguage", kind: "code"},
	},
	notes: neverNo + " A code needs no system where the value set has codes of one code system only.",
}

// validateMember is GET and POST [base]/ValueSet/$validate-code and
// [base]/ValueSet/[id]/$validate-code: whether a value set holds a code.
func validateMember(x *exchange) error {
	in, err := x.inputs()
	if err != nil {
		return err
	}
	c := terminology.Check{NoAbstract: !in.flag("abstract", true)}
	if c.ValueSet, c.Resource, err = x.valueSet(in); err != nil {
		return err
	}
	first, err := x.oneOf(in, "code", "coding", "codeableConcept")
	if err != nil {
		return err
	}
	if g := in.one("code"); g != nil {
		c.Codings = []terminology.Coding{{System: in.text("system"), Version: in.text("systemVersion"), Code: g.text, Display: in.text("display")}}
	} else if c.Codings, err = asked(in, first, "system", "systemVersion", "display"); err != nil {
		return err
	}
	return x.verdict(in, c, "url", "valueSet")
}

// validateCodeOperation is $validate-code of a code system.
// Source: http://hl7.org/fhir/R4/codesystem-operation-validate-code.html.
var validateCodeOperation = &operation{
	name: "validate-code", definition: "http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code",
	inputs: []input{
		{name: "url", kind: "uri"},
		{name: "codeSystem", kind: wholeResource, refused: "a CodeSystem within the request is not taken; name one that is loaded by url"},
		{name: "code", kind: "code"},
		{name: "version", kind: "string"},
		{name: "display", kind: "string"},
		{name: "coding", kind: "Coding"},
		{name: "codeableConcept", kind: "CodeableConcept"},
		{name: "date", kind: "dateTime", refused: noDate},
		{name: "abstract", kind: "boolean"},
		{name: "displayLanguage", kind: "code"},
	},
	notes: neverNo,
}

// validateCode is GET and POST [base]/CodeSystem/$validate-code and
// [base]/CodeSystem/[id]/$validate-code: whether a code system has a code.
func validateCode(x *exchange) error {
	in, err := x.inputs()
	if err != nil {
		return err
	}
	first, err := x.oneOf(in, "code", "coding", "codeableConcept")
	if err != nil {
		return err
	}
	url, err := x.codeSystem(in, "url")
	if err != nil {
		return err
	}
	c := terminology.Check{CodeSystem: url, NoAbstract: !in.flag("abstract", true)}
	if g := in.one("code"); g != nil {
		if url == "" {
			return g.fault(issue.Required, "parameter-missing", "code needs url: the code system that it belongs to")
		}
		c.CodeSystem = joined(url, in.text("version"))
		c.Codings = []terminology.Coding{{System: url, Code: g.text, Display: in.text("display")}}
		return x.verdict(in, c, "url")
	}
	if c.Codings, err = asked(in, first, "version", "display"); err != nil {
		return err
	}
	if url == "" {
		if c.CodeSystem = c.Codings[0].System; in.one("codeableConcept") != nil {
			return first.fault(issue.Required, "parameter-missing", "a concept needs url: the code system to ask")
		}
	}
	var own []terminology.Coding
	for _, coding := range c.Codings {
		if coding.System == c.CodeSystem {
			own = append(own, coding)
		}
	}
	if c.Codings = own; len(own) == 0 {
		return first.fault(issue.Invalid, "parameter-conflict", "there is no coding of the code system that is to be asked")
	}
	return x.verdict(in, c, "url")
}

// joined is a canonical with a version.
func joined(url, version string) string {
	if version == "" {
		return url
	}
	return url + "|" + version
}

// codeSystem is the url of the code system that the address names, or the parameter of
// that name; "" when neither does. A version in the url is for the parameter version.
func (x *exchange) codeSystem(in inputs, name string) (string, error) {
	g := in.one(name)
	if x.Param("id") != "" {
		n, err := x.artefact()
		if err != nil {
			return "", err
		}
		if g != nil {
			return "", g.fault(issue.Invalid, "parameter-conflict", "the address names the CodeSystem; leave "+name+" out")
		}
		return n.Text("url"), nil
	}
	if g != nil && strings.Contains(g.text, "|") {
		return "", g.fault(issue.Value, "parameter-type", name+" has no version within; give it as version")
	}
	return in.text(name), nil
}

// verdict answers with the verdict.
func (x *exchange) verdict(in inputs, c terminology.Check, names ...string) error {
	v, err := x.codes().Validate(x.context(), c)
	if err != nil {
		return x.placed(err, in, append(names, "code", "coding", "codeableConcept")...)
	}
	out := newOutputs()
	out.value("result", "valueBoolean", strconv.FormatBool(v.Result))
	out.value("message", "valueString", v.Message)
	out.value("display", "valueString", v.Display)
	x.sendResource(http.StatusOK, out.Node)
	return nil
}
